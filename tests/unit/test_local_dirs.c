/* The directories of this computer: each mount has a cache that stays its own.
 */
#include "config.h"

#include "local_dirs.h"

#include "scratch_place.h"
#include "test.h"

#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* How many directories another mount removes yet, just before they are locked.
 */
static unsigned thefts;

static bool is_second(int fd, char path[PATH_MAX])
{
	g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, PATH_MAX - 1);

	path[MAX(length, 0)] = '\0';
	return strstr(path, "/second-") != NULL;
}

/* Instead of the library's. */
int flock(int fd, int operation)
{
	char path[PATH_MAX];

	if (thefts > 0 && is_second(fd, path)) {
		thefts--;
		(void)rmdir(path);
	}
	return (int)syscall(SYS_flock, fd, operation);
}

static int make_place(void **state)
{
	struct scratch_place *p = g_new0(struct scratch_place, 1);

	scratch_place_make(p);
	(void)g_setenv("XDG_CACHE_HOME", p->path, TRUE);
	(void)g_setenv("XDG_STATE_HOME", p->path, TRUE);
	*state = p;
	return 0;
}

static int remove_place(void **state)
{
	scratch_place_remove(*state);
	g_free(*state);
	return 0;
}

static void open_dirs(struct local_dirs *d)
{
	char *why = NULL;

	*d = (struct local_dirs)LOCAL_DIRS_INIT;
	assert_int_equal(local_dirs_open(d, "demo", &why), 0);
	assert_null(why);
	assert_true(g_file_test(d->cache_path, G_FILE_TEST_IS_DIR));
}

static void a_second_mount_has_a_cache_of_its_own(void **state)
{
	struct local_dirs first, second, third;
	g_autofree char *path = NULL;

	(void)state;
	open_dirs(&first);
	open_dirs(&second);
	assert_true(first.keeps_cache);
	assert_false(second.keeps_cache);
	assert_string_not_equal(first.cache_path, second.cache_path);
	open_dirs(&third); /* which looks for what was left behind */
	assert_true(g_file_test(second.cache_path, G_FILE_TEST_IS_DIR));
	path = g_strdup(second.cache_path);
	local_dirs_close(&third);
	local_dirs_close(&second);
	assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
	local_dirs_close(&first);
}

static void a_cache_that_is_taken_for_left_behind_is_made_again(void **state)
{
	struct local_dirs first, second;

	(void)state;
	open_dirs(&first);
	thefts = 3;
	open_dirs(&second);
	assert_int_equal(thefts, 0);
	local_dirs_close(&second);
	local_dirs_close(&first);
}

#define with_place(name) \
	cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_place(a_second_mount_has_a_cache_of_its_own),
		with_place(a_cache_that_is_taken_for_left_behind_is_made_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
