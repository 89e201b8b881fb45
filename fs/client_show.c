/* client_show.c - see client_show.h. */
#include "config.h"

#include "client_show.h"

#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE	((size_t)64 * 1024)
#define BUSY_MS 100

struct stream {
	int from, to;
	int rc;
	bool is_brief; /* only what there is */
	int64_t shown; /* bytes */
};

/* What the script wrote to both then keeps its order. */
static bool is_same_place(void)
{
	struct stat out, err;

	return fstat(STDOUT_FILENO, &out) == 0 &&
	       fstat(STDERR_FILENO, &err) == 0 && out.st_dev == err.st_dev &&
	       out.st_ino == err.st_ino;
}

static int open_file(
	const struct client_mount *m, const char *number, const char *name)
{
	g_autofree char *path = client_mount_path(m, number, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int client_show_open(const struct client_mount *m, const char *number,
	struct client_show *ret)
{
	bool is_one = is_same_place();

	ret->err = -1;
	ret->out = open_file(m, number, is_one ? "output" : "stdout");
	if (ret->out < 0 || is_one)
		return ret->out < 0 ? ret->out : 0;
	ret->err = open_file(m, number, "stderr");
	if (ret->err >= 0)
		return 0;
	(void)close(ret->out);
	return ret->err;
}

static void give_up_writing(int error) G_GNUC_NORETURN;
static void give_up_writing(int error)
{
	if (error == EPIPE) /* SIGPIPE is ignored, or we would not be here */
		_exit(CLIENT_SIGNALED + SIGPIPE);
	_exit(client_error(CLIENT_FAILED,
		"cannot write the run's output: %s; the run is left alone, and "
		"`pycloud attach` shows it from its beginning",
		g_strerror(error)));
}

static void write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, bytes, length);

		if (n < 0 && errno == EAGAIN) { /* somebody's O_NONBLOCK */
			struct pollfd p = { fd, POLLOUT, 0 };

			(void)poll(&p, 1, -1);
		} else if (n < 0 && errno != EINTR) {
			give_up_writing(errno);
		} else if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		}
	}
}

/* Sleeping in poll() takes none of the mount's workers. */
static ssize_t read_some(int fd, bool is_brief, char *buffer)
{
	for (;;) {
		struct pollfd p = { fd, POLLIN, 0 };
		ssize_t n;

		if (poll(&p, 1, is_brief ? 0 : -1) == 0)
			return 0;
		n = read(fd, buffer, PIECE);
		if (n >= 0 || (errno != EINTR && errno != EAGAIN))
			return n < 0 ? -errno : n;
		if (errno == EAGAIN)
			(void)poll(NULL, 0, BUSY_MS);
	}
}

static int64_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_size : 0;
}

static void *copy(void *arg)
{
	struct stream *s = arg;
	g_autofree char *buffer = g_malloc(PIECE);
	int64_t most = s->is_brief ? size_of(s->from) : INT64_MAX;
	ssize_t n = 0;

	while (s->shown < most &&
		(n = read_some(s->from, s->is_brief, buffer)) > 0) {
		write_all(s->to, buffer, (size_t)n);
		s->shown += n;
	}
	s->rc = (int)n;
	(void)close(s->from);
	return NULL;
}

int client_show_all(struct client_show *show, bool is_brief)
{
	struct stream out = { show->out, STDOUT_FILENO, 0, is_brief, 0 };
	struct stream err = { show->err, STDERR_FILENO, 0, is_brief, 0 };
	bool has_two = show->err >= 0;
	pthread_t thread;

	if (has_two && pthread_create(&thread, NULL, copy, &err) != 0) {
		(void)close(show->out);
		(void)close(show->err);
		return -EAGAIN;
	}
	(void)copy(&out);
	if (has_two)
		(void)pthread_join(thread, NULL);
	show->shown = out.shown;
	return out.rc < 0 ? out.rc : err.rc;
}
