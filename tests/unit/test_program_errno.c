/* Errors of connections become errors of files; the others stay. */
#include "config.h"

#include "program_errno.h"
#include "test.h"

#include <errno.h>

static void errors_of_connections_become_errors_of_files(void **state)
{
	(void)state;
	assert_int_equal(program_errno(-EPROTO), -EIO);
	assert_int_equal(program_errno(-ECONNRESET), -EIO);
	assert_int_equal(program_errno(-EMFILE), -EIO);
	assert_int_equal(program_errno(-ENFILE), -EIO);
	assert_int_equal(program_errno(-ECONNREFUSED), -EHOSTUNREACH);
	assert_int_equal(program_errno(-ENETUNREACH), -EHOSTUNREACH);
}

static void what_programs_know_stays(void **state)
{
	(void)state;
	assert_int_equal(program_errno(0), 0);
	assert_int_equal(program_errno(-ENOENT), -ENOENT);
	assert_int_equal(program_errno(-EAGAIN), -EAGAIN); /* too many runs */
	assert_int_equal(program_errno(-EBUSY), -EBUSY);
	assert_int_equal(program_errno(-EINTR), -EINTR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_of_connections_become_errors_of_files),
		cmocka_unit_test(what_programs_know_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
