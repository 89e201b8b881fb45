/* Removing names, while somebody still has the file, and of directories. */
#include "config.h"

#include "attr_cache.h"
#include "test.h"
#include "world.h"

#include <errno.h>
#include <pthread.h>

static void a_removed_file_is_gone_at_once(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "x");
	assert_int_equal(world_unlink(w, "a"), 0);
	assert_changes(w, "remove a;");
	fake_remote_reset(w->remote);
	assert_int_equal(world_exists(w, "a"), -ENOENT);
	assert_int_equal(world_unlink(w, "a"), -ENOENT);
	assert_int_equal(fake_remote_all_calls(w->remote), 0);
}

static void an_open_file_keeps_its_bytes(void **state)
{
	struct world *w = *state;
	struct node_attr attr;
	struct request r;
	struct handle *h;

	fake_remote_put(w->remote, "a", "kept");
	assert_int_equal(world_open(w, "a", O_RDWR, &h), 0);
	assert_int_equal(world_unlink(w, "a"), 0);
	assert_handle(w, h, "kept");
	assert_int_equal(world_write(w, h, "K", 0), 1);
	assert_handle(w, h, "Kept");
	world_begin(w, &r);
	assert_int_equal(h->node->ops->getattr(&r, h->node, &attr), 0);
	world_end(&r);
	assert_int_equal(attr.st.st_nlink, 0);
	assert_int_equal(attr.st.st_size, 4);
	assert_int_equal(world_fsync(w, h), 0);
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "remove a;");
	assert_int_equal(world_pending(w), 0);
}

static void a_new_file_of_that_name_is_another(void **state)
{
	struct world *w = *state;
	struct handle *old;

	fake_remote_put(w->remote, "a", "old");
	assert_int_equal(world_open(w, "a", O_RDONLY, &old), 0);
	assert_int_equal(world_unlink(w, "a"), 0);
	assert_int_equal(world_save(w, "a", "new"), 0);
	assert_handle(w, old, "old");
	assert_cat(w, "a", "new");
	assert_int_equal(world_close(w, old), 0);
	assert_remote(w, "a", "new");
}

static void a_local_file_costs_nothing(void **state)
{
	struct world *w = *state;
	struct handle *h;

	assert_int_equal(world_open(w, "tmp", O_RDWR | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "scratch", 0), 7);
	fake_remote_reset(w->remote);
	assert_int_equal(world_unlink(w, "tmp"), 0);
	assert_handle(w, h, "scratch");
	assert_int_equal(world_close(w, h), 0);
	assert_int_equal(fake_remote_all_calls(w->remote), 0);
	assert_int_equal(world_pending(w), 0);
}

static void bytes_that_cannot_be_kept_stop_the_removal(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "x");
	assert_int_equal(world_open(w, "a", O_RDONLY, &h), 0);
	fake_remote_fail(w->remote, FAKE_READ, 1, EIO);
	assert_int_equal(world_unlink(w, "a"), -EIO);
	assert_remote(w, "a", "x");
	assert_handle(w, h, "x");
	assert_int_equal(world_close(w, h), 0);
}

static void a_refused_removal_leaves_the_name(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "x");
	fake_remote_fail(w->remote, FAKE_REMOVE, 1, EACCES);
	assert_int_equal(world_unlink(w, "a"), -EACCES);
	assert_cat(w, "a", "x");
}

static void what_the_server_lost_already_is_gone_here_too(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "x");
	assert_int_equal(world_exists(w, "a"), 0);
	fake_remote_drop(w->remote, "a");
	assert_int_equal(world_unlink(w, "a"), -ENOENT);
	assert_int_equal(world_exists(w, "a"), -ENOENT);
}

static void unsaved_bytes_of_a_closed_file_are_not_kept_for_ever(void **state)
{
	struct world *w = *state;

	fake_remote_fail(w->remote, FAKE_WRITE, 1, EIO);
	assert_int_equal(world_save(w, "a", "unsaved"), -EIO);
	assert_int_equal(world_pending(w), 1);
	assert_int_equal(world_unlink(w, "a"), 0);
	assert_int_equal(world_pending(w), 0);
	assert_int_equal(session_drain(w->session), 0);
	assert_remote(w, "a", NULL);
}

static void files_and_directories_are_not_mixed_up(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "x");
	fake_remote_put_directory(w->remote, "d");
	assert_int_equal(world_unlink(w, "d"), -EISDIR);
	assert_int_equal(world_rmdir(w, "a"), -ENOTDIR);
	assert_int_equal(world_rmdir(w, "none"), -ENOENT);
	assert_changes(w, "");
}

static void what_the_server_leaves_behind_does_not_fill_a_directory(
	void **state)
{
	struct world *w = *state;

	fake_remote_set_capabilities(
		w->remote, REMOTE_CAN_RANGE | REMOTE_CAN_HIDDEN);
	fake_remote_put_directory(w->remote, "d");
	fake_remote_put_directory(w->remote, "d/.ipynb_checkpoints");
	fake_remote_put(w->remote, "d/.ipynb_checkpoints/a", "somebody's");
	assert_int_equal(world_rmdir(w, "d"), -ENOTEMPTY);
	fake_remote_drop(w->remote, "d/.ipynb_checkpoints/a");
	fake_remote_put(w->remote, "d/mine", "x");
	assert_int_equal(world_rmdir(w, "d"), -ENOTEMPTY);
	fake_remote_drop(w->remote, "d/mine");
	assert_int_equal(world_rmdir(w, "d"), 0);
}

static void put_with_leftover(struct world *w, const char *path)
{
	g_autofree char *below = g_strconcat(path, "/.ipynb_checkpoints", NULL);

	fake_remote_set_capabilities(
		w->remote, REMOTE_CAN_RANGE | REMOTE_CAN_HIDDEN);
	fake_remote_put_directory(w->remote, path);
	fake_remote_put_directory(w->remote, below);
}

