/* What changed, also against a map of single bytes. */
#include "config.h"

#include "delta.h"
#include "fs_limits.h"
#include "remote.h"
#include "test.h"

#include <string.h>

#define SIZE	   ((int64_t)1 << 20)
#define MAP	   2000 /* of units */
#define UNIT	   1000
#define OPERATIONS 20
#define ROUNDS	   2000

static const struct remote_range *at(const GArray *ranges, guint i)
{
	return &g_array_index(ranges, struct remote_range, i);
}

static void all_present(struct extents *e)
{
	extents_init(e);
	assert_int_equal(extents_add(e, 0, 2 * SIZE), 0);
}

static void ranges_are_what_was_added(void **state)
{
	struct delta d = { 0 };
	struct extents present;
	GArray *ranges;

	(void)state;
	all_present(&present);
	assert_null(delta_ranges(&d, &present, SIZE));
	delta_begin(&d, true);
	ranges = delta_ranges(&d, &present, SIZE);
	assert_int_equal(ranges->len, 0);
	g_array_unref(ranges);
	delta_add(&d, 500, 600);
	delta_add(&d, 10, 20);
	delta_add(&d, SIZE, SIZE + 5);
	ranges = delta_ranges(&d, &present, SIZE + 3); /* not past the end */
	assert_int_equal(ranges->len, 3);
	assert_int_equal(at(ranges, 0)->start, 10);
	assert_int_equal(at(ranges, 0)->length, 10);
	assert_int_equal(at(ranges, 1)->start, 500);
	assert_int_equal(at(ranges, 2)->start, SIZE);
	assert_int_equal(at(ranges, 2)->length, 3);
	g_array_unref(ranges);
	delta_begin(&d, false);
	delta_add(&d, 0, 1);
	assert_null(delta_ranges(&d, &present, SIZE));
	delta_clear(&d);
	extents_clear(&present);
}

static void small_files_and_large_changes_are_sent_whole(void **state)
{
	struct delta d = { 0 };
	struct extents present;
	GArray *ranges;

	(void)state;
	all_present(&present);
	delta_begin(&d, true);
	assert_null(delta_ranges(&d, &present, 256 << 10));
	ranges = delta_ranges(&d, &present, (256 << 10) + 1);
	assert_non_null(ranges);
	g_array_unref(ranges);
	delta_add(&d, 1, SIZE / 2);
	ranges = delta_ranges(&d, &present, SIZE);
	assert_non_null(ranges);
	g_array_unref(ranges);
	delta_add(&d, 0, 1);
	assert_null(delta_ranges(&d, &present, SIZE));
	delta_clear(&d);
	extents_clear(&present);
}

static void many_that_are_close_become_one(void **state)
{
	struct delta d = { 0 };
	struct extents present;
	GArray *ranges;

	(void)state;
	all_present(&present);
	delta_begin(&d, true);
	for (int64_t i = 0; i <= DELTA_RANGES_MAX; i++)
		delta_add(&d, i * 100, i * 100 + 1);
	ranges = delta_ranges(&d, &present, SIZE);
	assert_int_equal(ranges->len, 1);
	assert_int_equal(at(ranges, 0)->length, DELTA_RANGES_MAX * 100 + 1);
	g_array_unref(ranges);
	/* But not over what is not here. */
	assert_int_equal(extents_remove(&present, 150, 160), 0);
	ranges = delta_ranges(&d, &present, SIZE);
	assert_int_equal(ranges->len, 2);
	assert_int_equal(at(ranges, 0)->length, 101);
	g_array_unref(ranges);
	/* Nor what should be sent itself. */
	assert_int_equal(extents_remove(&present, 0, 1), 0);
	assert_null(delta_ranges(&d, &present, SIZE));
	delta_clear(&d);
	extents_clear(&present);
}

static void too_many_to_remember_are_all(void **state)
{
	struct delta d = { 0 };
	struct extents present;

	(void)state;
	all_present(&present);
	delta_begin(&d, true);
	for (int64_t i = 0; i <= EXTENTS_MAX; i++)
		delta_add(&d, i * 2, i * 2 + 1);
	assert_null(delta_ranges(&d, &present, SIZE));
	delta_clear(&d);
	extents_clear(&present);
}

/* One change of a file whose units are `now`. */
static void change(GRand *rand, struct delta *d, char *now, int *size)
{
	int start = g_rand_int_range(rand, 0, MAP);
	int length = g_rand_int_range(rand, 1, 40);
	int end = MIN(MAP, start + length);

	if (g_rand_int_range(rand, 0, 3) == 0 && start > MAP / 2) {
		*size = MIN(*size, start);
		delta_cut(d, (int64_t)*size * UNIT);
		return;
	}
	if (start > *size) { /* zeroes */
		memset(now + *size, 0, (size_t)(start - *size));
		delta_add(d, (int64_t)*size * UNIT, (int64_t)start * UNIT);
	}
	memset(now + start, g_rand_int_range(rand, 2, 100),
		(size_t)(end - start));
	*size = MAX(*size, end);
	delta_add(d, (int64_t)start * UNIT, (int64_t)end * UNIT);
}

static void nothing_that_differs_is_left_out(void **state)
{
	GRand *rand = g_rand_new_with_seed(g_random_int());
	struct extents present = EXTENTS_INIT;
	struct delta d = { 0 };
	int with_ranges = 0;

	(void)state;
	assert_int_equal(extents_add(&present, 0, MAP * UNIT), 0);
	for (int round = 0; round < ROUNDS; round++) {
		int base_size = g_rand_int_range(rand, MAP / 2, MAP);
		int size = base_size;
		char now[MAP], sent[MAP];
		GArray *ranges;

		memset(now, 1, sizeof(now));
		delta_begin(&d, true);
		for (int i = 0; i < OPERATIONS; i++)
			change(rand, &d, now, &size);
		ranges = delta_ranges(&d, &present, (int64_t)size * UNIT);
		if (ranges == NULL)
			continue;
		with_ranges++;
		memset(sent, 101, sizeof(sent));
		memset(sent, 1, (size_t)MIN(base_size, size));
		for (guint i = 0; i < ranges->len; i++)
			memcpy(sent + at(ranges, i)->start / UNIT,
				now + at(ranges, i)->start / UNIT,
				(size_t)(at(ranges, i)->length / UNIT));
		assert_memory_equal(sent, now, (size_t)size);
		g_array_unref(ranges);
	}
	assert_true(with_ranges > ROUNDS / 4);
	delta_clear(&d);
	extents_clear(&present);
	g_rand_free(rand);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_what_was_added),
		cmocka_unit_test(small_files_and_large_changes_are_sent_whole),
		cmocka_unit_test(many_that_are_close_become_one),
		cmocka_unit_test(too_many_to_remember_are_all),
		cmocka_unit_test(nothing_that_differs_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
