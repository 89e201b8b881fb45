/*
 * http_conn.h - one connection: a curl handle, and the loop that drives it.
 *
 * Private to the transport (http.c, http_pool.c, websocket.c). Each connection
 * has a curl multi handle to itself: the keep-alive connection lives in it, so
 * nothing is shared between threads, and a multi can be polled together with
 * the cancel token, so a cancelled wait ends at once.
 *
 * Not locked: whoever leases or owns a connection has it exclusively.
 */
#ifndef PYCLOUD_HTTP_CONN_H
#define PYCLOUD_HTTP_CONN_H

#include "http_pool.h"

#include <curl/curl.h>
#include <glib.h>

struct http_conn {
	struct http_pool *pool;	   /* NULL when owned by a WebSocket */
	struct http_conn *next;	   /* in the pool; guarded by its lock */
	struct endpoint *endpoint; /* a reference */
	struct hop *hop; /* of the exchange under way; NULL before the first */
	const struct secret *xsrf; /* borrowed from the pool */
	CURL *easy;
	CURLM *multi;
	/* Of the exchange under way: */
	int64_t header_bytes;  /* received, for "did anything move?" */
	unsigned connects;     /* sockets opened */
	bool is_retry_refused; /* curl wanted to send a second time */
	struct curl_slist *connect_to;
	/* Where a dialled connection is met: curl will not take one that is
	 * connected already (7.88 forgets that it is told so). */
	int listen_fd; /* -1: not needed yet */
	int listen_path_fd;
	char *listen_path;
	int dial_error;		     /* why a dialled hop has no socket */
	const struct cancel *cancel; /* of the dialling */
	int64_t end_ms;
};

/* How long http_conn_drive() may take; 0: no such limit. */
struct http_conn_limits {
	int64_t timeout_ms; /* altogether */
	int64_t stall_ms;   /* without HTTP_RATE_LEAST in either direction */
};

int http_conn_init(
	struct http_conn *, struct endpoint *, const struct secret *xsrf);
void http_conn_fini(struct http_conn *);

/* Forgets the last exchange's settings and makes those every exchange has:
 * the hop, where to connect, whom to trust, which protocols. The URL is the
 * hop's base URL plus target (and, where it belongs there, the token).
 * `cancel` and end_ms (0: none) hold until http_conn_finish().
 * -ENAMETOOLONG above HTTP_URL_MAX, -ENOMEM, -EPROTO for certificates that
 * cannot be used, or what finding the hop failed with. */
int http_conn_prepare(struct http_conn *, const char *target,
	const struct cancel *, int64_t end_ms);

/* The header lines that say who we are: what a relay asks for, the token, or,
 * for a server without one, the XSRF pair, which a client may invent; it goes
 * beside the cookie of a login, too. An
 * upgrade through a relay has the cookie instead. They hold secrets; lines are
 * added with http_lines_add() and all go with http_lines_free(), which wipes
 * them. */
struct curl_slist *http_conn_auth_lines(const struct http_conn *);
struct curl_slist *http_conn_upgrade_lines(
	const struct http_conn *, const struct secret *cookies);
void http_lines_add(struct curl_slist **lines, const char *line);
void http_lines_free(struct curl_slist *lines);

/* Runs the prepared exchange. Returns 0 and curl's verdict, or -EINTR or
 * -ETIMEDOUT, after which the connection is closed. The easy handle stays in
 * the multi until http_conn_finish(). */
int http_conn_drive(struct http_conn *, const struct http_conn_limits *,
	const struct cancel *, CURLcode *ret_code);
void http_conn_finish(struct http_conn *);

/* At least one byte of the request has left. */
bool http_conn_has_sent(const struct http_conn *);

/* curl's verdict as -errno. */
int http_conn_errno(const struct http_conn *, CURLcode);

/* --- what the pool has for those who use its connections ------------------ */

const struct secret *http_pool_xsrf(const struct http_pool *);
/* The jar of http_cookies.h: a new reference, or NULL for an empty one; and
 * what it holds from now on (NULL: nothing). */
struct secret *http_pool_cookies(struct http_pool *);
void http_pool_set_cookies(struct http_pool *, struct secret *);
/* Adds the counters of one exchange; its latency enters the average. */
void http_pool_count_exchange(struct http_pool *, const struct http_stats *one);

#endif
