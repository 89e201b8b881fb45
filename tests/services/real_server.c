/* real_server.c - see real_server.h. */
#include "config.h"

#include "real_server.h"

#include "common_limits.h"
#include "http_client.h"
#include "run_remote.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_MS 60000

/* --- the server ---------------------------------------------------------- */

bool server_is_named(void)
{
	if (getenv("PYCLOUD_TEST_URL") != NULL)
		return true;
	(void)puts("PYCLOUD_TEST_URL names no server to test with");
	return false;
}

int connect_server(void **state)
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
	assert_int_equal(helper_new(f->pool, NULL, &f->helper), 0);
	f->executor = run_remote_new(f->helper);
	*state = f;
	return 0;
}

int leave_server(void **state)
{
	struct fixture *f = *state;

	executor_free(f->executor);
	helper_free(f->helper);
	http_pool_free(f->pool);
	endpoint_unref(f->endpoint);
	g_free(f);
	return 0;
}

cJSON *list_kernels(struct fixture *f)
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

/* --- collecting ---------------------------------------------------------- */

void outcome_init(struct outcome *o)
{
	*o = (struct outcome){ 0 };
	mutex_init(&o->lock);
	o->bytes[RUN_FRAME_STDOUT] = g_byte_array_new();
	o->bytes[RUN_FRAME_STDERR] = g_byte_array_new();
}

void outcome_fini(struct outcome *o)
{
	g_byte_array_unref(o->bytes[RUN_FRAME_STDOUT]);
	g_byte_array_unref(o->bytes[RUN_FRAME_STDERR]);
	mutex_fini(&o->lock);
}

static void begin_frame(void *arg, enum run_frame kind, uint32_t length)
{
	(void)arg;
	(void)kind;
	(void)length;
}

static void take_bytes(
	void *arg, enum run_frame kind, const uint8_t *bytes, size_t length)
{
	struct outcome *o = arg;

	if (kind == RUN_FRAME_STDOUT || kind == RUN_FRAME_STDERR)
		g_byte_array_append(o->bytes[kind], bytes, (guint)length);
}

static void end_frame(void *arg, enum run_frame kind)
{
	(void)arg;
	(void)kind;
}

static ssize_t take_record(void *arg, const uint8_t *bytes, size_t length)
{
	static const struct run_record_events events = { begin_frame,
		take_bytes, end_frame };
	struct outcome *o = arg;

	mutex_lock(&o->lock);
	assert_false(o->has_ended);
	assert_int_equal(
		run_record_read(&o->record, bytes, length, &events, o), 0);
	o->seen_ms = clock_now_ms();
	waitlist_wake(&o->waiters);
	mutex_unlock(&o->lock);
	return (ssize_t)length;
}

static int skip_record(void *arg)
{
	struct outcome *o = arg;

	o->record = (struct run_record){ 0 };
	return 0;
}

static void take_reach(void *arg, int error)
{
	(void)arg;
	(void)error;
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

struct run_events outcome_events(struct outcome *o)
{
	return (struct run_events){
		.record = take_record,
		.skipped = skip_record,
		.reach = take_reach,
		.ended = take_end,
		.arg = o,
	};
}

void await_end(struct outcome *o)
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

void await_output(struct outcome *o, guint length)
{
	struct cancel limit;
	int rc = 0;

	cancel_init(&limit, DEADLINE_MS);
	mutex_lock(&o->lock);
	while (o->bytes[RUN_FRAME_STDOUT]->len < length && rc == 0)
		rc = waitlist_wait(&o->waiters, &o->lock, &limit, -1);
	mutex_unlock(&o->lock);
	cancel_fini(&limit);
	assert_int_equal(rc, 0);
}

void assert_bytes(GByteArray *bytes, const char *expected)
{
	if (bytes->len != strlen(expected) ||
		(bytes->len > 0 &&
			memcmp(bytes->data, expected, bytes->len) != 0))
		fail_msg("expected \"%s\", got \"%.*s\"", expected,
			(int)bytes->len, (const char *)bytes->data);
}

/* --- starting ------------------------------------------------------------ */

int start_in(struct fixture *f, const char *directory, const char *const *argv,
	struct outcome *o, struct executor_run **ret)
{
	g_autofree char *id = g_uuid_string_random();
	const struct run_command command = { .id = id,
		.argv = argv,
		.directory = directory,
		.output_max = GIB,
		.runs_keep = 20 };
	const struct run_events events = outcome_events(o);

	outcome_init(o);
	return executor_start(f->executor, &command, &events, NULL, ret);
}

struct executor_run *start_code(
	struct fixture *f, const char *code, struct outcome *o)
{
	const char *const argv[] = { "-c", code, NULL };
	struct executor_run *run = NULL;

	assert_int_equal(start_in(f, "", argv, o, &run), 0);
	return run;
}

void run_code(struct fixture *f, const char *code, struct outcome *o)
{
	struct executor_run *run = start_code(f, code, o);

	await_end(o);
	executor_run_release(run);
}

void assert_status(
	struct fixture *f, const char *code, int exit_status, int signal_number)
{
	struct outcome o;

	run_code(f, code, &o);
	assert_int_equal(o.end.error, 0);
	assert_int_equal(o.end.exit_status, exit_status);
	assert_int_equal(o.end.signal, signal_number);
	outcome_fini(&o);
}

void feed_line(struct executor_run *run, const char *line)
{
	g_autofree char *text = g_strconcat(line, "\n", NULL);

	assert_int_equal(executor_run_feed(run, text, strlen(text), NULL), 0);
}
