/*
 * Runs in a real Jupyter server's kernel, started, followed, fed and
 * signalled. The server must be of this computer and serve nobody else: its
 * kernels are killed, stopped and deleted.
 */
#include "config.h"

#include "real_server.h"
#include "test.h"

#include "common_limits.h"
#include "http_client.h"
#include "kernel.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RUNS     10
#define BIG_BYTES    (100 * MIB)
#define HELLO_RUNS   20
#define SPREAD_LINES 20

/* --- behaviours ---------------------------------------------------------- */

static void first_run_says_hello(void **state)
{
	int64_t begin = clock_now_ms();
	struct outcome o;

	run_code(*state, "print('hello')", &o);
	print_message("one run: %d ms\n", (int)(clock_now_ms() - begin));
	assert_bytes(o.bytes[RUN_FRAME_STDOUT], "hello\n");
	assert_bytes(o.bytes[RUN_FRAME_STDERR], "");
	assert_int_equal(o.end.exit_status, 0);
	outcome_fini(&o);
}

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void hello_is_quick(void **state)
{
	int spent[HELLO_RUNS];
	int i;

	for (i = 0; i < HELLO_RUNS; i++) {
		int64_t begin = clock_now_ms();
		struct outcome o;

		run_code(*state, "print('hello')", &o);
		spent[i] = (int)(clock_now_ms() - begin);
		assert_bytes(o.bytes[RUN_FRAME_STDOUT], "hello\n");
		outcome_fini(&o);
	}
	qsort(spent, HELLO_RUNS, sizeof(spent[0]), compare_ints);
	print_message("hello: median %d ms, best %d ms, worst %d ms\n",
		spent[HELLO_RUNS / 2], spent[0], spent[HELLO_RUNS - 1]);
	assert_in_range(spent[HELLO_RUNS / 2], 0, 2000);
}

struct starter {
	struct fixture *fixture;
	struct outcome outcome;
	pthread_t thread;
};

static void *start_and_wait(void *arg)
{
	struct starter *s = arg;

	run_code(s->fixture, "print('hello')", &s->outcome);
	return NULL;
}

static void starts_at_once_make_one_kernel(void **state)
{
	g_autoptr(cJSON) before = list_kernels(*state);
	g_autoptr(cJSON) after = NULL;
	struct starter starters[4];
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(starters); i++) {
		starters[i].fixture = *state;
		assert_int_equal(pthread_create(&starters[i].thread, NULL,
					 start_and_wait, &starters[i]),
			0);
	}
	for (i = 0; i < G_N_ELEMENTS(starters); i++) {
		(void)pthread_join(starters[i].thread, NULL);
		assert_bytes(
			starters[i].outcome.bytes[RUN_FRAME_STDOUT], "hello\n");
		outcome_fini(&starters[i].outcome);
	}
	after = list_kernels(*state);
	assert_int_equal(
		cJSON_GetArraySize(after), cJSON_GetArraySize(before) + 1);
}

static void stop_all_kernels(struct fixture *f)
{
	g_autoptr(cJSON) kernels = list_kernels(f);
	const cJSON *kernel;

	cJSON_ArrayForEach(kernel, kernels)
	{
		assert_int_equal(
			kernel_stop(f->pool, json_string(kernel, "id"), NULL),
			0);
	}
}

/* The process of the kernel that runs are started in: a run's parent is its
 * supervisor, and the kernel is the parent of that. */
static pid_t kernel_process(struct fixture *f)
{
	struct outcome o;
	pid_t pid;

	run_code(f,
		"import os\n"
		"stat = open('/proc/%d/stat' % os.getppid()).read()\n"
		"kernel = int(stat.rpartition(')')[2].split()[1])\n"
		"line = open('/proc/%d/cmdline' % kernel).read()\n"
		"assert 'ipykernel' in line, line\n"
		"print(kernel)",
		&o);
	assert_int_equal(o.end.exit_status, 0);
	g_byte_array_append(o.bytes[RUN_FRAME_STDOUT], (const guint8 *)"", 1);
	pid = atoi((const char *)o.bytes[RUN_FRAME_STDOUT]->data);
	outcome_fini(&o);
	assert_true(pid > 1);
	return pid;
}

