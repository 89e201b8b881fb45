/* Walks over a remote that lists whole trees and reads batches of files. */
#include "config.h"

#include "cache.h"
#include "fs_limits.h"
#include "names.h"
#include "test.h"
#include "tree.h"
#include "workers.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>

#define DIRECTORIES 100
#define FILES	    10 /* in each */
#define CAPABLE	    (REMOTE_CAN_RANGE | REMOTE_CAN_TREE)

static int setup(void **state)
{
	int rc = world_setup(state);
	struct world *w = *state;

	if (rc < 0)
		return rc;
	w->session->options.has_prefetch = true;
	cache_free(w->session->cache);
	w->session->cache = cache_new(w->cache.fd, 64 << 20, NULL);
	fake_remote_set_capabilities(w->remote, CAPABLE);
	return 0;
}

static char *directory_path(int d)
{
	return g_strdup_printf("t/d%03d", d);
}

static char *file_path(int d, int f)
{
	return g_strdup_printf("t/d%03d/f%d", d, f);
}

static void make_tree(struct world *w, int directories)
{
	for (int i = 0; i < directories * FILES; i++) {
		g_autofree char *path = file_path(i / FILES, i % FILES);

		fake_remote_put(w->remote, path, path);
	}
}

static void open_directory(struct world *w, const char *path)
{
	struct handle *h;

	assert_int_equal(world_open(w, path, O_RDONLY, &h), 0);
	world_release(w, h);
}

/* The remote is as fast as the walk here; nobody else's is. */
static void settle(struct world *w)
{
	workers_settle(w->session->workers);
}

static void open_directories(struct world *w, int first, int end)
{
	for (int d = first; d < end; d++) {
		g_autofree char *path = directory_path(d);

		open_directory(w, path);
	}
}

static void cat(struct world *w, const char *path)
{
	assert_cat(w, path, path);
}

/* As `grep -r` does. */
static void cat_directories(struct world *w, int first, int end)
{
	for (int i = first * FILES; i < end * FILES; i++) {
		g_autofree char *path = file_path(i / FILES, i % FILES);

		if (i % FILES == 0)
			open_directories(w, i / FILES, i / FILES + 1);
		cat(w, path);
		settle(w);
	}
}

/* Nothing runs any more; the session is gone. */
static unsigned settled(struct world *w, enum fake_op op)
{
	if (w->session != NULL)
		world_end_session(w);
	return fake_remote_calls(w->remote, op);
}

/* --- listings ------------------------------------------------------------- */

static void a_walk_takes_one_piece(void **state)
{
	struct world *w = *state;

	make_tree(w, DIRECTORIES);
	open_directory(w, "t");
	open_directories(w, 0, DIRECTORIES);
	assert_int_equal(settled(w, FAKE_LIST_TREE), 1);
	/* The root's, its own, and that of the first step. */
	assert_int_equal(settled(w, FAKE_LIST), 3);
	assert_int_equal(settled(w, FAKE_READ_MANY), 0);
}

static void a_long_walk_takes_pieces_that_grow(void **state)
{
	struct world *w = *state;

	make_tree(w, 8 * DIRECTORIES);
	open_directory(w, "t");
	for (int d = 0; d < 8 * DIRECTORIES; d++) {
		open_directories(w, d, d + 1);
		settle(w);
	}
	/* Of 1,000, 2,000, 4,000 and the rest. */
	assert_int_equal(settled(w, FAKE_LIST_TREE), 4);
	assert_int_equal(settled(w, FAKE_LIST), 3);
}

static void one_directory_is_no_walk(void **state)
{
	struct world *w = *state;

	make_tree(w, DIRECTORIES);
	open_directory(w, "t");
	assert_int_equal(settled(w, FAKE_LIST_TREE), 0);
}

static void names_looked_up_in_order_take_a_piece(void **state)
{
	struct world *w = *state;

	make_tree(w, DIRECTORIES);
	for (int d = 0; d < DIRECTORIES; d++) {
		g_autofree char *path = file_path(d, 0);

		assert_int_equal(world_exists(w, path), 0);
	}
	assert_int_equal(settled(w, FAKE_LIST_TREE), 1);
	/* The root's, t's, and those of the first three names. */
	assert_int_equal(settled(w, FAKE_LIST), 5);
	assert_int_equal(settled(w, FAKE_STAT), 0);
}

