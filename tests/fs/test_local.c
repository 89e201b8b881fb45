/* Names that stay here: among themselves, and across the border. */
#include "config.h"

#include "attr_cache.h"
#include "late_remote.h"
#include "local.h"
#include "test.h"
#include "world.h"

#include <errno.h>
#include <stdio.h>

static void refuse_dots(struct world *w)
{
	fake_remote_set_hidden(w->remote, false);
}

/* What was read or written is still here afterwards. */
static void keep_bytes(struct world *w)
{
	world_end_session(w);
	w->options.cache_bytes = 1 << 20;
	world_begin_session(w);
}

static void assert_names(
	struct world *w, const char *path, const char *expected)
{
	int rc;
	g_autofree char *names = world_names(w, path, &rc);

	assert_int_equal(rc, 0);
	assert_string_equal(names, expected);
}

static void assert_asked(struct world *w, unsigned calls)
{
	assert_int_equal(fake_remote_all_calls(w->remote), calls);
	fake_remote_reset(w->remote);
}

static void editors_names_cost_nothing(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "x");
	assert_names(w, "", ".run a");
	fake_remote_reset(w->remote);
	assert_int_equal(world_exists(w, ".a.swp"), -ENOENT);
	assert_int_equal(world_exists(w, "a~"), -ENOENT);
	assert_int_equal(
		world_open(w, ".a.swp", O_RDWR | O_CREAT | O_EXCL, &h), 0);
	assert_int_equal(world_write(w, h, "swap", 0), 4);
	assert_int_equal(world_fsync(w, h), 0);
	assert_int_equal(world_close(w, h), 0);
	assert_int_equal(world_open(w, ".a.swp", O_RDWR | O_CREAT | O_EXCL, &h),
		-EEXIST);
	assert_cat(w, ".a.swp", "swap");
	assert_int_equal(world_rename(w, ".a.swp", ".a.swo", 0), 0);
	assert_names(w, "", ".run a .a.swo");
	assert_int_equal(world_truncate(w, ".a.swo", 2), 0);
	assert_cat(w, ".a.swo", "sw");
	assert_int_equal(world_unlink(w, ".a.swo"), 0);
	assert_int_equal(world_exists(w, ".a.swo"), -ENOENT);
	assert_asked(w, 0);
	assert_int_equal(world_pending(w), 0);
}

static void a_listed_name_is_the_servers(void **state)
{
	struct world *w = *state;

	fake_remote_set_capabilities(w->remote, REMOTE_CAN_HIDDEN);
	fake_remote_put(w->remote, "#a#", "theirs");
	fake_remote_put(w->remote, ".b.swp", "theirs");
	assert_cat(w, "#a#", "theirs");
	assert_cat(w, ".b.swp", "theirs");
	assert_int_equal(world_save(w, "#a#", "ours"), 0);
	assert_remote(w, "#a#", "ours");
	assert_int_equal(world_unlink(w, ".b.swp"), 0);
	assert_remote(w, ".b.swp", NULL);
}

static void dot_names_are_asked_about_once(void **state)
{
	struct world *w = *state;

	refuse_dots(w);
	assert_string_equal(local_hidden_text(w->session), "unknown");
	assert_int_equal(world_exists(w, ".git"), -ENOENT);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_PROBE), 1);
	assert_asked(w, 1);
	assert_string_equal(local_hidden_text(w->session), "kept here");
	assert_int_equal(world_mkdir(w, ".git"), 0);
	assert_int_equal(world_mkdir(w, ".git"), -EEXIST);
	assert_int_equal(world_mkdir(w, ".git/objects"), 0);
	assert_int_equal(world_save(w, ".git/HEAD", "ref"), 0);
	assert_int_equal(world_save(w, ".git/objects/plain", "x"), 0);
	assert_names(w, ".git", "HEAD objects");
	assert_cat(w, ".git/HEAD", "ref");
	assert_int_equal(world_rmdir(w, ".git/objects"), -ENOTEMPTY);
	assert_int_equal(world_unlink(w, ".git/objects"), -EISDIR);
	assert_int_equal(world_rmdir(w, ".git/HEAD"), -ENOTDIR);
	assert_int_equal(world_exists(w, ".git/none"), -ENOENT);
	assert_int_equal(world_unlink(w, ".git/none"), -ENOENT);
	assert_int_equal(world_save(w, ".git/.run", ""), -EPERM);
	assert_int_equal(
		world_rename(w, ".git/HEAD", ".git/objects/HEAD", 0), 0);
	assert_cat(w, ".git/objects/HEAD", "ref");
	assert_asked(w, 0);
}

