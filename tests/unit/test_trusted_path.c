/* Where root goes for a user: by links of root's, and by no others. */
#include "config.h"

#include "scratch_place.h"
#include "test.h"
#include "trusted_path.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define NOBODY 65534

static int make_place(void **state)
{
	struct scratch_place *p = g_new0(struct scratch_place, 1);

	scratch_place_make(p);
	assert_int_equal(mkdirat(p->fd, "a", 0755), 0);
	assert_int_equal(mkdirat(p->fd, "a/b", 0755), 0);
	*state = p;
	return 0;
}

static int free_place(void **state)
{
	scratch_place_remove(*state);
	g_free(*state);
	return 0;
}

static void put_link(const struct scratch_place *p, const char *target,
	const char *name, uid_t owner)
{
	assert_int_equal(symlinkat(target, p->fd, name), 0);
	if (geteuid() == 0)
		assert_int_equal(fchownat(p->fd, name, owner, owner,
					 AT_SYMLINK_NOFOLLOW),
			0);
}

/* 0 and where it leads, below the place; or -errno, and the link. */
static void expect(const struct scratch_place *p, const char *path, int rc,
	const char *expected)
{
	g_autofree char *whole = g_build_filename(p->path, path, NULL);
	g_autofree char *place = realpath(p->path, NULL);
	g_autofree char *there =
		g_build_filename(place, expected == NULL ? "" : expected, NULL);
	g_autofree char *real = NULL;
	g_autofree char *link = NULL;

	assert_int_equal(trusted_path_resolve(whole, &real, &link), rc);
	if (rc == 0)
		assert_string_equal(real, there);
	else
		assert_null(real);
	if (rc == -EPERM)
		assert_string_equal(link, there);
	else
		assert_null(link);
}

static void a_directory_has_its_name(void **state)
{
	const struct scratch_place *p = *state;
	g_autofree char *file = g_build_filename(p->path, "file", NULL);

	expect(p, "a/b", 0, "a/b");
	expect(p, "a//b/", 0, "a/b");
	expect(p, "a/./b/../../a", 0, "a");
	expect(p, "a/c", -ENOENT, NULL);
	assert_true(g_file_set_contents(file, "", 0, NULL));
	expect(p, "file", -ENOTDIR, NULL);
	expect(p, "file/b", -ENOTDIR, NULL);
}

static void links_of_roots_are_followed(void **state)
{
	const struct scratch_place *p = *state;
	g_autofree char *whole = g_build_filename(p->path, "a", NULL);

	if (geteuid() != 0)
		skip();
	put_link(p, "b", "a/near", 0);
	put_link(p, whole, "far", 0);
	put_link(p, "a/../far/near", "both", 0);
	put_link(p, "loop", "loop", 0);
	put_link(p, "nowhere", "lost", 0);
	expect(p, "a/near", 0, "a/b");
	expect(p, "far/b", 0, "a/b");
	expect(p, "both/..", 0, "a");
	expect(p, "loop", -ELOOP, NULL);
	expect(p, "lost", -ENOENT, NULL);
}

static void links_of_others_are_not(void **state)
{
	const struct scratch_place *p = *state;

	put_link(p, "a", "of-nobody", NOBODY);
	expect(p, "of-nobody", -EPERM, "of-nobody");
	expect(p, "of-nobody/b", -EPERM, "of-nobody");
	if (geteuid() != 0)
		return;
	put_link(p, "../of-nobody/b", "a/by-root", 0);
	expect(p, "a/by-root", -EPERM, "of-nobody");
}

#define with_place(name) \
	cmocka_unit_test_setup_teardown(name, make_place, free_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_place(a_directory_has_its_name),
		with_place(links_of_roots_are_followed),
		with_place(links_of_others_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
