/* What a locked process may not do, and what it still may. Each test is a child
 * of its own: nothing takes the lock back. */
#include "config.h"

#include "harden.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NO_FILTER 77

/* `act` returns 0, or the line that was not as it should be. */
static int in_child(int (*act)(void))
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0)
		_exit(act());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_FILTER) {
		print_message("there is no seccomp here, or pycloud was built "
			      "without it\n");
		skip();
	}
	return WEXITSTATUS(status);
}

static bool lock(void)
{
	return harden_lock(false) == 0;
}

/* The line fits, as this file is short. */
#define EXPECT(condition)                       \
	do {                                    \
		if (!(condition))               \
			return __LINE__ & 0xff; \
	} while (0)

static bool is_refused(long result)
{
	return result == -1 && errno == EPERM;
}

static int try_programs(void)
{
	char *argv[] = { (char[]){ "true" }, NULL };

	if (!lock())
		return NO_FILTER;
	EXPECT(is_refused(execve("/bin/true", argv, NULL)));
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	return 0;
}

/* Nothing of it would do harm if it were not refused. */
static int try_calls(void)
{
	if (!lock())
		return NO_FILTER;
	EXPECT(is_refused(unshare(CLONE_NEWUSER)));
	EXPECT(is_refused(mount("none", "/none", "tmpfs", 0, NULL)));
	EXPECT(is_refused(chroot("/none")));
	EXPECT(is_refused(syscall(SYS_process_vm_readv, 0, NULL, 0, NULL, 0)));
	EXPECT(is_refused(syscall(SYS_bpf, -1, NULL, 0)));
	EXPECT(is_refused(syscall(SYS_keyctl, -1)));
	EXPECT(is_refused(syscall(SYS_io_uring_setup, 0, NULL)));
	return 0;
}

static int try_namespaces(void)
{
	if (!lock())
		return NO_FILTER;
	EXPECT(is_refused(
		syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)));
	EXPECT(syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS);
	return 0;
}

static sem_t is_locked;

static void *unshare_later(void *arg)
{
	bool *was_refused = arg;

	while (sem_wait(&is_locked) < 0)
		continue;
	*was_refused = is_refused(unshare(CLONE_NEWUSER));
	return NULL;
}

static int try_threads(void)
{
	bool old = false, new = false;
	pthread_t before, after;

	EXPECT(sem_init(&is_locked, 0, 0) == 0);
	EXPECT(pthread_create(&before, NULL, unshare_later, &old) == 0);
	if (!lock())
		return NO_FILTER;
	EXPECT(sem_post(&is_locked) == 0 && sem_post(&is_locked) == 0);
	EXPECT(pthread_create(&after, NULL, unshare_later, &new) == 0);
	EXPECT(pthread_join(before, NULL) == 0);
	EXPECT(pthread_join(after, NULL) == 0);
	EXPECT(old && new);
	return 0;
}

static int try_child(void)
{
	int status = 0;
	pid_t pid;

	if (!lock())
		return NO_FILTER;
	pid = fork();
	if (pid == 0)
		_exit(is_refused(unshare(CLONE_NEWUSER)) ? 0 : 1);
	EXPECT(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
	return 0;
}

static int try_memory(void)
{
	struct rlimit limit;

	harden_memory();
	EXPECT(getrlimit(RLIMIT_CORE, &limit) == 0);
	EXPECT(limit.rlim_cur == 0 && limit.rlim_max == 0);
	return 0;
}

static void no_program_is_started(void **state)
{
	(void)state;
	assert_int_equal(in_child(try_programs), 0);
}

static void dangerous_calls_are_refused(void **state)
{
	(void)state;
	assert_int_equal(in_child(try_calls), 0);
}

static void clone_makes_no_namespaces(void **state)
{
	(void)state;
	assert_int_equal(in_child(try_namespaces), 0);
}

static void all_threads_are_locked(void **state)
{
	(void)state;
	assert_int_equal(in_child(try_threads), 0);
}

static void children_are_made_and_locked(void **state)
{
	(void)state;
	assert_int_equal(in_child(try_child), 0);
}

static void there_are_no_core_files(void **state)
{
	(void)state;
	assert_int_equal(in_child(try_memory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_program_is_started),
		cmocka_unit_test(dangerous_calls_are_refused),
		cmocka_unit_test(clone_makes_no_namespaces),
		cmocka_unit_test(all_threads_are_locked),
		cmocka_unit_test(children_are_made_and_locked),
		cmocka_unit_test(there_are_no_core_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
