/*
 * Runs in a real Jupyter server's kernel, started, followed, fed and
 * signalled. PYCLOUD_TEST_URL names the server, PYCLOUD_TOKEN its token; the
 * server must be of this computer, because one test kills its kernel.
 */
#include "config.h"

#include "run_remote.h"
#include "test.h"

#include "http_client.h"
#include "kernel.h"
#include "limits.h"
#include "mutex.h"
#include "waitlist.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEADLINE_MS  60000
#define MAX_RUNS     10
#define BIG_BYTES    (100 * MIB)
#define HELLO_RUNS   20
#define SPREAD_LINES 20

/* What came of one run. */
struct outcome {
	struct mutex lock;
	struct waitlist waiters;
	/* guarded by lock */
	GByteArray *bytes[3]; /* by stream */
	int64_t seen_ms;      /* when the last output came */
	bool has_ended;
	struct run_end end;
};

struct fixture {
	struct endpoint *endpoint;
	struct http_pool *pool;
	struct executor *executor;
};

/* --- collecting ---------------------------------------------------------- */

static void outcome_init(struct outcome *o)
{
	*o = (struct outcome){ 0 };
	mutex_init(&o->lock);
	o->bytes[RUN_STDOUT] = g_byte_array_new();
	o->bytes[RUN_STDERR] = g_byte_array_new();
}

static void outcome_fini(struct outcome *o)
{
	g_byte_array_unref(o->bytes[RUN_STDOUT]);
	g_byte_array_unref(o->bytes[RUN_STDERR]);
	mutex_fini(&o->lock);
}

static void take_output(
	void *arg, enum run_stream stream, const void *bytes, size_t length)
{
	struct outcome *o = arg;

	mutex_lock(&o->lock);
	assert_false(o->has_ended);
	g_byte_array_append(o->bytes[stream], bytes, (guint)length);
	o->seen_ms = clock_now_ms();
	waitlist_wake(&o->waiters);
	mutex_unlock(&o->lock);
}

static void take_end(void *arg, const struct run_end *end)
{
	struct outcome *o = arg;

	mutex_lock(&o->lock);
	assert_false(o->has_ended);
	o->has_ended = true;
	o->end = *end;
	waitlist_wake(&o->waiters);
	mutex_unlock(&o->lock);
}

static void await_end(struct outcome *o)
{
	struct cancel limit;
	int rc = 0;

	cancel_init(&limit, DEADLINE_MS);
	mutex_lock(&o->lock);
	while (!o->has_ended && rc == 0)
		rc = waitlist_wait(&o->waiters, &o->lock, &limit, -1);
	mutex_unlock(&o->lock);
	cancel_fini(&limit);
	assert_int_equal(rc, 0);
}

static void await_output(struct outcome *o, guint length)
{
	struct cancel limit;
	int rc = 0;

	cancel_init(&limit, DEADLINE_MS);
	mutex_lock(&o->lock);
	while (o->bytes[RUN_STDOUT]->len < length && rc == 0)
		rc = waitlist_wait(&o->waiters, &o->lock, &limit, -1);
	mutex_unlock(&o->lock);
	cancel_fini(&limit);
	assert_int_equal(rc, 0);
}

static void assert_bytes(GByteArray *bytes, const char *expected)
{
	if (bytes->len != strlen(expected) ||
		(bytes->len > 0 &&
			memcmp(bytes->data, expected, bytes->len) != 0))
		fail_msg("expected \"%s\", got \"%.*s\"", expected,
			(int)bytes->len, (const char *)bytes->data);
}

/* --- starting ------------------------------------------------------------ */

static int start_in(struct fixture *f, const char *directory,
	const char *const *argv, struct outcome *o, struct executor_run **ret)
{
	const struct run_command command = { .argv = argv,
		.directory = directory };
	const struct run_events events = {
		.output = take_output, .ended = take_end, .arg = o
	};

	outcome_init(o);
	return executor_start(f->executor, &command, &events, NULL, ret);
}

static struct executor_run *start_code(
	struct fixture *f, const char *code, struct outcome *o)
{
	const char *const argv[] = { "-c", code, NULL };
	struct executor_run *run = NULL;

	assert_int_equal(start_in(f, "", argv, o, &run), 0);
	return run;
}

/* Runs code to its end; the outcome is the caller's. */
static void run_code(struct fixture *f, const char *code, struct outcome *o)
{
	struct executor_run *run = start_code(f, code, o);

	await_end(o);
	executor_run_release(run);
}

static void assert_status(
	struct fixture *f, const char *code, int exit_status, int signal_number)
{
	struct outcome o;

	run_code(f, code, &o);
	assert_int_equal(o.end.error, 0);
	assert_int_equal(o.end.exit_status, exit_status);
	assert_int_equal(o.end.signal, signal_number);
	outcome_fini(&o);
}