/* Says hello sooner than silence alone would make us look for the kernel. */
static void assert_hello_without_kernel(struct fixture *f)
{
	int64_t begin = clock_now_ms();
	struct outcome o;

	run_code(f, "print('hello')", &o);
	print_message("without kernel: %d ms\n", (int)(clock_now_ms() - begin));
	assert_bytes(o.bytes[RUN_FRAME_STDOUT], "hello\n");
	assert_in_range(clock_now_ms() - begin, 0, HELPER_DEAF_MS - 1);
	outcome_fini(&o);
}

/* As a culler does it: the WebSocket stays open, and nobody answers. */
static void ended_kernel_is_replaced(void **state)
{
	stop_all_kernels(*state);
	assert_hello_without_kernel(*state);
}

/* One that hangs: the server kills it, so nothing announces its end. */
static void kernel_that_ended_in_silence_is_replaced(void **state)
{
	assert_int_equal(kill(kernel_process(*state), SIGSTOP), 0);
	stop_all_kernels(*state);
	assert_hello_without_kernel(*state);
}

static void script_gets_its_words_and_directory(void **state)
{
	const char *const make[] = { "-c",
		"import os; os.makedirs('sub d', exist_ok=True)\n"
		"open('sub d/s.py', 'w').write('import os, sys\\n"
		"print(sys.argv[1:], os.path.basename(os.getcwd()))')",
		NULL };
	const char *const words[] = { "s.py", "a", "b c", "\xc3\xa9\xff",
		NULL };
	struct executor_run *run = NULL;
	struct outcome o;

	assert_int_equal(start_in(*state, "", make, &o, &run), 0);
	await_end(&o);
	executor_run_release(run);
	outcome_fini(&o);
	assert_int_equal(start_in(*state, "sub d", words, &o, &run), 0);
	await_end(&o);
	assert_bytes(o.bytes[RUN_FRAME_STDERR], "");
	assert_bytes(o.bytes[RUN_FRAME_STDOUT],
		"['a', 'b c', '\xc3\xa9\\udcff'] sub d\n");
	executor_run_release(run);
	outcome_fini(&o);
}

/* The root of runs is the root of files. */
static void workspace_is_where_the_server_shows_it(void **state)
{
	struct fixture *f = *state;
	struct http_call call = { .request = HTTP_REQUEST_INIT };
	struct http_response response;
	struct outcome o;

	run_code(f, "open('made-by-a-run', 'w').write('here')", &o);
	outcome_fini(&o);
	call.request.method = "GET";
	call.request.target = "files/made-by-a-run";
	call.request.body_max = KIB;
	http_response_init(&response);
	assert_int_equal(http_client_call(f->pool, &call, NULL, &response), 0);
	assert_int_equal(response.status, 200);
	assert_string_equal(response.body->str, "here");
	http_response_clear(&response);
}

static void status_is_the_scripts(void **state)
{
	assert_status(*state, "import sys; sys.exit(3)", 3, 0);
	assert_status(*state, "import os; os._exit(7)", 7, 0);
	assert_status(*state, "import os; os.kill(os.getpid(), 9)", 0, SIGKILL);
	assert_status(
		*state, "import os; os.kill(os.getpid(), 11)", 0, SIGSEGV);
}

static void exception_is_a_traceback_on_stderr(void **state)
{
	struct outcome o;

	run_code(*state, "print('before'); 1/0", &o);
	g_byte_array_append(o.bytes[RUN_FRAME_STDERR], (const guint8 *)"", 1);
	assert_bytes(o.bytes[RUN_FRAME_STDOUT], "before\n");
	assert_non_null(strstr((const char *)o.bytes[RUN_FRAME_STDERR]->data,
		"ZeroDivisionError: division by zero\n"));
	assert_int_equal(o.end.exit_status, 1);
	outcome_fini(&o);
}

static void what_cannot_start_says_why(void **state)
{
	const char *const missing[] = { "no-such.py", NULL };
	const char *const nothing[] = { NULL };
	const char *const code[] = { "-c", "0", NULL };
	const char *const root[] = { ".", NULL };
	struct executor_run *run = NULL;
	struct outcome o;

	assert_int_equal(start_in(*state, "", missing, &o, &run), -ENOENT);
	outcome_fini(&o);
	assert_int_equal(start_in(*state, "", root, &o, &run), -EISDIR);
	outcome_fini(&o);
	assert_int_equal(start_in(*state, "", nothing, &o, &run), -EINVAL);
	outcome_fini(&o);
	assert_int_equal(start_in(*state, "no", code, &o, &run), -ENOENT);
	outcome_fini(&o);
}

