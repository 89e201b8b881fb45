/*
 * http_pool.h - keep-alive connections to one endpoint, leased one at a time.
 *
 * A leased connection is yours exclusively until you return it. At most
 * HTTP_CONNECTIONS_MAX exist; a lease waits for one to come back, cancellably.
 * The pool outlives its leases: free it after the last return.
 *
 * Locking: one internal lock, never held across I/O.
 */
#ifndef PYCLOUD_HTTP_POOL_H
#define PYCLOUD_HTTP_POOL_H

#include "cancel.h"
#include "endpoint.h"
#include "http.h"

struct http_pool;

struct http_stats {
	uint64_t requests; /* sent, WebSocket upgrades included */
	uint64_t failures; /* no answer arrived whole */
	uint64_t bytes_in; /* bodies */
	uint64_t bytes_out;
	uint64_t connects;  /* TCP/Unix connections opened */
	int64_t latency_us; /* moving average of small exchanges; 0: unknown */
};

int http_pool_new(struct endpoint *, struct http_pool **ret);
void http_pool_free(struct http_pool *);
struct endpoint *http_pool_endpoint(struct http_pool *); /* borrowed */

/* limit_ms bounds the wait for a free connection (-ETIMEDOUT). */
int http_pool_lease(struct http_pool *, const struct cancel *, int64_t limit_ms,
	struct http_conn **ret);
/* Consumes the lease and sets *conn to NULL. NULL is fine. */
void http_pool_return(struct http_conn **conn);

void http_pool_stats(struct http_pool *, struct http_stats *ret);
/* Counts one request that did not go through http_exchange (an upgrade). */
void http_pool_count_request(struct http_pool *);

#endif