/* --- behaviours ---------------------------------------------------------- */

static void first_run_says_hello(void **state)
{
	int64_t begin = clock_now_ms();
	struct outcome o;

	run_code(*state, "print('hello')", &o);
	print_message("one run: %d ms\n", (int)(clock_now_ms() - begin));
	assert_bytes(o.bytes[RUN_STDOUT], "hello\n");
	assert_bytes(o.bytes[RUN_STDERR], "");
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
		assert_bytes(o.bytes[RUN_STDOUT], "hello\n");
		outcome_fini(&o);
	}
	qsort(spent, HELLO_RUNS, sizeof(spent[0]), compare_ints);
	print_message("hello: median %d ms, best %d ms, worst %d ms\n",
		spent[HELLO_RUNS / 2], spent[0], spent[HELLO_RUNS - 1]);
	assert_in_range(spent[HELLO_RUNS / 2], 0, 2000);
}

/* The server's kernels. */
static cJSON *list_kernels(struct fixture *f)
{
	struct http_call call = { .request = HTTP_REQUEST_INIT };
	struct http_response response;
	cJSON *list;

	call.request.method = "GET";
	call.request.target = "api/kernels";
	call.request.body_max = MIB;
	http_response_init(&response);
	assert_int_equal(http_client_call(f->pool, &call, NULL, &response), 0);
	list = json_parse(response.body->str, response.body->len);
	assert_true(cJSON_IsArray(list));
	http_response_clear(&response);
	return list;
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
		assert_bytes(starters[i].outcome.bytes[RUN_STDOUT], "hello\n");
		outcome_fini(&starters[i].outcome);
	}
	after = list_kernels(*state);
	assert_int_equal(
		cJSON_GetArraySize(after), cJSON_GetArraySize(before) + 1);
}

