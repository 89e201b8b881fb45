/* Following a record: every byte once, in order, whatever gets lost. */
#include "config.h"

#include "run_follow.h"
#include "test.h"

#include "common_limits.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

struct taken {
	GString *bytes;
	unsigned skips;
	int refusal;
	size_t most; /* in one piece; 0: any */
};

static ssize_t take(void *arg, const uint8_t *bytes, size_t length)
{
	struct taken *t = arg;

	if (t->refusal != 0)
		return t->refusal;
	if (t->most > 0 && length > t->most)
		length = t->most;
	g_string_append_len(t->bytes, (const char *)bytes, (gssize)length);
	return (ssize_t)length;
}

static int skip_on(void *arg)
{
	struct taken *t = arg;

	t->skips++;
	return t->refusal;
}

static int give_piece(struct run_follow *f, struct taken *t, int64_t offset,
	const char *bytes, size_t length, bool is_after_skip)
{
	const struct run_sink sink = { take, skip_on, t };
	const struct run_piece piece = { offset, is_after_skip,
		(const uint8_t *)bytes, length };

	return run_follow_output(f, &piece, &sink);
}

static int give(struct run_follow *f, GString *got, int64_t offset,
	const char *bytes, size_t length)
{
	struct taken t = { .bytes = got };

	return give_piece(f, &t, offset, bytes, length, false);
}

static const char record[] = "what a supervisor records";
#define RECORD_BYTES (sizeof(record) - 1)

static void record_may_be_cut_anywhere(void **state)
{
	size_t cut;

	(void)state;
	for (cut = 0; cut <= RECORD_BYTES; cut++) {
		GString *got = g_string_new(NULL);
		struct run_follow f;

		run_follow_init(&f, 0, 0);
		assert_int_equal(give(&f, got, 0, record, cut), 0);
		assert_int_equal(give(&f, got, (int64_t)cut, &record[cut],
					 RECORD_BYTES - cut),
			0);
		assert_int_equal(run_follow_end(&f, (int64_t)RECORD_BYTES),
			RUN_FOLLOW_DONE);
		assert_string_equal(got->str, record);
		g_string_free(got, TRUE);
	}
}

static void following_goes_on_from_what_is_there(void **state)
{
	GString *got = g_string_new(NULL);
	struct run_follow f;

	(void)state;
	run_follow_init(&f, 5, 0);
	assert_int_equal(give(&f, got, 0, record, RECORD_BYTES), 0);
	assert_string_equal(got->str, record + 5);
	g_string_free(got, TRUE);
}

static void what_is_not_kept_any_more_is_skipped(void **state)
{
	struct taken t = { .bytes = g_string_new(NULL) };
	struct run_follow f;

	(void)state;
	run_follow_init(&f, 0, 0);
	assert_int_equal(give_piece(&f, &t, 0, record, 4, false), 0);
	assert_int_equal(give_piece(&f, &t, 1000, "later", 5, true), 0);
	assert_string_equal(t.bytes->str, "whatlater");
	assert_int_equal(t.skips, 1);
	assert_int_equal(f.offset, 1005);
	/* It comes twice; nothing is missing before it any more. */
	assert_int_equal(give_piece(&f, &t, 1000, "later", 5, true), 0);
	assert_int_equal(t.skips, 1);
	assert_string_equal(t.bytes->str, "whatlater");
	g_string_free(t.bytes, TRUE);
}

static void what_is_not_taken_is_asked_for_after_a_silence(void **state)
{
	struct taken t = { .bytes = g_string_new(NULL), .refusal = -ENOSPC };
	struct run_follow f;
	int wait = 0;

	(void)state;
	run_follow_init(&f, 0, 0);
	assert_int_equal(
		give_piece(&f, &t, 0, record, RECORD_BYTES, false), -ENOSPC);
	assert_int_equal(f.offset, 0);
	assert_int_equal(give_piece(&f, &t, 1000, "later", 5, true), -ENOSPC);
	assert_int_equal(f.offset, 0);
	t.refusal = 0;
	t.most = 4;
	assert_int_equal(give_piece(&f, &t, 0, record, RECORD_BYTES, false), 0);
	assert_int_equal(f.offset, 4);
	assert_int_equal(
		run_follow_tick(&f, RUN_QUIET_MS, &wait), RUN_FOLLOW_AGAIN);
	t.most = 0;
	assert_int_equal(
		give_piece(&f, &t, 4, record + 4, RECORD_BYTES - 4, false), 0);
	assert_string_equal(t.bytes->str, record);
	g_string_free(t.bytes, TRUE);
}

static void what_came_twice_is_taken_once(void **state)
{
	GString *got = g_string_new(NULL);
	struct run_follow f;

	(void)state;
	run_follow_init(&f, 0, 0);
	assert_int_equal(give(&f, got, 0, record, 8), 0);
	assert_int_equal(give(&f, got, 0, record, 8), 0);
	assert_int_equal(give(&f, got, 4, &record[4], RECORD_BYTES - 4), 0);
	assert_int_equal(give(&f, got, 0, record, RECORD_BYTES), 0);
	assert_string_equal(got->str, record);
	g_string_free(got, TRUE);
}

static void gap_is_asked_for_once(void **state)
{
	GString *got = g_string_new(NULL);
	struct run_follow f;

	(void)state;
	run_follow_init(&f, 0, 0);
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
	run_follow_init(&f, 0, 0);
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
	run_follow_init(&f, 0, now);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_may_be_cut_anywhere),
		cmocka_unit_test(following_goes_on_from_what_is_there),
		cmocka_unit_test(what_is_not_kept_any_more_is_skipped),
		cmocka_unit_test(
			what_is_not_taken_is_asked_for_after_a_silence),
		cmocka_unit_test(what_came_twice_is_taken_once),
		cmocka_unit_test(gap_is_asked_for_once),
		cmocka_unit_test(much_output_is_acknowledged),
		cmocka_unit_test(silence_is_asked_about_more_and_more_rarely),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
