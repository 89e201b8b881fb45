/* Other names: over existing files, with unsaved bytes, of directories. */
#include "config.h"

#include "attr_cache.h"
#include "test.h"
#include "world.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

static void a_rename_is_one_request(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "x");
	fake_remote_put_directory(w->remote, "d");
	assert_int_equal(world_rename(w, "a", "d/b", 0), 0);
	assert_changes(w, "rename a d/b;");
	assert_int_equal(world_exists(w, "a"), -ENOENT);
	assert_cat(w, "d/b", "x");
	assert_int_equal(world_rename(w, "none", "b", 0), -ENOENT);
	assert_int_equal(world_rename(w, "d/b", "d/b", 0), 0);
}

static void over_an_existing_file_the_target_is_never_missing(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "new");
	fake_remote_put(w->remote, "b", "old");
	assert_int_equal(world_rename(w, "a", "b", 0), 0);
	assert_changes(w, "write b;remove a;");
	assert_remote(w, "b", "new");
	assert_cat(w, "b", "new");
	assert_int_equal(world_exists(w, "a"), -ENOENT);
}

static void an_editors_save_is_one_write(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a.py", "old");
	assert_int_equal(world_open(w, "a.tmp", O_WRONLY | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "new", 0), 3);
	assert_int_equal(world_rename(w, "a.tmp", "a.py", 0), 0);
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "write a.py;");
	assert_remote(w, "a.py", "new");
	assert_int_equal(world_pending(w), 0);
}

static void a_local_file_changes_its_name_for_nothing(void **state)
{
	struct world *w = *state;
	struct handle *h;

	assert_int_equal(world_open(w, "a", O_WRONLY | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "x", 0), 1);
	assert_int_equal(world_rename(w, "a", "b", 0), 0);
	assert_changes(w, "");
	assert_int_equal(world_exists(w, "a"), -ENOENT);
	assert_int_equal(world_size(w, "b"), 1);
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "write b;");
}

static void unsaved_bytes_go_along(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	fake_remote_put(w->remote, "target", "other");
	assert_int_equal(world_open(w, "a", O_WRONLY | O_TRUNC, &h), 0);
	assert_int_equal(world_write(w, h, "new", 0), 3);
	assert_int_equal(world_rename(w, "a", "b", 0), 0);
	assert_remote(w, "b", "old");
	assert_int_equal(world_flush(w, h), 0);
	assert_remote(w, "b", "new");
	assert_int_equal(world_write(w, h, "NEW", 0), 3);
	assert_int_equal(world_rename(w, "b", "target", 0), 0);
	assert_remote(w, "target", "NEW");
	assert_remote(w, "b", NULL);
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "rename a b;write b;write target;remove b;");
}

static void noreplace_and_unknown_flags_are_refused(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "1");
	fake_remote_put(w->remote, "b", "2");
	assert_int_equal(world_rename(w, "a", "b", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(world_rename(w, "a", "b", RENAME_EXCHANGE), -EINVAL);
	assert_changes(w, "");
	assert_int_equal(world_rename(w, "a", "c", RENAME_NOREPLACE), 0);
	/* Made by somebody else since it was listed. */
	fake_remote_put(w->remote, "d", "theirs");
	assert_int_equal(world_rename(w, "c", "d", RENAME_NOREPLACE), -EEXIST);
	assert_remote(w, "d", "theirs");
}

static void a_target_made_meanwhile_is_replaced(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "ours");
	assert_int_equal(world_exists(w, "b"), -ENOENT);
	fake_remote_put(w->remote, "b", "theirs");
	assert_int_equal(world_rename(w, "a", "b", 0), 0);
	assert_remote(w, "b", "ours");
	assert_remote(w, "a", NULL);
}

static void an_open_target_keeps_its_old_bytes(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "new");
	fake_remote_put(w->remote, "b", "old");
	assert_int_equal(world_open(w, "b", O_RDONLY, &h), 0);
	assert_int_equal(world_rename(w, "a", "b", 0), 0);
	assert_handle(w, h, "old");
	assert_cat(w, "b", "new");
	assert_int_equal(world_close(w, h), 0);
	assert_remote(w, "b", "new");
}