static void a_walk_that_stands_still_gets_no_further_piece(void **state)
{
	struct world *w = *state;

	make_tree(w, 8 * DIRECTORIES);
	open_directory(w, "t");
	open_directories(w, 0, 10);
	fake_remote_await_ended(w->remote, FAKE_LIST_TREE, 1);
	open_directories(w, 10, 12);
	assert_int_equal(settled(w, FAKE_LIST_TREE), 1);
}

static void a_walk_that_turns_leaves_the_rest(void **state)
{
	struct world *w = *state;

	make_tree(w, 8 * DIRECTORIES);
	fake_remote_put_directory(w->remote, "u");
	open_directory(w, "t");
	open_directories(w, 0, 2);
	fake_remote_await_ended(w->remote, FAKE_LIST_TREE, 1);
	open_directory(w, "u");
	assert_int_equal(settled(w, FAKE_LIST_TREE), 1);
}

static void a_piece_that_stands_still_is_not_waited_for(void **state)
{
	struct world *w = *state;

	make_tree(w, DIRECTORIES);
	fake_remote_stall(w->remote, FAKE_LIST_TREE);
	open_directory(w, "t");
	open_directories(w, 0, 1);
	fake_remote_await_stalled(w->remote, FAKE_LIST_TREE);
	open_directories(w, 1, DIRECTORIES);
	/* Nor is it asked for once more; each directory is, once. */
	assert_int_equal(fake_remote_calls(w->remote, FAKE_LIST_TREE), 1);
	assert_int_equal(settled(w, FAKE_LIST), 2 + DIRECTORIES);
	assert_int_equal(settled(w, FAKE_LIST_TREE), 1);
}

static void a_piece_that_fails_makes_the_walk_plain(void **state)
{
	struct world *w = *state;

	make_tree(w, DIRECTORIES);
	fake_remote_fail(w->remote, FAKE_LIST_TREE, 1, EIO);
	open_directory(w, "t");
	open_directories(w, 0, DIRECTORIES);
	assert_int_equal(settled(w, FAKE_LIST_TREE), 1);
	assert_int_equal(settled(w, FAKE_LIST), 2 + DIRECTORIES);
}

static void a_capability_that_is_lost_makes_the_walk_plain(void **state)
{
	struct world *w = *state;

	make_tree(w, 2 * DIRECTORIES);
	open_directory(w, "t");
	cat_directories(w, 0, 2);
	fake_remote_set_capabilities(w->remote, REMOTE_CAN_RANGE);
	fake_remote_reset(w->remote);
	cat_directories(w, 2, 2 * DIRECTORIES);
	/* All that was not here. */
	assert_in_range(
		settled(w, FAKE_LIST), DIRECTORIES / 2, 4 * DIRECTORIES);
	assert_in_range(settled(w, FAKE_READ), DIRECTORIES * FILES,
		2 * DIRECTORIES * FILES);
	assert_int_equal(settled(w, FAKE_LIST_TREE), 0);
	assert_int_equal(settled(w, FAKE_READ_MANY), 0);
}

/* The piece was asked for before, and comes after. */
static void what_we_change_meanwhile_stays_so(void **state)
{
	struct world *w = *state;
	g_autofree char *names = NULL;
	int rc;

	make_tree(w, 3);
	fake_remote_stall(w->remote, FAKE_LIST_TREE);
	open_directory(w, "t");
	open_directories(w, 0, 1);
	fake_remote_await_stalled(w->remote, FAKE_LIST_TREE);
	assert_int_equal(world_save(w, "t/d001/new", "text"), 0);
	fake_remote_drop(w->remote, "t/d001/new");
	fake_remote_release(w->remote, FAKE_LIST_TREE);
	fake_remote_await_ended(w->remote, FAKE_LIST_TREE, 1);
	names = world_names(w, "t/d001", &rc);
	assert_int_equal(rc, 0);
	assert_string_equal(names, "f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 new");
}

