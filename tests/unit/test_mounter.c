/* Where root mounts for a user: on what it was told, and nowhere else. */
#include "config.h"

#include "mounter.h"
#include "scratch_place.h"
#include "test.h"

#include <errno.h>
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

static int mount_on(const char *directory)
{
	const struct mounter_params params = { .directory = directory };
	const struct mounter_wish wish = { .name = "name", .options = "" };
	struct aide aide = AIDE_INIT;
	uint64_t id = 0;
	int fd = -1;
	int rc;

	assert_int_equal(mounter_start(&aide, &params), 0);
	rc = mounter_mount(&aide, &wish, &fd, &id);
	mounter_finish(&aide);
	return rc;
}

static void what_is_not_there_is_not_mounted_on(void **state)
{
	struct scratch_place *p = *state;
	g_autofree char *none = g_build_filename(p->path, "none", NULL);

	assert_int_equal(mount_on(none), -ENOTDIR);
}

/* The name had none when it was found out. */
static void a_link_leads_nowhere(void **state)
{
	struct scratch_place *p = *state;
	g_autofree char *real = g_build_filename(p->path, "real", NULL);
	g_autofree char *below = g_build_filename(real, "below", NULL);
	g_autofree char *link = g_build_filename(p->path, "link", NULL);
	g_autofree char *through = g_build_filename(link, "below", NULL);

	assert_int_equal(mkdir(real, 0700), 0);
	assert_int_equal(mkdir(below, 0700), 0);
	assert_int_equal(symlink(real, link), 0);
	assert_int_equal(mount_on(link), -ENOTDIR);
	assert_int_equal(mount_on(through), -ENOTDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_there_is_not_mounted_on),
		cmocka_unit_test(a_link_leads_nowhere),
	};

	return cmocka_run_group_tests(tests, make_place, free_place);
}
