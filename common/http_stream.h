/*
 * http_stream.h - bytes over a connection of curl's, with no HTTP on it.
 *
 * curl connects (TLS, Unix socket and proxy are its job) and hands over; what
 * is sent and received then is the caller's. Private to the transport.
 *
 * Not locked: send and recv must not run at the same time, but they never
 * block; wait may run at any time.
 */
#ifndef PYCLOUD_HTTP_STREAM_H
#define PYCLOUD_HTTP_STREAM_H

#include "http_conn.h"

struct http_stream {
	struct http_conn conn;
	int fd; /* never changes once open */
	bool is_tcp;
};

/* 0, or a transport error as in http.h. Close it in either case. */
int http_stream_open(struct http_stream *, struct http_pool *,
	const char *target, int64_t end_ms, const struct cancel *);
void http_stream_close(struct http_stream *);

/* A count (recv: 0 at the end), -EAGAIN, -ECONNRESET. */
ssize_t http_stream_recv(struct http_stream *, void *bytes, size_t size);
ssize_t http_stream_send(struct http_stream *, const void *bytes, size_t size);

/* Waits until poll(2)'s `events` or something worth looking at, the token, or
 * the time (clock_now_ms() terms; negative: none). 0, -EINTR, -ETIMEDOUT. */
int http_stream_wait(struct http_stream *, short events, const struct cancel *,
	int64_t end_ms);

/* Ends both directions; whoever waits is woken. */
void http_stream_shutdown(struct http_stream *);

#endif
