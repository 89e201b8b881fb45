/* Children that behave, and children that do not. */
#include "config.h"

#include "child.h"

#include "scratch_place.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define LONG_MS	   60000
#define OUTPUT_MAX 100000

static int run(const char *script, const struct cancel *cancel,
	int64_t timeout_ms, struct child_result *ret)
{
	g_autofree char *copy = g_strdup(script);
	char name[] = "sh";
	char option[] = "-c";
	char *argv[] = { name, option, copy, NULL };
	g_auto(GStrv) env = child_environment();
	struct child_call call = {
		.program = "/bin/sh",
		.argv = argv,
		.env = env,
		.timeout_ms = timeout_ms,
		.output_max = OUTPUT_MAX,
	};

	memset(ret, 0, sizeof(*ret));
	return child_run(&call, cancel, ret);
}

static void check_output(const char *script, const char *expected)
{
	struct child_result r;

	assert_int_equal(run(script, NULL, LONG_MS, &r), 0);
	assert_true(WIFEXITED(r.status));
	assert_string_equal(g_bytes_get_data(r.output, NULL), expected);
	child_result_clear(&r);
}

static void its_output_and_status_are_collected(void **state)
{
	struct child_result r;

	(void)state;
	assert_int_equal(run("echo out; printf 'one\\n two\\033[m  \\n\\n' >&2;"
			     "exit 3",
				 NULL, LONG_MS, &r),
		0);
	assert_int_equal(WEXITSTATUS(r.status), 3);
	assert_string_equal(g_bytes_get_data(r.output, NULL), "out\n");
	assert_string_equal(r.words, "two [m");
	child_result_clear(&r);
	/* A terminal may take one character for "\033[". */
	assert_int_equal(
		run("printf 'a\\302\\2332Jb\\n' >&2", NULL, LONG_MS, &r), 0);
	assert_string_equal(r.words, "a  2Jb");
	child_result_clear(&r);
	check_output("head -c 90000 /dev/zero | tr '\\0' x | wc -c", "90000\n");
}

static void it_has_no_input_and_no_descriptor_of_ours(void **state)
{
	(void)state;
	check_output("cat", "");
	check_output("for i in 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do "
		     "[ ! -e /proc/$$/fd/$i ] || echo $i; done",
		"");
}

static void it_has_our_environment_without_what_is_ours(void **state)
{
	(void)state;
	(void)setenv("PYCLOUD_TOKEN", "SECRET", 1);
	(void)setenv("NOTIFY_SOCKET", "x", 1);
	(void)setenv("ANYTHING", "kept", 1);
	check_output(
		"echo \"$PYCLOUD_TOKEN$NOTIFY_SOCKET$ANYTHING\"", "kept\n");
	(void)unsetenv("PYCLOUD_TOKEN");
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("ANYTHING");
}

static void path_and_home_are_there_without_ours(void **state)
{
	g_autofree char *path = g_strdup(g_getenv("PATH"));
	g_autofree char *sh = NULL;

	(void)state;
	(void)unsetenv("PATH");
	(void)unsetenv("HOME");
	check_output("[ -d \"$HOME\" ] && echo $PATH",
		"/usr/local/bin:/usr/bin:/bin\n");
	sh = child_find_program("sh");
	(void)setenv("PATH", path, 1);
	assert_non_null(sh);
	assert_null(child_find_program("no-such-program"));
	assert_null(child_find_program("/etc/passwd"));
	assert_null(child_find_program("/etc"));
}

static void one_that_takes_too_long_is_ended(void **state)
{
	int64_t begin_ms = clock_now_ms();
	int64_t timeout_ms = 1500;
	struct child_result r = { 0 };

	(void)state;
	do { /* on a busy machine a shell's first word takes its time */
		child_result_clear(&r);
		assert_int_equal(run("echo waiting >&2; trap '' TERM;"
				     "while :; do :; done",
					 NULL, timeout_ms, &r),
			-ETIMEDOUT);
		assert_null(r.output);
		timeout_ms *= 2;
	} while (r.words[0] == '\0' && timeout_ms < LONG_MS / 4);
	assert_string_equal(r.words, "waiting");
	child_result_clear(&r);
	assert_true(clock_now_ms() - begin_ms < LONG_MS / 2);
}

static void *fire(void *arg)
{
	cancel_fire(arg);
	return NULL;
}

static void one_that_nobody_waits_for_is_ended(void **state)
{
	struct child_result r;
	struct cancel c;
	pthread_t thread;

	(void)state;
	cancel_init(&c, 0);
	assert_int_equal(pthread_create(&thread, NULL, fire, &c), 0);
	assert_int_equal(run("while :; do :; done", &c, LONG_MS, &r), -EINTR);
	(void)pthread_join(thread, NULL);
	child_result_clear(&r);
	assert_int_equal(run("echo never", &c, LONG_MS, &r), -EINTR);
	child_result_clear(&r);
	cancel_fini(&c);
}

