/* http_client.c - see http_client.h. */
#include "config.h"

#include "http_client.h"

#include "http_retry.h"

#include <errno.h>

static int64_t time_left(int64_t end)
{
	return end == 0 ? -1 : MAX(end - clock_now_ms(), 0);
}

static int attempt_once(struct http_pool *pool, const struct http_call *call,
	int64_t left, const struct cancel *cancel, struct http_response *r)
{
	struct http_request request = call->request;
	struct http_conn *conn;
	int rc = http_pool_lease(pool, cancel, left, &conn);

	if (rc < 0) {
		r->error = rc;
		return rc;
	}
	request.timeout_ms = left < 0 ? 0 : (int)MAX(left, 1);
	rc = http_exchange(conn, &request, cancel, r);
	http_pool_return(&conn);
	return rc;
}

/* Source and sink stand where the first attempt found them: 0, else not. */
static int start_again(
	const struct http_call *call, const struct http_response *r)
{
	if (call->rewind != NULL)
		return call->rewind(call->rewind_arg);
	if (call->request.source != NULL)
		return -ESPIPE;
	if (call->request.sink != NULL && r->received > 0)
		return -ESPIPE;
	return 0;
}

int http_client_call(struct http_pool *pool, struct http_call *call,
	const struct cancel *cancel, struct http_response *r)
{
	int64_t end = call->request.timeout_ms > 0
			      ? clock_now_ms() + call->request.timeout_ms
			      : 0;
	int64_t waited = 0;
	int attempt;

	for (attempt = 1;; attempt++) {
		int rc = attempt_once(pool, call, time_left(end), cancel, r);
		int64_t wait = http_retry_delay_ms(
			r, call->is_idempotent, attempt, g_random_int());

		if (call->tries_max > 0 && attempt >= call->tries_max)
			return rc;
		if (wait < 0 || (end != 0 && wait >= time_left(end)))
			return rc;
		/* A transfer may take its time, but not stand still. */
		waited += wait;
		if (end == 0 && call->request.stall_ms > 0 &&
			waited > call->request.stall_ms)
			return rc;
		if (start_again(call, r) < 0)
			return rc;
		if (cancel_sleep(cancel, wait) < 0) {
			r->error = cancel_check(cancel);
			return r->error;
		}
		http_response_clear(r);
	}
}
