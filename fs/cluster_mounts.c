/* cluster_mounts.c - see cluster_mounts.h. */
#include "config.h"

#include "cluster_mounts.h"

#include "cancel.h"
#include "client.h"
#include "fs_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define MOUNTINFO "/proc/self/mountinfo"
#define ANSWER_MS 1000

#define FIELD_ROOT  3
#define FIELD_POINT 4
#define FIELDS_MIN  6
#define SOURCE	    "pycloud:"
#define TYPE	    " - fuse.pycloud "

static void mount_free(gpointer mount)
{
	struct cluster_mount *m = mount;

	g_free(m->name);
	g_free(m->point);
	g_free(m->context);
	g_free(m->namespace);
	g_free(m);
}

/* --- the table ------------------------------------------------------------ */

/* NULL: it is none of ours, or a part of one that is bound elsewhere. */
static struct cluster_mount *parse_line(const char *line)
{
	const char *source = strstr(line, TYPE);
	g_auto(GStrv) fields = NULL;
	g_autofree char *name = NULL;
	struct cluster_mount *m;

	if (source == NULL)
		return NULL;
	source += strlen(TYPE);
	fields = g_strsplit(line, " ", -1);
	if (g_strv_length(fields) < FIELDS_MIN ||
		strcmp(fields[FIELD_ROOT], "/") != 0 ||
		!g_str_has_prefix(source, SOURCE))
		return NULL;
	source += strlen(SOURCE);
	name = g_strndup(source, strcspn(source, " "));
	m = g_new0(struct cluster_mount, 1);
	/* Spaces, newlines and backslashes are written as \040 and so on. */
	m->name = g_strcompress(name);
	m->point = g_strcompress(fields[FIELD_POINT]);
	return m;
}

GPtrArray *cluster_mounts_parse(const char *mountinfo)
{
	GPtrArray *mounts = g_ptr_array_new_with_free_func(mount_free);
	g_auto(GStrv) lines = g_strsplit(mountinfo, "\n", -1);

	for (char **line = lines; *line != NULL; line++) {
		struct cluster_mount *m = parse_line(*line);

		if (m != NULL)
			g_ptr_array_add(mounts, m);
	}
	return mounts;
}

void cluster_mount_take(struct cluster_mount *m, const char *status)
{
	g_autofree char *name = client_text_value(status, "workspace");

	/* Another one may have been mounted over it. */
	if (g_strcmp0(name, m->name) != 0) {
		m->state = CLUSTER_MOUNT_OTHER;
		return;
	}
	m->state = CLUSTER_MOUNT_KNOWN;
	m->context = client_text_value(status, "context");
	m->namespace = client_text_value(status, "namespace");
}

bool cluster_mount_is(const struct cluster_mount *m, const char *name,
	const char *context, const char *namespace)
{
	return m->state == CLUSTER_MOUNT_KNOWN && strcmp(m->name, name) == 0 &&
	       g_strcmp0(m->context, context) == 0 &&
	       g_strcmp0(m->namespace, namespace) == 0;
}

/* --- asking --------------------------------------------------------------- */

/* A thread's; what comes back through the pipe is its address. */
struct question {
	struct cluster_mount
		*mount; /* of who asks; not touched by the thread */
	int answer_fd;
	char *path;
	char *status; /* NULL: it cannot be read */
};

static void question_free(struct question *q)
{
	g_free(q->path);
	g_free(q->status);
	g_free(q);
}

static void *read_status(void *arg)
{
	struct question *q = arg;

	q->status = client_text_read(q->path);
	if (write(q->answer_fd, &q, sizeof(q)) != (ssize_t)sizeof(q))
		question_free(q);
	return NULL;
}

static bool ask(struct cluster_mount *m, int answer_fd)
{
	struct question *q = g_new0(struct question, 1);
	pthread_t thread;

	q->mount = m;
	q->answer_fd = answer_fd;
	q->path = g_build_filename(m->point, ".pycloud", "status", NULL);
	if (pthread_create(&thread, NULL, read_status, q) == 0) {
		(void)pthread_detach(thread);
		return true;
	}
	question_free(q);
	return false;
}

static bool take_answer(int fd, int64_t end_ms)
{
	struct pollfd p = { fd, POLLIN, 0 };
	int64_t left_ms = end_ms - clock_now_ms();
	struct question *q;

	if (left_ms <= 0 || poll(&p, 1, (int)left_ms) <= 0 ||
		read(fd, &q, sizeof(q)) != (ssize_t)sizeof(q))
		return false;
	if (q->status != NULL)
		cluster_mount_take(q->mount, q->status);
	else
		q->mount->state = CLUSTER_MOUNT_OTHER;
	question_free(q);
	return true;
}

/* The pipe stays open for those that answer too late. */
static void ask_all(const GPtrArray *mounts)
{
	int64_t end_ms = clock_now_ms() + ANSWER_MS;
	guint asked = 0;
	int fds[2];

	if (mounts->len == 0 || pipe2(fds, O_CLOEXEC) != 0)
		return;
	for (guint i = 0; i < MIN(mounts->len, MOUNTS_ASKED_MAX); i++)
		asked += ask(mounts->pdata[i], fds[1]);
	while (asked > 0 && take_answer(fds[0], end_ms))
		asked--;
	if (asked > 0)
		return;
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void keep_named(GPtrArray *mounts, const char *name)
{
	for (guint i = mounts->len; i-- > 0;) {
		const struct cluster_mount *m = mounts->pdata[i];

		if (strcmp(m->name, name) != 0)
			g_ptr_array_remove_index(mounts, i);
	}
}

GPtrArray *cluster_mounts_read(const char *name)
{
	g_autofree char *mountinfo = NULL;
	GPtrArray *mounts;

	if (!g_file_get_contents(MOUNTINFO, &mountinfo, NULL, NULL))
		return cluster_mounts_parse("");
	mounts = cluster_mounts_parse(mountinfo);
	if (name != NULL)
		keep_named(mounts, name);
	ask_all(mounts);
	return mounts;
}