static char *names_after_a_walk(struct world *w, const char *path)
{
	char *names;
	int rc;

	fake_remote_put(w->remote, "t/a/f", "");
	fake_remote_put(w->remote, "t/b/.dot", "");
	fake_remote_put(w->remote, "t/b/c.pyc", "");
	fake_remote_put(w->remote, "t/b/d", "");
	open_directory(w, "t");
	open_directory(w, "t/a");
	fake_remote_await_ended(w->remote, FAKE_LIST_TREE, 1);
	names = world_names(w, path, &rc);
	assert_int_equal(rc, 0);
	return names;
}

static void dot_names_wait_until_they_are_known_to_be_the_servers(void **state)
{
	struct world *w = *state;
	g_autofree char *names = names_after_a_walk(w, "t/b");

	assert_string_equal(names, "c.pyc d");
}

static void dot_names_that_are_the_servers_are_shown(void **state)
{
	struct world *w = *state;
	g_autofree char *names = NULL;

	fake_remote_set_capabilities(w->remote, CAPABLE | REMOTE_CAN_HIDDEN);
	names = names_after_a_walk(w, "t/b");
	assert_string_equal(names, ".dot c.pyc d");
}

/* --- files ---------------------------------------------------------------- */

static void a_walk_that_reads_takes_a_few_batches(void **state)
{
	struct world *w = *state;

	make_tree(w, DIRECTORIES);
	open_directory(w, "t");
	cat_directories(w, 0, DIRECTORIES);
	assert_in_range(settled(w, FAKE_READ_MANY), 1, 8);
	/* Before the first two make it reading. */
	assert_int_equal(settled(w, FAKE_READ), 2);
	/* As many, and a few more: open() asks again when the disk that the
	 * files go to makes us wait for so long. */
	assert_in_range(settled(w, FAKE_LIST), 3, 8);
	assert_in_range(settled(w, FAKE_LIST_TREE), 1, 8);
}

static void files_of_one_directory_come_in_batches(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < DIRECTORIES; i++) {
		g_autofree char *path = g_strdup_printf("t/f%03d", i);

		fake_remote_put(w->remote, path, path);
	}
	for (int i = 0; i < DIRECTORIES; i++) {
		g_autofree char *path = g_strdup_printf("t/f%03d", i);

		cat(w, path);
		settle(w);
	}
	assert_in_range(settled(w, FAKE_READ_MANY), 1, 4);
	assert_int_equal(settled(w, FAKE_READ), 2);
	assert_int_equal(settled(w, FAKE_LIST_TREE), 0);
}

/* So that they do not fit into one batch. */
static void put_large(struct world *w, int count)
{
	g_autofree char *text = g_strnfill(PREFETCH_FILE_BYTES, 'x');

	for (int i = 0; i < count; i++) {
		g_autofree char *path = g_strdup_printf("t/f%02d", i);

		fake_remote_put(w->remote, path, text);
	}
}

static void read_some(struct world *w, int first, int end)
{
	char some[16];

	for (int i = first; i < end; i++) {
		g_autofree char *path = g_strdup_printf("t/f%02d", i);
		struct handle *h;

		assert_int_equal(world_open(w, path, O_RDONLY, &h), 0);
		assert_int_equal(
			world_read(w, h, some, sizeof(some), 0), sizeof(some));
		world_release(w, h);
		settle(w);
	}
}

static void a_young_reader_gets_one_batch(void **state)
{
	struct world *w = *state;

	put_large(w, 40);
	read_some(w, 0, 2);
	fake_remote_await_ended(w->remote, FAKE_READ_MANY, 1);
	assert_int_equal(settled(w, FAKE_READ_MANY), 1);
	assert_int_equal(settled(w, FAKE_READ), 2);
}

static void batches_hold_so_many_bytes(void **state)
{
	struct world *w = *state;
	int per_batch = PREFETCH_BATCH_BYTES / PREFETCH_FILE_BYTES;

	put_large(w, 40);
	read_some(w, 0, 40);
	assert_in_range(
		settled(w, FAKE_READ_MANY), 38 / per_batch, 38 / per_batch + 4);
	assert_int_equal(settled(w, FAKE_READ), 2);
}

