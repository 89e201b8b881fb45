/*
 * portforward.c - see portforward.h.
 *
 * A tunnel has two threads, each of which only ever waits in one place: one
 * for the pod's bytes, one for ours. Either one's end ends the other: by firing
 * the token and shutting our socket down in both directions. What is over waits
 * to be joined, by the next dialling or the end of all: no thread outlives its
 * owner.
 */
#include "config.h"

#include "portforward.h"

#include "common_limits.h"
#include "log.h"
#include "mutex.h"
#include "websocket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROTOCOL "v4.channel.k8s.io"

enum channel {
	CHANNEL_DATA,
	CHANNEL_ERROR,
	CHANNELS,
};

struct portforward {
	struct http_pool *api;
	struct mutex lock;
	struct tunnel *first; /* guarded by lock */
};

struct tunnel {
	struct portforward *owner;
	struct tunnel *next; /* guarded by the owner's lock */
	bool is_over;	     /* the same; only to be joined */
	pthread_t thread;
	struct websocket *websocket;
	int listen_fd;
	atomic_int fd; /* accepted; -1: not yet */
	struct cancel cancel;
	bool has_begun[CHANNELS]; /* the port's number has come; receiver's */
};

struct portforward *portforward_new(struct http_pool *api)
{
	struct portforward *p = g_new0(struct portforward, 1);

	p->api = api;
	mutex_init(&p->lock);
	return p;
}

/* --- the life of a tunnel ------------------------------------------------- */

static void end_tunnel(struct tunnel *t)
{
	int fd = atomic_load(&t->fd);

	cancel_fire(&t->cancel);
	if (fd >= 0)
		(void)shutdown(fd, SHUT_RDWR);
}

static void tunnel_free(struct tunnel *t)
{
	websocket_free(t->websocket);
	if (atomic_load(&t->fd) >= 0)
		(void)close(atomic_load(&t->fd));
	if (t->listen_fd >= 0)
		(void)close(t->listen_fd);
	cancel_fini(&t->cancel);
	g_free(t);
}

/* Takes out those that are over, or all. */
static struct tunnel *take_locked(struct portforward *p, bool all)
	REQUIRES(p->lock)
{
	struct tunnel **link = &p->first;
	struct tunnel *taken = NULL;

	while (*link != NULL) {
		struct tunnel *t = *link;

		if (!all && !t->is_over) {
			link = &t->next;
			continue;
		}
		*link = t->next;
		t->next = taken;
		taken = t;
	}
	return taken;
}

static void reap(struct tunnel *t)
{
	while (t != NULL) {
		struct tunnel *next = t->next;

		(void)pthread_join(t->thread, NULL);
		tunnel_free(t);
		t = next;
	}
}

static void reap_over(struct portforward *p) EXCLUDES(p->lock)
{
	struct tunnel *over;

	mutex_lock(&p->lock);
	over = take_locked(p, false);
	mutex_unlock(&p->lock);
	reap(over);
}

void portforward_free(struct portforward *p)
{
	struct tunnel *all;

	if (p == NULL)
		return;
	mutex_lock(&p->lock);
	for (struct tunnel *t = p->first; t != NULL; t = t->next)
		end_tunnel(t);
	all = take_locked(p, true);
	mutex_unlock(&p->lock);
	reap(all);
	mutex_fini(&p->lock);
	g_free(p);
}

/* --- pumping -------------------------------------------------------------- */

static bool write_all(int fd, const guint8 *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		length -= (size_t)n;
	}
	return true;
}

/* False: the tunnel has ended. */
static bool take_message(struct tunnel *t, const GByteArray *message)
{
	const guint8 *bytes = message->data;

	if (message->len == 0)
		return true;
	if (bytes[0] >= CHANNELS)
		return false;
	if (!t->has_begun[bytes[0]]) {
		t->has_begun[bytes[0]] = true;
		return message->len == 3;
	}
	if (bytes[0] == CHANNEL_DATA)
		return write_all(
			atomic_load(&t->fd), bytes + 1, message->len - 1);
	log_info("port-forward: %.*s",
		(int)MIN(message->len - 1, KUBE_MESSAGE_MAX), bytes + 1);
	return false;
}

