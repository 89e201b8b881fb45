/* Modes and times where they are real: what reaches the remote, in how many
 * calls, and that everything here goes on knowing which version it has. */
#include "config.h"

#include "attr_send.h"
#include "common_limits.h"
#include "conflict.h"
#include "overlay.h"
#include "test.h"
#include "workers.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define EVERYTHING                                              \
	(REMOTE_CAN_RANGE | REMOTE_CAN_SWAP | REMOTE_CAN_TREE | \
		REMOTE_CAN_MODE | REMOTE_CAN_TIMES)

static const struct timespec long_ago = { 981173106, 123456789 };

static void set_helper(struct world *w, bool is_there)
{
	fake_remote_set_capabilities(
		w->remote, is_there ? EVERYTHING : REMOTE_CAN_RANGE);
}

static int setup(void **state)
{
	int rc = world_setup(state);

	set_helper(*state, true);
	return rc;
}

static int set_mode(struct world *w, const char *path, mode_t mode)
{
	const struct node_change change = { .has_mode = true, .mode = mode };

	return world_change(w, path, &change);
}

static int set_time(
	struct world *w, const char *path, const struct timespec *mtime)
{
	const struct node_change change = { .has_mtime = true,
		.mtime = *mtime };

	return world_change(w, path, &change);
}

static mode_t mode_of(struct world *w, const char *path)
{
	struct stat st = { 0 };

	assert_int_equal(world_stat(w, path, &st), 0);
	return st.st_mode & 07777;
}

static void assert_time(
	struct world *w, const char *path, const struct timespec *expected)
{
	struct stat st = { 0 };

	assert_int_equal(world_stat(w, path, &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, expected->tv_sec);
	assert_int_equal(st.st_mtim.tv_nsec, expected->tv_nsec);
}

static void assert_real_time(
	struct world *w, const char *path, const struct timespec *expected)
{
	struct timespec real = fake_remote_mtime(w->remote, path);

	assert_int_equal(real.tv_sec, expected->tv_sec);
	assert_int_equal(real.tv_nsec, expected->tv_nsec);
}

static unsigned kept(struct world *w)
{
	g_autoptr(GPtrArray) none = NULL;

	return overlay_list_unsent(w->session->overlay, 0, &none);
}

static void what_is_set_is_real_and_costs_one_call(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "d/a", "bytes");
	assert_int_equal(mode_of(w, "d/a"), 0644);
	fake_remote_reset(w->remote);
	assert_int_equal(set_mode(w, "d/a", 0751), 0);
	assert_int_equal(fake_remote_all_calls(w->remote), 1);
	assert_int_equal(fake_remote_mode(w->remote, "d/a"), 0751);
	assert_int_equal(set_time(w, "d/a", &long_ago), 0);
	assert_int_equal(fake_remote_all_calls(w->remote), 2);
	assert_real_time(w, "d/a", &long_ago);
	assert_int_equal(mode_of(w, "d/a"), 0751);
	assert_time(w, "d/a", &long_ago);
	assert_int_equal(kept(w), 0);
	assert_int_equal(set_mode(w, "d", 0700), 0);
	assert_int_equal(set_time(w, "d", &long_ago), 0);
	assert_int_equal(fake_remote_all_calls(w->remote), 4);
	assert_int_equal(fake_remote_mode(w->remote, "d"), 0700);
	assert_real_time(w, "d", &long_ago);
	assert_time(w, "d", &long_ago);
}