static void bytes_are_not_interpreted(void **state)
{
	struct outcome o;
	guint i;

	run_code(*state,
		"import sys\n"
		"sys.stdout.buffer.write(bytes(range(256)) * 100)",
		&o);
	assert_int_equal(o.bytes[RUN_FRAME_STDOUT]->len, 25600);
	for (i = 0; i < 25600; i++)
		assert_int_equal(o.bytes[RUN_FRAME_STDOUT]->data[i], i % 256);
	outcome_fini(&o);
}

/* A generator that both sides can compute: lines of counted numbers. */
static void big_output_is_exact_and_fast(void **state)
{
	int64_t begin = clock_now_ms();
	struct outcome o;
	size_t at, n = 0;
	double seconds;

	run_code(*state,
		"import sys\n"
		"left = 100 << 20\n"
		"n = 0\n"
		"while left:\n"
		"    b = b''.join(b'%015d\\n' % i for i in range(n, n + 4096))\n"
		"    left -= sys.stdout.buffer.write(b[:left])\n"
		"    n += 4096\n",
		&o);
	seconds = (double)(clock_now_ms() - begin) / 1000;
	print_message("100 MiB: %.2f s, %.0f MB/s\n", seconds,
		(double)BIG_BYTES / 1e6 / seconds);
	assert_int_equal(o.bytes[RUN_FRAME_STDOUT]->len, BIG_BYTES);
	for (at = 0; at < BIG_BYTES; at += 16, n++) {
		char line[32];

		(void)snprintf(line, sizeof(line), "%015zu\n", n);
		if (memcmp(o.bytes[RUN_FRAME_STDOUT]->data + at, line, 16) != 0)
			fail_msg("differs at %zu", at);
	}
	assert_int_equal(o.end.exit_status, 0);
	outcome_fini(&o);
}

static void flood_of_lines_is_complete(void **state)
{
	struct outcome o;
	GString *expected = g_string_new(NULL);
	int i;

	run_code(*state, "for i in range(50000): print(i)", &o);
	for (i = 0; i < 50000; i++)
		g_string_append_printf(expected, "%d\n", i);
	assert_int_equal(o.bytes[RUN_FRAME_STDOUT]->len, expected->len);
	assert_memory_equal(
		o.bytes[RUN_FRAME_STDOUT]->data, expected->str, expected->len);
	g_string_free(expected, TRUE);
	outcome_fini(&o);
}

static void ten_runs_at_once(void **state)
{
	struct outcome outcomes[MAX_RUNS];
	struct executor_run *runs[MAX_RUNS];
	int64_t begin = clock_now_ms();
	int i;

	for (i = 0; i < MAX_RUNS; i++) {
		g_autofree char *code = g_strdup_printf(
			"print(%d); input(); print('x' * 100000); "
			"raise SystemExit(%d)",
			i, i);

		runs[i] = start_code(*state, code, &outcomes[i]);
	}
	print_message("10 starts: %d ms\n", (int)(clock_now_ms() - begin));
	for (i = 0; i < MAX_RUNS; i++)
		await_output(&outcomes[i], 2);
	for (i = 0; i < MAX_RUNS; i++)
		feed_line(runs[i], "go on");
	for (i = 0; i < MAX_RUNS; i++) {
		await_end(&outcomes[i]);
		assert_int_equal(outcomes[i].end.exit_status, i);
		assert_int_equal(
			outcomes[i].bytes[RUN_FRAME_STDOUT]->len, 100003);
		assert_int_equal(
			outcomes[i].bytes[RUN_FRAME_STDOUT]->data[0], '0' + i);
		executor_run_release(runs[i]);
		outcome_fini(&outcomes[i]);
	}
}

static void input_is_fed_until_its_end(void **state)
{
	g_autofree char *big = g_strnfill(3000000, 'y');
	struct outcome o;
	struct executor_run *run = start_code(*state,
		"import sys; print(input()[::-1]); print(len(sys.stdin.read()))",
		&o);

	assert_int_equal(executor_run_feed(run, "abc\n", 4, NULL), 0);
	await_output(&o, 4);
	assert_int_equal(executor_run_feed(run, big, 3000000, NULL), 0);
	assert_int_equal(executor_run_feed(run, NULL, 0, NULL), 0);
	await_end(&o);
	assert_bytes(o.bytes[RUN_FRAME_STDOUT], "cba\n3000000\n");
	assert_int_equal(executor_run_feed(run, "x", 1, NULL), -EPIPE);
	executor_run_release(run);
	outcome_fini(&o);
}

