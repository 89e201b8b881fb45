/* http_stream.c - see http_stream.h. */
#include "config.h"

#include "http_stream.h"

#include "common_limits.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

static int take_socket(struct http_stream *s)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	socklen_t size = sizeof(int);
	int domain = 0;

	(void)curl_easy_getinfo(s->conn.easy, CURLINFO_ACTIVESOCKET, &fd);
	if (fd == CURL_SOCKET_BAD)
		return -ECONNRESET;
	s->fd = fd;
	(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
	s->is_tcp = domain == AF_INET || domain == AF_INET6;
	return 0;
}

int http_stream_open(struct http_stream *s, struct http_pool *pool,
	const char *target, int64_t end_ms, const struct cancel *cancel)
{
	struct http_conn_limits limits = { 0 };
	CURLcode code;
	int rc = http_conn_init(
		&s->conn, http_pool_endpoint(pool), http_pool_xsrf(pool));

	if (rc == 0)
		rc = http_conn_prepare(&s->conn, target, cancel, end_ms);
	if (rc < 0)
		return rc;
	limits.timeout_ms = MAX(end_ms - clock_now_ms(), 1);
	(void)curl_easy_setopt(s->conn.easy, CURLOPT_CONNECT_ONLY, 1L);
	(void)curl_easy_setopt(s->conn.easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
	rc = http_conn_drive(&s->conn, &limits, cancel, &code);
	if (rc == 0)
		rc = http_conn_errno(&s->conn, code);
	/* curl finds the connection as long as the handle stays in its multi:
	 * no http_conn_finish() before the end. */
	return rc < 0 ? rc : take_socket(s);
}

void http_stream_close(struct http_stream *s)
{
	if (s->conn.multi != NULL)
		http_conn_finish(&s->conn);
	http_conn_fini(&s->conn);
}

/* Jupyter answers with several small packets, each waiting for our ACK. The
 * kernel forgets the wish, so it is repeated after every receive. */
static void acknowledge_at_once(const struct http_stream *s)
{
	int on = 1;

	if (s->is_tcp)
		(void)setsockopt(
			s->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

ssize_t http_stream_recv(struct http_stream *s, void *bytes, size_t size)
{
	size_t n = 0;
	CURLcode code = curl_easy_recv(s->conn.easy, bytes, size, &n);

	acknowledge_at_once(s);
	if (code == CURLE_AGAIN)
		return -EAGAIN;
	return code == CURLE_OK ? (ssize_t)n : -ECONNRESET;
}

ssize_t http_stream_send(struct http_stream *s, const void *bytes, size_t size)
{
	size_t n = 0;
	CURLcode code = curl_easy_send(s->conn.easy, bytes, size, &n);

	if (code == CURLE_AGAIN || (code == CURLE_OK && n == 0))
		return -EAGAIN;
	return code == CURLE_OK ? (ssize_t)n : -ECONNRESET;
}

int http_stream_wait(struct http_stream *s, short events,
	const struct cancel *cancel, int64_t end_ms)
{
	struct pollfd fds[2] = { { .fd = s->fd, .events = events },
		{ .fd = cancel_fd(cancel), .events = POLLIN } };
	int64_t left = end_ms < 0 ? -1 : MAX(end_ms - clock_now_ms(), 0);
	int rc = cancel_check(cancel);

	if (rc < 0)
		return rc;
	if (left == 0)
		return -ETIMEDOUT;
	/* A token without a descriptor is noticed at the next look. */
	if (cancel != NULL && fds[1].fd < 0)
		left = left < 0 ? HTTP_TICK_MS : MIN(left, HTTP_TICK_MS);
	(void)poll(
		fds, fds[1].fd >= 0 ? 2 : 1, cancel_remaining_ms(cancel, left));
	return cancel_check(cancel);
}

void http_stream_shutdown(struct http_stream *s)
{
	(void)shutdown(s->fd, SHUT_RDWR);
}
