/* Following a record: every byte once, in order, whatever gets lost. */
#include "config.h"

#include "run_follow.h"
#include "test.h"

#include "limits.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static void take(void *arg, int stream, const uint8_t *bytes, size_t length)
{
	g_string_append_c(arg, (char)('0' + stream));
	g_string_append_len(arg, (const char *)bytes, (gssize)length);
}

static int give(struct run_follow *f, GString *got, int64_t offset,
	const char *bytes, size_t length)
{
	return run_follow_output(
		f, offset, (const uint8_t *)bytes, length, take, got);
}

static const char record[] = "\1\0\0\0\3"
			     "one"
			     "\2\0\0\0\0"
			     "\2\0\0\0\3"
			     "two"
			     "\3\0\0\0\1"
			     "9";
#define RECORD_BYTES (sizeof(record) - 1)

static void record_may_be_cut_anywhere(void **state)
{
	size_t cut;

	(void)state;
	for (cut = 0; cut <= RECORD_BYTES; cut++) {
		GString *got = g_string_new(NULL);
		struct run_follow f;
		size_t i;

		run_follow_init(&f, 0);
		assert_int_equal(give(&f, got, 0, record, cut), 0);
		assert_int_equal(give(&f, got, (int64_t)cut, &record[cut],
					 RECORD_BYTES - cut),
			0);
		assert_int_equal(run_follow_end(&f, (int64_t)RECORD_BYTES),
			RUN_FOLLOW_DONE);
		/* Without the marks of where it was cut. */
		for (i = 0; i < got->len; i++)
			if (g_ascii_isdigit(got->str[i]) && got->str[i] != '9')
				g_string_erase(got, (gssize)i--, 1);
		assert_string_equal(got->str, "onetwo9");
		g_string_free(got, TRUE);
	}
}

static void streams_are_apart(void **state)
{
	GString *got = g_string_new(NULL);
	struct run_follow f;

	(void)state;
	run_follow_init(&f, 0);
	assert_int_equal(give(&f, got, 0, record, RECORD_BYTES), 0);
	assert_string_equal(got->str, "1one2two39");
	g_string_free(got, TRUE);
}

static void what_came_twice_is_taken_once(void **state)
{
	GString *got = g_string_new(NULL);
	struct run_follow f;

	(void)state;
	run_follow_init(&f, 0);
	assert_int_equal(give(&f, got, 0, record, 8), 0);
	assert_int_equal(give(&f, got, 0, record, 8), 0);
	assert_int_equal(give(&f, got, 4, &record[4], RECORD_BYTES - 4), 0);
	assert_int_equal(give(&f, got, 0, record, RECORD_BYTES), 0);
	assert_string_equal(got->str, "1one2two39");
	g_string_free(got, TRUE);
}

static void gap_is_asked_for_once(void **state)
{
	GString *got = g_string_new(NULL);
	struct run_follow f;

	(void)state;
	run_follow_init(&f, 0);
	assert_int_equal(give(&f, got, 8, &record[8], 4), RUN_FOLLOW_AGAIN);
	assert_int_equal(give(&f, got, 12, &record[12], 4), RUN_FOLLOW_NOTHING);
	assert_int_equal(
		run_follow_end(&f, (int64_t)RECORD_BYTES), RUN_FOLLOW_NOTHING);
	assert_int_equal(got->len, 0);
	assert_int_equal(give(&f, got, 0, record, 8), RUN_FOLLOW_NOTHING);
	/* Further on, a gap is another gap. */
	assert_int_equal(
		run_follow_end(&f, (int64_t)RECORD_BYTES), RUN_FOLLOW_AGAIN);
	g_string_free(got, TRUE);
}

static void much_output_is_acknowledged(void **state)
{
	const size_t length = RUN_ACK_BYTES / 2;
	g_autofree char *piece = g_malloc0(length + 5);
	GString *got = g_string_new(NULL);
	struct run_follow f;

	(void)state;
	run_follow_init(&f, 0);
	memcpy(piece, "\1\0\x08\0\0", 5);
	assert_int_equal(length, 0x80000);
	assert_int_equal(
		give(&f, got, 0, piece, length + 5), RUN_FOLLOW_NOTHING);
	assert_int_equal(give(&f, got, (int64_t)length + 5, piece, length + 5),
		RUN_FOLLOW_ACK);
	assert_int_equal(f.acked, f.offset);
	g_string_free(got, TRUE);
}

static void silence_is_asked_about_more_and_more_rarely(void **state)
{
	struct run_follow f;
	int64_t now = 0;
	int wait = 0;
	int i;

	(void)state;
	run_follow_init(&f, now);
	assert_int_equal(
		run_follow_tick(&f, now + 10, &wait), RUN_FOLLOW_NOTHING);
	assert_int_equal(wait, RUN_QUIET_MS - 10);
	for (i = 0; i < 10; i++) {
		now += i == 0 ? RUN_QUIET_MS : wait;
		assert_int_equal(
			run_follow_tick(&f, now, &wait), RUN_FOLLOW_AGAIN);
	}
	assert_int_equal(wait, RUN_QUIET_MAX_MS);
	run_follow_heard(&f, now);
	assert_int_equal(
		run_follow_tick(&f, now + 1, &wait), RUN_FOLLOW_NOTHING);
}

static void what_is_no_record_is_refused(void **state)
{
	static const char *const bad[] = { "\0\0\0\0\1x", "\4\0\0\0\1x",
		"\1\xff\0\0\0x" };
	GString *got = g_string_new(NULL);
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(bad); i++) {
		struct run_follow f;

		run_follow_init(&f, 0);
		assert_int_equal(give(&f, got, 0, bad[i], 6), -EPROTO);
	}
	assert_int_equal(got->len, 0);
	g_string_free(got, TRUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_may_be_cut_anywhere),
		cmocka_unit_test(streams_are_apart),
		cmocka_unit_test(what_came_twice_is_taken_once),
		cmocka_unit_test(gap_is_asked_for_once),
		cmocka_unit_test(much_output_is_acknowledged),
		cmocka_unit_test(silence_is_asked_about_more_and_more_rarely),
		cmocka_unit_test(what_is_no_record_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
