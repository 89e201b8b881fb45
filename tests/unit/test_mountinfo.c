/* Reading the kernel's table of mounts. */
#include "config.h"

#include "mountinfo.h"
#include "test.h"
#include "umount_table.h"

#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

static const char table[] =
	"22 1 0:20 / /proc rw,relatime shared:5 - proc proc rw\n"
	"30 1 0:44 / /home/ann/py\\040cloud rw - fuse.pycloud pycloud:/ rw\n"
	"31 30 0:45 / /home/ann/py\\040cloud/a rw - fuse.pycloud pycloud:a rw\n"
	"7\n"
	"x y z\n"
	"32 31 0:46 / /home/ann/py\\040cloud/a rw - fuse.pycloud pycloud:a rw";

#define FUSE_LINE                                                        \
	"36 35 0:48 /a\\040b /mnt/new\\012line\\134 rw,nosuid shared:1 " \
	"master:2 - fuse.pycloud pycloud:a\\040b rw,user_id=1000,group_id=50"

static void a_line_is_read_and_its_escapes_are_taken_back(void **state)
{
	struct mountinfo_entry *e = mountinfo_entry_read(FUSE_LINE);

	(void)state;
	assert_non_null(e);
	assert_int_equal(e->id, 36);
	assert_string_equal(e->device, "0:48");
	assert_string_equal(e->root, "/a b");
	assert_string_equal(e->point, "/mnt/new\nline\\");
	assert_string_equal(e->type, "fuse.pycloud");
	assert_string_equal(e->source, "pycloud:a b");
	assert_string_equal(mountinfo_workspace(e), "a b");
	assert_true(e->is_ours);
	assert_int_equal(e->owner, 1000);
	assert_int_equal(e->group, 50);
	mountinfo_entry_free(e);
}

/* A table that was cut anywhere is none of our faults. */
static void a_line_that_is_cut_is_none_or_what_it_says(void **state)
{
	(void)state;
	for (size_t length = 0; length <= strlen(FUSE_LINE); length++) {
		g_autofree char *line = g_strndup(FUSE_LINE, length);
		struct mountinfo_entry *e = mountinfo_entry_read(line);

		assert_true(e == NULL || e->id == 36);
		mountinfo_entry_free(e);
	}
	assert_null(mountinfo_entry_read(""));
	assert_null(mountinfo_entry_read(" - "));
	assert_null(mountinfo_entry_read(" - fuse.pycloud pycloud:x rw"));
	assert_null(mountinfo_entry_read("1 2 0:3 / /mnt rw - fuse.pycloud"));
}

static void assert_workspace(const char *behind, const char *expected)
{
	g_autofree char *line = g_strconcat("1 2 0:3 / /m rw - ", behind, NULL);
	struct mountinfo_entry *e = mountinfo_entry_read(line);

	assert_non_null(e);
	if (expected == NULL)
		assert_null(mountinfo_workspace(e));
	else
		assert_string_equal(mountinfo_workspace(e), expected);
	mountinfo_entry_free(e);
}

static void only_ours_are_workspaces(void **state)
{
	(void)state;
	assert_workspace("fuse.pycloud pycloud:demo rw", "demo");
	assert_workspace("fuse.pycloud pycloud:/ rw", "/");
	assert_workspace("fuse.pycloud other:demo rw", NULL);
	assert_workspace("fuse.pycloudy pycloud:demo rw", NULL);
	assert_workspace("ext4 pycloud:demo rw", NULL);
}

static void what_to_unmount_is_found(void **state)
{
	struct mountinfo_entry *e =
		umount_table_at(table, "/home/ann/py cloud/a");
	g_autoptr(GPtrArray) below =
		umount_table_below(table, "/home/ann/py cloud");
	g_autoptr(GPtrArray) by_name = umount_table_from(table, "a");
	g_autoptr(GPtrArray) by_source = umount_table_from(table, "pycloud:/");

	(void)state;
	assert_non_null(e);
	assert_int_equal(e->id, 32);
	mountinfo_entry_free(e);
	assert_null(umount_table_at(table, "/home"));
	assert_int_equal(below->len, 2);
	e = below->pdata[0];
	assert_int_equal(e->id, 32);
	assert_int_equal(by_name->len, 2);
	assert_int_equal(by_source->len, 1);
}

/* As people copy it out of a browser. */
static void the_slash_at_a_urls_end_does_not_matter(void **state)
{
	static const char line[] = "40 25 0:50 / /m rw - fuse.pycloud "
				   "pycloud:http://127.0.0.1:8888 rw\n";
	g_autoptr(GPtrArray) with =
		umount_table_from(line, "http://127.0.0.1:8888/");
	g_autoptr(GPtrArray) without =
		umount_table_from(line, "http://127.0.0.1:8888");
	g_autoptr(GPtrArray) other =
		umount_table_from(line, "http://127.0.0.1:888/");

	(void)state;
	assert_int_equal(with->len, 1);
	assert_int_equal(without->len, 1);
	assert_int_equal(other->len, 0);
}

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

static void a_descriptor_knows_its_mount(void **state)
{
	int fd = open("/proc", O_PATH | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(mountinfo_id_of(fd), mountinfo_id("/proc"));
	(void)close(fd);
	assert_int_equal(mountinfo_id_of(fd), 0);
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
		cmocka_unit_test(a_line_is_read_and_its_escapes_are_taken_back),
		cmocka_unit_test(a_line_that_is_cut_is_none_or_what_it_says),
		cmocka_unit_test(only_ours_are_workspaces),
		cmocka_unit_test(what_to_unmount_is_found),
		cmocka_unit_test(the_slash_at_a_urls_end_does_not_matter),
		cmocka_unit_test(a_descriptor_knows_its_mount),
		cmocka_unit_test(the_one_on_top_is_found),
		cmocka_unit_test(the_real_table_is_read_again_and_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
