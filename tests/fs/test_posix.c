/* What POSIX has and the contents API has not, where the remote has it; and that
 * without it all is as it was. */
#include "config.h"

#include "test.h"
#include "volume.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/xattr.h>

#define POSIX                                                     \
	(REMOTE_CAN_RANGE | REMOTE_CAN_SWAP | REMOTE_CAN_VOLUME | \
		REMOTE_CAN_MOVE | REMOTE_CAN_LINK | REMOTE_CAN_XATTR)

static int setup(void **state)
{
	int rc = world_setup(state);
	struct world *w = *state;

	if (rc == 0)
		fake_remote_set_capabilities(w->remote, POSIX);
	return rc;
}

/* --- the volume ----------------------------------------------------------- */

static const struct remote_volume disk = { 512, 1000, 300, 200, 50, 40, 255 };

static void the_volume_is_asked_for_once_in_a_while(void **state)
{
	struct world *w = *state;
	struct statvfs st;

	fake_remote_set_volume(w->remote, &disk);
	for (int i = 0; i < 100; i++)
		volume_stat(w->session->volume, &st);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_VOLUME), 1);
	assert_int_equal(st.f_frsize, 512);
	assert_int_equal(st.f_blocks, 1000);
	assert_int_equal(st.f_bfree, 300);
	assert_int_equal(st.f_bavail, 200);
	assert_int_equal(st.f_files, 50);
	assert_int_equal(st.f_ffree, 40);
	assert_int_equal(st.f_namemax, 255);
}

static void a_volume_that_is_not_known_has_room(void **state)
{
	struct world *w = *state;
	struct statvfs st;

	fake_remote_set_capabilities(w->remote, REMOTE_CAN_RANGE);
	volume_stat(w->session->volume, &st);
	assert_int_equal(st.f_bavail * st.f_frsize, (int64_t)1 << 40);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_VOLUME), 0);
}

static void a_volume_that_is_not_told_is_not_asked_for_again_at_once(
	void **state)
{
	struct world *w = *state;
	struct statvfs st;

	fake_remote_fail(w->remote, FAKE_VOLUME, 1, EOPNOTSUPP);
	for (int i = 0; i < 100; i++)
		volume_stat(w->session->volume, &st);
	assert_int_equal(st.f_bavail * st.f_frsize, (int64_t)1 << 40);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_VOLUME), 1);
}

static void *ask(void *arg)
{
	struct world *w = arg;
	struct statvfs st;

	volume_stat(w->session->volume, &st);
	return NULL;
}

/* One waits, for a while; nobody else does. */
static void a_slow_remote_holds_one_up_at_most(void **state)
{
	struct world *w = *state;
	struct statvfs st;
	pthread_t other;

	fake_remote_stall(w->remote, FAKE_VOLUME);
	assert_int_equal(pthread_create(&other, NULL, ask, w), 0);
	fake_remote_await_stalled(w->remote, FAKE_VOLUME);
	volume_stat(w->session->volume, &st);
	assert_int_equal(st.f_bavail * st.f_frsize, (int64_t)1 << 40);
	assert_int_equal(pthread_join(other, NULL), 0); /* it gives up */
	assert_int_equal(fake_remote_calls(w->remote, FAKE_VOLUME), 1);
}

/* --- names ---------------------------------------------------------------- */

static void a_saved_file_takes_anothers_place_in_one_step(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "new");
	fake_remote_put(w->remote, "b", "old");
	assert_int_equal(world_open(w, "b", O_RDONLY, &h), 0);
	assert_int_equal(world_rename(w, "a", "b", 0), 0);
	assert_changes(w, "move a b;");
	assert_cat(w, "b", "new");
	assert_int_equal(world_exists(w, "a"), -ENOENT);
	assert_handle(w, h, "old");
	world_release(w, h);
}

/* Its bytes are sent to the new name, which has none but these. */
static void an_editors_save_is_still_one_replace(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a.py", "old");
	assert_int_equal(world_open(w, "a.tmp", O_WRONLY | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "new", 0), 3);
	assert_int_equal(world_rename(w, "a.tmp", "a.py", 0), 0);
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "replace a.py;");
	assert_remote(w, "a.py", "new");
}

