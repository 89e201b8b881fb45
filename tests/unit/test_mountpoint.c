/* Which directories can be mounted on, and what is said about the others. */
#include "config.h"

#include "mountpoint.h"
#include "scratch_place.h"
#include "test.h"

#include <string.h>
#include <sys/stat.h>

static int make_place(void **state)
{
	struct scratch_place *p = g_new0(struct scratch_place, 1);

	scratch_place_make(p);
	*state = p;
	return 0;
}

static int free_place(void **state)
{
	scratch_place_remove(*state);
	g_free(*state);
	return 0;
}

static void assert_problem(const char *directory, const char *expected)
{
	g_autofree char *problem = mountpoint_problem(directory, false);

	assert_non_null(problem);
	assert_non_null(strstr(problem, directory));
	assert_non_null(strstr(problem, expected));
}

static void an_empty_directory_will_do(void **state)
{
	struct scratch_place *p = *state;

	assert_null(mountpoint_problem(p->path, false));
}

static void a_missing_directory_says_how_to_make_it(void **state)
{
	struct scratch_place *p = *state;
	g_autofree char *missing = g_build_filename(p->path, "none", NULL);

	assert_problem(missing, "mkdir");
}

static void a_file_is_no_mount_point(void **state)
{
	struct scratch_place *p = *state;
	g_autofree char *file = g_build_filename(p->path, "file", NULL);

	assert_true(g_file_set_contents(file, "", 0, NULL));
	assert_problem(file, "not a directory");
}

static void a_full_directory_needs_nonempty(void **state)
{
	struct scratch_place *p = *state;
	g_autofree char *file = g_build_filename(p->path, ".hidden", NULL);

	assert_true(g_file_set_contents(file, "", 0, NULL));
	assert_problem(p->path, "-o nonempty");
	assert_null(mountpoint_problem(p->path, true));
}

static void a_mount_point_is_busy(void **state)
{
	struct stat proc, root;

	(void)state;
	if (stat("/proc", &proc) < 0 || stat("/", &root) < 0 ||
		proc.st_dev == root.st_dev)
		skip();
	assert_problem("/proc", "busy");
}

#define with_place(name) \
	cmocka_unit_test_setup_teardown(name, make_place, free_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_place(an_empty_directory_will_do),
		with_place(a_missing_directory_says_how_to_make_it),
		with_place(a_file_is_no_mount_point),
		with_place(a_full_directory_needs_nonempty),
		with_place(a_mount_point_is_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
