/* Unnamed files: nothing in the directory until they are kept. */
#include "config.h"

#include "scratch.h"
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

static void a_scratch_file_has_no_name_and_one_reader(void **state)
{
	struct scratch_place *p = *state;
	int fd = scratch_file(p->fd);
	struct stat st;

	assert_true(fd >= 0);
	assert_int_equal(scratch_place_count(p), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 0);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	(void)close(fd);
}

static void all_bytes_are_written_where_they_belong(void **state)
{
	struct scratch_place *p = *state;
	int fd = scratch_file(p->fd);
	char bytes[8] = "";

	assert_int_equal(scratch_write(fd, "world", 5, 3), 0);
	assert_int_equal(scratch_write(fd, "hel", 3, 0), 0);
	assert_int_equal(scratch_write(fd, NULL, 0, 0), 0);
	assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), 8);
	assert_memory_equal(bytes, "helworld", 8);
	(void)close(fd);
}

static void a_write_that_cannot_be_says_why(void **state)
{
	struct scratch_place *p = *state;

	assert_int_equal(scratch_write(p->fd, "x", 1, 0), -EBADF);
	assert_true(scratch_file(-1) < 0);
}

static void a_named_file_has_its_bytes(void **state)
{
	struct scratch_place *p = *state;
	int fd = scratch_file(p->fd);
	g_autofree char *text = NULL;

	assert_int_equal(scratch_write(fd, "precious", 8, 0), 0);
	assert_int_equal(scratch_name(fd, p->fd, "kept"), 0);
	assert_int_equal(scratch_name(fd, p->fd, "kept"), -EEXIST);
	(void)close(fd);
	text = scratch_place_read(p, "kept");
	assert_string_equal(text, "precious");
}

static void a_copy_has_what_was_asked_for(void **state)
{
	struct scratch_place *p = *state;
	int from = scratch_file(p->fd);
	int to = scratch_file(p->fd);
	char bytes[8] = "";

	assert_int_equal(scratch_write(from, "precious", 8, 0), 0);
	assert_int_equal(scratch_copy(from, to, 2, 6), 0);
	assert_int_equal(pread(to, bytes, sizeof(bytes), 2), 4);
	assert_memory_equal(bytes, "ecio", 4);
	assert_int_equal(scratch_copy(from, to, 6, 9), -EIO);
	(void)close(from);
	(void)close(to);
}

#define with_place(name) \
	cmocka_unit_test_setup_teardown(name, make_place, free_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_place(a_scratch_file_has_no_name_and_one_reader),
		with_place(all_bytes_are_written_where_they_belong),
		with_place(a_write_that_cannot_be_says_why),
		with_place(a_named_file_has_its_bytes),
		with_place(a_copy_has_what_was_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
