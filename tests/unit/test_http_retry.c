/* Which failures deserve another try, and how long to wait for it. */
#include "config.h"

#include "common_limits.h"
#include "http_retry.h"
#include "test.h"

#include <errno.h>

static struct http_response failed(int error, bool may_have_acted)
{
	struct http_response r;

	http_response_init(&r);
	r.error = error;
	r.may_have_acted = may_have_acted;
	return r;
}

static struct http_response answered(int status, int64_t retry_after_ms)
{
	struct http_response r;

	http_response_init(&r);
	r.status = status;
	r.may_have_acted = true;
	r.retry_after_ms = retry_after_ms;
	return r;
}

static bool is_repeated(struct http_response r, bool is_idempotent)
{
	return http_retry_delay_ms(&r, is_idempotent, 1, 0) >= 0;
}

static void an_idempotent_request_is_repeated_after_some_failures(void **state)
{
	(void)state;
	assert_true(is_repeated(failed(-ECONNREFUSED, false), true));
	assert_true(is_repeated(failed(-EHOSTUNREACH, false), true));
	assert_true(is_repeated(failed(-ECONNRESET, true), true));
	assert_true(is_repeated(answered(429, -1), true));
	assert_true(is_repeated(answered(502, -1), true));
	assert_true(is_repeated(answered(503, -1), true));
	assert_true(is_repeated(answered(504, -1), true));
}

static void nothing_is_repeated_after_the_others(void **state)
{
	static const int errors[] = { ETIMEDOUT, EINTR, EPROTO, EFBIG, ENOSPC };
	static const int statuses[] = { 200, 204, 302, 400, 401, 403, 404, 405,
		409, 424, 500 };
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(errors); i++)
		assert_false(is_repeated(failed(-errors[i], true), true));
	for (i = 0; i < G_N_ELEMENTS(statuses); i++)
		assert_false(is_repeated(answered(statuses[i], -1), true));
}

static void any_request_is_repeated_when_nothing_can_have_happened(void **state)
{
	(void)state;
	assert_true(is_repeated(failed(-ECONNREFUSED, false), false));
	assert_true(is_repeated(failed(-EHOSTUNREACH, false), false));
	assert_false(is_repeated(failed(-ETIMEDOUT, false), false));
	assert_false(is_repeated(failed(-ECONNRESET, true), false));
	assert_false(is_repeated(answered(503, -1), false));
	assert_false(is_repeated(answered(429, 0), false));
}

static void the_wait_doubles_up_to_two_seconds(void **state)
{
	static const int64_t whole[] = { 50, 100, 200, 400, 800, 1600, 2000 };
	struct http_response r = failed(-ECONNRESET, true);
	int attempt;

	(void)state;
	for (attempt = 1; attempt < HTTP_RETRIES_MAX; attempt++) {
		int64_t most = whole[attempt - 1];
		uint32_t random;

		for (random = 0; random < 5000; random += 7)
			assert_in_range(
				http_retry_delay_ms(&r, true, attempt, random),
				most / 2, most);
		assert_in_range(
			http_retry_delay_ms(&r, true, attempt, UINT32_MAX),
			most / 2, most);
	}
	assert_int_equal(
		http_retry_delay_ms(&r, true, HTTP_RETRIES_MAX, 0), -1);
}

static void the_server_may_ask_for_a_wait_within_reason(void **state)
{
	struct http_response r = answered(503, 7000);

	(void)state;
	assert_int_equal(http_retry_delay_ms(&r, true, 1, 1), 7000);
	r.retry_after_ms = 0;
	assert_int_equal(http_retry_delay_ms(&r, true, 1, 1), 0);
	r.retry_after_ms = HTTP_RETRY_AFTER_MAX_MS + 1;
	assert_int_equal(http_retry_delay_ms(&r, true, 1, 1), -1);
	r.retry_after_ms = INT64_MAX;
	assert_int_equal(http_retry_delay_ms(&r, true, 1, 1), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			an_idempotent_request_is_repeated_after_some_failures),
		cmocka_unit_test(nothing_is_repeated_after_the_others),
		cmocka_unit_test(
			any_request_is_repeated_when_nothing_can_have_happened),
		cmocka_unit_test(the_wait_doubles_up_to_two_seconds),
		cmocka_unit_test(the_server_may_ask_for_a_wait_within_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
