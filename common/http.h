/*
 * http.h - one HTTP exchange on one leased connection.
 *
 * http_exchange() sends one request and receives one answer; it never retries
 * and never follows a redirect (a server that is not running looks like a
 * redirect to a login page, whose HTML must not become file data). What a
 * failure means is the caller's to decide; http_client.h adds lease, retry and
 * counting for the common case.
 *
 * The exchange blocks the calling thread. It ends early when the cancel token
 * fires, when `timeout_ms` has passed, or when no byte moved in either
 * direction for `stall_ms`. Bodies stream: the request's comes from a source,
 * the answer's goes to a sink, so memory does not grow with the file.
 *
 * curl is seen only by those who include http_conn.h: http.c, http_conn.c,
 * http_pool.c and websocket.c. It writes to sockets whose other end may be
 * gone, so programs ignore SIGPIPE.
 */
#ifndef PYCLOUD_HTTP_H
#define PYCLOUD_HTTP_H

#include "cancel.h"

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct http_conn; /* leased from http_pool.h; one exchange at a time */

/* Fills up to `size` bytes; returns the count, 0 at the end, -errno to give
 * up (the exchange then fails with that errno). Called on the caller's own
 * thread. */
typedef ssize_t (*http_source_fn)(void *arg, char *buffer, size_t size);

/* Takes `length` bytes; returns 0, or -errno to give up. */
typedef int (*http_sink_fn)(void *arg, const char *bytes, size_t length);

struct http_request {
	const char *method; /* GET PUT POST PATCH DELETE */
	const char *target; /* below the base URL, encoded, query included */
	const char *content_type; /* NULL: no body */
	http_source_fn source;	  /* NULL: no body */
	void *source_arg;
	int64_t source_bytes; /* Content-Length; -1: chunked */
	int64_t range_first;  /* -1: no Range header */
	int64_t range_last;   /* inclusive; -1: to the end */
	http_sink_fn sink;    /* 2xx bodies; NULL: into response.body */
	void *sink_arg;
	int64_t body_max;   /* of a 2xx body; above it: -EFBIG. 0: a MiB */
	int timeout_ms;	    /* whole exchange; 0: none */
	int stall_ms;	    /* no progress in either direction; 0: none */
	bool wants_cookies; /* into response.cookies */
};

#define HTTP_REQUEST_INIT                                               \
	{                                                               \
		.source_bytes = -1, .range_first = -1, .range_last = -1 \
	}

struct http_response {
	/* 0: an answer arrived whole; its status is below. Otherwise -errno of
	 * the transport: -EHOSTUNREACH (no name, no route), -ECONNREFUSED,
	 * -ECONNRESET (cut, or shorter than promised), -ETIMEDOUT, -EINTR,
	 * -EPROTO (TLS, not HTTP), -EFBIG, or what a source or sink returned. */
	int error;
	/* What the library calls that error, for people; NULL: nothing.
	 * Constant. */
	const char *detail;
	int status; /* 0 when no status line arrived */
	/* False: the server surely did not act on the request (no byte of it
	 * has left). True: it may have. */
	bool may_have_acted;
	int64_t content_length; /* -1: not said */
	int64_t received;	/* bytes of a 2xx body */
	int64_t range_first;	/* Content-Range, or -1 */
	int64_t range_last;
	int64_t range_total;
	time_t last_modified;	/* 0: not said */
	time_t date;		/* by the server's clock; 0: not said */
	int64_t retry_after_ms; /* -1: not said */
	bool is_html;		/* Content-Type: text/html */
	bool has_server;	/* a Server header: every Jupyter sends one */
	bool is_upgrade;	/* its error's body was not read */
	bool wants_cookies;
	GString *cookies; /* "a=1; b=2", for a Cookie header; owned; secret */
	char *location;	  /* of a redirect; owned; may be NULL */
	GString *body;	  /* errors, and 2xx without a sink; owned */
};

void http_response_init(struct http_response *);
void http_response_clear(struct http_response *);

/* Fills *response (initialised by the caller) and returns response->error. */
int http_exchange(struct http_conn *, const struct http_request *,
	const struct cancel *, struct http_response *response);

/* "7.88.1 OpenSSL/3.0.11": of the library behind all this; g_free. */
char *http_library_version(void);

#endif