/* As a culler does it: the WebSocket stays open, and nobody answers. */
static void ended_kernel_is_replaced(void **state)
{
	g_autoptr(cJSON) kernels = list_kernels(*state);
	struct fixture *f = *state;
	const cJSON *kernel;
	int64_t begin;
	struct outcome o;

	cJSON_ArrayForEach(kernel, kernels)
	{
		assert_int_equal(
			kernel_stop(f->pool, json_string(kernel, "id"), NULL),
			0);
	}
	begin = clock_now_ms();
	run_code(f, "print('hello')", &o);
	print_message("without kernel: %d ms\n", (int)(clock_now_ms() - begin));
	assert_bytes(o.bytes[RUN_STDOUT], "hello\n");
	outcome_fini(&o);
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
	assert_bytes(o.bytes[RUN_STDERR], "");
	assert_bytes(
		o.bytes[RUN_STDOUT], "['a', 'b c', '\xc3\xa9\\udcff'] sub d\n");
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
	g_byte_array_append(o.bytes[RUN_STDERR], (const guint8 *)"", 1);
	assert_bytes(o.bytes[RUN_STDOUT], "before\n");
	assert_non_null(strstr((const char *)o.bytes[RUN_STDERR]->data,
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
	assert_int_equal(o.bytes[RUN_STDOUT]->len, 25600);
	for (i = 0; i < 25600; i++)
		assert_int_equal(o.bytes[RUN_STDOUT]->data[i], i % 256);
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
	assert_int_equal(o.bytes[RUN_STDOUT]->len, BIG_BYTES);
	for (at = 0; at < BIG_BYTES; at += 16, n++) {
		char line[32];

		(void)snprintf(line, sizeof(line), "%015zu\n", n);
		if (memcmp(o.bytes[RUN_STDOUT]->data + at, line, 16) != 0)
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
	assert_int_equal(o.bytes[RUN_STDOUT]->len, expected->len);
	assert_memory_equal(
		o.bytes[RUN_STDOUT]->data, expected->str, expected->len);
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
			"import time; print(%d); time.sleep(.5); print('x' * "
			"100000); raise SystemExit(%d)",
			i, i);

		runs[i] = start_code(*state, code, &outcomes[i]);
	}
	print_message("10 starts: %d ms\n", (int)(clock_now_ms() - begin));
	for (i = 0; i < MAX_RUNS; i++) {
		await_end(&outcomes[i]);
		assert_int_equal(outcomes[i].end.exit_status, i);
		assert_int_equal(outcomes[i].bytes[RUN_STDOUT]->len, 100003);
		assert_int_equal(
			outcomes[i].bytes[RUN_STDOUT]->data[0], '0' + i);
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
	assert_bytes(o.bytes[RUN_STDOUT], "cba\n3000000\n");
	assert_int_equal(executor_run_feed(run, "x", 1, NULL), -EPIPE);
	executor_run_release(run);
	outcome_fini(&o);
}

static void signal_interrupts_the_script(void **state)
{
	struct outcome o;
	struct executor_run *run =
		start_code(*state, "import time\nprint(1)\ntime.sleep(60)", &o);

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
		"    time.sleep(.05)\n",
		&o);

	for (lines = 1; lines <= SPREAD_LINES; lines++) {
		int64_t written, late;

		await_output(&o, lines * 16);
		mutex_lock(&o.lock);
		written = g_ascii_strtoll(
			(const char *)o.bytes[RUN_STDOUT]->data +
				o.bytes[RUN_STDOUT]->len - 16,
			NULL, 10);
		late = o.seen_ms - written;
		mutex_unlock(&o.lock);
		worst = late > worst ? late : worst;
	}
	print_message("output is late by at most %d ms\n", (int)worst);
	assert_in_range(worst, 0, 500);
	await_end(&o);
	executor_run_release(run);
	outcome_fini(&o);
}

static void released_run_goes_on_in_silence(void **state)
{
	struct outcome o;
	struct executor_run *run = start_code(*state,
		"import time\nprint(1)\ntime.sleep(.5)\nprint(2)\n"
		"open('went-on', 'w')",
		&o);

	await_output(&o, 2);
	executor_run_release(run);
	(void)cancel_sleep(NULL, 1000);
	assert_bytes(o.bytes[RUN_STDOUT], "1\n");
	assert_false(o.has_ended);
	outcome_fini(&o);
	assert_status(*state, "open('went-on')", 0, 0);
}

static void cancelled_start_returns(void **state)
{
	const char *const argv[] = { "-c", "print(1)", NULL };
	const struct run_command command = { .argv = argv, .directory = "" };
	struct fixture *f = *state;
	struct executor_run *run = NULL;
	struct cancel cancel;
	struct outcome o;
	struct run_events events = {
		.output = take_output, .ended = take_end, .arg = &o
	};

	outcome_init(&o);
	cancel_init(&cancel, 0);
	cancel_fire(&cancel);
	assert_int_equal(
		executor_start(f->executor, &command, &events, &cancel, &run),
		-EINTR);
	cancel_fini(&cancel);
	outcome_fini(&o);
}

/* The run does not depend on the kernel; only our way to it does. */
static void run_survives_the_death_of_its_kernel(void **state)
{
	struct outcome o, killer;
	struct executor_run *run = start_code(*state,
		"import time\n"
		"for i in range(60):\n"
		"    print('%03d' % i)\n"
		"    time.sleep(.1)\n",
		&o);
	GString *expected = g_string_new(NULL);
	int i;

	await_output(&o, 8);
	/* Supervisor and kernel: our parent's, and the parent of that. */
	run_code(*state,
		"import os\n"
		"stat = open('/proc/%d/stat' % os.getppid()).read()\n"
		"kernel = int(stat.rpartition(')')[2].split()[1])\n"
		"line = open('/proc/%d/cmdline' % kernel).read()\n"
		"assert 'ipykernel' in line, line\n"
		"print(kernel)",
		&killer);
	assert_int_equal(killer.end.exit_status, 0);
	g_byte_array_append(killer.bytes[RUN_STDOUT], (const guint8 *)"", 1);
	i = atoi((const char *)killer.bytes[RUN_STDOUT]->data);
	outcome_fini(&killer);
	assert_true(i > 1);
	assert_int_equal(kill(i, SIGKILL), 0);

	await_end(&o);
	for (i = 0; i < 60; i++)
		g_string_append_printf(expected, "%03d\n", i);
	assert_int_equal(o.end.error, 0);
	assert_bytes(o.bytes[RUN_STDOUT], expected->str);
	g_string_free(expected, TRUE);
	executor_run_release(run);
	outcome_fini(&o);
	first_run_says_hello(state);
}

/* --- the server ---------------------------------------------------------- */

static int connect_server(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);
	const char *token = getenv("PYCLOUD_TOKEN");
	struct secret *secret =
		token == NULL ? NULL : secret_new(token, strlen(token));
	const struct endpoint_params params = {
		.base_url = getenv("PYCLOUD_TEST_URL"), .token = secret
	};

	assert_int_equal(endpoint_new(&params, &f->endpoint), 0);
	secret_unref(secret);
	assert_int_equal(http_pool_new(f->endpoint, &f->pool), 0);
	assert_int_equal(run_remote_new(f->pool, &f->executor), 0);
	*state = f;
	return 0;
}

static int leave_server(void **state)
{
	struct fixture *f = *state;

	executor_free(f->executor);
	http_pool_free(f->pool);
	endpoint_unref(f->endpoint);
	g_free(f);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_at_once_make_one_kernel),
		cmocka_unit_test(ended_kernel_is_replaced),
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
	};

	if (getenv("PYCLOUD_TEST_URL") == NULL) {
		(void)puts("PYCLOUD_TEST_URL names no server to test with");
		return 77;
	}
	return cmocka_run_group_tests(tests, connect_server, leave_server);
}