static void what_a_program_sets_before_it_closes_costs_nothing(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put_directory(w->remote, "d");
	assert_int_equal(world_exists(w, "d/x"), -ENOENT);
	assert_int_equal(world_open_mode(w, "d/x", O_CREAT | O_EXCL | O_WRONLY,
				 0600, &h),
		0);
	assert_int_equal(world_write(w, h, "bytes", 0), 5);
	assert_int_equal(set_mode(w, "d/x", 0755), 0);
	assert_int_equal(set_time(w, "d/x", &long_ago), 0);
	fake_remote_reset(w->remote);
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "replace d/x;");
	assert_int_equal(fake_remote_all_calls(w->remote), 1);
	assert_int_equal(fake_remote_mode(w->remote, "d/x"), 0755);
	assert_real_time(w, "d/x", &long_ago);
	assert_int_equal(kept(w), 0);
	world_forget_beliefs(w);
	assert_int_equal(mode_of(w, "d/x"), 0755);
	assert_time(w, "d/x", &long_ago);
}

/* Whatever umask the workspace has. */
static void a_new_file_has_the_mode_that_was_shown(void **state)
{
	struct world *w = *state;
	struct handle *h;

	assert_int_equal(
		world_open_mode(w, "x", O_CREAT | O_WRONLY, 0644, &h), 0);
	assert_int_equal(world_write(w, h, "bytes", 0), 5);
	assert_int_equal(world_close(w, h), 0);
	assert_int_equal(fake_remote_mode(w->remote, "x"),
		0644 & ~w->session->options.fmask);
	assert_int_equal(mode_of(w, "x"), fake_remote_mode(w->remote, "x"));
}

/* The time is the version: of the bytes here, too, and of who edits them. */
static void a_time_is_adopted_by_all_that_knows_the_version(void **state)
{
	struct world *w = *state;
	struct handle *reader, *writer;

	fake_remote_put(w->remote, "a", "bytes");
	assert_int_equal(world_open(w, "a", O_RDONLY, &reader), 0);
	assert_handle(w, reader, "bytes");
	assert_int_equal(world_open(w, "a", O_RDWR, &writer), 0);
	assert_int_equal(set_time(w, "a", &long_ago), 0);
	fake_remote_reset(w->remote);
	assert_handle(w, reader, "bytes");
	assert_cat(w, "a", "bytes");
	assert_int_equal(fake_remote_calls(w->remote, FAKE_READ), 0);
	assert_int_equal(world_write(w, writer, "BY", 0), 2);
	assert_int_equal(world_close(w, writer), 0);
	world_release(w, reader);
	assert_remote(w, "a", "BYtes");
	assert_int_equal(conflicts_count(w->session->conflicts), 0);
}

static void bytes_that_nobody_has_open_stay_in_the_cache(void **state)
{
	struct world *w = *state;

	w->options.cache_bytes = 1 << 20;
	(void)world_restart(w);
	fake_remote_put(w->remote, "a", "bytes");
	assert_cat(w, "a", "bytes");
	assert_int_equal(set_time(w, "a", &long_ago), 0);
	fake_remote_reset(w->remote);
	assert_cat(w, "a", "bytes");
	assert_int_equal(fake_remote_calls(w->remote, FAKE_READ), 0);
}

static void the_kernels_pages_stay(void **state)
{
	struct world *w = *state;
	struct handle *h;
	struct node *n;
	struct entry now = { .size = 5, .mtime = { 981173106, 123456000 } };
	int rc;

	fake_remote_put(w->remote, "a", "bytes");
	assert_int_equal(world_open(w, "a", O_RDONLY, &h), 0);
	assert_int_equal(set_time(w, "a", &long_ago), 0);
	n = world_walk(w, "a", &rc);
	assert_non_null(n);
	assert_true(node_table_keeps_pages(
		w->session->nodes, n, &now.mtime, now.size));
	world_forget(w, n);
	world_release(w, h);
}

/* Others have saved it since we looked: their bytes are not taken for ours. */
static void a_time_is_set_for_what_is_there(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "bytes");
	assert_cat(w, "a", "bytes");
	fake_remote_put(w->remote, "a", "BYTES");
	assert_int_equal(set_time(w, "a", &long_ago), 0);
	assert_real_time(w, "a", &long_ago);
	assert_cat(w, "a", "BYTES");
}

