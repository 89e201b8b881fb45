/* The server's timestamps: as real servers send them, and as none should. */
#include "config.h"

#include "test.h"
#include "timefmt.h"

#include <errno.h>
#include <glib.h>

static void assert_time(const char *text, int64_t seconds, long nanoseconds)
{
	struct timespec ts = { 0 };

	if (time_parse_iso8601(text, &ts) != 0)
		fail_msg("refused: %s", text);
	assert_true(ts.tv_sec == seconds);
	assert_int_equal(ts.tv_nsec, nanoseconds);
}

static void the_servers_times_are_read(void **state)
{
	(void)state;
	assert_time("1970-01-01T00:00:00Z", 0, 0);
	assert_time("2026-11-22T07:16:21.143629Z", 1795331781, 143629000);
	assert_time("2026-11-22T07:16:20Z", 1795331780, 0);
	assert_time("2000-02-29T23:59:59.000001Z", 951868799, 1000);
	assert_time("1938-01-01T00:00:00Z", -1009843200, 0);
	assert_time("2446-05-10T22:38:55Z", INT64_C(15032385535), 0);
}

static void offsets_are_taken_off(void **state)
{
	(void)state;
	assert_time("2026-11-22T07:16:20+00:00", 1795331780, 0);
	assert_time("2026-11-22T09:46:20+0230", 1795331780, 0);
	assert_time("2026-11-22T06:16:20.5-01:00", 1795331780, 500000000);
}

static void digits_past_nanoseconds_are_dropped(void **state)
{
	(void)state;
	assert_time("1970-01-01T00:00:00.1234567899999Z", 0, 123456789);
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const texts[] = { "", "Z", "2026", "2026-11-22",
		"2026-11-22T07:16:20", "2026-11-22 07:16:20Z",
		"2026-13-22T07:16:20Z", "2026-02-29T07:16:20Z",
		"2026-11-22T24:16:20Z", "2026-11-22T07:60:20Z",
		"2026-11-22T07:16:61Z", "2026-11-22T07:16:20.Z",
		"2026-11-22T07:16:20Zx", "2026-11-22T07:16:20+1",
		"2026-11-22T07:16:20+24:00", "0000-01-01T00:00:00Z",
		"26-11-22T07:16:20Z", "-026-11-22T07:16:20Z" };
	struct timespec ts;

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
		assert_int_equal(time_parse_iso8601(texts[i], &ts), -EINVAL);
}

static void formatting_reads_back(void **state)
{
	const struct timespec ts = { 1795331781, 143629000 };
	char text[32];

	(void)state;
	time_format_iso8601(&ts, text);
	assert_string_equal(text, "2026-11-22T07:16:21.143629Z");
	assert_time(text, 1795331781, 143629000);
}

static void impossible_times_still_fit(void **state)
{
	const struct timespec ts = { INT64_MAX, 999999999 };
	char text[32];

	(void)state;
	time_format_iso8601(&ts, text);
	assert_int_equal(text[26], 'Z');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_servers_times_are_read),
		cmocka_unit_test(offsets_are_taken_off),
		cmocka_unit_test(digits_past_nanoseconds_are_dropped),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(formatting_reads_back),
		cmocka_unit_test(impossible_times_still_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
