/* Who walks through the tree, and who only looks like it. */
#include "config.h"

#include "fs_limits.h"
#include "test.h"
#include "walk.h"

#include <glib.h>

static struct walks walks;
static int64_t now_ms;

static int begin(void **state)
{
	(void)state;
	now_ms = 1000000;
	walks_init(&walks);
	return 0;
}

static int end(void **state)
{
	(void)state;
	walks_clear(&walks);
	return 0;
}

static struct walk *open_directory(const char *path)
{
	bool has_moved;

	return walks_open_directory(&walks, path, now_ms++, &has_moved);
}

static struct walk *look_up(const char *path)
{
	bool has_moved;

	return walks_look_up(&walks, path, now_ms++, &has_moved);
}

static struct walk *open_file(const char *path)
{
	bool has_moved;

	return walks_open_file(&walks, path, now_ms++, &has_moved);
}

static void order_is_that_of_a_walk(void **state)
{
	static const char *const ordered[] = { "", "a", "a/b", "a/b/c", "a/bc",
		"a b", "a.c", "aa", "aa/a", "b", "b\xc3\xa4" };

	(void)state;
	for (unsigned i = 0; i < G_N_ELEMENTS(ordered); i++)
		for (unsigned k = 0; k < G_N_ELEMENTS(ordered); k++) {
			int order = walk_compare(ordered[i], ordered[k]);

			assert_int_equal(
				(order > 0) - (order < 0), (i > k) - (i < k));
		}
}

static void directories_opened_in_order_are_a_walk(void **state)
{
	struct walk *w = open_directory("tree");

	(void)state;
	assert_int_equal(w->steps, 0);
	assert_ptr_equal(open_directory("tree/a"), w);
	assert_true(w->steps >= WALK_CERTAIN);
	assert_string_equal(w->top, "tree");
	assert_ptr_equal(open_directory("tree/a/below"), w);
	assert_ptr_equal(open_directory("tree/b"), w);
	assert_string_equal(w->top, "tree");
	assert_true(walk_is_ahead(w, "tree/b/x"));
	assert_true(walk_is_ahead(w, "tree/c"));
	assert_false(walk_is_ahead(w, "tree/b"));
	assert_false(walk_is_ahead(w, "tree/a/z"));
}

static void a_walk_that_begins_again_is_another(void **state)
{
	uint64_t number = open_directory("tree")->number;

	(void)state;
	(void)open_directory("tree/z");
	assert_true(open_directory("tree")->number != number);
	assert_int_equal(open_directory("tree/a")->steps, WALK_CERTAIN);
}

static void resolving_a_path_is_no_walk(void **state)
{
	static const char *const path[] = { "", "a", "a/b", "a/b/c" };

	(void)state;
	for (int i = 0; i < 3; i++)
		for (unsigned k = 0; k < G_N_ELEMENTS(path); k++) {
			struct walk *w = look_up(path[k]);

			assert_true(w == NULL || w->steps == 0);
		}
	assert_int_equal(open_directory("a/b/c/d")->steps, 0);
	assert_int_equal(open_directory("a/b/c/d/e")->steps, WALK_CERTAIN);
}

static void looking_into_later_siblings_is_a_walk_the_second_time(void **state)
{
	struct walk *w = look_up("a/1");

	(void)state;
	assert_ptr_equal(look_up("a/2"), w);
	assert_true(w->steps < WALK_CERTAIN);
	assert_null(look_up("a")); /* on the way */
	assert_ptr_equal(look_up("a/3"), w);
	assert_int_equal(w->steps, WALK_CERTAIN);
	assert_string_equal(w->top, "a");
	assert_ptr_not_equal(look_up("a/1"), w);
}

static void walks_in_one_tree_are_told_apart(void **state)
{
	struct walk *late = look_up("t/50");
	struct walk *early = look_up("t/00");

	(void)state;
	assert_ptr_not_equal(early, late);
	for (int i = 1; i < 20; i++) {
		g_autofree char *a = g_strdup_printf("t/%02d", i);
		g_autofree char *b = g_strdup_printf("t/%02d", 50 + i);

		assert_ptr_equal(look_up(b), late);
		assert_ptr_equal(look_up(a), early);
	}
	assert_int_equal(early->steps, 19);
	assert_int_equal(late->steps, 19);
}

static void files_in_order_are_reading(void **state)
{
	struct walk *w = open_file("d/1");

	(void)state;
	assert_int_equal(w->reads, 0);
	assert_ptr_equal(open_file("d/1"), w);
	assert_int_equal(w->reads, 0);
	(void)open_file("d/2");
	(void)open_file("d/3/x");
	(void)open_file("d/4"); /* up again */
	assert_int_equal(w->reads, 3);
	assert_string_equal(walk_position(w), "d/4");
	assert_int_equal(open_file("d/2")->reads, 0);
	assert_int_equal(open_file("d/1")->reads, 0);
}

static void reading_goes_on_in_the_next_directory(void **state)
{
	struct walk *w = open_directory("t");

	(void)state;
	(void)open_directory("t/a");
	(void)open_file("t/a/1");
	(void)open_file("t/a/2");
	assert_ptr_equal(open_directory("t/b"), w);
	assert_ptr_equal(open_file("t/b/0"), w);
	assert_int_equal(w->reads, 2);
}

static void a_pause_ends_a_walk(void **state)
{
	uint64_t number = open_directory("t")->number;

	(void)state;
	(void)open_directory("t/a");
	now_ms += PREFETCH_PAUSE_MS;
	assert_int_equal(open_directory("t/b")->steps, 0);
	assert_non_null(walks_find(&walks, number));
}

static void a_new_walk_takes_the_oldest_ones_place(void **state)
{
	uint64_t oldest = open_directory("0")->number;
	uint64_t second = open_directory("1/x/0")->number;

	(void)state;
	for (int i = 2; i <= WALKS_MAX; i++) {
		g_autofree char *path = g_strdup_printf("%d/x/0", i);

		assert_int_equal(open_directory(path)->steps, 0);
	}
	assert_null(walks_find(&walks, oldest));
	assert_non_null(walks_find(&walks, second));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			order_is_that_of_a_walk, begin, end),
		cmocka_unit_test_setup_teardown(
			directories_opened_in_order_are_a_walk, begin, end),
		cmocka_unit_test_setup_teardown(
			a_walk_that_begins_again_is_another, begin, end),
		cmocka_unit_test_setup_teardown(
			resolving_a_path_is_no_walk, begin, end),
		cmocka_unit_test_setup_teardown(
			looking_into_later_siblings_is_a_walk_the_second_time,
			begin, end),
		cmocka_unit_test_setup_teardown(
			walks_in_one_tree_are_told_apart, begin, end),
		cmocka_unit_test_setup_teardown(
			files_in_order_are_reading, begin, end),
		cmocka_unit_test_setup_teardown(
			reading_goes_on_in_the_next_directory, begin, end),
		cmocka_unit_test_setup_teardown(
			a_pause_ends_a_walk, begin, end),
		cmocka_unit_test_setup_teardown(
			a_new_walk_takes_the_oldest_ones_place, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
