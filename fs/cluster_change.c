/*
 * cluster_change.c - making, starting, stopping and deleting workspaces.
 *
 * All of them may be repeated, and whoever is interrupted is told so.
 */
#include "config.h"

#include "cluster.h"

#include "client.h"
#include "cluster_mounts.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The wait itself ends at --timeout, with what it last saw; an API server that
 * is silent then gets a little more, and the blame. */
#define GRACE_MS 5000

static void set_limit(struct cluster *c)
{
	c->began_ms = clock_now_ms();
	c->cancel.deadline_ms = c->began_ms + c->options->timeout_ms + GRACE_MS;
}

static int left_ms(const struct cluster *c)
{
	return (int)MAX(
		c->began_ms + c->options->timeout_ms - clock_now_ms(), 1);
}

/* The options that lead mount.pycloud to the same cluster; "" for none. */
static char *mount_options(const struct cluster_options *o)
{
	const struct {
		const char *name;
		const char *value;
	} options[] = {
		{ "kubeconfig", o->kubeconfig },
		{ "context", o->context },
		{ "namespace", o->namespace },
	};
	GString *text = g_string_new(NULL);

	for (size_t i = 0; i < G_N_ELEMENTS(options); i++)
		if (options[i].value != NULL)
			g_string_append_printf(text, "%s%s=%s",
				text->len == 0 ? " -o " : ",", options[i].name,
				options[i].value);
	return g_string_free(text, FALSE);
}

static int print_ready(struct cluster *c)
{
	g_autofree char *options = mount_options(c->options);

	progress_end(&c->progress);
	return cluster_print(c,
		g_strdup_printf("%s is ready: mount.pycloud %s DIRECTORY%s\n",
			c->options->name, c->options->name, options));
}

/* It has not come to be what was asked for. */
static int not_there(struct cluster *c, const char *what, int rc, char *why,
	const char *stands)
{
	g_autofree char *sentence = why;
	int seconds = (int)((clock_now_ms() - c->began_ms) / 1000);
	g_autofree char *after =
		rc == -ETIMEDOUT ? g_strdup_printf(" after %d s", seconds)
				 : g_strdup("");

	return cluster_failed(c, rc,
		g_strdup_printf("%s is not %s%s: %s", c->options->name, what,
			after, sentence != NULL ? sentence : g_strerror(-rc)),
		stands);
}

static int wait_until_ready(struct cluster *c, const char *stands)
{
	char *why = NULL;
	int rc;

	if (!c->options->waits)
		return cluster_print(
			c, g_strdup_printf("%s starts: `pycloud describe %s` "
					   "shows how it is\n",
				   c->options->name, c->options->name));
	rc = kube_workspace_wait(
		&c->workspace, false, c->options->timeout_ms, &c->cancel, &why);
	return rc < 0 ? not_there(c, "ready", rc, why, stands) : print_ready(c);
}

int cluster_create(struct cluster *c)
{
	const struct cluster_options *o = c->options;
	const struct kube_workspace_spec spec = { .name = o->name,
		.image = o->image,
		.cpu = o->cpu,
		.memory = o->memory,
		.storage = o->storage,
		.storage_class = o->storage_class };
	g_autofree char *in_part = g_strdup_printf(
		"%s may be made in part; the same command completes it, "
		"`pycloud delete %s` removes it",
		o->name, o->name);
	g_autofree char *made = g_strdup_printf(
		"%s is made and goes on starting; `pycloud describe %s` shows "
		"how it is, `pycloud delete %s` removes it",
		o->name, o->name, o->name);
	char *why = NULL;
	int rc;

	set_limit(c);
	rc = kube_workspace_create(&c->workspace, &spec, &c->cancel, &why);
	return rc < 0 ? cluster_failed(c, rc, why, in_part)
		      : wait_until_ready(c, made);
}

int cluster_start(struct cluster *c)
{
	g_autofree char *stands = g_strdup_printf(
		"%s goes on starting; `pycloud start %s` waits for it again, "
		"`pycloud stop %s` stops it",
		c->options->name, c->options->name, c->options->name);
	char *why = NULL;
	int rc;

	set_limit(c);
	rc = kube_workspace_scale(&c->workspace, 1, &c->cancel, &why);
	return rc < 0 ? cluster_failed(c, rc, why,
				"`pycloud list` shows whether it starts")
		      : wait_until_ready(c, stands);
}