static void without_the_step_half_way_it_is_done_as_before(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "new");
	fake_remote_put(w->remote, "b", "old");
	fake_remote_put(w->remote, "c", "1");
	fake_remote_fail(w->remote, FAKE_MOVE, 1, EOPNOTSUPP);
	assert_int_equal(world_rename(w, "a", "b", 0), 0);
	assert_changes(w, "replace b;remove a;");
	assert_remote(w, "b", "new");
	fake_remote_fail(w->remote, FAKE_MOVE, 1, EOPNOTSUPP);
	assert_int_equal(world_rename(w, "c", "d", RENAME_NOREPLACE), 0);
	assert_remote(w, "d", "1");
}

static void a_step_that_nobody_heard_of_is_looked_after(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "new");
	fake_remote_put(w->remote, "b", "old");
	assert_cat(w, "b", "old");
	fake_remote_tear_write(w->remote, 0, ETIMEDOUT);
	assert_int_equal(world_rename(w, "a", "b", 0), -ETIMEDOUT);
	assert_int_equal(world_exists(w, "a"), -ENOENT);
	assert_cat(w, "b", "new");
}

static void what_came_meanwhile_is_not_replaced(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "ours");
	assert_int_equal(world_exists(w, "b"), -ENOENT);
	fake_remote_put(w->remote, "b", "theirs");
	assert_int_equal(world_rename(w, "a", "b", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_RENAME), 0);
	assert_remote(w, "b", "theirs");
	assert_int_equal(world_rename(w, "a", "b", 0), 0);
	assert_remote(w, "b", "ours");
}

static void a_directory_takes_the_place_of_an_empty_one(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "d/a", "1");
	fake_remote_put_directory(w->remote, "e");
	fake_remote_put(w->remote, "full/b", "2");
	fake_remote_put_directory(w->remote, "withlocal");
	assert_int_equal(world_save(w, "withlocal/.x.swp", "here"), 0);
	assert_int_equal(world_rename(w, "d", "full", 0), -ENOTEMPTY);
	assert_int_equal(world_rename(w, "d", "withlocal", 0), -ENOTEMPTY);
	assert_changes(w, "");
	assert_int_equal(world_rename(w, "d", "e", 0), 0);
	assert_changes(w, "move d e;");
	assert_cat(w, "e/a", "1");
	assert_int_equal(world_exists(w, "d"), -ENOENT);
}

static void two_files_are_exchanged(void **state)
{
	struct world *w = *state;
	struct stat a, b, now;

	fake_remote_put(w->remote, "a", "1");
	fake_remote_put(w->remote, "d/b", "22");
	assert_int_equal(world_stat(w, "a", &a), 0);
	assert_int_equal(world_stat(w, "d/b", &b), 0);
	assert_int_equal(world_rename(w, "a", "d/b", RENAME_EXCHANGE), 0);
	assert_changes(w, "exchange a d/b;");
	assert_int_equal(world_size(w, "a"), 2);
	assert_int_equal(world_size(w, "d/b"), 1);
	assert_cat(w, "a", "22");
	assert_cat(w, "d/b", "1");
	assert_int_equal(world_stat(w, "a", &now), 0);
	assert_int_equal(now.st_mtim.tv_sec, b.st_mtim.tv_sec);
	assert_int_equal(world_stat(w, "d/b", &now), 0);
	assert_int_equal(now.st_mtim.tv_sec, a.st_mtim.tv_sec);
}

static void a_file_and_a_directory_are_exchanged(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "1");
	fake_remote_put(w->remote, "d/b", "22");
	assert_int_equal(world_save(w, "d/.x.swp", "here"), 0);
	assert_int_equal(world_open(w, "d/new", O_WRONLY | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "new", 0), 3);
	assert_int_equal(world_rename(w, "a", "d", RENAME_EXCHANGE), 0);
	assert_cat(w, "d", "1");
	assert_cat(w, "a/b", "22");
	assert_cat(w, "a/.x.swp", "here");
	assert_int_equal(world_size(w, "a/new"), 3);
	assert_int_equal(world_close(w, h), 0);
	assert_remote(w, "a/new", "new");
	assert_int_equal(world_pending(w), 0);
}