static void *pump_in(void *arg)
{
	struct tunnel *t = arg;
	bool goes_on = true;

	while (goes_on) {
		GByteArray *message = NULL;
		bool is_binary;
		int rc = websocket_receive(
			t->websocket, &t->cancel, -1, &is_binary, &message);

		if (rc < 0)
			break;
		goes_on = is_binary && take_message(t, message);
		g_byte_array_unref(message);
	}
	end_tunnel(t);
	return NULL;
}

static void pump_out(struct tunnel *t)
{
	g_autofree guint8 *piece = g_malloc(1 + PORTFORWARD_PIECE);
	int fd = atomic_load(&t->fd);

	piece[0] = CHANNEL_DATA;
	for (;;) {
		ssize_t n = recv(fd, piece + 1, PORTFORWARD_PIECE, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (websocket_send(t->websocket, &t->cancel, true, piece,
			    (size_t)n + 1, PORTFORWARD_SEND_TIMEOUT_MS) < 0)
			break;
	}
}

/* --- the local end -------------------------------------------------------- */

static bool is_ours(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       peer.pid == getpid();
}

/* Whoever dialled connects at once. */
static bool accept_ours(struct tunnel *t)
{
	struct pollfd fds[2] = { { .fd = t->listen_fd, .events = POLLIN },
		{ .fd = cancel_fd(&t->cancel), .events = POLLIN } };
	int64_t end_ms = clock_now_ms() + HTTP_CONNECT_TIMEOUT_MS;

	while (cancel_check(&t->cancel) == 0) {
		int64_t left_ms = end_ms - clock_now_ms();
		int fd;

		if (left_ms <= 0)
			return false;
		(void)poll(fds, 2, (int)MIN(left_ms, HTTP_TICK_MS));
		fd = accept4(t->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0 && is_ours(fd)) {
			atomic_store(&t->fd, fd);
			return true;
		}
		if (fd >= 0)
			(void)close(fd);
	}
	return false;
}

static void note_over(struct portforward *p, struct tunnel *t) EXCLUDES(p->lock)
{
	mutex_lock(&p->lock);
	t->is_over = true;
	mutex_unlock(&p->lock);
}

static void *serve(void *arg)
{
	struct tunnel *t = arg;
	pthread_t receiver;

	if (accept_ours(t) &&
		pthread_create(&receiver, NULL, pump_in, t) == 0) {
		pump_out(t);
		end_tunnel(t);
		(void)pthread_join(receiver, NULL);
	}
	end_tunnel(t);
	g_clear_pointer(&t->websocket, websocket_free);
	note_over(t->owner, t);
	return NULL;
}

/* --- dialling ------------------------------------------------------------- */

/* The thread first: whoever finds the tunnel may join it. */
static int adopt(struct portforward *p, struct tunnel *t) EXCLUDES(p->lock)
{
	int error;

	t->owner = p;
	error = pthread_create(&t->thread, NULL, serve, t);
	if (error != 0) {
		tunnel_free(t);
		return -error;
	}
	mutex_lock(&p->lock);
	t->next = p->first;
	p->first = t;
	mutex_unlock(&p->lock);
	return 0;
}

int portforward_dial(struct portforward *p, const char *target,
	const struct cancel *cancel, int64_t end_ms, int listen_fd)
{
	struct tunnel *t = g_new0(struct tunnel, 1);
	int rc;

	reap_over(p);
	atomic_init(&t->fd, -1);
	cancel_init(&t->cancel, 0);
	t->listen_fd = fcntl(listen_fd, F_DUPFD_CLOEXEC, 0);
	rc = t->listen_fd < 0 ? -errno : 0;
	if (rc == 0)
		rc = websocket_open_protocol(p->api, target, PROTOCOL,
			(int)MAX(end_ms - clock_now_ms(), 1), cancel,
			&t->websocket);
	if (rc < 0) {
		tunnel_free(t);
		return rc == -ENOENT || rc == -EPROTO ? -EHOSTUNREACH : rc;
	}
	return adopt(p, t);
}
