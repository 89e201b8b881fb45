/* forest_kube.c - see forest_kube.h. */
#include "config.h"

#include "forest_kube.h"

#include "forest_child.h"
#include "fs_limits.h"
#include "kube_workspace.h"
#include "log.h"
#include "mountinfo.h"
#include "timefmt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The program that runs, also when its file was replaced. */
#define OWN_PROGRAM "/proc/self/exe"

struct forest_kube {
	const struct options *options;
	struct kube *kube;
};

/* What a program is told of a cluster's refusal. */
static int told_errno(int rc)
{
	switch (-rc) {
	case EKEYREJECTED:
	case EPERM:
		return -EACCES;
	case ENXIO:
		return -ENOENT;
	default:
		return rc;
	}
}

static struct kube_workspace workspace_of(
	const struct forest_kube *w, const char *name)
{
	return (struct kube_workspace){
		.kube = w->kube,
		.namespace = kube_place(w->kube)->namespace,
		.name = name,
	};
}

static char *directory_of(const struct forest_kube *w, const char *name)
{
	return g_build_filename(w->options->directory, name, NULL);
}

/* --- the list ------------------------------------------------------------- */

static struct forest_item *make_item(const struct kube_listed *listed)
{
	struct forest_item *item = g_new0(struct forest_item, 1);
	const struct kube_condition *c = &listed->condition;

	item->name = g_strdup(listed->name);
	item->sentence = g_strdup(
		c->sentence != NULL ? c->sentence : kube_state_name(c->state));
	item->is_hidden = c->state == KUBE_MISSING;
	if (listed->created == NULL ||
		time_parse_iso8601(listed->created, &item->created) < 0)
		item->created = (struct timespec){ 0 };
	return item;
}

static int kube_list(
	void *arg, const struct cancel *cancel, GPtrArray **ret, char **ret_why)
{
	struct forest_kube *w = arg;
	GPtrArray *listed;
	int rc = kube_workspace_list(w->kube, kube_place(w->kube)->namespace,
		cancel, &listed, ret_why);

	if (rc < 0)
		return rc;
	*ret = g_ptr_array_new_with_free_func(forest_item_free);
	for (guint i = 0; i < listed->len; i++)
		g_ptr_array_add(*ret, make_item(g_ptr_array_index(listed, i)));
	g_ptr_array_unref(listed);
	return 0;
}

/* --- making and removing -------------------------------------------------- */

static int kube_create(void *arg, const char *name, const struct cancel *cancel,
	char **ret_why)
{
	struct forest_kube *w = arg;
	const struct kube_workspace k = workspace_of(w, name);
	const struct kube_workspace_spec spec = { .name = name,
		.image = w->options->image };
	int rc = kube_spec_check_name(name, ret_why);

	if (rc < 0)
		return rc;
	return told_errno(kube_workspace_create(&k, &spec, cancel, ret_why));
}

static int kube_remove(void *arg, const char *name, const struct cancel *cancel,
	char **ret_why)
{
	struct forest_kube *w = arg;
	const struct kube_workspace k = workspace_of(w, name);

	return told_errno(kube_workspace_delete(
		&k, false, FOREST_REMOVE_MS, cancel, ret_why));
}

/* --- mounting ------------------------------------------------------------- */

/* Wherever the process failed, whose last word is a sentence only: what the
 * cluster says of the workspace decides. */
static int judge_failure(struct forest_kube *w, const char *name)
{
	const struct kube_workspace k = workspace_of(w, name);
	g_autofree char *why = NULL;
	struct kube_look look;
	struct cancel limit;
	int rc;

	cancel_init(&limit, FOREST_LIST_MS);
	rc = told_errno(kube_workspace_look(&k, &limit, &look, &why));
	kube_look_clear(&look);
	cancel_fini(&limit);
	return rc == -ENOENT || rc == -EACCES ? rc : -EHOSTUNREACH;
}

static int start_child(struct forest_kube *w, const char *name,
	const char *directory, forest_say_fn say, void *say_arg,
	const struct cancel *cancel, struct forest_child **ret, char **ret_why)
{
	g_autofree char *spec = g_strconcat("kube:", name, NULL);
	g_autofree char *given = options_pass_on(w->options);
	g_autofree char *options =
		*given == '\0' ? g_strdup("nonempty")
			       : g_strconcat(given, ",nonempty", NULL);
	char program[] = "mount.pycloud", foreground[] = "--foreground",
	     flag[] = "-o", verbose[] = "-v", sloppy[] = "-s";
	char *argv[] = { program, spec, (char *)(uintptr_t)directory,
		foreground, flag, options, NULL, NULL, NULL };
	size_t count = 6;
	const struct forest_child_params params = {
		.program = OWN_PROGRAM,
		.argv = argv,
		.name = name,
		.directory = directory,
		.say = say,
		.say_arg = say_arg,
	};

	if (w->options->is_verbose)
		argv[count++] = verbose;
	if (w->options->is_sloppy)
		argv[count++] = sloppy;
	return forest_child_start(&params, cancel, ret, ret_why);
}