static void names_that_stay_here_go_along_with_both(void **state)
{
	struct world *w = *state;

	fake_remote_put_directory(w->remote, "d");
	fake_remote_put_directory(w->remote, "e/f");
	assert_int_equal(world_save(w, "d/.x.swp", "d's"), 0);
	assert_int_equal(world_save(w, "e/f/.x.swp", "f's"), 0);
	assert_int_equal(world_rename(w, "d", "e/f", RENAME_EXCHANGE), 0);
	assert_cat(w, "d/.x.swp", "f's");
	assert_cat(w, "e/f/.x.swp", "d's");
}

/* Each node goes on under its other name. */
static void unsaved_bytes_go_along_when_exchanged(void **state)
{
	struct world *w = *state;
	struct handle *a, *b;

	fake_remote_put(w->remote, "a", "1");
	fake_remote_put(w->remote, "b", "22");
	assert_int_equal(world_open(w, "a", O_RDWR, &a), 0);
	assert_int_equal(world_open(w, "b", O_RDONLY, &b), 0);
	assert_int_equal(world_write(w, a, "written", 0), 7);
	assert_int_equal(world_rename(w, "a", "b", RENAME_EXCHANGE), 0);
	assert_int_equal(world_size(w, "b"), 7);
	assert_handle(w, b, "22");
	assert_int_equal(world_close(w, a), 0);
	world_release(w, b);
	assert_remote(w, "b", "written");
	assert_remote(w, "a", "22");
	assert_int_equal(world_pending(w), 0);
}

static void a_new_file_is_saved_before_it_is_exchanged(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "b", "22");
	assert_int_equal(world_open(w, "a", O_WRONLY | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "new", 0), 3);
	assert_int_equal(world_rename(w, "b", "a", RENAME_EXCHANGE), 0);
	assert_int_equal(world_close(w, h), 0);
	assert_remote(w, "b", "new");
	assert_remote(w, "a", "22");
}

static void what_cannot_be_exchanged_is_not(void **state)
{
	struct world *w = *state;
	const unsigned both = RENAME_EXCHANGE | RENAME_NOREPLACE;

	fake_remote_put(w->remote, "a", "1");
	fake_remote_put(w->remote, "d/b", "22");
	assert_int_equal(world_save(w, ".x.swp", "here"), 0);
	assert_int_equal(
		world_rename(w, "a", "none", RENAME_EXCHANGE), -ENOENT);
	assert_int_equal(world_rename(w, "d", "d/b", RENAME_EXCHANGE), -EINVAL);
	assert_int_equal(world_rename(w, "d/b", "d", RENAME_EXCHANGE), -EINVAL);
	assert_int_equal(
		world_rename(w, "a", ".x.swp", RENAME_EXCHANGE), -EINVAL);
	assert_int_equal(
		world_rename(w, ".x.swp", "a", RENAME_EXCHANGE), -EINVAL);
	assert_int_equal(world_rename(w, "a", "d", both), -EINVAL);
	fake_remote_fail(w->remote, FAKE_MOVE, 1, EOPNOTSUPP);
	assert_int_equal(world_rename(w, "a", "d", RENAME_EXCHANGE), -EINVAL);
	assert_changes(w, "");
	assert_cat(w, "a", "1");
	assert_cat(w, "d/b", "22");
	assert_cat(w, ".x.swp", "here");
}

/* --- extended attributes -------------------------------------------------- */

static void assert_value(
	struct world *w, const char *path, const char *name, const char *value)
{
	g_autofree char *seen = world_getxattr(w, path, name);

	if (value == NULL)
		assert_null(seen);
	else
		assert_string_equal(seen, value);
}

static void assert_names(struct world *w, const char *path, const char *names)
{
	g_autofree char *seen = world_listxattr(w, path);

	assert_string_equal(seen, names);
}

