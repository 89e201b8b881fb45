/* mount_ask.c - see mount_ask.h. */
#include "config.h"

#include "mount_ask.h"

#include "fd_pass.h"
#include "fs_limits.h"
#include "mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* For its errno, and the newline. */
#define HEAD_BYTES 16
/* What a child that was killed, and that the kernel does not keep, needs. */
#define END_MS	200
#define LOOK_US 1000

/* A child that looks at something: a line with its errno, then what it saw. */
struct question {
	pid_t child; /* 0: there is none, or it has ended */
	int fd;
	int passed; /* what came with the answer; -1: nothing */
	GString *answer;
};

/* --- the child ------------------------------------------------------------ */

static int become_owner(const char *point)
{
	g_autofree char *table = mountinfo_text();
	g_autoptr(GPtrArray) all = mountinfo_parse(table == NULL ? "" : table);
	const struct mountinfo_entry *top = NULL;

	for (guint i = 0; i < all->len; i++) {
		const struct mountinfo_entry *e = all->pdata[i];

		if (strcmp(e->point, point) == 0)
			top = e;
	}
	if (geteuid() != 0 || top == NULL || top->owner == 0)
		return 0;
	if (setgroups(0, NULL) < 0 ||
		setresgid(top->group, top->group, top->group) < 0 ||
		setresuid(top->owner, top->owner, top->owner) < 0)
		return -errno;
	return 0;
}

int mount_ask_enter(const char *point)
{
	int fd = open(point, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : become_owner(point);

	if (rc == 0 && fchdir(fd) < 0)
		rc = -errno;
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

static void send_rest(int fd, const char *text)
{
	size_t left = MIN(strlen(text), MOUNT_ASK_BYTES_MAX);
	ssize_t n = 1;

	for (; left > 0 && n > 0; left -= (size_t)n, text += n)
		n = send(fd, text, left, MSG_NOSIGNAL);
}

static _Noreturn void look_and_tell(
	mount_look_fn look, const char *path, int fd, int null)
{
	g_autofree char *seen = NULL;
	char head[HEAD_BYTES];
	int passed = -1;

	/* Who reads our output, or a pipe of ours, must not wait for this child,
	 * which the kernel may keep. */
	for (int i = 0; i <= STDERR_FILENO; i++)
		(void)dup2(null, i);
	if (fd > STDERR_FILENO + 1)
		(void)close_range(STDERR_FILENO + 1, (unsigned)fd - 1, 0);
	(void)close_range((unsigned)fd + 1, ~0U, 0);
	errno = 0;
	seen = look(path, &passed);
	(void)g_snprintf(head, sizeof(head), "%d\n", seen ? 0 : errno);
	if (fd_pass_send(fd, head, strlen(head), passed) && seen != NULL)
		send_rest(fd, seen);
	_exit(0);
}

static void question_begin(
	struct question *q, mount_look_fn look, const char *path)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[2] = { -1, -1 };

	*q = (struct question){
		.fd = -1, .passed = -1, .answer = g_string_new(NULL)
	};
	if (null >= 0 &&
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0)
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
	int passed;
	ssize_t n = fd_pass_receive(q->fd, buffer, sizeof(buffer), &passed);

	if (n > 0)
		g_string_append_len(q->answer, buffer, n);
	/* It comes with the first bytes. */
	if (q->passed < 0)
		q->passed = passed;
	else if (passed >= 0)
		(void)close(passed);
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
static void give_up_all(struct question *questions, guint count)
{
	gint64 end_us = g_get_monotonic_time() + END_MS * 1000;

	for (guint i = 0; i < count; i++) {
		question_close(&questions[i]);
		if (questions[i].child > 0)
			(void)kill(questions[i].child, SIGKILL);
	}
	for (guint i = 0; i < count; i++) {
		struct question *q = &questions[i];

		while (q->child > 0 && waitpid(q->child, NULL, WNOHANG) == 0 &&
			g_get_monotonic_time() < end_us)
			(void)usleep(LOOK_US);
		q->child = 0;
	}
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
	give_up_all(questions, count);
}

static void question_take(struct question *q, struct mount_seen *ret)
{
	char *text = NULL;

	*ret = (struct mount_seen){ .error = ETIMEDOUT, .fd = q->passed };
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
	struct question questions[MOUNTS_ASKED_MAX];
	guint asked = MIN(count, MOUNTS_ASKED_MAX);

	for (guint i = 0; i < asked; i++)
		question_begin(&questions[i], look, paths[i]);
	hear_all(questions, asked, limit_ms);
	for (guint i = 0; i < count; i++) {
		if (i < asked)
			question_take(&questions[i], &ret[i]);
		else
			ret[i] = (struct mount_seen){ .error = ETIMEDOUT,
				.fd = -1 };
	}
}