static void signal_interrupts_the_script(void **state)
{
	struct outcome o;
	struct executor_run *run = start_code(
		*state, "import signal; print(1); signal.pause()", &o);

	await_output(&o, 2);
	assert_int_equal(executor_run_signal(run, SIGINT, NULL), 0);
	await_end(&o);
	assert_int_equal(o.end.signal, SIGINT);
	assert_int_equal(executor_run_signal(run, SIGINT, NULL), -ESRCH);
	executor_run_release(run);
	outcome_fini(&o);
}

/* The script prints its clock; ours says when that arrived. */
static void output_arrives_at_once(void **state)
{
	int64_t worst = 0;
	guint lines;
	struct outcome o;
	struct executor_run *run = start_code(*state,
		"import time\n"
		"for i in range(20):\n"
		"    print('%015d' % (time.clock_gettime(7) * 1000))\n"
		"    input()\n",
		&o);

	for (lines = 1; lines <= SPREAD_LINES; lines++) {
		int64_t written, late;

		await_output(&o, lines * 16);
		mutex_lock(&o.lock);
		written = g_ascii_strtoll(
			(const char *)o.bytes[RUN_FRAME_STDOUT]->data +
				o.bytes[RUN_FRAME_STDOUT]->len - 16,
			NULL, 10);
		late = o.seen_ms - written;
		mutex_unlock(&o.lock);
		worst = late > worst ? late : worst;
		feed_line(run, "next");
	}
	print_message("output is late by at most %d ms\n", (int)worst);
	assert_in_range(worst, 0, 500);
	await_end(&o);
	executor_run_release(run);
	outcome_fini(&o);
}

/* It is told to go on by another run, which then sees the end of it and of its
 * supervisor. */
static void released_run_goes_on_in_silence(void **state)
{
	struct outcome o;
	struct executor_run *run = start_code(*state,
		"import os\n"
		"os.mkfifo('go'); os.mkfifo('done')\n"
		"print(1)\n"
		"open('go').read()\n"
		"print(2)\n"
		"open('went-on', 'w').close()\n"
		"open('done', 'w').write(str(os.getppid()))",
		&o);

	await_output(&o, 2);
	executor_run_release(run);
	assert_status(*state,
		"import os, select\n"
		"open('go', 'w').close()\n"
		"try:\n"
		"    end = os.pidfd_open(int(open('done').read()))\n"
		"    select.select([end], [], [])\n"
		"except ProcessLookupError:\n"
		"    pass\n",
		0, 0);
	assert_status(*state, "open('went-on')", 0, 0);
	assert_bytes(o.bytes[RUN_FRAME_STDOUT], "1\n");
	assert_false(o.has_ended);
	outcome_fini(&o);
}

static void cancelled_start_returns(void **state)
{
	const char *const argv[] = { "-c", "print(1)", NULL };
	const struct run_command command = {
		.id = "6c84fb90-12c4-11e1-840d-7b25c5ee775a",
		.argv = argv,
		.directory = "",
	};
	struct fixture *f = *state;
	struct executor_run *run = NULL;
	struct cancel cancel;
	struct outcome o;
	struct run_events events = outcome_events(&o);

	outcome_init(&o);
	cancel_init(&cancel, 0);
	cancel_fire(&cancel);
	assert_int_equal(
		executor_start(f->executor, &command, &events, &cancel, &run),
		-EINTR);
	cancel_fini(&cancel);
	outcome_fini(&o);
}

static void expect_lines(struct outcome *o, int count)
{
	GString *expected = g_string_new(NULL);
	int i;

	for (i = 0; i < count; i++)
		g_string_append_printf(expected, "%03d\n", i);
	assert_bytes(o->bytes[RUN_FRAME_STDOUT], expected->str);
	g_string_free(expected, TRUE);
}

/* The run does not depend on the kernel; only our way to it does. It writes
 * before, the moment the kernel is dead, and after. */