static void a_probe_that_fails_is_an_error_until_it_is_known(void **state)
{
	struct world *w = *state;

	refuse_dots(w);
	fake_remote_fail(w->remote, FAKE_PROBE, 1, EHOSTUNREACH);
	assert_int_equal(world_save(w, ".a", "x"), -EHOSTUNREACH);
	assert_int_equal(world_save(w, ".a", "x"), 0);
	world_end_session(w);
	fake_remote_set_capabilities(w->remote, REMOTE_CAN_RANGE);
	fake_remote_fail(w->remote, FAKE_PROBE, 1, EHOSTUNREACH);
	world_begin_session(w);
	assert_int_equal(world_save(w, ".b", "x"), 0); /* as it was before */
	assert_cat(w, ".a", "x");
	assert_remote(w, ".b", NULL);
}

static void where_there_is_no_telling_the_server_is_asked(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_save(w, ".a", "x"), 0);
	assert_remote(w, ".a", "x");
	assert_int_equal(world_exists(w, ".b"), -ENOENT);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_PROBE), 1);
}

static void dot_names_can_be_refused_here_too(void **state)
{
	struct world *w = *state;

	refuse_dots(w);
	world_end_session(w);
	w->options.refuses_hidden = true;
	world_begin_session(w);
	fake_remote_put(w->remote, "a", "x");
	assert_int_equal(world_save(w, ".a", "x"), -EPERM);
	assert_int_equal(world_mkdir(w, ".d"), -EPERM);
	assert_int_equal(world_symlink(w, "a", ".l"), -EPERM);
	assert_int_equal(world_rename(w, "a", ".b", 0), -EPERM);
	assert_int_equal(world_exists(w, ".a"), -ENOENT);
	assert_int_equal(world_save(w, ".a.swp", "x"), 0);
	assert_remote(w, "a", "x");
}

static void an_open_file_outlives_its_name(void **state)
{
	struct world *w = *state;
	struct node_attr attr;
	struct handle *h, *other;
	struct request r;

	assert_int_equal(world_save(w, "b~", "old"), 0);
	assert_int_equal(world_open(w, "a~", O_RDWR | O_CREAT, &h), 0);
	assert_int_equal(world_open(w, "b~", O_RDONLY, &other), 0);
	assert_int_equal(world_write(w, h, "new", 0), 3);
	assert_int_equal(world_rename(w, "a~", "b~", 0), 0);
	assert_handle(w, h, "new");
	assert_handle(w, other, "old");
	assert_cat(w, "b~", "new");
	assert_int_equal(world_unlink(w, "b~"), 0);
	assert_int_equal(world_write(w, h, "!", 3), 1);
	assert_handle(w, h, "new!");
	world_begin(w, &r);
	assert_int_equal(h->node->ops->getattr(&r, h->node, &attr), 0);
	world_end(&r);
	assert_int_equal(attr.st.st_nlink, 0);
	assert_int_equal(attr.st.st_size, 4);
	world_release(w, h);
	world_release(w, other);
}