static void an_unsaved_target_is_not_saved_over_the_new_one(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "new");
	assert_int_equal(world_open(w, "b", O_RDWR | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "unsaved", 0), 7);
	assert_int_equal(world_rename(w, "a", "b", 0), 0);
	assert_handle(w, h, "unsaved");
	assert_int_equal(world_close(w, h), 0);
	assert_remote(w, "b", "new");
	assert_int_equal(world_pending(w), 0);
}

static void a_failed_rename_changes_nothing(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "1");
	fake_remote_put(w->remote, "b", "2");
	fake_remote_fail(w->remote, FAKE_WRITE, 1, ENOSPC);
	assert_int_equal(world_rename(w, "a", "b", 0), -ENOSPC);
	fake_remote_fail(w->remote, FAKE_RENAME, 1, EACCES);
	assert_int_equal(world_rename(w, "a", "c", 0), -EACCES);
	assert_changes(w, "");
	assert_cat(w, "a", "1");
	assert_cat(w, "b", "2");
	assert_int_equal(world_exists(w, "c"), -ENOENT);
}

static void a_source_that_cannot_be_removed_is_still_there(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "new");
	fake_remote_put(w->remote, "b", "old");
	fake_remote_fail(w->remote, FAKE_REMOVE, 1, EACCES);
	assert_int_equal(world_rename(w, "a", "b", 0), -EACCES);
	assert_cat(w, "a", "new");
	assert_cat(w, "b", "new");
}

static void a_directory_goes_onto_an_empty_one_only(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "d/a", "x");
	fake_remote_put_directory(w->remote, "empty");
	fake_remote_put(w->remote, "full/b", "y");
	fake_remote_put(w->remote, "file", "z");
	assert_int_equal(world_rename(w, "d", "full", 0), -ENOTEMPTY);
	assert_int_equal(world_rename(w, "d", "file", 0), -ENOTDIR);
	assert_int_equal(world_rename(w, "file", "d", 0), -EISDIR);
	assert_changes(w, "");
	assert_int_equal(world_rename(w, "d", "empty", 0), 0);
	assert_cat(w, "empty/a", "x");
	assert_int_equal(world_exists(w, "d"), -ENOENT);
	assert_changes(w, "remove empty;rename d empty;");
}

static void emptiness_is_proved_by_a_fresh_listing(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "d/a", "x");
	fake_remote_put_directory(w->remote, "e");
	assert_int_equal(world_exists(w, "e/b"), -ENOENT); /* believed empty */
	fake_remote_put(w->remote, "e/b", "theirs");
	assert_int_equal(world_rename(w, "d", "e", 0), -ENOTEMPTY);
	assert_remote(w, "e/b", "theirs");
}

static void a_directory_cannot_go_into_itself(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "d/e/a", "x");
	assert_int_equal(world_rename(w, "d", "d/x", 0), -EINVAL);
	assert_int_equal(world_rename(w, "d", "d/e/x", 0), -EINVAL);
	assert_changes(w, "");
	assert_int_equal(world_rename(w, "d", "dx", 0), 0);
}

static void a_directory_takes_open_and_unsaved_files_along(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put_directory(w->remote, "d");
	assert_int_equal(world_open(w, "d/new", O_RDWR | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "x", 0), 1);
	assert_int_equal(world_rename(w, "d", "e", 0), 0);
	assert_int_equal(world_size(w, "e/new"), 1);
	assert_int_equal(world_exists(w, "d/new"), -ENOENT);
	assert_int_equal(world_close(w, h), 0);
	assert_remote(w, "e/new", "x");
}