struct watch {
	const char *file;
	struct cancel *cancel;
};

/* Fires once the file has a line. */
static void *fire_when_written(void *arg)
{
	const struct watch *w = arg;
	g_autofree char *text = NULL;

	while (text == NULL || strchr(text, '\n') == NULL) {
		g_clear_pointer(&text, g_free);
		(void)g_file_get_contents(w->file, &text, NULL, NULL);
		g_thread_yield();
	}
	cancel_fire(w->cancel);
	return NULL;
}

/* Its end may take a moment to be seen: it is not our child. */
static void wait_until_gone(pid_t pid)
{
	g_autofree char *file = g_strdup_printf("/proc/%d/stat", (int)pid);
	bool is_gone = false;

	while (!is_gone) {
		g_autofree char *text = NULL;

		is_gone = !g_file_get_contents(file, &text, NULL, NULL) ||
			  strstr(text, ") Z") != NULL;
	}
}

static void its_group_ends_with_it(void **state)
{
	struct scratch_place place;
	struct cancel cancel;
	struct child_result r;
	pthread_t thread;
	g_autofree char *file = NULL;
	g_autofree char *script = NULL;
	g_autofree char *text = NULL;
	struct watch watch = { .cancel = &cancel };

	(void)state;
	scratch_place_make(&place);
	cancel_init(&cancel, 0);
	file = g_build_filename(place.path, "pid", NULL);
	watch.file = file;
	script = g_strdup_printf(
		"sh -c 'echo $$ > %s; while :; do :; done' & wait", file);
	assert_int_equal(
		pthread_create(&thread, NULL, fire_when_written, &watch), 0);
	assert_int_equal(run(script, &cancel, LONG_MS, &r), -EINTR);
	(void)pthread_join(thread, NULL);
	assert_true(g_file_get_contents(file, &text, NULL, NULL));
	wait_until_gone((pid_t)atoi(text));
	child_result_clear(&r);
	cancel_fini(&cancel);
	scratch_place_remove(&place);
}

static void one_that_leaves_somebody_behind_is_not_waited_for(void **state)
{
	int64_t begin_ms = clock_now_ms();
	struct scratch_place place;
	g_autofree char *fifo = NULL;
	g_autofree char *script = NULL;
	int fd;

	(void)state;
	scratch_place_make(&place);
	fifo = g_build_filename(place.path, "fifo", NULL);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	fd = open(fifo, O_RDWR | O_CLOEXEC);
	/* It keeps the pipes until we let go of the fifo. */
	script = g_strdup_printf(
		"(read x < %s) & echo done; echo words >&2", fifo);
	check_output(script, "done\n");
	assert_true(clock_now_ms() - begin_ms < LONG_MS / 2);
	assert_int_equal(write(fd, "\n", 1), 1);
	(void)close(fd);
	scratch_place_remove(&place);
}

static void floods_are_bounded(void **state)
{
	struct child_result r;

	(void)state;
	assert_int_equal(run("yes", NULL, LONG_MS, &r), -EFBIG);
	child_result_clear(&r);
	assert_int_equal(run("yes >&2 & head -c 1000000 /dev/zero >&2;"
			     " kill $!; wait; printf '\\n\\0last\\0\\n' >&2",
				 NULL, LONG_MS, &r),
		0);
	assert_string_equal(r.words, "last");
	child_result_clear(&r);
	assert_int_equal(run("yes long | tr -d '\\n' | head -c 50000 >&2", NULL,
				 LONG_MS, &r),
		0);
	assert_int_equal(strlen(r.words), 200);
	child_result_clear(&r);
}

static void what_cannot_be_started_says_why(void **state)
{
	char name[] = "x";
	char *argv[] = { name, NULL };
	char *env[] = { NULL };
	struct child_call call = {
		.program = "/dev/null",
		.argv = argv,
		.env = env,
		.timeout_ms = LONG_MS,
		.output_max = OUTPUT_MAX,
	};
	struct child_result r = { 0 };

	(void)state;
	assert_int_equal(child_run(&call, NULL, &r), -EACCES);
	child_result_clear(&r);
	call.program = "/no/such/program";
	assert_int_equal(child_run(&call, NULL, &r), -ENOENT);
	child_result_clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_output_and_status_are_collected),
		cmocka_unit_test(it_has_no_input_and_no_descriptor_of_ours),
		cmocka_unit_test(it_has_our_environment_without_what_is_ours),
		cmocka_unit_test(path_and_home_are_there_without_ours),
		cmocka_unit_test(one_that_takes_too_long_is_ended),
		cmocka_unit_test(one_that_nobody_waits_for_is_ended),
		cmocka_unit_test(its_group_ends_with_it),
		cmocka_unit_test(
			one_that_leaves_somebody_behind_is_not_waited_for),
		cmocka_unit_test(floods_are_bounded),
		cmocka_unit_test(what_cannot_be_started_says_why),
	};

	return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