static void a_leftover_hides_nothing_that_we_know(void **state)
{
	struct world *w = *state;

	put_with_leftover(w, "d");
	fake_remote_put(w->remote, "d/a.pyc", "theirs");
	assert_int_equal(world_exists(w, "d/a.pyc"), 0);
	assert_int_equal(world_rmdir(w, "d"), -ENOTEMPTY);
	assert_remote(w, "d/a.pyc", "theirs");
	fake_remote_drop(w->remote, "d/a.pyc");
	assert_int_equal(world_rmdir(w, "d"), 0);
	assert_changes(w, "remove d;");
}

static void a_leftover_that_is_gone_is_empty(void **state)
{
	struct world *w = *state;

	put_with_leftover(w, "d");
	assert_int_equal(world_exists(w, "d"), 0);
	fake_remote_fail(w->remote, FAKE_LIST, 2, ENOENT);
	assert_int_equal(world_rmdir(w, "d"), 0);
	assert_changes(w, "remove d;");
}

static void *remove_directory_e(void *arg)
{
	return GINT_TO_POINTER(world_rmdir(arg, "e"));
}

/* Both listings are under way before one of them is answered. */
static void leftovers_are_asked_for_at_the_same_time(void **state)
{
	struct world *w = *state;
	pthread_t thread;
	void *rc;

	put_with_leftover(w, "d");
	put_with_leftover(w, "e");
	assert_int_equal(world_rmdir(w, "d"), 0);
	fake_remote_reset(w->remote);
	fake_remote_stall(w->remote, FAKE_LIST);
	assert_int_equal(
		pthread_create(&thread, NULL, remove_directory_e, w), 0);
	fake_remote_await_stalled(w->remote, FAKE_LIST);
	fake_remote_await_calls(w->remote, FAKE_LIST, 2);
	fake_remote_release(w->remote, FAKE_LIST);
	assert_int_equal(pthread_join(thread, &rc), 0);
	assert_int_equal(GPOINTER_TO_INT(rc), 0);
	assert_changes(w, "remove e;");
	assert_int_equal(fake_remote_all_calls(w->remote), 3);
}

static void what_is_in_a_leftover_is_seen_ahead_too(void **state)
{
	struct world *w = *state;

	put_with_leftover(w, "d");
	put_with_leftover(w, "e");
	fake_remote_put(w->remote, "e/.ipynb_checkpoints/a", "theirs");
	assert_int_equal(world_rmdir(w, "d"), 0);
	assert_int_equal(world_rmdir(w, "e"), -ENOTEMPTY);
	assert_remote(w, "e/.ipynb_checkpoints/a", "theirs");
}

static void an_empty_directory_can_be_removed(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "d/a", "x");
	assert_int_equal(world_rmdir(w, "d"), -ENOTEMPTY);
	assert_int_equal(world_unlink(w, "d/a"), 0);
	assert_int_equal(world_rmdir(w, "d"), 0);
	assert_changes(w, "remove d/a;remove d;");
	assert_int_equal(world_exists(w, "d"), -ENOENT);
	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_int_equal(world_exists(w, "d/a"), -ENOENT);
}

static void a_full_directory_is_proved_by_a_fresh_listing(void **state)
{
	struct world *w = *state;

	fake_remote_put_directory(w->remote, "d");
	assert_int_equal(world_exists(w, "d/a"), -ENOENT); /* believed empty */
	fake_remote_put(w->remote, "d/a", "theirs");
	assert_int_equal(world_rmdir(w, "d"), -ENOTEMPTY);
	assert_remote(w, "d/a", "theirs");
	assert_changes(w, "");
}

static void a_local_file_makes_its_directory_full(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put_directory(w->remote, "d");
	assert_int_equal(world_open(w, "d/new", O_WRONLY | O_CREAT, &h), 0);
	assert_int_equal(world_rmdir(w, "d"), -ENOTEMPTY);
	assert_int_equal(world_close(w, h), 0);
	assert_remote(w, "d/new", "");
}

static void without_a_proof_nothing_is_removed(void **state)
{
	struct world *w = *state;

	fake_remote_put_directory(w->remote, "d");
	assert_int_equal(world_exists(w, "d"), 0);
	fake_remote_fail(w->remote, FAKE_LIST, 1, ETIMEDOUT);
	assert_int_equal(world_rmdir(w, "d"), -ETIMEDOUT);
	assert_true(fake_remote_has(w->remote, "d"));
}

#define with_world(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(a_removed_file_is_gone_at_once),
		with_world(
			what_the_server_leaves_behind_does_not_fill_a_directory),
		with_world(a_leftover_hides_nothing_that_we_know),
		with_world(a_leftover_that_is_gone_is_empty),
		with_world(leftovers_are_asked_for_at_the_same_time),
		with_world(what_is_in_a_leftover_is_seen_ahead_too),
		with_world(an_open_file_keeps_its_bytes),
		with_world(a_new_file_of_that_name_is_another),
		with_world(a_local_file_costs_nothing),
		with_world(bytes_that_cannot_be_kept_stop_the_removal),
		with_world(a_refused_removal_leaves_the_name),
		with_world(what_the_server_lost_already_is_gone_here_too),
		with_world(
			unsaved_bytes_of_a_closed_file_are_not_kept_for_ever),
		with_world(files_and_directories_are_not_mixed_up),
		with_world(an_empty_directory_can_be_removed),
		with_world(a_full_directory_is_proved_by_a_fresh_listing),
		with_world(a_local_file_makes_its_directory_full),
		with_world(without_a_proof_nothing_is_removed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
