/* kubeconfig_files.c - see kubeconfig_files.h. */
#include "config.h"

#include "kubeconfig_files.h"

#include "common_limits.h"
#include "sensitive.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define NAMES_SHOWN 8

/* --- which files --------------------------------------------------------- */

/* Where they are even after a daemon has left this directory. */
static void add_file(GPtrArray *files, const char *name)
{
	char *path = g_canonicalize_filename(name, NULL);

	if (g_ptr_array_find_with_equal_func(files, path, g_str_equal, NULL))
		g_free(path);
	else
		g_ptr_array_add(files, path);
}

/* Whether somebody named them, so that they must be there. */
static bool list_files(const char *wish, GPtrArray *files)
{
	const char *variable = g_getenv("KUBECONFIG");
	g_autofree char *usual = NULL;
	size_t i;

	if (wish != NULL) {
		add_file(files, wish);
	} else if (variable != NULL) {
		g_auto(GStrv) names = g_strsplit(variable, ":", -1);

		for (i = 0; names[i] != NULL; i++)
			if (*names[i] != '\0')
				add_file(files, names[i]);
	}
	if (files->len > 0)
		return true;
	usual = g_build_filename(g_get_home_dir(), ".kube", "config", NULL);
	add_file(files, usual);
	return false;
}

bool kubeconfig_files_are_pipes(const char *wish)
{
	g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
	struct stat st;
	guint i;

	(void)list_files(wish, files);
	for (i = 0; i < files->len; i++)
		if (stat(g_ptr_array_index(files, i), &st) == 0 &&
			!S_ISREG(st.st_mode))
			return true;
	return false;
}

/* --- reading them -------------------------------------------------------- */

static int check_word(const struct config_node *root, const char *key,
	const char *expected, char **ret_why)
{
	const char *word;
	int rc = config_get_text(root, key, &word, ret_why);

	if (rc != 0 || word == NULL || strcmp(word, expected) == 0)
		return rc;
	return config_error(config_member(root, key), ret_why,
		"`%s` must be %s in a kubeconfig.", key, expected);
}

static int check_tree(const struct config_tree *tree, char **ret_why)
{
	int rc;

	if (tree->root == NULL)
		return 0;
	/* An empty file with a comment in it. */
	if (tree->root->kind == CONFIG_TEXT && tree->root->length == 0)
		return 0;
	if (tree->root->kind != CONFIG_MAP)
		return config_error(tree->root, ret_why,
			"this is no kubeconfig, which is a map (key: value).");
	rc = check_word(tree->root, "apiVersion", "v1", ret_why);
	if (rc == 0)
		rc = check_word(tree->root, "kind", "Config", ret_why);
	return rc;
}

static int read_file(
	struct kubeconfig_files *f, const char *file, char **ret_why)
{
	g_autoptr(GBytes) bytes = NULL;
	struct config_tree *tree;
	int rc = sensitive_read(file, KUBECONFIG_FILE_MAX, &bytes);

	if (rc == -EFBIG)
		*ret_why = g_strdup_printf(
			"%s is too large for a kubeconfig.", file);
	else if (rc != 0)
		*ret_why = g_strdup_printf(
			"%s cannot be read: %s.", file, g_strerror(-rc));
	if (rc == 0)
		rc = config_parse(sensitive_text(bytes),
			g_bytes_get_size(bytes), file, &tree, ret_why);
	if (rc != 0)
		return rc;
	g_ptr_array_add(f->trees, tree);
	return check_tree(tree, ret_why);
}

static void tree_free(void *tree)
{
	config_free(tree);
}

static char *join_names(GPtrArray *files)
{
	GString *text = g_string_new(NULL);
	guint i;

	for (i = 0; i < files->len && i < NAMES_SHOWN; i++) {
		g_autofree char *shown =
			config_show(g_ptr_array_index(files, i));

		g_string_append_printf(text, "%s%s", i == 0 ? "" : ", ", shown);
	}
	if (i < files->len)
		g_string_append(text, ", ...");
	return g_string_free(text, FALSE);
}

static int read_files(
	struct kubeconfig_files *f, GPtrArray *files, char **ret_why)
{
	guint i;
	int rc = 0;

	if (files->len > KUBECONFIG_FILES_MAX) {
		*ret_why = g_strdup("KUBECONFIG names too many files.");
		return -EINVAL;
	}
	for (i = 0; i < files->len && rc == 0; i++) {
		rc = read_file(f, g_ptr_array_index(files, i), ret_why);
		if (rc == -ENOENT || rc == -ENOTDIR) {
			g_clear_pointer(ret_why, g_free);
			rc = 0;
		}
	}
	return rc;
}

static char *describe_missing(const char *wish, const char *origin)
{
	if (wish != NULL)
		return g_strdup_printf(
			"The kubeconfig %s is not there.", origin);
	return g_strdup_printf("KUBECONFIG names %s, where there is no file; "
			       "correct it, or unset it.",
		origin);
}