static void attributes_are_the_servers(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "d/a", "1");
	assert_names(w, "d/a", "");
	assert_int_equal(world_setxattr(w, "d/a", "user.x", "1", 0), 0);
	assert_int_equal(
		world_setxattr(w, "d/a", "user.x", "2", XATTR_CREATE), -EEXIST);
	assert_int_equal(world_setxattr(w, "d/a", "user.y", "2", XATTR_REPLACE),
		-ENODATA);
	assert_names(w, "d/a", "user.x");
	assert_value(w, "d/a", "user.x", "1");
	assert_int_equal(world_setxattr(w, "d", "user.d", "3", 0), 0);
	assert_value(w, "d", "user.d", "3");
	assert_int_equal(world_setxattr(w, "", "user.root", "4", 0), 0);
	assert_value(w, "", "user.root", "4");
	assert_int_equal(world_setxattr(w, "d/a", "user.x", NULL, 0), 0);
	assert_int_equal(world_setxattr(w, "d/a", "user.x", NULL, 0), -ENODATA);
	assert_names(w, "d/a", "");
	assert_value(w, "d/a", "user.x", NULL);
}

/* ls -l and cp -a look for them on each file. */
static void that_none_has_any_is_asked_once(void **state)
{
	struct world *w = *state;
	char path[16];

	for (int i = 0; i < 50; i++) {
		(void)snprintf(path, sizeof(path), "d/%d", i);
		fake_remote_put(w->remote, path, "1");
	}
	for (int i = 0; i < 50; i++) {
		(void)snprintf(path, sizeof(path), "d/%d", i);
		assert_names(w, path, "");
		assert_value(w, path, "user.x", NULL);
		assert_value(w, path, "security.capability", NULL);
		assert_value(w, path, "system.posix_acl_access", NULL);
	}
	assert_int_equal(fake_remote_calls(w->remote, FAKE_XATTRS), 1);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_GETXATTR), 0);
}

static void attributes_that_are_not_the_users_cost_nothing(void **state)
{
	static const char *const names[] = { "security.capability",
		"system.posix_acl_access", "trusted.x", "user.pycloud.exit",
		"user." };
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "1");
	assert_int_equal(world_exists(w, "a"), 0);
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		assert_value(w, "a", names[i], NULL);
		assert_int_equal(
			world_setxattr(w, "a", names[i], "1", 0), -EOPNOTSUPP);
		assert_int_equal(
			world_setxattr(w, "a", names[i], NULL, 0), -EOPNOTSUPP);
	}
	assert_int_equal(fake_remote_calls(w->remote, FAKE_XATTRS), 0);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_SETXATTR), 0);
	assert_changes(w, "");
}

static void a_new_file_is_saved_before_it_gets_one(void **state)
{
	struct world *w = *state;
	struct handle *h;

	assert_int_equal(world_open(w, "a", O_WRONLY | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "new", 0), 3);
	assert_names(w, "a", "");
	assert_value(w, "a", "user.x", NULL);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_XATTRS), 0);
	assert_int_equal(world_setxattr(w, "a", "user.x", "1", 0), 0);
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "replace a;setxattr a user.x;");
	assert_value(w, "a", "user.x", "1");
}

static void attributes_go_along_with_a_name(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "1");
	fake_remote_put(w->remote, "d/b", "2");
	assert_int_equal(world_setxattr(w, "a", "user.x", "1", 0), 0);
	assert_names(w, "a", "user.x");
	assert_names(w, "d/b", "");
	assert_int_equal(world_rename(w, "a", "d/b", 0), 0);
	assert_names(w, "d/b", "user.x");
	assert_int_equal(world_save(w, "a", "another"), 0);
	assert_names(w, "a", "");
	assert_int_equal(world_unlink(w, "d/b"), 0);
	assert_int_equal(world_save(w, "d/b", "another"), 0);
	assert_names(w, "d/b", "");
	assert_int_equal(fake_remote_calls(w->remote, FAKE_XATTRS), 2);
}

static void without_the_helper_nothing_has_attributes(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "1");
	assert_int_equal(world_setxattr(w, "a", "user.x", "1", 0), 0);
	fake_remote_fail(w->remote, FAKE_XATTRS, 1, EOPNOTSUPP);
	assert_names(w, "a", "");
	fake_remote_set_capabilities(w->remote, REMOTE_CAN_RANGE);
	assert_names(w, "a", "");
	assert_value(w, "a", "user.x", NULL);
	assert_int_equal(world_setxattr(w, "a", "user.x", "2", 0), -EOPNOTSUPP);
	assert_int_equal(
		world_setxattr(w, "a", "user.x", NULL, 0), -EOPNOTSUPP);
}

