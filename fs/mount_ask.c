/* mount_ask.c - see mount_ask.h. */
#include "config.h"

#include "mount_ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* For its errno, and the newline. */
#define HEAD_BYTES 16
/* What a child that was killed, and that the kernel does not keep, needs. */
#define END_MS 200

/* A child that looks at something: a line with its errno, then what it saw. */
struct question {
	pid_t child; /* 0: there is none, or it has ended */
	int fd;
	GString *answer;
};

/* --- the child ------------------------------------------------------------ */

static _Noreturn void look_and_tell(
	mount_look_fn look, const char *path, int fd, int null)
{
	g_autofree char *seen = NULL;
	char error[HEAD_BYTES];

	/* Who reads our output must not wait for this child. */
	for (int i = 0; i <= STDERR_FILENO; i++)
		(void)dup2(null, i);
	errno = 0;
	seen = look(path);
	(void)g_snprintf(error, sizeof(error), "%d\n", seen ? 0 : errno);
	if (write(fd, error, strlen(error)) > 0 && seen != NULL)
		(void)!write(fd, seen, MIN(strlen(seen), MOUNT_ASK_BYTES_MAX));
	_exit(0);
}

static void question_begin(
	struct question *q, mount_look_fn look, const char *path)
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
	return n > 0 && q->answer->len <= MOUNT_ASK_BYTES_MAX + HEAD_BYTES;
}

static void question_close(struct question *q)
{
	if (q->fd >= 0)
		(void)close(q->fd);
	q->fd = -1;
}

/* It has told us all, and ends. */
static void question_end(struct question *q)
{
	question_close(q);
	if (q->child > 0)
		(void)waitpid(q->child, NULL, 0);
	q->child = 0;
}

/* While it ends it may hold the mount: who unmounts next would find it busy.
 * What the kernel keeps is not waited for: it ends without us. */
static void question_give_up(struct question *q)
{
	struct pollfd p = { .fd = -1, .events = POLLIN };

	question_close(q);
	if (q->child <= 0)
		return;
	p.fd = (int)syscall(SYS_pidfd_open, q->child, 0);
	(void)kill(q->child, SIGKILL);
	if (p.fd >= 0) {
		(void)poll(&p, 1, END_MS);
		(void)close(p.fd);
	}
	(void)waitpid(q->child, NULL, WNOHANG);
	q->child = 0;
}

static bool hear_those(
	struct question *questions, struct pollfd *polled, guint count)
{
	bool is_any = false;

	for (guint i = 0; i < count; i++) {
		if (polled[i].fd >= 0 && polled[i].revents != 0 &&
			!question_hear(&questions[i])) {
			question_end(&questions[i]);
			polled[i].fd = -1;
		}
		is_any = is_any || polled[i].fd >= 0;
	}
	return is_any;
}

static void hear_all(struct question *questions, guint count, int limit_ms)
{
	gint64 end_us =
		g_get_monotonic_time() + limit_ms * G_GINT64_CONSTANT(1000);
	g_autofree struct pollfd *polled = g_new0(struct pollfd, count + 1);
	gint64 left_ms = limit_ms;

	for (guint i = 0; i < count; i++)
		polled[i] = (struct pollfd){ questions[i].fd, POLLIN, 0 };
	while (count > 0 && left_ms > 0 &&
		poll(polled, count, (int)left_ms) != 0 &&
		hear_those(questions, polled, count))
		left_ms = (end_us - g_get_monotonic_time()) / 1000;
	for (guint i = 0; i < count; i++)
		question_give_up(&questions[i]);
}

static void question_take(struct question *q, struct mount_seen *ret)
{
	char *text = NULL;

	*ret = (struct mount_seen){ .error = ETIMEDOUT };
	if (strchr(q->answer->str, '\n') != NULL)
		ret->error = (int)g_ascii_strtoll(q->answer->str, &text, 10);
	if (ret->error == 0)
		ret->text = g_strdup(text + 1);
	g_string_free(q->answer, TRUE);
	q->answer = NULL;
}

void mount_ask_all(mount_look_fn look, const char *const *paths, guint count,
	int limit_ms, struct mount_seen *ret)
{
	struct question questions[MOUNT_ASK_MAX];
	guint asked = MIN(count, MOUNT_ASK_MAX);

	for (guint i = 0; i < asked; i++)
		question_begin(&questions[i], look, paths[i]);
	hear_all(questions, asked, limit_ms);
	for (guint i = 0; i < count; i++) {
		if (i < asked)
			question_take(&questions[i], &ret[i]);
		else
			ret[i] = (struct mount_seen){ .error = ETIMEDOUT };
	}
}