static void run_survives_the_death_of_its_kernel(void **state)
{
	struct outcome o;
	g_autofree char *text = NULL;
	struct executor_run *run = start_code(*state,
		"import os, select\n"
		"def count(first, last):\n"
		"    for i in range(first, last):\n"
		"        print('%03d' % i)\n"
		"kernel = os.pidfd_open(int(input()))\n"
		"count(0, 20)\n"
		"select.select([kernel], [], [])\n"
		"count(20, 40)\n"
		"input()\n"
		"count(40, 60)\n",
		&o);
	pid_t kernel = kernel_process(*state);

	text = g_strdup_printf("%d", (int)kernel);
	feed_line(run, text);
	await_output(&o, 80);
	assert_int_equal(kill(kernel, SIGKILL), 0);
	await_output(&o, 160);
	feed_line(run, "go on");
	await_end(&o);
	assert_int_equal(o.end.error, 0);
	expect_lines(&o, 60);
	executor_run_release(run);
	outcome_fini(&o);
	first_run_says_hello(state);
}

/* As a user may do it who finds the kernel in the server's list. */
static void restart_kernels(struct fixture *f)
{
	g_autoptr(cJSON) kernels = list_kernels(f);
	const cJSON *kernel;

	cJSON_ArrayForEach(kernel, kernels)
	{
		g_autofree char *target = g_strdup_printf(
			"api/kernels/%s/restart", json_string(kernel, "id"));
		struct http_call call = { .request = HTTP_REQUEST_INIT };
		struct http_response response;

		call.request.method = "POST";
		call.request.target = target;
		http_response_init(&response);
		assert_int_equal(
			http_client_call(f->pool, &call, NULL, &response), 0);
		assert_int_equal(response.status, 200);
		http_response_clear(&response);
	}
}

static void run_survives_the_restart_of_its_kernel(void **state)
{
	g_autoptr(cJSON) before = list_kernels(*state);
	g_autoptr(cJSON) after = NULL;
	struct outcome o;
	struct executor_run *run =
		start_code(*state, "print('000')\ninput()\nprint('001')", &o);

	await_output(&o, 4);
	restart_kernels(*state);
	feed_line(run, "go on");
	await_end(&o);
	assert_int_equal(o.end.error, 0);
	expect_lines(&o, 2);
	executor_run_release(run);
	outcome_fini(&o);
	after = list_kernels(*state);
	assert_int_equal(cJSON_GetArraySize(after), cJSON_GetArraySize(before));
}

static void run_survives_the_end_of_its_kernel(void **state)
{
	struct outcome o;
	struct executor_run *run =
		start_code(*state, "print('000')\ninput()\nprint('001')", &o);

	await_output(&o, 4);
	stop_all_kernels(*state);
	feed_line(run, "go on");
	await_end(&o);
	assert_int_equal(o.end.error, 0);
	expect_lines(&o, 2);
	executor_run_release(run);
	outcome_fini(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_at_once_make_one_kernel),
		cmocka_unit_test(ended_kernel_is_replaced),
		cmocka_unit_test(kernel_that_ended_in_silence_is_replaced),
		cmocka_unit_test(first_run_says_hello),
		cmocka_unit_test(hello_is_quick),
		cmocka_unit_test(script_gets_its_words_and_directory),
		cmocka_unit_test(workspace_is_where_the_server_shows_it),
		cmocka_unit_test(status_is_the_scripts),
		cmocka_unit_test(exception_is_a_traceback_on_stderr),
		cmocka_unit_test(what_cannot_start_says_why),
		cmocka_unit_test(bytes_are_not_interpreted),
		cmocka_unit_test(big_output_is_exact_and_fast),
		cmocka_unit_test(flood_of_lines_is_complete),
		cmocka_unit_test(ten_runs_at_once),
		cmocka_unit_test(input_is_fed_until_its_end),
		cmocka_unit_test(signal_interrupts_the_script),
		cmocka_unit_test(output_arrives_at_once),
		cmocka_unit_test(released_run_goes_on_in_silence),
		cmocka_unit_test(cancelled_start_returns),
		cmocka_unit_test(run_survives_the_death_of_its_kernel),
		cmocka_unit_test(run_survives_the_restart_of_its_kernel),
		cmocka_unit_test(run_survives_the_end_of_its_kernel),
	};

	if (!server_is_named())
		return 77;
	return cmocka_run_group_tests(tests, connect_server, leave_server);
}
