/* Which pending signals mean that nobody waits any more. */
#include "config.h"

#include "caller.h"
#include "test.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static uint64_t set_of(int number)
{
	return number == 0 ? 0 : (uint64_t)1 << (number - 1);
}

/* Of a program that has blocked SIGUSR1, ignores SIGQUIT, catches SIGALRM. */
static bool is_dying(int own, int shared)
{
	char text[512];

	(void)snprintf(text, sizeof(text),
		"Name:\tcat\nSigQ:\t0/7\nSigPnd:\t%016jx\nShdPnd:\t%016jx\n"
		"SigBlk:\t%016jx\nSigIgn:\t%016jx\nSigCgt:\t%016jx\n"
		"CapInh:\t0000000000000000\n",
		(uintmax_t)set_of(own), (uintmax_t)set_of(shared),
		(uintmax_t)set_of(SIGUSR1), (uintmax_t)set_of(SIGQUIT),
		(uintmax_t)set_of(SIGALRM));
	return caller_status_is_dying(text);
}

static void only_signals_that_end_the_program_count(void **state)
{
	(void)state;
	assert_false(is_dying(0, 0));
	assert_true(is_dying(SIGKILL, 0));
	assert_true(is_dying(0, SIGINT));
	assert_true(is_dying(SIGTERM, SIGALRM));
	assert_true(is_dying(0, SIGRTMAX));
	assert_false(is_dying(SIGALRM, SIGALRM));
	assert_false(is_dying(0, SIGQUIT));
	assert_false(is_dying(SIGUSR1, 0));
	assert_false(is_dying(SIGTSTP, SIGSTOP));
	assert_false(is_dying(SIGCHLD, SIGWINCH));
}

static void what_cannot_be_understood_counts_as_dying(void **state)
{
	(void)state;
	assert_true(caller_status_is_dying(""));
	assert_true(caller_status_is_dying("Name:\tx\nSigPnd:\t0\nShdPnd:\t0\n"
					   "SigBlk:\t0\nSigIgn:\t0\n"));
	assert_true(caller_status_is_dying("Name:\tx\nSigPnd:\t\nShdPnd:\t0\n"
					   "SigBlk:\t0\nSigIgn:\t0\n"
					   "SigCgt:\t0\n"));
	assert_true(caller_is_dying(0));
}

static void a_living_thread_is_looked_at(void **state)
{
	sigset_t set, before;

	(void)state;
	assert_false(caller_is_dying(getpid()));
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	assert_int_equal(sigprocmask(SIG_BLOCK, &set, &before), 0);
	(void)raise(SIGTERM);
	assert_false(caller_is_dying(getpid()));
	(void)signal(SIGTERM, SIG_IGN); /* takes it away again */
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	(void)signal(SIGTERM, SIG_DFL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_signals_that_end_the_program_count),
		cmocka_unit_test(what_cannot_be_understood_counts_as_dying),
		cmocka_unit_test(a_living_thread_is_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
