/* client_ask.c - see client_ask.h. */
#include "config.h"

#include "client_ask.h"

#include "client.h"
#include "cluster_mounts.h"
#include "fs_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOUNTINFO "/proc/self/mountinfo"
#define ASK_MS	  3000
/* Of an answer, which is a status of a few lines, or a path. */
#define ANSWER_MAX 65536

/* A child that looks at something: a line with its errno, then what it saw. */
struct question {
	pid_t child; /* 0: there is none, or it has ended */
	int fd;
	GString *answer;
};

typedef char *(*look_function)(const char *path);

/* --- the child ------------------------------------------------------------ */

static _Noreturn void look_and_tell(
	look_function look, const char *path, int fd, int null)
{
	g_autofree char *seen = NULL;
	char error[16];

	/* Who reads our output must not wait for this child. */
	for (int i = 0; i <= STDERR_FILENO; i++)
		(void)dup2(null, i);
	errno = 0;
	seen = look(path);
	(void)g_snprintf(error, sizeof(error), "%d\n", seen ? 0 : errno);
	if (write(fd, error, strlen(error)) > 0 && seen != NULL)
		(void)!write(fd, seen, MIN(strlen(seen), ANSWER_MAX));
	_exit(0);
}

static void question_begin(
	struct question *q, look_function look, const char *path)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[2] = { -1, -1 };

	*q = (struct question){ .fd = -1, .answer = g_string_new(NULL) };
	if (null >= 0 && pipe2(fds, O_CLOEXEC) == 0)
		q->child = fork();
	if (q->child == 0 && fds[1] >= 0)
		look_and_tell(look, path, fds[1], null);
	if (fds[1] >= 0)
		(void)close(fds[1]);
	if (null >= 0)
		(void)close(null);
	q->fd = fds[0];
}

/* --- its parent ----------------------------------------------------------- */

/* False: that was all. */
static bool question_hear(struct question *q)
{
	char buffer[4096];
	ssize_t n = read(q->fd, buffer, sizeof(buffer));

	if (n > 0)
		g_string_append_len(q->answer, buffer, n);
	return n > 0 && q->answer->len <= ANSWER_MAX + 16;
}

static void question_end(struct question *q, bool is_over)
{
	if (q->fd >= 0)
		(void)close(q->fd);
	q->fd = -1;
	if (q->child > 0 && !is_over)
		(void)kill(q->child, SIGKILL);
	/* What the kernel keeps is not waited for: it ends without us. */
	if (q->child > 0)
		(void)waitpid(q->child, NULL, is_over ? 0 : WNOHANG);
	q->child = 0;
}

static bool hear_those(
	struct question *questions, struct pollfd *polled, guint count)
{
	bool is_any = false;

	for (guint i = 0; i < count; i++) {
		if (polled[i].fd >= 0 && polled[i].revents != 0 &&
			!question_hear(&questions[i])) {
			question_end(&questions[i], true);
			polled[i].fd = -1;
		}
		is_any = is_any || polled[i].fd >= 0;
	}
	return is_any;
}

static void hear_all(struct question *questions, guint count)
{
	gint64 end_us = g_get_monotonic_time() + ASK_MS * 1000;
	g_autofree struct pollfd *polled = g_new0(struct pollfd, count + 1);
	gint64 left_ms = ASK_MS;

	for (guint i = 0; i < count; i++)
		polled[i] = (struct pollfd){ questions[i].fd, POLLIN, 0 };
	while (count > 0 && left_ms > 0 &&
		poll(polled, count, (int)left_ms) != 0 &&
		hear_those(questions, polled, count))
		left_ms = (end_us - g_get_monotonic_time()) / 1000;
	for (guint i = 0; i < count; i++)
		question_end(&questions[i], false);
}

/* 0, with what was seen in *ret (g_free); else its errno, or ETIMEDOUT. */
static int question_take(struct question *q, char **ret)
{
	char *text = NULL;
	gint64 error = ETIMEDOUT;

	if (strchr(q->answer->str, '\n') != NULL)
		error = g_ascii_strtoll(q->answer->str, &text, 10);
	*ret = error == 0 ? g_strdup(text + 1) : NULL;
	g_string_free(q->answer, TRUE);
	q->answer = NULL;
	return (int)error;
}

/* --- mounts --------------------------------------------------------------- */