static void attributes_are_the_disks(void **state)
{
	struct world *w = *state;
	const struct node_change change = { .has_mode = true,
		.mode = 0444,
		.has_mtime = true,
		.mtime = { 5, 6 } };
	const struct node_change owner = { .has_uid = true, .uid = 7 };
	struct handle *h;
	struct stat st;

	assert_int_equal(world_open_mode(w, "a~", O_WRONLY | O_CREAT | O_EXCL,
				 S_IFREG | 0600, &h),
		0);
	assert_int_equal(world_close(w, h), 0);
	assert_int_equal(world_stat(w, "a~", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(world_change(w, "a~", &change), 0);
	assert_int_equal(world_change(w, "a~", &owner), -EPERM);
	world_end_session(w);
	world_begin_session(w);
	assert_int_equal(world_stat(w, "a~", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0444);
	assert_int_equal(st.st_mtim.tv_sec, 5);
	assert_int_equal(st.st_mtim.tv_nsec, 6);
}

static void directories_take_their_local_names_along(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "d/s/f", "x");
	assert_int_equal(world_save(w, "d/a~", "1"), 0);
	assert_int_equal(world_save(w, "d/s/b~", "2"), 0);
	assert_int_equal(world_rename(w, "d", "e", 0), 0);
	assert_cat(w, "e/a~", "1");
	assert_cat(w, "e/s/b~", "2");
	assert_names(w, "e/s", "f b~");
	assert_int_equal(world_unlink(w, "e/s/f"), 0);
	assert_int_equal(world_rmdir(w, "e/s"), -ENOTEMPTY);
	fake_remote_put_directory(w->remote, "t");
	assert_int_equal(world_unlink(w, "e/s/b~"), 0);
	assert_int_equal(world_rmdir(w, "e/s"), 0);
	assert_int_equal(world_unlink(w, "e/a~"), 0);
	assert_int_equal(world_rmdir(w, "e"), 0);
	assert_int_equal(scratch_place_count(&w->names), 0);
}

static void names_wait_for_a_directory_that_went_behind_us(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "d/f", "x");
	assert_int_equal(world_save(w, "d/a~", "kept"), 0);
	fake_remote_drop(w->remote, "d/f");
	fake_remote_drop(w->remote, "d");
	attr_cache_expire(w->session->attrs);
	assert_int_equal(world_exists(w, "d"), -ENOENT);
	assert_int_equal(world_exists(w, "d/a~"), -ENOENT);
	assert_int_equal(world_mkdir(w, "d"), 0);
	assert_cat(w, "d/a~", "kept");
}

/* --- links ---------------------------------------------------------------- */

static void links_stay_here(void **state)
{
	struct world *w = *state;
	g_autofree char *long_target = g_strnfill(4096, 't');
	g_autofree char *target = NULL;
	struct stat st;

	fake_remote_put(w->remote, "a", "x");
	fake_remote_put_directory(w->remote, "d");
	assert_int_equal(world_symlink(w, "a", "a"), -EEXIST);
	assert_int_equal(world_symlink(w, "a", "d"), -EEXIST);
	assert_int_equal(world_symlink(w, "../a", "d/l"), 0);
	assert_int_equal(world_symlink(w, "x", "d/l"), -EEXIST);
	assert_int_equal(world_symlink(w, long_target, "m"), -ENAMETOOLONG);
	target = world_readlink(w, "d/l");
	assert_string_equal(target, "../a");
	assert_int_equal(world_stat(w, "d/l", &st), 0);
	assert_int_equal(st.st_mode & S_IFMT, S_IFLNK);
	assert_int_equal(st.st_size, 4);
	assert_changes(w, "");
	assert_int_equal(world_rename(w, "d/l", "d", 0), -EISDIR);
	assert_int_equal(
		world_rename(w, "d/l", "a", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(world_rename(w, "d/l", "a", 0), 0);
	assert_changes(w, "remove a;");
	assert_names(w, "", ".run d a");
	assert_int_equal(world_unlink(w, "a"), 0);
	assert_int_equal(world_exists(w, "a"), -ENOENT);
}

/* --- across the border ---------------------------------------------------- */

static void a_save_by_rename_is_one_write(void **state)
{
	struct world *w = *state;
	struct stat st;

	keep_bytes(w);
	fake_remote_put(w->remote, "a", "old");
	assert_cat(w, "a", "old");
	fake_remote_reset(w->remote);
	assert_int_equal(world_save(w, ".goutputstream-1", "new"), 0);
	assert_int_equal(world_change(w, ".goutputstream-1",
				 &(struct node_change){ .has_mode = true,
					 .mode = 0600,
					 .has_mtime = true,
					 .mtime = { 7, 8 } }),
		0);
	assert_int_equal(world_rename(w, ".goutputstream-1", "a", 0), 0);
	assert_cat(w, "a", "new");
	assert_int_equal(world_stat(w, "a", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_mtim.tv_nsec, 8);
	assert_int_equal(world_exists(w, ".goutputstream-1"), -ENOENT);
	assert_changes(w, "write a;");
	assert_asked(w, 1);
	assert_int_equal(scratch_place_count(&w->names), 0);
}

static void an_upload_that_fails_keeps_the_file(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "old");
	fake_remote_put_directory(w->remote, "d");
	assert_int_equal(world_save(w, "a~", "new"), 0);
	fake_remote_fail(w->remote, FAKE_WRITE, 1, ENOSPC);
	assert_int_equal(world_rename(w, "a~", "a", 0), -ENOSPC);
	assert_cat(w, "a~", "new");
	assert_cat(w, "a", "old");
	assert_int_equal(world_rename(w, "a~", "d", 0), -EISDIR);
	assert_int_equal(world_rename(w, "a~", "a", RENAME_NOREPLACE), -EEXIST);
	assert_cat(w, "a~", "new");
	assert_int_equal(world_rename(w, "a~", "a", 0), 0);
	assert_remote(w, "a", "new");
	assert_int_equal(world_pending(w), 0);
}

static void who_has_the_target_open_keeps_its_bytes(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	assert_int_equal(world_open(w, "a", O_RDONLY, &h), 0);
	assert_int_equal(world_save(w, "b~", "new"), 0);
	assert_int_equal(world_rename(w, "b~", "a", 0), 0);
	assert_handle(w, h, "old");
	assert_cat(w, "a", "new");
	assert_int_equal(world_close(w, h), 0);
	assert_remote(w, "a", "new");
}

/* Its bytes are the server's: what came later could not follow. */
static void a_file_that_went_to_the_server_is_not_written_silently(void **state)
{
	struct world *w = *state;
	struct handle *h;

	assert_int_equal(world_open(w, "a~", O_RDWR | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "new", 0), 3);
	assert_int_equal(world_rename(w, "a~", "a", 0), 0);
	assert_handle(w, h, "new");
	assert_int_equal(world_write(w, h, "lost", 0), -EIO);
	assert_int_equal(world_close(w, h), 0);
	assert_cat(w, "a", "new");
}

static void an_editors_backup_and_new_file_are_one_write(void **state)
{
	struct world *w = *state;

	keep_bytes(w);
	fake_remote_put(w->remote, "a", "old");
	assert_cat(w, "a", "old");
	fake_remote_reset(w->remote);
	assert_int_equal(world_rename(w, "a", "a~", 0), 0);
	assert_int_equal(world_exists(w, "a"), -ENOENT);
	assert_cat(w, "a~", "old");
	assert_remote(w, "a", "old"); /* the pod never misses it */
	assert_int_equal(world_save(w, "a", "new"), 0);
	assert_int_equal(world_unlink(w, "a~"), 0);
	assert_int_equal(late_remote_settle(w->session->late, NULL), 0);
	assert_changes(w, "write a;");
	assert_asked(w, 1);
	assert_remote(w, "a", "new");
}

static void a_file_that_comes_here_leaves_the_server(void **state)
{
	struct world *w = *state;
	struct handle *h;

	refuse_dots(w);
	fake_remote_put(w->remote, "a", "bytes");
	fake_remote_put_directory(w->remote, "d");
	assert_int_equal(world_save(w, ".b", "old"), 0);
	assert_int_equal(world_rename(w, "a", ".b", RENAME_NOREPLACE), -EEXIST);
	fake_remote_fail(w->remote, FAKE_REMOVE, 1, EACCES);
	assert_int_equal(world_rename(w, "a", ".b", 0), -EACCES);
	assert_cat(w, "a", "bytes");
	assert_int_equal(world_rename(w, "a", ".b", 0), 0);
	assert_cat(w, ".b", "bytes");
	assert_remote(w, "a", NULL);
	assert_int_equal(world_exists(w, "a"), -ENOENT);
	assert_int_equal(world_rename(w, "d", ".d", 0), -EXDEV);
	fake_remote_put(w->remote, "log", "x");
	attr_cache_expire(w->session->attrs);
	assert_int_equal(world_open(w, "log", O_RDWR, &h), 0);
	assert_int_equal(world_rename(w, "log", ".log", 0), -EXDEV);
	assert_int_equal(world_close(w, h), 0);
}

static void bytes_that_cannot_be_brought_stay_there(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "bytes");
	assert_int_equal(world_save(w, "a~", "old"), 0);
	fake_remote_fail(w->remote, FAKE_READ, 1, EHOSTUNREACH);
	assert_int_equal(world_rename(w, "a", "a~", 0), -EHOSTUNREACH);
	assert_cat(w, "a~", "old");
	assert_cat(w, "a", "bytes");
	assert_changes(w, "");
}

static void unsaved_bytes_come_along(void **state)
{
	struct world *w = *state;
	struct handle *h;

	assert_int_equal(world_open(w, "a", O_WRONLY | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "unsaved", 0), 7);
	assert_int_equal(world_rename(w, "a", "a~", 0), 0);
	assert_cat(w, "a~", "unsaved");
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "");
	assert_int_equal(world_pending(w), 0);
}

static void directories_do_not_cross_the_border(void **state)
{
	struct world *w = *state;

	refuse_dots(w);
	assert_int_equal(world_mkdir(w, ".d"), 0);
	assert_int_equal(world_save(w, ".d/f", "x"), 0);
	assert_int_equal(world_rename(w, ".d", "d", 0), -EXDEV);
	assert_int_equal(world_rename(w, ".d/f", "f", 0), 0);
	assert_remote(w, "f", "x");
	assert_int_equal(world_rename(w, "f", ".d/g", 0), 0);
	assert_cat(w, ".d/g", "x");
	assert_remote(w, "f", NULL);
}

#define with_world(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(editors_names_cost_nothing),
		with_world(a_listed_name_is_the_servers),
		with_world(dot_names_are_asked_about_once),
		with_world(a_probe_that_fails_is_an_error_until_it_is_known),
		with_world(where_there_is_no_telling_the_server_is_asked),
		with_world(dot_names_can_be_refused_here_too),
		with_world(an_open_file_outlives_its_name),
		with_world(attributes_are_the_disks),
		with_world(directories_take_their_local_names_along),
		with_world(names_wait_for_a_directory_that_went_behind_us),
		with_world(links_stay_here),
		with_world(a_save_by_rename_is_one_write),
		with_world(an_upload_that_fails_keeps_the_file),
		with_world(who_has_the_target_open_keeps_its_bytes),
		with_world(
			a_file_that_went_to_the_server_is_not_written_silently),
		with_world(an_editors_backup_and_new_file_are_one_write),
		with_world(a_file_that_comes_here_leaves_the_server),
		with_world(bytes_that_cannot_be_brought_stay_there),
		with_world(unsaved_bytes_come_along),
		with_world(directories_do_not_cross_the_border),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
