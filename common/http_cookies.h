/*
 * http_cookies.h - the cookies that stand for a token on an upgrade.
 *
 * A relay drops the query of an upgrade and takes its Authorization header for
 * itself; the cookie that a Jupyter server sends with any answer to the token
 * is then the only way in (measured through the proxy of Kubernetes 1.32). It
 * is named after the Host we sent, which all workspaces behind one API server
 * share, so each pool has a jar of its own. A server that has restarted
 * refuses the cookies of its former life: drop them, and ask again.
 */
#ifndef PYCLOUD_HTTP_COOKIES_H
#define PYCLOUD_HTTP_COOKIES_H

#include "http_pool.h"

/* Those in the jar, or else new ones, at the price of a request. The caller
 * unrefs. -EACCES: the server gave none; or a transport error. */
int http_cookies_get(struct http_pool *, const struct cancel *, int64_t end_ms,
	struct secret **ret);

#endif
