/* http_retry.c - see http_retry.h. */
#include "config.h"

#include "http_retry.h"

#include "common_limits.h"

#include <errno.h>

#define DELAY_FIRST_MS 50
#define DELAY_MAX_MS   2000

static bool is_worth_another_try(const struct http_response *r)
{
	switch (r->error) {
	case 0:
		return r->status == 429 || r->status == 502 ||
		       r->status == 503 || r->status == 504;
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EHOSTUNREACH:
		return true;
	default:
		return false;
	}
}

int64_t http_retry_delay_ms(const struct http_response *r, bool is_idempotent,
	int attempt, uint32_t random)
{
	int64_t delay = DELAY_FIRST_MS;
	int i;

	if (attempt >= HTTP_RETRIES_MAX || !is_worth_another_try(r))
		return -1;
	if (!is_idempotent && r->may_have_acted)
		return -1;
	if (r->error == 0 && r->retry_after_ms >= 0)
		return r->retry_after_ms <= HTTP_RETRY_AFTER_MAX_MS
			       ? r->retry_after_ms
			       : -1;
	for (i = 1; i < attempt && delay < DELAY_MAX_MS; i++)
		delay *= 2;
	if (delay > DELAY_MAX_MS)
		delay = DELAY_MAX_MS;
	return delay / 2 + random % (uint32_t)(delay / 2 + 1);
}
