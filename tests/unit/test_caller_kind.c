/* What /proc says of the program that waits. */
#include "config.h"

#include "caller_kind.h"
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void families_are_known(void **state)
{
	int gate[2];
	pid_t child;

	(void)state;
	assert_int_equal(pipe(gate), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		char byte;

		(void)close(gate[1]);
		_exit(read(gate[0], &byte, 1) == 0 ? 0 : 1);
	}
	assert_int_equal(caller_descends(child, getpid()), 1);
	assert_int_equal(caller_descends(getpid(), getpid()), 1);
	assert_int_equal(caller_descends(getpid(), child), 0);
	assert_int_equal(
		caller_descends((pid_t)syscall(SYS_gettid), getppid()), 1);
	assert_int_equal(caller_descends(0, getpid()), 0);
	(void)close(gate[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	(void)close(gate[0]);
	assert_int_equal(caller_descends(child, getpid()), -1);
}

static void what_is_in_another_call_neither_makes_nor_asks(void **state)
{
	(void)state;
	assert_false(caller_makes_name(getpid()));
	assert_false(caller_asks_rights(getpid()));
	assert_false(caller_makes_name(0));
	assert_false(caller_asks_rights(-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(families_are_known),
		cmocka_unit_test(
			what_is_in_another_call_neither_makes_nor_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