static void asked_free(gpointer asked)
{
	struct client_asked *a = asked;

	g_free(a->name);
	g_free(a->point);
	g_free(a->status);
	g_free(a);
}

static char *look_at_status(const char *point)
{
	g_autofree char *path =
		g_build_filename(point, ".pycloud", "status", NULL);

	return client_text_read(path);
}

static enum client_answer answer_of(int error)
{
	if (error == 0)
		return ANSWER_GIVEN;
	if (error == ENOTCONN || error == ECONNABORTED)
		return ANSWER_STALE;
	return error == ETIMEDOUT ? ANSWER_NONE : ANSWER_NOT_OURS;
}

/* The last of those on one place lies on top. */
static bool is_covered(const GPtrArray *mounts, guint i)
{
	const struct cluster_mount *m = mounts->pdata[i];

	for (guint k = i + 1; k < mounts->len; k++) {
		const struct cluster_mount *other = mounts->pdata[k];

		if (strcmp(other->point, m->point) == 0)
			return true;
	}
	return false;
}

static GPtrArray *find_mounts(const char *point)
{
	GPtrArray *all = g_ptr_array_new_with_free_func(asked_free);
	g_autofree char *mountinfo = NULL;
	GPtrArray *mounts;

	if (!g_file_get_contents(MOUNTINFO, &mountinfo, NULL, NULL))
		return all;
	mounts = cluster_mounts_parse(mountinfo);
	for (guint i = 0; i < mounts->len && all->len < MOUNTS_ASKED_MAX; i++) {
		const struct cluster_mount *m = mounts->pdata[i];
		struct client_asked *a;

		if (is_covered(mounts, i) ||
			(point != NULL && strcmp(point, m->point) != 0))
			continue;
		a = g_new0(struct client_asked, 1);
		a->name = g_strdup(m->name);
		a->point = g_strdup(m->point);
		g_ptr_array_add(all, a);
	}
	g_ptr_array_unref(mounts);
	return all;
}

GPtrArray *client_ask_mounts(const char *point)
{
	GPtrArray *all = find_mounts(point);
	struct question questions[MOUNTS_ASKED_MAX];

	for (guint i = 0; i < all->len; i++) {
		const struct client_asked *a = all->pdata[i];

		question_begin(&questions[i], look_at_status, a->point);
	}
	hear_all(questions, all->len);
	for (guint i = 0; i < all->len; i++) {
		struct client_asked *a = all->pdata[i];

		a->answer = answer_of(question_take(&questions[i], &a->status));
		if (a->status == NULL)
			a->status = g_strdup("");
	}
	return all;
}

/* --- where a directory is ------------------------------------------------- */

static char *look_at_path(const char *path)
{
	return realpath(path, NULL);
}

/* As the mount table alone has it: the directory may be in a dead mount, or
 * in one that hangs. */
static char *root_by_name(const char *mountinfo, const char *directory)
{
	g_autofree char *path = g_canonicalize_filename(directory, NULL);

	return strstr(directory, "..") != NULL
		       ? NULL
		       : client_mount_root(mountinfo, path);
}

static char *root_by_look(
	const char *mountinfo, const char *directory, char **ret_why)
{
	g_autofree char *path = NULL;
	struct question question;
	char *root;
	int error;

	question_begin(&question, look_at_path, directory);
	hear_all(&question, 1);
	error = question_take(&question, &path);
	if (error != 0) {
		*ret_why =
			g_strdup_printf("%s: %s", directory, g_strerror(error));
		return NULL;
	}
	root = client_mount_root(mountinfo, path);
	if (root != NULL && root[0] != '\0')
		return root;
	g_free(root);
	*ret_why = g_strdup_printf(
		"%s is in no mounted workspace; `pycloud status` outside of "
		"them shows all there are",
		directory);
	return NULL;
}

char *client_ask_root(const char *directory, char **ret_why)
{
	g_autofree char *mountinfo = NULL;
	char *root;

	if (!g_file_get_contents(MOUNTINFO, &mountinfo, NULL, NULL)) {
		*ret_why = g_strdup("cannot read " MOUNTINFO "; is /proc "
				    "mounted?");
		return NULL;
	}
	root = root_by_name(mountinfo, directory);
	if (root != NULL && root[0] != '\0')
		return root;
	g_free(root);
	return root_by_look(mountinfo, directory, ret_why);
}