/* Takes `files` over. */
static int read_list(
	GPtrArray *files, struct kubeconfig_files **ret, char **ret_why)
{
	struct kubeconfig_files *f = g_new0(struct kubeconfig_files, 1);
	int rc;

	f->trees = g_ptr_array_new_with_free_func(tree_free);
	f->origin = join_names(files);
	rc = read_files(f, files, ret_why);
	g_ptr_array_add(files, NULL);
	f->paths = (char **)g_ptr_array_free(files, FALSE);
	if (rc == 0)
		*ret = f;
	else
		kubeconfig_files_free(f);
	return rc;
}

int kubeconfig_files_read(
	const char *wish, struct kubeconfig_files **ret, char **ret_why)
{
	GPtrArray *files = g_ptr_array_new();
	bool must_be_there = list_files(wish, files);
	struct kubeconfig_files *f = NULL;
	int rc = read_list(files, &f, ret_why);

	if (rc == 0 && must_be_there && f->trees->len == 0) {
		*ret_why = describe_missing(wish, f->origin);
		rc = -ENOENT;
	}
	if (rc == 0)
		*ret = f;
	else
		kubeconfig_files_free(f);
	return rc;
}

int kubeconfig_files_read_again(
	char *const *paths, struct kubeconfig_files **ret, char **ret_why)
{
	GPtrArray *files = g_ptr_array_new();
	size_t i;

	for (i = 0; paths[i] != NULL; i++)
		g_ptr_array_add(files, g_strdup(paths[i]));
	return read_list(files, ret, ret_why);
}

void kubeconfig_files_free(struct kubeconfig_files *f)
{
	if (f == NULL)
		return;
	g_ptr_array_unref(f->trees);
	g_free(f->origin);
	g_strfreev(f->paths);
	g_free(f);
}

/* --- as if they were one ------------------------------------------------- */

int kubeconfig_files_current(
	const struct kubeconfig_files *f, const char **ret, char **ret_why)
{
	guint i;
	int rc = 0;

	*ret = NULL;
	for (i = 0; i < f->trees->len && rc == 0 && *ret == NULL; i++) {
		const struct config_tree *tree = g_ptr_array_index(f->trees, i);

		rc = config_get_text(
			tree->root, "current-context", ret, ret_why);
	}
	return rc;
}

static int entry_name(const struct config_node *entry, const char *list,
	const char **ret, char **ret_why)
{
	int rc;

	if (entry->kind != CONFIG_MAP)
		return config_error(entry, ret_why,
			"an entry of `%s` must be a map with a `name`.", list);
	rc = config_get_text(entry, "name", ret, ret_why);
	if (rc == 0 && *ret == NULL)
		rc = config_error(entry, ret_why,
			"an entry of `%s` must have a `name`.", list);
	return rc;
}

static int find_in_list(const struct config_node *entries, const char *list,
	const char *name, const struct config_node **ret, char **ret_why)
{
	guint i;
	int rc = 0;

	for (i = 0; i < entries->values->len && rc == 0; i++) {
		const struct config_node *entry =
			g_ptr_array_index(entries->values, i);
		const char *its_name = NULL;

		rc = entry_name(entry, list, &its_name, ret_why);
		if (rc != 0 || strcmp(its_name, name) != 0)
			continue;
		if (*ret != NULL)
			return config_error(entry, ret_why,
				"`%s` has an entry of this name in line %u "
				"already; take one out.",
				list, (*ret)->line);
		*ret = entry;
	}
	return rc;
}

int kubeconfig_files_find(const struct kubeconfig_files *f, const char *list,
	const char *name, const struct config_node **ret, char **ret_why)
{
	guint i;
	int rc = 0;

	*ret = NULL;
	for (i = 0; i < f->trees->len && rc == 0 && *ret == NULL; i++) {
		const struct config_tree *tree = g_ptr_array_index(f->trees, i);
		const struct config_node *entries;

		rc = config_get_list(tree->root, list, &entries, ret_why);
		if (rc == 0 && entries != NULL)
			rc = find_in_list(entries, list, name, ret, ret_why);
	}
	return rc;
}

static void add_names(
	const struct config_tree *tree, const char *list, GPtrArray *names)
{
	const struct config_node *entries = config_member(tree->root, list);
	guint i;

	for (i = 0; entries != NULL && entries->kind == CONFIG_LIST &&
		    i < entries->values->len;
		i++) {
		const struct config_node *name = config_member(
			g_ptr_array_index(entries->values, i), "name");

		if (name != NULL && name->kind == CONFIG_TEXT)
			g_ptr_array_add(names, name->text);
	}
}

char *kubeconfig_files_names(const struct kubeconfig_files *f, const char *list)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	guint i;

	for (i = 0; i < f->trees->len; i++)
		add_names(g_ptr_array_index(f->trees, i), list, names);
	return names->len > 0 ? join_names(names) : g_strdup("none");
}

char *config_path(const struct config_node *n, const char *name)
{
	g_autofree char *dir = g_path_get_dirname(n->tree->file);

	return g_canonicalize_filename(name, dir);
}