/* --- hard links ----------------------------------------------------------- */

static void a_file_gets_another_name(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "1");
	fake_remote_put_directory(w->remote, "d");
	assert_int_equal(world_exists(w, "d/b"), -ENOENT);
	assert_int_equal(world_link(w, "a", "d/b"), 0);
	assert_changes(w, "link a d/b;");
	assert_cat(w, "d/b", "1");
	assert_cat(w, "a", "1");
	assert_int_equal(world_link(w, "a", "d/b"), -EEXIST);
	assert_int_equal(world_unlink(w, "a"), 0);
	assert_cat(w, "d/b", "1");
}

static void what_is_unsaved_is_saved_before_it_is_linked(void **state)
{
	struct world *w = *state;
	struct handle *h;

	assert_int_equal(world_open(w, "a", O_WRONLY | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "new", 0), 3);
	assert_int_equal(world_link(w, "a", "b"), 0);
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "replace a;link a b;");
	assert_remote(w, "b", "new");
	assert_int_equal(world_pending(w), 0);
}

static void what_cannot_be_saved_is_not_linked(void **state)
{
	struct world *w = *state;
	struct handle *h;

	assert_int_equal(world_open(w, "a", O_WRONLY | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "new", 0), 3);
	fake_remote_fail(w->remote, FAKE_REPLACE, 1, ENOSPC);
	assert_int_equal(world_link(w, "a", "b"), -ENOSPC);
	assert_int_equal(world_exists(w, "b"), -ENOENT);
	assert_int_equal(world_close(w, h), 0);
}

static void what_has_no_other_names_is_eperm(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "1");
	fake_remote_put_directory(w->remote, "d");
	assert_int_equal(world_save(w, ".x.swp", "here"), 0);
	assert_int_equal(world_link(w, "d", "e"), -EPERM);
	assert_int_equal(world_link(w, ".x.swp", "b"), -EPERM);
	assert_int_equal(world_link(w, "a", ".x.swp"), -EEXIST);
	assert_int_equal(world_link(w, "a", ".y.swp"), -EPERM);
	fake_remote_fail(w->remote, FAKE_LINK, 1, EOPNOTSUPP);
	assert_int_equal(world_link(w, "a", "b"), -EPERM);
	fake_remote_set_capabilities(w->remote, REMOTE_CAN_RANGE);
	assert_int_equal(world_link(w, "a", "b"), -EPERM);
	assert_changes(w, "");
}

#define with_world(name) \
	cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(the_volume_is_asked_for_once_in_a_while),
		with_world(a_volume_that_is_not_known_has_room),
		with_world(
			a_volume_that_is_not_told_is_not_asked_for_again_at_once),
		with_world(a_slow_remote_holds_one_up_at_most),
		with_world(a_saved_file_takes_anothers_place_in_one_step),
		with_world(an_editors_save_is_still_one_replace),
		with_world(without_the_step_half_way_it_is_done_as_before),
		with_world(a_step_that_nobody_heard_of_is_looked_after),
		with_world(what_came_meanwhile_is_not_replaced),
		with_world(a_directory_takes_the_place_of_an_empty_one),
		with_world(two_files_are_exchanged),
		with_world(a_file_and_a_directory_are_exchanged),
		with_world(names_that_stay_here_go_along_with_both),
		with_world(unsaved_bytes_go_along_when_exchanged),
		with_world(a_new_file_is_saved_before_it_is_exchanged),
		with_world(what_cannot_be_exchanged_is_not),
		with_world(attributes_are_the_servers),
		with_world(that_none_has_any_is_asked_once),
		with_world(attributes_that_are_not_the_users_cost_nothing),
		with_world(a_new_file_is_saved_before_it_gets_one),
		with_world(attributes_go_along_with_a_name),
		with_world(without_the_helper_nothing_has_attributes),
		with_world(a_file_gets_another_name),
		with_world(what_is_unsaved_is_saved_before_it_is_linked),
		with_world(what_cannot_be_saved_is_not_linked),
		with_world(what_has_no_other_names_is_eperm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
