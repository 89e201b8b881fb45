/* umount_ask.c - see umount_ask.h. */
#include "config.h"

#include "umount_ask.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What .pycloud/status and pending may be at most; more is cut off. */
#define TEXT_BYTES_MAX (4 << 20)

/* --- the child ------------------------------------------------------------ */

/* 0 or -errno; a text file of the mount, which ends where it ends. */
static int read_text(const char *path, GString *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buffer[4096];
	ssize_t n = 1;
	int rc = 0;

	if (fd < 0)
		return -errno;
	while (n > 0 && text->len < TEXT_BYTES_MAX) {
		n = read(fd, buffer, sizeof(buffer));
		if (n > 0)
			g_string_append_len(text, buffer, n);
	}
	if (n < 0)
		rc = -errno;
	(void)close(fd);
	return rc;
}

static int open_note(const char *status)
{
	g_auto(GStrv) lines = g_strsplit(status, "\n", -1);

	for (char **line = lines; *line != NULL; line++) {
		g_autofree char *path = NULL;

		if (!g_str_has_prefix(*line, "drain: "))
			continue;
		path = g_strcompress(*line + strlen("drain: "));
		return open(
			path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	}
	return -1;
}

/* Lines of path, bytes and more, separated by tabs. */
static void count(const char *pending, struct umount_answer *a)
{
	g_auto(GStrv) lines = g_strsplit(pending, "\n", -1);

	for (char **line = lines; *line != NULL; line++) {
		const char *tab = strchr(*line, '\t');

		if (tab == NULL)
			continue;
		a->files++;
		a->bytes += g_ascii_strtoll(tab + 1, NULL, 10);
	}
}

static void ask(const char *directory, struct umount_answer *ret)
{
	g_autofree char *status =
		g_build_filename(directory, ".pycloud", "status", NULL);
	g_autofree char *pending =
		g_build_filename(directory, ".pycloud", "pending", NULL);
	g_autoptr(GString) text = g_string_new(NULL);

	ret->error = read_text(status, text);
	if (ret->error < 0)
		return;
	ret->note_fd = open_note(text->str);
	g_string_truncate(text, 0);
	/* The list of all workspaces has none. */
	if (read_text(pending, text) == 0)
		count(text->str, ret);
}

static void send_answer(int fd, const struct umount_answer *a)
{
	char control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec iov = { (void *)(uintptr_t)a, sizeof(*a) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (a->note_fd >= 0) {
		struct cmsghdr *c;

		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &a->note_fd, sizeof(int));
	}
	(void)sendmsg(fd, &message, MSG_NOSIGNAL);
}

static void become(const struct umount_entry *e, struct umount_answer *a)
{
	if (geteuid() != 0 || e->owner == 0)
		return;
	if (setgroups(0, NULL) < 0 ||
		setresgid(e->group, e->group, e->group) < 0 ||
		setresuid(e->owner, e->owner, e->owner) < 0)
		a->error = -errno;
}

/* One that hangs in the kernel keeps what it has open: who reads our output
 * to its end must not wait for it. */
static void leave_output(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i <= STDERR_FILENO; i++)
		(void)(null < 0 ? close(i) : dup2(null, i));
}

static _Noreturn void be_child(const struct umount_entry *e, int fd)
{
	struct umount_answer a = { .note_fd = -1 };

	leave_output();
	become(e, &a);
	if (a.error == 0)
		ask(e->point, &a);
	send_answer(fd, &a);
	_exit(0);
}

/* --- the parent ----------------------------------------------------------- */

static void receive(int fd, struct umount_answer *ret)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct umount_answer a;
	struct iovec iov = { &a, sizeof(a) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;

	if (recvmsg(fd, &message, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(a)) {
		ret->error = -EIO;
		return;
	}
	a.note_fd = -1;
	c = CMSG_FIRSTHDR(&message);
	if (c != NULL && c->cmsg_type == SCM_RIGHTS)
		memcpy(&a.note_fd, CMSG_DATA(c), sizeof(int));
	*ret = a;
}

/* The child is not waited for when it hangs: nothing can end one that waits in
 * the kernel for a daemon that does not answer. */
void umount_ask(
	const struct umount_entry *e, int limit_ms, struct umount_answer *ret)
{
	struct pollfd p = { .events = POLLIN };
	int fds[2];
	pid_t child = -1;

	*ret = (struct umount_answer){ .error = -ETIMEDOUT, .note_fd = -1 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0) {
		child = fork();
		if (child == 0)
			be_child(e, fds[1]);
		(void)close(fds[1]);
	}
	if (child < 0) {
		ret->error = -errno;
		return;
	}
	p.fd = fds[0];
	if (poll(&p, 1, limit_ms) == 1) {
		receive(fds[0], ret);
		(void)waitpid(child, NULL, 0);
	} else {
		(void)kill(child, SIGKILL);
		(void)waitpid(child, NULL, WNOHANG);
	}
	(void)close(fds[0]);
}