static int kube_mount(void *arg, const char *name, forest_say_fn say,
	void *say_arg, const struct cancel *cancel, void **ret_mounted,
	char **ret_why)
{
	struct forest_kube *w = arg;
	g_autofree char *directory = directory_of(w, name);
	struct forest_child *child;
	int rc = start_child(
		w, name, directory, say, say_arg, cancel, &child, ret_why);

	if (rc == 0)
		*ret_mounted = child;
	else if (rc == -EIO)
		rc = judge_failure(w, name);
	else
		rc = -EHOSTUNREACH;
	return rc;
}

static void kube_attend(void *arg, void *mounted, const struct cancel *cancel)
{
	(void)arg;
	forest_child_attend(mounted, cancel);
}

static bool kube_is_mounted(void *arg, const char *name)
{
	g_autofree char *directory = directory_of(arg, name);

	return mountinfo_id(directory) != 0;
}

static int kube_hold(void *arg, const char *name)
{
	g_autofree char *directory = directory_of(arg, name);

	return open(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* --- is it empty? --------------------------------------------------------- */

/* The mount's own, and the disk's. */
static bool is_nothing(const char *name)
{
	static const char *const names[] = { ".", "..", ".run", ".pycloud",
		"lost+found" };

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static int look_whether_empty(const char *directory, char **ret_why)
{
	DIR *dir = opendir(directory);
	const struct dirent *entry = NULL;
	int rc = 0;

	if (dir == NULL)
		return -errno;
	errno = 0;
	while (rc == 0 && (entry = readdir(dir)) != NULL)
		if (!is_nothing(entry->d_name))
			rc = -ENOTEMPTY;
	if (rc == 0 && errno != 0)
		rc = -errno;
	if (rc == -ENOTEMPTY)
		*ret_why = g_strdup_printf(
			"it is not empty: '%s' is in it", entry->d_name);
	(void)closedir(dir);
	return rc;
}

static void end_child(struct forest_child *child)
{
	struct cancel now;

	cancel_init(&now, 0);
	cancel_fire(&now);
	forest_child_attend(child, &now);
	cancel_fini(&now);
}

static int kube_prove_empty(void *arg, const char *name,
	const struct cancel *cancel, char **ret_why)
{
	g_autofree char *directory = g_dir_make_tmp("pycloud-XXXXXX", NULL);
	struct forest_child *child;
	int rc;

	if (directory == NULL) {
		*ret_why = g_strdup(
			"no temporary directory can be made; make room "
			"in /tmp, or set TMPDIR");
		return -EIO;
	}
	rc = start_child(
		arg, name, directory, NULL, NULL, cancel, &child, ret_why);
	if (rc == 0) {
		rc = look_whether_empty(directory, ret_why);
		end_child(child);
	}
	if (rmdir(directory) < 0)
		log_warning("%s: %s", directory, g_strerror(errno));
	return rc;
}

/* --- all of it ------------------------------------------------------------ */

const struct forest_ops forest_kube_ops = {
	.list = kube_list,
	.create = kube_create,
	.remove = kube_remove,
	.prove_empty = kube_prove_empty,
	.mount = kube_mount,
	.attend = kube_attend,
	.is_mounted = kube_is_mounted,
	.hold = kube_hold,
};

void forest_kube_describe(void *arg, GString *text)
{
	const struct forest_kube *w = arg;
	const struct kube_place *place = kube_place(w->kube);

	g_string_append_printf(text, "context: %s\nnamespace: %s\nserver: %s\n",
		place->context, place->namespace, place->server);
}

int forest_kube_new(
	const struct options *options, struct forest_kube **ret, char **ret_why)
{
	const struct kubeconfig_wish wish = {
		.file = options->kubeconfig,
		.context = options->context,
		.namespace = options->namespace,
	};
	struct kube_place *place;
	struct kube *kube;
	int rc = kubeconfig_load(&wish, &place, ret_why);

	if (rc < 0)
		return rc;
	for (char **line = place->warnings; line != NULL && *line != NULL;
		line++)
		log_warning("%s", *line);
	rc = kube_new(place, &kube, ret_why);
	if (rc < 0)
		return rc;
	*ret = g_new0(struct forest_kube, 1);
	(*ret)->options = options;
	(*ret)->kube = kube;
	return 0;
}

void forest_kube_free(struct forest_kube *w)
{
	if (w == NULL)
		return;
	kube_unref(w->kube);
	g_free(w);
}
