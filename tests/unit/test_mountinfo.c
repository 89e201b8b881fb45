/* Reading the kernel's table of mounts. */
#include "config.h"

#include "mountinfo.h"
#include "test.h"

#include <glib.h>
#include <unistd.h>

static const char table[] =
	"22 1 0:20 / /proc rw,relatime shared:5 - proc proc rw\n"
	"30 1 0:44 / /home/ann/py\\040cloud rw - fuse.pycloud pycloud:/ rw\n"
	"31 30 0:45 / /home/ann/py\\040cloud/a rw - fuse.pycloud pycloud:a rw\n"
	"7\n"
	"x y z\n"
	"32 31 0:46 / /home/ann/py\\040cloud/a rw - fuse.pycloud pycloud:a rw";

static void the_one_on_top_is_found(void **state)
{
	(void)state;
	assert_int_equal(mountinfo_find(table, "/proc"), 22);
	assert_int_equal(mountinfo_find(table, "/home/ann/py cloud"), 30);
	assert_int_equal(mountinfo_find(table, "/home/ann/py cloud/a"), 32);
	assert_int_equal(mountinfo_find(table, "/home/ann"), 0);
	assert_int_equal(mountinfo_find(table, "/home/ann/py cloud/"), 0);
	assert_int_equal(mountinfo_find("", "/"), 0);
}

static void the_real_table_is_read_again_and_again(void **state)
{
	int fd = mountinfo_open();

	(void)state;
	assert_true(fd >= 0);
	for (int i = 0; i < 2; i++) {
		g_autofree char *text = mountinfo_read(fd);

		assert_non_null(text);
		assert_int_not_equal(mountinfo_find(text, "/proc"), 0);
	}
	(void)close(fd);
	assert_int_not_equal(mountinfo_id("/proc"), 0);
	assert_int_equal(mountinfo_id("/proc/self/none"), 0);
	assert_null(mountinfo_read(-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_one_on_top_is_found),
		cmocka_unit_test(the_real_table_is_read_again_and_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
