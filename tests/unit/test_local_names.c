/* The directory of the names that stay here, and that nothing leaves it. */
#include "config.h"

#include "local_names.h"
#include "scratch_place.h"
#include "test.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct world {
	struct scratch_place place;
	struct local_names *names;
};

static int setup(void **state)
{
	struct world *w = g_new0(struct world, 1);

	scratch_place_make(&w->place);
	w->names = local_names_new(w->place.fd);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	local_names_free(w->names);
	scratch_place_remove(&w->place);
	g_free(w);
	return 0;
}

static void put(struct world *w, const char *path, const char *text)
{
	int fd = local_names_create(w->names, path, O_WRONLY, 0640);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static int there(struct world *w, const char *path)
{
	struct stat st;

	return local_names_stat(w->names, path, &st);
}

static mode_t mode(struct world *w, const char *path)
{
	struct stat st;

	assert_int_equal(local_names_stat(w->names, path, &st), 0);
	return st.st_mode;
}

static void assert_list(struct world *w, const char *path, const char *expected)
{
	GPtrArray *names = local_names_list(w->names, path);
	g_autofree char *text = NULL;

	g_ptr_array_add(names, NULL);
	text = g_strjoinv(" ", (char **)names->pdata);
	assert_string_equal(text, expected);
	g_ptr_array_unref(names);
}

static void what_is_made_stands_at_its_path(void **state)
{
	struct world *w = *state;

	put(w, "a/b/.c", "x");
	assert_int_equal(mode(w, "a/b/.c"), S_IFREG | 0640);
	assert_int_equal(
		local_names_create(w->names, "a/b/.c", O_RDWR, 0600), -EEXIST);
	assert_int_equal(local_names_mkdir(w->names, "d", 0750), 0);
	assert_int_equal(mode(w, "d"), S_IFDIR | 0750);
	assert_int_equal(local_names_mkdir(w->names, "d", 0750), -EEXIST);
	assert_int_equal(local_names_symlink(w->names, "to", "a/l"), 0);
	assert_list(w, "", "d");
	assert_list(w, "a", "l");
	assert_list(w, "a/b", ".c");
	assert_list(w, "none/such", "");
}

static void skeletons_are_not_there_and_go_with_the_last_name(void **state)
{
	struct world *w = *state;

	put(w, "a/b/.c", "x");
	put(w, "a/.d", "x");
	assert_int_equal(there(w, "a"), -ENOENT);
	assert_int_equal(there(w, "a/b"), -ENOENT);
	assert_int_equal(local_names_rmdir(w->names, "a/b"), -ENOENT);
	assert_int_equal(local_names_chmod(w->names, "a/b", 0755), -ENOENT);
	assert_int_equal(local_names_unlink(w->names, "a/b/.c"), 0);
	assert_int_equal(scratch_place_count(&w->place), 1);
	assert_int_equal(local_names_unlink(w->names, "a/.d"), 0);
	assert_int_equal(scratch_place_count(&w->place), 0);
}

static void a_local_directory_stays_one(void **state)
{
	struct world *w = *state;

	assert_int_equal(local_names_mkdir(w->names, "a/d", 01777), 0);
	assert_int_equal(mode(w, "a/d"), S_IFDIR | 0777);
	assert_int_equal(local_names_chmod(w->names, "a/d", 01700), 0);
	assert_int_equal(mode(w, "a/d"), S_IFDIR | 0700);
	put(w, "a/d/f", "x");
	assert_int_equal(local_names_rmdir(w->names, "a/d"), -ENOTEMPTY);
	assert_int_equal(local_names_unlink(w->names, "a/d"), -EISDIR);
	assert_int_equal(local_names_unlink(w->names, "a/d/f"), 0);
	assert_int_equal(there(w, "a/d"), 0); /* empty, and no skeleton */
	assert_int_equal(local_names_rmdir(w->names, "a/d"), 0);
	assert_int_equal(scratch_place_count(&w->place), 0);
}

static void links_are_never_followed(void **state)
{
	struct world *w = *state;
	struct scratch_place outside;
	g_autofree char *file = NULL;
	g_autofree char *target = NULL;
	const struct timespec times[2] = { { 1, 1 }, { 2, 2 } };
	struct stat st;

	scratch_place_make(&outside);
	file = g_build_filename(outside.path, "f", NULL);
	assert_true(g_file_set_contents(file, "safe", -1, NULL));
	assert_int_equal(chmod(file, 0600), 0);
	assert_int_equal(local_names_symlink(w->names, outside.path, "dir"), 0);
	assert_int_equal(local_names_symlink(w->names, file, "file"), 0);
	assert_int_equal(there(w, "dir/f"), -ENOENT);
	assert_int_equal(
		local_names_open(w->names, "dir/f", O_RDONLY), -ENOENT);
	assert_true(local_names_create(w->names, "dir/g", O_RDWR, 0600) < 0);
	assert_true(local_names_mkdir(w->names, "dir/g", 0700) < 0);
	assert_list(w, "dir", "");
	assert_int_equal(local_names_open(w->names, "file", O_RDONLY), -ELOOP);
	assert_int_equal(
		local_names_create(w->names, "file", O_RDWR, 0600), -EEXIST);
	assert_true(local_names_truncate(w->names, "file", 0) < 0);
	assert_int_equal(
		local_names_chmod(w->names, "file", 0777), -EOPNOTSUPP);
	assert_int_equal(local_names_utimens(w->names, "file", times), 0);
	assert_int_equal(local_names_readlink(w->names, "file", &target), 0);
	assert_string_equal(target, file);
	assert_int_equal(local_names_unlink(w->names, "file"), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_not_equal(st.st_mtim.tv_sec, 2);
	assert_int_equal(scratch_place_count(&outside), 1);
	scratch_place_remove(&outside);
}

static void hostile_names_are_nowhere(void **state)
{
	static const char *const paths[] = { "..", "../x", "a/../x", "a/./x",
		".", "a//x", "/x", "x/", "caf\xe9" };
	struct world *w = *state;

	put(w, "a/x", "x");
	for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
		assert_int_equal(there(w, paths[i]), -ENOENT);
		assert_true(local_names_create(
				    w->names, paths[i], O_RDWR, 0600) < 0);
		assert_true(local_names_symlink(w->names, "t", paths[i]) < 0);
		assert_true(local_names_unlink(w->names, paths[i]) < 0);
		assert_true(
			local_names_rename(w->names, "a/x", paths[i], 0) < 0);
	}
	assert_int_equal(there(w, "a/x"), 0);
	assert_int_equal(scratch_place_count(&w->place), 1);
}

/* Neither file nor directory nor link: somebody else's doing. */
static void strange_things_are_not_there(void **state)
{
	struct world *w = *state;

	assert_int_equal(mkfifoat(w->place.fd, "fifo", 0600), 0);
	assert_int_equal(there(w, "fifo"), -ENOENT);
	assert_int_equal(local_names_open(w->names, "fifo", O_RDONLY), -ENOENT);
	assert_list(w, "", "");
}

static void names_move_and_skeletons_follow(void **state)
{
	struct world *w = *state;

	put(w, "a/.x", "1");
	put(w, "b/.y", "2");
	assert_int_equal(local_names_rename(w->names, "a/.x", "c/d/.z", 0), 0);
	assert_int_equal(there(w, "c/d/.z"), 0);
	assert_int_equal(scratch_place_count(&w->place), 2); /* b c */
	assert_int_equal(local_names_rename(
				 w->names, "c/d/.z", "b/.y", RENAME_NOREPLACE),
		-EEXIST);
	assert_int_equal(local_names_rename(w->names, "c/d/.z", "b/.y", 0), 0);
	assert_int_equal(scratch_place_count(&w->place), 1);
	assert_int_equal(
		local_names_rename(w->names, "b/.none", "q/.y", 0), -ENOENT);
	assert_int_equal(scratch_place_count(&w->place), 1);
}

static void a_servers_directory_takes_its_skeleton_along(void **state)
{
	struct world *w = *state;

	put(w, "a/.x", "1");
	put(w, "a/s/.y", "2");
	local_names_directory_moved(w->names, "a", "t/b");
	assert_int_equal(there(w, "t/b/.x"), 0);
	assert_int_equal(there(w, "t/b/s/.y"), 0);
	assert_int_equal(scratch_place_count(&w->place), 1);
	local_names_directory_moved(w->names, "none", "u");
	assert_int_equal(scratch_place_count(&w->place), 1);
}

/* An earlier directory of that path went behind our back. */
static void names_that_were_left_there_are_joined(void **state)
{
	struct world *w = *state;

	put(w, "a/.x", "1");
	put(w, "a/s/.y", "2");
	put(w, "b/.x", "old");
	put(w, "b/s/.z", "old");
	local_names_directory_moved(w->names, "a", "b");
	assert_int_equal(there(w, "b/s/.y"), 0);
	assert_int_equal(there(w, "b/s/.z"), 0);
	assert_int_equal(there(w, "b/.x"), 0);
	assert_int_equal(there(w, "a/.x"), 0); /* in the way: not lost */
}

static void a_removed_directory_keeps_only_what_holds_names(void **state)
{
	struct world *w = *state;

	put(w, "a/s/.y", "2");
	local_names_directory_removed(w->names, "a");
	assert_int_equal(there(w, "a/s/.y"), 0);
	assert_int_equal(mkdirat(w->place.fd, "b", 01700), 0);
	assert_int_equal(mkdirat(w->place.fd, "b/c", 01700), 0);
	assert_int_equal(fchmodat(w->place.fd, "b", 01700, 0), 0);
	assert_int_equal(fchmodat(w->place.fd, "b/c", 01700, 0), 0);
	local_names_directory_removed(w->names, "b");
	assert_int_equal(scratch_place_count(&w->place), 1);
}

static void a_draft_appears_whole_or_not_at_all(void **state)
{
	struct world *w = *state;
	struct local_file_draft d;

	put(w, "a/f~", "old");
	assert_int_equal(local_names_begin_draft(w->names, "a/f~", &d), 0);
	assert_int_equal(write(d.fd, "new!!", 5), 5);
	assert_list(w, "", "");
	local_names_drop_draft(w->names, &d);
	assert_int_equal(scratch_place_count(&w->place), 1);
	assert_int_equal(local_names_begin_draft(w->names, "a/f~", &d), 0);
	assert_int_equal(write(d.fd, "new!!", 5), 5);
	assert_int_equal(local_names_end_draft(w->names, &d), 0);
	assert_list(w, "a", "f~");
	assert_int_equal(local_names_truncate(w->names, "a/f~", 2), 0);
	assert_int_equal(scratch_place_count(&w->place), 1);
}

static void drafts_of_the_dead_are_removed(void **state)
{
	struct world *w = *state;
	pid_t pid = fork();
	g_autofree char *name = NULL;
	int fd;

	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	name = g_strdup_printf("\001draft-%d-1", (int)pid);
	fd = openat(w->place.fd, name, O_CREAT | O_WRONLY, 0600);
	(void)close(fd);
	assert_int_equal(scratch_place_count(&w->place), 1);
	local_names_free(local_names_new(w->place.fd));
	assert_int_equal(scratch_place_count(&w->place), 0);
}

static void what_cannot_be_read_is_not_empty(void **state)
{
	struct world *w = *state;
	struct rlimit before, few;

	put(w, "a/.b", "x");
	assert_int_equal(local_names_any(w->names, "a"), 1);
	assert_int_equal(local_names_any(w->names, ""), 0); /* a skeleton */
	assert_int_equal(local_names_any(w->names, "b"), 0);
	assert_int_equal(local_names_any(w->names, "a/.b"), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(local_names_any(w->names, "a"), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

#define with_world(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(what_is_made_stands_at_its_path),
		with_world(skeletons_are_not_there_and_go_with_the_last_name),
		with_world(a_local_directory_stays_one),
		with_world(links_are_never_followed),
		with_world(hostile_names_are_nowhere),
		with_world(strange_things_are_not_there),
		with_world(names_move_and_skeletons_follow),
		with_world(a_servers_directory_takes_its_skeleton_along),
		with_world(names_that_were_left_there_are_joined),
		with_world(a_removed_directory_keeps_only_what_holds_names),
		with_world(a_draft_appears_whole_or_not_at_all),
		with_world(drafts_of_the_dead_are_removed),
		with_world(what_cannot_be_read_is_not_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