static void a_node_keeps_its_number_under_its_new_name(void **state)
{
	struct world *w = *state;
	struct stat before, after;

	fake_remote_put(w->remote, "a", "x");
	/* Somebody holds it, as the kernel does. */
	int rc;
	struct node *n = world_walk(w, "a", &rc);

	assert_int_equal(world_stat(w, "a", &before), 0);
	assert_int_equal(world_rename(w, "a", "b", 0), 0);
	assert_int_equal(world_stat(w, "b", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	world_forget(w, n);
}

/* --- a directory that moves while somebody works in it -------------------- */

struct working {
	struct world *world;
	struct node *dir;
	int rc;
};

static void *unlink_in_directory(void *arg)
{
	struct working *u = arg;
	struct request r;

	world_begin(u->world, &r);
	u->rc = u->dir->ops->unlink(&r, u->dir, "a");
	world_end(&r);
	return NULL;
}

static void *rename_directory(void *arg)
{
	struct working *u = arg;

	u->rc = world_rename(u->world, "d", "e", 0);
	return NULL;
}

static void who_waited_for_a_rename_works_at_the_new_path(void **state)
{
	struct world *w = *state;
	struct working renaming = { .world = w };
	struct working unlinking = { .world = w };
	pthread_t renamer, unlinker;
	int rc;

	fake_remote_put(w->remote, "d/a", "x");
	unlinking.dir = world_walk(w, "d", &rc);
	assert_int_equal(world_exists(w, "d/a"), 0);
	fake_remote_stall(w->remote, FAKE_RENAME);
	assert_int_equal(
		pthread_create(&renamer, NULL, rename_directory, &renaming), 0);
	fake_remote_await_stalled(w->remote, FAKE_RENAME);
	assert_int_equal(pthread_create(&unlinker, NULL, unlink_in_directory,
				 &unlinking),
		0);
	fake_remote_release(w->remote, FAKE_RENAME);
	(void)pthread_join(renamer, NULL);
	(void)pthread_join(unlinker, NULL);
	assert_int_equal(renaming.rc, 0);
	assert_int_equal(unlinking.rc, 0);
	assert_changes(w, "rename d e;remove e/a;");
	world_forget(w, unlinking.dir);
}

/* More than one PUT takes. */
#define LARGE_BYTES (9 << 20)

static char *put_large(struct world *w, const char *path)
{
	char *text = g_strnfill(LARGE_BYTES, 'L');

	fake_remote_put(w->remote, path, text);
	return text;
}

static void assert_pattern(struct world *w, const char *pattern)
{
	g_autofree char *changes = fake_remote_changes(w->remote);

	if (!g_pattern_match_simple(pattern, changes))
		fail_msg("the changes are: %s", changes);
}

/* A broken upload over the old file would leave neither. */
static void a_large_file_replaces_without_being_sent(void **state)
{
	struct world *w = *state;
	g_autofree char *text = put_large(w, "a");

	fake_remote_put(w->remote, "b", "old");
	assert_int_equal(world_rename(w, "a", "b", 0), 0);
	assert_pattern(
		w, "rename b b.replaced-*;rename a b;remove b.replaced-*;");
	assert_remote(w, "b", text);
	assert_remote(w, "a", NULL);
	assert_int_equal(world_exists(w, "a"), -ENOENT);
}

static void a_large_unsaved_file_is_saved_before_it_replaces(void **state)
{
	struct world *w = *state;
	g_autofree char *text = g_strnfill(LARGE_BYTES, 'U');
	struct handle *h;

	fake_remote_put(w->remote, "b", "old");
	assert_int_equal(world_open(w, "a", O_WRONLY | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, text, 0), LARGE_BYTES);
	assert_int_equal(world_rename(w, "a", "b", 0), 0);
	assert_pattern(w, "write a;rename b b.replaced-*;rename a b;"
			  "remove b.replaced-*;");
	assert_int_equal(world_close(w, h), 0);
	assert_remote(w, "b", text);
	assert_int_equal(world_pending(w), 0);
}

static void a_large_file_that_cannot_replace_leaves_both(void **state)
{
	struct world *w = *state;
	g_autofree char *text = put_large(w, "a");

	fake_remote_put(w->remote, "b", "old");
	fake_remote_fail(w->remote, FAKE_RENAME, 2, EIO);
	assert_int_equal(world_rename(w, "a", "b", 0), -EIO);
	assert_remote(w, "a", text);
	assert_remote(w, "b", "old");
	assert_pattern(w, "rename b b.replaced-*;rename b.replaced-* b;");
}

struct interrupted {
	struct world *world;
	struct node *root;
	struct request request;
	int rc;
};

static void *rename_a_to_b(void *arg)
{
	struct interrupted *i = arg;

	i->rc = i->root->ops->rename(
		&i->request, i->root, "a", i->root, "b", 0);
	return NULL;
}

static pthread_t begin_rename(struct interrupted *i)
{
	pthread_t thread;

	i->root = node_table_get(i->world->session->nodes, ROOT_INO);
	world_begin(i->world, &i->request);
	assert_int_equal(pthread_create(&thread, NULL, rename_a_to_b, i), 0);
	return thread;
}

static void end_rename(struct interrupted *i, pthread_t thread)
{
	(void)pthread_join(thread, NULL);
	world_end(&i->request);
	node_table_unref(i->world->session->nodes, i->root);
}

static void an_interrupted_large_rename_leaves_no_name_empty(void **state)
{
	struct world *w = *state;
	struct interrupted i = { .world = w };
	g_autofree char *text = put_large(w, "a");
	pthread_t thread;

	fake_remote_put(w->remote, "b", "old");
	fake_remote_stall(w->remote, FAKE_RENAME);
	thread = begin_rename(&i);
	fake_remote_await_stalled(w->remote, FAKE_RENAME);
	fake_remote_stall(w->remote, FAKE_RENAME); /* the one after it */
	fake_remote_release(w->remote, FAKE_RENAME);
	fake_remote_await_calls(w->remote, FAKE_RENAME, 2);
	cancel_fire(&i.request.cancel);
	end_rename(&i, thread);
	assert_int_equal(i.rc, -EINTR);
	assert_remote(w, "a", text);
	assert_remote(w, "b", "old");
}

/* What was done is done, and nothing is left lying about. */
static void a_large_rename_interrupted_at_its_end_is_tidied(void **state)
{
	struct world *w = *state;
	struct interrupted i = { .world = w };
	g_autofree char *text = put_large(w, "a");
	pthread_t thread;

	fake_remote_put(w->remote, "b", "old");
	fake_remote_stall(w->remote, FAKE_REMOVE);
	thread = begin_rename(&i);
	fake_remote_await_stalled(w->remote, FAKE_REMOVE);
	cancel_fire(&i.request.cancel);
	fake_remote_release(w->remote, FAKE_REMOVE);
	end_rename(&i, thread);
	assert_int_equal(i.rc, 0);
	assert_remote(w, "b", text);
	assert_pattern(
		w, "rename b b.replaced-*;rename a b;remove b.replaced-*;");
}

/* The rename's upload arrived, and its answer did not: the next save of the
 * target meets bytes of our own. */
static void a_replacement_without_an_end_is_no_conflict(void **state)
{
	struct world *w = *state;
	struct node *target;
	int rc;

	fake_remote_put(w->remote, "a", "new bytes");
	fake_remote_put(w->remote, "b", "old");
	target = world_walk(w, "b", &rc); /* as the kernel knows it */
	assert_cat(w, "b", "old");
	assert_int_equal(world_exists(w, "a"), 0);
	fake_remote_tear_write(w->remote, -1, ECONNRESET);
	assert_int_equal(world_rename(w, "a", "b", 0), -ECONNRESET);
	world_forget_beliefs(w);
	assert_int_equal(world_save(w, "b", "saved next"), 0);
	assert_remote(w, "b", "saved next");
	world_forget(w, target);
}

#define with_world(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(a_rename_is_one_request),
		with_world(over_an_existing_file_the_target_is_never_missing),
		with_world(an_editors_save_is_one_write),
		with_world(a_local_file_changes_its_name_for_nothing),
		with_world(unsaved_bytes_go_along),
		with_world(noreplace_and_unknown_flags_are_refused),
		with_world(a_target_made_meanwhile_is_replaced),
		with_world(an_open_target_keeps_its_old_bytes),
		with_world(an_unsaved_target_is_not_saved_over_the_new_one),
		with_world(a_failed_rename_changes_nothing),
		with_world(a_source_that_cannot_be_removed_is_still_there),
		with_world(a_directory_goes_onto_an_empty_one_only),
		with_world(emptiness_is_proved_by_a_fresh_listing),
		with_world(a_directory_cannot_go_into_itself),
		with_world(a_directory_takes_open_and_unsaved_files_along),
		with_world(a_node_keeps_its_number_under_its_new_name),
		with_world(who_waited_for_a_rename_works_at_the_new_path),
		with_world(a_large_file_replaces_without_being_sent),
		with_world(a_large_unsaved_file_is_saved_before_it_replaces),
		with_world(a_large_file_that_cannot_replace_leaves_both),
		with_world(an_interrupted_large_rename_leaves_no_name_empty),
		with_world(a_large_rename_interrupted_at_its_end_is_tidied),
		with_world(a_replacement_without_an_end_is_no_conflict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