static void what_the_pod_sets_is_shown(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "d/tool", "#!");
	fake_remote_chmod(w->remote, "d/tool", 0755);
	assert_int_equal(mode_of(w, "d/tool"), 0755);
	/* The contents API does not tell, and it has not changed. */
	set_helper(w, false);
	world_forget_beliefs(w);
	assert_int_equal(mode_of(w, "d/tool"), 0755);
	set_helper(w, true);
	fake_remote_chmod(w->remote, "d/tool", 0600);
	world_forget_beliefs(w);
	assert_int_equal(mode_of(w, "d/tool"), 0600);
}

/* A mode that was set here is a memory; the pod has the last word. */
static void the_pods_word_is_the_last(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "d/a", "x");
	assert_int_equal(set_mode(w, "d/a", 0755), 0);
	fake_remote_chmod(w->remote, "d/a", 0640);
	world_forget_beliefs(w);
	assert_int_equal(mode_of(w, "d/a"), 0640);
	set_helper(w, false);
	world_restart(w);
	assert_int_equal(mode_of(w, "d/a"), 0644); /* nobody knows any more */
}

static void without_the_helper_it_stays_as_it_was_set(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "x");
	assert_int_equal(set_mode(w, "a", 0755), 0);
	assert_int_equal(set_time(w, "a", &long_ago), 0);
	set_helper(w, false);
	world_restart(w);
	assert_int_equal(mode_of(w, "a"), 0755);
	assert_time(w, "a", &long_ago);
	assert_int_equal(kept(w), 0);
}

static void what_was_remembered_is_carried_over_once(void **state)
{
	struct world *w = *state;

	set_helper(w, false);
	fake_remote_put(w->remote, "a", "x");
	fake_remote_put(w->remote, "b", "x");
	fake_remote_put_directory(w->remote, "d");
	assert_int_equal(set_mode(w, "a", 0755), 0);
	assert_int_equal(set_time(w, "a", &long_ago), 0);
	assert_int_equal(set_mode(w, "b", 0600), 0);
	assert_int_equal(set_time(w, "b", &long_ago), 0);
	assert_int_equal(set_mode(w, "d", 0700), 0);
	assert_int_equal(kept(w), 3);
	assert_int_equal(fake_remote_mode(w->remote, "a"), 0644);
	fake_remote_put(w->remote, "b", "y"); /* its time has ended */
	(void)world_restart(w);
	assert_int_equal(kept(w), 3);
	set_helper(w, true);
	attr_send_remembered(w->session);
	workers_settle(w->session->workers);
	assert_int_equal(fake_remote_mode(w->remote, "a"), 0755);
	assert_real_time(w, "a", &long_ago);
	assert_int_equal(fake_remote_mode(w->remote, "b"), 0600);
	assert_true(
		fake_remote_mtime(w->remote, "b").tv_sec != long_ago.tv_sec);
	assert_int_equal(fake_remote_mode(w->remote, "d"), 0700);
	fake_remote_reset(w->remote);
	fake_remote_chmod(w->remote, "a", 0640);
	attr_send_remembered(w->session);
	workers_settle(w->session->workers);
	assert_int_equal(fake_remote_mode(w->remote, "a"), 0640);
}

static void what_cannot_be_set_is_kept_here(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "x");
	fake_remote_refuse_bits(w->remote, 0111);
	assert_int_equal(set_mode(w, "a", 0755), 0);
	assert_int_equal(fake_remote_mode(w->remote, "a"), 0644);
	assert_int_equal(mode_of(w, "a"), 0755);
	world_forget_beliefs(w);
	assert_int_equal(mode_of(w, "a"), 0755);
	fake_remote_reset(w->remote);
	attr_send_remembered(w->session);
	workers_settle(w->session->workers);
	assert_int_equal(fake_remote_all_calls(w->remote), 0);
}

