/* Sets of byte ranges, also against a map of single bytes. */
#include "config.h"

#include "extent.h"
#include "fs_limits.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAP	   96
#define OPERATIONS 200000

static void assert_text(const struct extents *e, const char *expected)
{
	g_autofree char *text = extents_to_text(e);

	assert_string_equal(text, expected);
}

static void make(struct extents *e, const char *text)
{
	extents_init(e);
	assert_int_equal(extents_parse(text, e), 0);
}

static void ranges_that_touch_become_one(void **state)
{
	struct extents e = EXTENTS_INIT;

	(void)state;
	assert_true(extents_is_empty(&e));
	assert_int_equal(extents_add(&e, 10, 20), 0);
	assert_int_equal(extents_add(&e, 30, 40), 0);
	assert_text(&e, "10-20,30-40");
	assert_int_equal(extents_add(&e, 20, 25), 0);
	assert_text(&e, "10-25,30-40");
	assert_int_equal(extents_add(&e, 0, 0), 0);
	assert_int_equal(extents_add(&e, 50, 45), 0);
	assert_int_equal(extents_count(&e), 2);
	assert_int_equal(extents_add(&e, 25, 30), 0);
	assert_text(&e, "10-40");
	assert_int_equal(extents_bytes(&e), 30);
	assert_int_equal(extents_end(&e), 40);
	extents_clear(&e);
	assert_true(extents_is_empty(&e));
	assert_int_equal(extents_end(&e), 0);
}

static void what_is_removed_is_gone(void **state)
{
	struct extents e;

	(void)state;
	make(&e, "0-100");
	assert_int_equal(extents_remove(&e, 40, 60), 0);
	assert_text(&e, "0-40,60-100");
	assert_int_equal(extents_remove(&e, 30, 70), 0);
	assert_text(&e, "0-30,70-100");
	extents_truncate(&e, 70);
	assert_text(&e, "0-30");
	extents_truncate(&e, 10);
	assert_text(&e, "0-10");
	extents_truncate(&e, 0);
	assert_true(extents_is_empty(&e));
	extents_clear(&e);
}

static void gaps_and_runs_are_cut_to_the_window(void **state)
{
	struct extents e;
	int64_t start = -1;
	int64_t end = -1;

	(void)state;
	make(&e, "10-20,30-40");
	assert_true(extents_next_gap(&e, 5, 50, &start, &end));
	assert_int_equal(start, 5);
	assert_int_equal(end, 10);
	assert_true(extents_next_gap(&e, 12, 25, &start, &end));
	assert_int_equal(start, 20);
	assert_int_equal(end, 25);
	assert_false(extents_next_gap(&e, 12, 20, &start, &end));
	assert_true(extents_next_run(&e, 15, 35, &start, &end));
	assert_int_equal(start, 15);
	assert_int_equal(end, 20);
	assert_false(extents_next_run(&e, 20, 30, &start, &end));
	assert_false(extents_next_run(&e, 15, 15, &start, &end));
	assert_true(extents_contains(&e, 30, 40));
	assert_true(extents_contains(&e, 99, 99));
	assert_false(extents_contains(&e, 30, 41));
	extents_clear(&e);
}

static void a_copy_is_its_own(void **state)
{
	struct extents e;
	struct extents copy;

	(void)state;
	make(&e, "1-2");
	make(&copy, "5-6");
	extents_copy(&copy, &e);
	assert_int_equal(extents_add(&e, 8, 9), 0);
	assert_text(&copy, "1-2");
	extents_clear(&e);
	extents_copy(&copy, &e);
	assert_true(extents_is_empty(&copy));
	extents_clear(&copy);
}

static void the_largest_offsets_work(void **state)
{
	struct extents e = EXTENTS_INIT;

	(void)state;
	assert_int_equal(extents_add(&e, INT64_MAX - 1, INT64_MAX), 0);
	assert_text(&e, "9223372036854775806-9223372036854775807");
	assert_int_equal(extents_add(&e, 0, INT64_MAX), 0);
	assert_text(&e, "0-9223372036854775807");
	extents_clear(&e);
	make(&e, "0-9223372036854775807");
	assert_int_equal(extents_bytes(&e), INT64_MAX);
	extents_clear(&e);
}

static void only_what_is_written_is_parsed(void **state)
{
	static const char *const refused[] = { " ", "0", "0-", "-1", "1-1",
		"2-1", "0-1,", ",0-1", "0-1,1-2", "0-1,0-2", "5-6,1-2", "0-1 ",
		" 0-1", "+0-1", "00-1", "0-01", "0--1", "0-1;2-3", "a-b",
		"0-0x1", "0-9223372036854775808", "0-99999999999999999999",
		"0-1-2", "0-1,,2-3" };
	struct extents e;
	size_t i;

	(void)state;
	make(&e, "");
	assert_true(extents_is_empty(&e));
	make(&e, "3-4");
	for (i = 0; i < G_N_ELEMENTS(refused); i++)
		if (extents_parse(refused[i], &e) != -EINVAL)
			fail_msg("\"%s\" was parsed", refused[i]);
	assert_text(&e, "3-4");
	extents_clear(&e);
}