int cluster_stop(struct cluster *c)
{
	const char *name = c->options->name;
	g_autofree char *stands = g_strdup_printf("%s goes on stopping; "
						  "`pycloud stop %s` waits "
						  "for it again",
		name, name);
	char *why = NULL;
	int rc;

	set_limit(c);
	rc = kube_workspace_scale(&c->workspace, 0, &c->cancel, &why);
	if (rc < 0)
		return cluster_failed(
			c, rc, why, "`pycloud list` shows whether it stops");
	if (c->options->waits)
		rc = kube_workspace_wait(
			&c->workspace, true, left_ms(c), &c->cancel, &why);
	if (rc < 0)
		return not_there(c, "stopped", rc, why, stands);
	progress_end(&c->progress);
	return cluster_print(
		c, g_strdup_printf("%s %s; its files are kept\n", name,
			   c->options->waits ? "is stopped" : "stops"));
}

/* --- deleting ------------------------------------------------------------- */

/* A mount would go on for a workspace that is none any more, and what it has
 * not uploaded yet would have no place to go. NULL: nothing is in the way. */
static char *explain_mounted(const struct cluster *c)
{
	const char *name = c->options->name;
	GPtrArray *mounts = cluster_mounts_read(name);
	char *why = NULL;

	for (guint i = 0; i < mounts->len && why == NULL; i++) {
		const struct cluster_mount *m = mounts->pdata[i];

		if (cluster_mount_is(
			    m, name, c->place.context, c->place.namespace))
			why = g_strdup_printf("%s is mounted on %s; unmount it "
					      "first: fusermount3 -u %s",
				name, m->point, m->point);
		else if (m->state == CLUSTER_MOUNT_SILENT)
			why = g_strdup_printf(
				"%s on %s does not answer, and may be this "
				"workspace; unmount it first: fusermount3 -u "
				"%s",
				name, m->point, m->point);
	}
	g_ptr_array_unref(mounts);
	return why;
}

/* A signal may come before the read begins, and to any thread: only the token
 * knows of it for certain. */
static int wait_for_answer(const struct cluster *c)
{
	struct pollfd p[] = { { STDIN_FILENO, POLLIN, 0 },
		{ cancel_fd(&c->cancel), POLLIN, 0 } };

	while (p[0].revents == 0 && cancel_check(&c->cancel) == 0)
		(void)poll(p, G_N_ELEMENTS(p), -1);
	return cancel_check(&c->cancel);
}

/* 0 for yes; -ECANCELED, -EINTR. */
static int ask(const struct cluster *c)
{
	char answer[16] = "";

	(void)fprintf(stderr,
		"Delete the workspace %s in namespace %s of context %s%s? "
		"[y/N] ",
		c->options->name, c->place.namespace, c->place.context,
		c->options->keeps_files ? ", and keep its files"
					: " with all its files");
	(void)fflush(stderr);
	if (wait_for_answer(c) < 0) {
		(void)fputc('\n', stderr);
		return -EINTR;
	}
	if (read(STDIN_FILENO, answer, sizeof(answer) - 1) <= 0)
		return -ECANCELED;
	return answer[0] == 'y' || answer[0] == 'Y' ? 0 : -ECANCELED;
}

static int make_sure(struct cluster *c, char **ret_why)
{
	int rc;

	*ret_why = explain_mounted(c);
	rc = cancel_check(&c->cancel);
	if (rc < 0 || *ret_why != NULL)
		return rc < 0 ? rc : -EBUSY;
	if (c->options->is_sure)
		return 0;
	if (isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0) {
		*ret_why = g_strdup_printf(
			"deleting %s cannot be undone, and there is no "
			"terminal to ask on; say --yes if you mean it",
			c->options->name);
		return -EPERM;
	}
	rc = ask(c);
	if (rc == -ECANCELED)
		*ret_why = g_strdup("nothing was deleted");
	return rc;
}

int cluster_delete(struct cluster *c)
{
	const char *name = c->options->name;
	bool keeps_files = c->options->keeps_files;
	g_autofree char *stands = g_strdup_printf(
		"%s may be deleted in part; `pycloud delete %s%s` goes on",
		name, name, keeps_files ? " --keep-files" : "");
	char *why = NULL;
	int rc = make_sure(c, &why);

	if (rc < 0)
		return cluster_failed(c, rc, why, "nothing was deleted");
	set_limit(c);
	rc = kube_workspace_delete(
		&c->workspace, keeps_files, left_ms(c), &c->cancel, &why);
	if (rc < 0)
		return cluster_failed(c, rc, why, stands);
	progress_end(&c->progress);
	return cluster_print(
		c, g_strdup_printf("%s is deleted%s\n", name,
			   keeps_files ? "; its files are kept, and `pycloud "
					 "create` of that name takes them up"
				       : ""));
}