static void a_mode_that_may_not_be_set_is_an_error(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "x");
	assert_int_equal(mode_of(w, "a"), 0644);
	fake_remote_fail(w->remote, FAKE_SETATTR, 1, EPERM);
	assert_int_equal(set_mode(w, "a", 0755), -EPERM);
	assert_int_equal(mode_of(w, "a"), 0644);
	fake_remote_fail(w->remote, FAKE_SETATTR, 1, EPERM);
	assert_int_equal(set_time(w, "a", &long_ago), 0);
	assert_time(w, "a", &long_ago);
}

static void a_helper_that_has_just_gone_is_missed_by_nobody(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "x");
	fake_remote_fail(w->remote, FAKE_SETATTR, 1, EOPNOTSUPP);
	assert_int_equal(set_mode(w, "a", 0755), 0);
	fake_remote_fail(w->remote, FAKE_SETATTR, 1, ETIMEDOUT);
	assert_int_equal(set_time(w, "a", &long_ago), 0);
	assert_int_equal(mode_of(w, "a"), 0755);
	assert_time(w, "a", &long_ago);
	assert_int_equal(kept(w), 1);
}

/* An upload that was under way did not know of it. */
static void what_comes_too_late_for_the_upload_is_sent_after_it(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "x");
	assert_int_equal(world_open(w, "a", O_WRONLY | O_TRUNC, &h), 0);
	assert_int_equal(world_write(w, h, "bytes", 0), 5);
	assert_int_equal(set_mode(w, "a", 0755), 0);
	/* The helper is away for this one. */
	fake_remote_fail(w->remote, FAKE_REPLACE, 1, EOPNOTSUPP);
	assert_int_equal(world_close(w, h), 0);
	assert_remote(w, "a", "bytes");
	assert_int_equal(fake_remote_mode(w->remote, "a"), 0755);
	assert_int_equal(kept(w), 0);
}

static void a_rename_takes_them_along(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "old");
	fake_remote_put(w->remote, "t", "new");
	assert_int_equal(set_mode(w, "t", 0755), 0);
	assert_int_equal(set_time(w, "t", &long_ago), 0);
	assert_int_equal(world_rename(w, "t", "b", 0), 0);
	assert_int_equal(mode_of(w, "b"), 0755);
	assert_time(w, "b", &long_ago);
	assert_int_equal(world_rename(w, "b", "a", 0), 0);
	assert_remote(w, "a", "new");
	assert_int_equal(fake_remote_mode(w->remote, "a"), 0755);
	assert_real_time(w, "a", &long_ago);
	assert_time(w, "a", &long_ago);
	assert_int_equal(kept(w), 0);
}

static void a_new_directory_has_its_mode(void **state)
{
	struct world *w = *state;
	const struct node_change change = { .has_mode = true, .mode = 0700 };

	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_change(w, "d", &change), 0);
	assert_int_equal(fake_remote_mode(w->remote, "d"), 0700);
	assert_int_equal(mode_of(w, "d"), 0700);
	assert_int_equal(kept(w), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_set_is_real_and_costs_one_call),
		TEST(what_a_program_sets_before_it_closes_costs_nothing),
		TEST(a_new_file_has_the_mode_that_was_shown),
		TEST(a_time_is_adopted_by_all_that_knows_the_version),
		TEST(bytes_that_nobody_has_open_stay_in_the_cache),
		TEST(the_kernels_pages_stay),
		TEST(a_time_is_set_for_what_is_there),
		TEST(what_the_pod_sets_is_shown),
		TEST(the_pods_word_is_the_last),
		TEST(without_the_helper_it_stays_as_it_was_set),
		TEST(what_was_remembered_is_carried_over_once),
		TEST(what_cannot_be_set_is_kept_here),
		TEST(a_mode_that_may_not_be_set_is_an_error),
		TEST(a_helper_that_has_just_gone_is_missed_by_nobody),
		TEST(what_comes_too_late_for_the_upload_is_sent_after_it),
		TEST(a_rename_takes_them_along),
		TEST(a_new_directory_has_its_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