static void fill(struct extents *e)
{
	int i;

	extents_init(e);
	for (i = 0; i < EXTENTS_MAX; i++)
		assert_int_equal(extents_add(e, 10 * i, 10 * i + 1 + i % 3), 0);
}

static void a_full_set_refuses_and_stays_as_it_was(void **state)
{
	struct extents e;
	g_autofree char *before = NULL;
	g_autofree char *more = NULL;

	(void)state;
	fill(&e);
	before = extents_to_text(&e);
	assert_int_equal(extents_add(&e, 5, 6), -E2BIG);
	assert_int_equal(extents_add(&e, 0, 10 * EXTENTS_MAX), 0);
	assert_int_equal(extents_count(&e), 1);
	assert_int_equal(extents_parse(before, &e), 0);
	assert_int_equal(extents_count(&e), EXTENTS_MAX);
	more = g_strconcat(before, ",999999-1000000", NULL);
	assert_int_equal(extents_parse(more, &e), -E2BIG);
	/* A hole in a run needs one more; a shorter run does not. */
	assert_int_equal(extents_remove(&e, 21, 22), -E2BIG);
	assert_text(&e, before);
	assert_int_equal(extents_remove(&e, 20, 22), 0);
	assert_int_equal(extents_count(&e), EXTENTS_MAX);
	extents_clear(&e);
}

static void forgetting_keeps_the_largest(void **state)
{
	struct extents e;

	(void)state;
	fill(&e);
	extents_forget_small(&e);
	assert_int_equal(extents_count(&e), EXTENTS_MAX / 2);
	assert_true(extents_contains(&e, 20, 23));
	assert_false(extents_contains(&e, 0, 1));
	assert_int_equal(extents_add(&e, 5, 6), 0);
	extents_forget_small(&e);
	assert_int_equal(extents_count(&e), EXTENTS_MAX / 2);
	assert_false(extents_contains(&e, 5, 6));
	extents_clear(&e);
}

/* --- against a map of single bytes ---------------------------------------- */

static void map_set(bool *map, int start, int end, bool value)
{
	int i;

	for (i = start; i < end; i++)
		map[i] = value;
}

/* The first piece of [from, to) whose bytes are `value`. */
static bool map_next(const bool *map, int from, int to, bool value,
	int64_t *start, int64_t *end)
{
	int i = from;

	while (i < to && map[i] != value)
		i++;
	if (i >= to)
		return false;
	*start = i;
	while (i < to && map[i] == value)
		i++;
	*end = i;
	return true;
}

static void assert_same(
	const struct extents *e, const bool *map, int from, int to)
{
	int64_t a[2] = { 0, 0 };
	int64_t b[2] = { 0, 0 };
	int64_t sum = 0;
	int i;

	assert_int_equal(extents_next_gap(e, from, to, &a[0], &a[1]),
		map_next(map, from, to, false, &b[0], &b[1]));
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(extents_next_run(e, from, to, &a[0], &a[1]),
		map_next(map, from, to, true, &b[0], &b[1]));
	assert_memory_equal(a, b, sizeof(a));
	for (i = 0; i < MAP; i++)
		sum += map[i];
	assert_int_equal(extents_bytes(e), sum);
}

static void assert_text_goes_round(const struct extents *e)
{
	g_autofree char *text = extents_to_text(e);
	struct extents again;

	make(&again, text);
	assert_text(&again, text);
	assert_int_equal(extents_count(&again), extents_count(e));
	extents_clear(&again);
}

static void random_operations_agree_with_a_map_of_bytes(void **state)
{
	const char *given = getenv("PYCLOUD_TEST_SEED");
	unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10)
				      : (unsigned)time(NULL);
	struct extents e = EXTENTS_INIT;
	bool map[MAP] = { false };
	g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
	int i;

	(void)state;
	print_message("PYCLOUD_TEST_SEED=%u\n", seed);
	for (i = 0; i < OPERATIONS; i++) {
		int a = g_rand_int_range(rand, 0, MAP);
		int b = g_rand_int_range(rand, a, MIN(MAP, a + 12) + 1);

		switch (g_rand_int_range(rand, 0, 20)) {
		case 0:
			extents_truncate(&e, a);
			map_set(map, a, MAP, false);
			break;
		case 1:
			assert_text_goes_round(&e);
			break;
		case 2:
		case 3:
		case 4:
		case 5:
		case 6:
		case 7:
		case 8:
			assert_int_equal(extents_remove(&e, a, b), 0);
			map_set(map, a, b, false);
			break;
		default:
			assert_int_equal(extents_add(&e, a, b), 0);
			map_set(map, a, b, true);
			break;
		}
		a = g_rand_int_range(rand, 0, MAP);
		assert_same(&e, map, a, g_rand_int_range(rand, a, MAP + 1));
	}
	extents_clear(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_that_touch_become_one),
		cmocka_unit_test(what_is_removed_is_gone),
		cmocka_unit_test(gaps_and_runs_are_cut_to_the_window),
		cmocka_unit_test(a_copy_is_its_own),
		cmocka_unit_test(the_largest_offsets_work),
		cmocka_unit_test(only_what_is_written_is_parsed),
		cmocka_unit_test(a_full_set_refuses_and_stays_as_it_was),
		cmocka_unit_test(forgetting_keeps_the_largest),
		cmocka_unit_test(random_operations_agree_with_a_map_of_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