static void a_reader_waits_for_what_is_on_its_way(void **state)
{
	struct world *w = *state;

	make_tree(w, 2);
	fake_remote_stall(w->remote, FAKE_READ_MANY);
	cat(w, "t/d000/f0");
	cat(w, "t/d000/f1");
	fake_remote_await_stalled(w->remote, FAKE_READ_MANY);
	fake_remote_release(w->remote, FAKE_READ_MANY);
	cat(w, "t/d000/f2");
	cat(w, "t/d000/f3");
	assert_int_equal(settled(w, FAKE_READ), 2);
	assert_int_equal(settled(w, FAKE_READ_MANY), 1);
}

static void a_batch_that_fails_makes_the_walk_plain(void **state)
{
	struct world *w = *state;

	make_tree(w, 4);
	fake_remote_fail(w->remote, FAKE_READ_MANY, 1, EIO);
	open_directory(w, "t");
	cat_directories(w, 0, 4);
	assert_int_equal(settled(w, FAKE_READ_MANY), 1);
	assert_int_equal(settled(w, FAKE_READ), 4 * FILES);
}

static void a_file_that_a_batch_cannot_have_is_asked_for_alone(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 5; i++) {
		g_autofree char *path = g_strdup_printf("t/f%d", i);

		fake_remote_put(w->remote, path, path);
	}
	/* Listed with its own size. */
	fake_remote_put_link(w->remote, "t/f2", "t/f2");
	for (int i = 0; i < 5; i++) {
		g_autofree char *path = g_strdup_printf("t/f%d", i);

		cat(w, path);
		settle(w);
	}
	assert_in_range(settled(w, FAKE_READ), 3, 4); /* f0, f1, f2 */
	assert_int_equal(settled(w, FAKE_READ_MANY), 1);
}

static void another_version_is_not_kept(void **state)
{
	struct world *w = *state;

	make_tree(w, 2);
	fake_remote_stall(w->remote, FAKE_READ_MANY);
	cat(w, "t/d000/f0");
	cat(w, "t/d000/f1");
	fake_remote_await_stalled(w->remote, FAKE_READ_MANY);
	fake_remote_put(w->remote, "t/d000/f2", "T/D000/F2");
	fake_remote_release(w->remote, FAKE_READ_MANY);
	fake_remote_await_ended(w->remote, FAKE_READ_MANY, 1);
	assert_cat(w, "t/d000/f2", "T/D000/F2");
}

static void nothing_is_asked_for_when_it_is_off(void **state)
{
	struct world *w = *state;

	w->session->options.has_prefetch = false;
	make_tree(w, 3);
	open_directory(w, "t");
	cat_directories(w, 0, 3);
	assert_int_equal(settled(w, FAKE_LIST_TREE), 0);
	assert_int_equal(settled(w, FAKE_READ_MANY), 0);
}

int main(void)
{
#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)
	const struct CMUnitTest tests[] = {
		WORLD_TEST(a_walk_takes_one_piece),
		WORLD_TEST(a_long_walk_takes_pieces_that_grow),
		WORLD_TEST(one_directory_is_no_walk),
		WORLD_TEST(names_looked_up_in_order_take_a_piece),
		WORLD_TEST(a_walk_that_stands_still_gets_no_further_piece),
		WORLD_TEST(a_walk_that_turns_leaves_the_rest),
		WORLD_TEST(a_piece_that_stands_still_is_not_waited_for),
		WORLD_TEST(a_piece_that_fails_makes_the_walk_plain),
		WORLD_TEST(a_capability_that_is_lost_makes_the_walk_plain),
		WORLD_TEST(what_we_change_meanwhile_stays_so),
		WORLD_TEST(
			dot_names_wait_until_they_are_known_to_be_the_servers),
		WORLD_TEST(dot_names_that_are_the_servers_are_shown),
		WORLD_TEST(a_walk_that_reads_takes_a_few_batches),
		WORLD_TEST(files_of_one_directory_come_in_batches),
		WORLD_TEST(a_young_reader_gets_one_batch),
		WORLD_TEST(batches_hold_so_many_bytes),
		WORLD_TEST(a_reader_waits_for_what_is_on_its_way),
		WORLD_TEST(a_batch_that_fails_makes_the_walk_plain),
		WORLD_TEST(a_file_that_a_batch_cannot_have_is_asked_for_alone),
		WORLD_TEST(another_version_is_not_kept),
		WORLD_TEST(nothing_is_asked_for_when_it_is_off),
	};
#undef WORLD_TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
