/*
 * http_client.h - the one way services talk: lease, exchange, retry, return.
 *
 * An idempotent request is repeated after a failure that says "try again"
 * (http_retry.h decides which and how long to wait) as long as its time limit
 * has room; any other request is sent once. A request with a source is
 * repeated only when `rewind` is given.
 */
#ifndef PYCLOUD_HTTP_CLIENT_H
#define PYCLOUD_HTTP_CLIENT_H

#include "http_pool.h"

struct http_call {
	struct http_request request;
	bool is_idempotent;
	int tries_max; /* 0: HTTP_RETRIES_MAX */
	/* Makes source and sink start again; returns 0 or -errno. NULL: the
	 * request has neither, or must not be repeated once begun. */
	int (*rewind)(void *arg);
	void *rewind_arg;
};

/* As http_exchange(). request.timeout_ms covers all attempts together, the
 * waits between them and the wait for a connection. */
int http_client_call(struct http_pool *, struct http_call *,
	const struct cancel *, struct http_response *response);

#endif
