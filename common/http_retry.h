/*
 * http_retry.h - whether to ask again, and when. Pure.
 */
#ifndef PYCLOUD_HTTP_RETRY_H
#define PYCLOUD_HTTP_RETRY_H

#include "http.h"

/* How long to wait before attempt number `attempt` + 1 (the first attempt is
 * number 1), or -1: do not repeat. Refused, reset and unreachable connections,
 * 429, 502, 503 and 504 are worth another try (time that ran out is not: a
 * user is waiting, and lost packets were repeated below us already); the server's Retry-After is
 * obeyed; otherwise the wait doubles from 50 ms to 2 s, with `random` (any
 * 32 bits) spreading it over [half, whole]. A request that is not idempotent
 * is repeated only when the server surely did not act on it. */
int64_t http_retry_delay_ms(const struct http_response *, bool is_idempotent,
	int attempt, uint32_t random);

#endif
