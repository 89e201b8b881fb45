/* What is asked for before anybody asks, and what is not. */
#include "config.h"

#include "cache.h"
#include "fs_limits.h"
#include "names.h"
#include "test.h"
#include "walk.h"
#include "world.h"

#include <fcntl.h>

#define DIRECTORIES 40
#define FILES	    60
#define LARGE	    (32 << 20)
#define PIECE	    (128 << 10)

static int setup(void **state)
{
	int rc = world_setup(state);
	struct world *w = *state;

	if (rc < 0)
		return rc;
	w->session->options.has_prefetch = true;
	cache_free(w->session->cache);
	w->session->cache = cache_new(w->cache.fd, 1 << 20, NULL);
	return 0;
}

static void make_files(struct world *w, const char *directory, int count)
{
	for (int i = 0; i < count; i++) {
		g_autofree char *path =
			g_strdup_printf("%s/f%02d", directory, i);

		fake_remote_put(w->remote, path, path);
	}
}

static void open_directory(struct world *w, const char *path)
{
	struct handle *h;

	assert_int_equal(world_open(w, path, O_RDONLY, &h), 0);
	world_release(w, h);
}

static void cat(struct world *w, const char *path)
{
	assert_cat(w, path, path);
}

/* Exactly that many, when nothing runs any more. */
static void assert_settles(struct world *w, enum fake_op op, unsigned count)
{
	fake_remote_await_calls(w->remote, op, count);
	world_end_session(w);
	assert_int_equal(fake_remote_calls(w->remote, op), count);
}

static void make_directories(struct world *w)
{
	for (int i = 0; i < DIRECTORIES; i++) {
		g_autofree char *path = g_strdup_printf("t/d%02d", i);

		make_files(w, path, 2);
	}
}

static void one_directory_is_no_walk(void **state)
{
	struct world *w = *state;

	make_directories(w);
	open_directory(w, "t");
	assert_settles(w, FAKE_LIST, 2); /* the root's, and its own */
}

static void a_young_walk_looks_a_little_ahead(void **state)
{
	struct world *w = *state;

	make_directories(w);
	open_directory(w, "t");
	open_directory(w, "t/d00");
	assert_settles(w, FAKE_LIST, 3 + 4 * WALK_CERTAIN);
}

static void a_walk_asks_for_each_directory_once(void **state)
{
	struct world *w = *state;

	make_directories(w);
	open_directory(w, "t");
	for (int i = 0; i < DIRECTORIES; i++) {
		g_autofree char *path = g_strdup_printf("t/d%02d", i);

		open_directory(w, path);
	}
	assert_settles(w, FAKE_LIST, 2 + DIRECTORIES);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_READ), 0);
}

static void names_looked_up_in_order_are_a_walk(void **state)
{
	struct world *w = *state;

	make_directories(w);
	assert_int_equal(world_exists(w, "t/d00/f00"), 0);
	assert_int_equal(world_exists(w, "t/d01/f00"), 0);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_LIST), 4);
	assert_int_equal(world_exists(w, "t/d02/f00"), 0);
	assert_settles(w, FAKE_LIST, 5 + 4 * WALK_CERTAIN);
}

static void one_file_is_no_reading(void **state)
{
	struct world *w = *state;

	make_files(w, "t", FILES);
	cat(w, "t/f00");
	assert_settles(w, FAKE_READ, 1);
}

static void files_in_order_bring_the_next_ones(void **state)
{
	struct world *w = *state;

	make_files(w, "t", FILES);
	cat(w, "t/f00");
	cat(w, "t/f01");
	assert_settles(
		w, FAKE_READ, 2 + (PREFETCH_FILES >> (PREFETCH_DOUBLINGS - 1)));
}

static void each_file_is_read_once(void **state)
{
	struct world *w = *state;

	for (int d = 0; d < 4; d++) {
		g_autofree char *directory = g_strdup_printf("t/d%02d", d);

		make_files(w, directory, FILES);
	}
	open_directory(w, "t");
	for (int i = 0; i < 4 * FILES; i++) {
		g_autofree char *path =
			g_strdup_printf("t/d%02d/f%02d", i / FILES, i % FILES);
		g_autofree char *directory = path_parent(path);

		if (i % FILES == 0)
			open_directory(w, directory);
		cat(w, path);
	}
	assert_settles(w, FAKE_READ, 4 * FILES);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_LIST), 6);
}

static void what_is_read_from_the_end_is_read_alone(void **state)
{
	struct world *w = *state;

	make_files(w, "t", FILES);
	for (int i = FILES; i > FILES - 10; i--) {
		g_autofree char *path = g_strdup_printf("t/f%02d", i - 1);

		cat(w, path);
	}
	assert_settles(w, FAKE_READ, 10);
}

static void nothing_is_asked_for_when_it_is_off(void **state)
{
	struct world *w = *state;

	w->session->options.has_prefetch = false;
	make_directories(w);
	open_directory(w, "t");
	open_directory(w, "t/d00");
	cat(w, "t/d00/f00");
	cat(w, "t/d00/f01");
	assert_settles(w, FAKE_LIST, 3);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_READ), 2);
}

/* In the kernel's pieces; `stride` apart. */
static void read_pieces(
	struct world *w, const char *path, int64_t size, int64_t stride)
{
	g_autofree char *buffer = g_malloc(PIECE);
	struct handle *h;

	assert_int_equal(world_open(w, path, O_RDONLY, &h), 0);
	for (int64_t at = 0; at < size; at += stride)
		assert_int_equal(world_read(w, h, buffer, PIECE, at), PIECE);
	world_release(w, h);
}

static void put_large(struct world *w, const char *path)
{
	g_autofree char *text = g_strnfill(LARGE, 'x');

	fake_remote_put(w->remote, path, text);
}

static void a_large_file_comes_in_windows_that_grow(void **state)
{
	struct world *w = *state;

	put_large(w, "large");
	read_pieces(w, "large", LARGE, PIECE);
	/* Eleven, and as many again when the reader is faster than his
	 * helper. */
	assert_in_range(fake_remote_calls(w->remote, FAKE_READ), 8, 24);
}

static void random_reads_that_cost_no_time_bring_nothing_else(void **state)
{
	struct world *w = *state;

	put_large(w, "large");
	read_pieces(w, "large", LARGE, LARGE / 8);
	assert_settles(w, FAKE_READ, 8);
}

int main(void)
{
#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)
	const struct CMUnitTest tests[] = {
		WORLD_TEST(one_directory_is_no_walk),
		WORLD_TEST(a_young_walk_looks_a_little_ahead),
		WORLD_TEST(a_walk_asks_for_each_directory_once),
		WORLD_TEST(names_looked_up_in_order_are_a_walk),
		WORLD_TEST(one_file_is_no_reading),
		WORLD_TEST(files_in_order_bring_the_next_ones),
		WORLD_TEST(each_file_is_read_once),
		WORLD_TEST(what_is_read_from_the_end_is_read_alone),
		WORLD_TEST(nothing_is_asked_for_when_it_is_off),
		WORLD_TEST(a_large_file_comes_in_windows_that_grow),
		WORLD_TEST(random_reads_that_cost_no_time_bring_nothing_else),
	};
#undef WORLD_TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
