/* What the workspace must hear, however often the way there breaks: that nobody
 * waits for a run, and that nobody feeds it any more. */
#include "config.h"

#include "http_bench.h"
#include "kernel_server.h"
#include "run_remote.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>

struct world {
	struct kernel_server *server;
	struct http_pool *pool;
	struct helper *helper;
	struct executor *executor;
};

/* --- the run's end of it -------------------------------------------------- */

static ssize_t on_record(void *arg, const uint8_t *bytes, size_t length)
{
	(void)arg;
	(void)bytes;
	return (ssize_t)length;
}

static int on_skipped(void *arg)
{
	(void)arg;
	return 0;
}

static void on_reach(void *arg, int error)
{
	(void)arg;
	(void)error;
}

static void on_ended(void *arg, const struct run_end *end)
{
	(void)arg;
	(void)end;
}

static int start(struct world *w, const struct cancel *cancel,
	struct executor_run **ret_run)
{
	static const char *const argv[] = { "main.py", NULL };
	g_autofree char *id = g_uuid_string_random();
	const struct run_command command = {
		.id = id,
		.argv = argv,
		.directory = "",
		.output_max = 1 << 20,
		.runs_keep = 20,
	};
	const struct run_events events = {
		.record = on_record,
		.skipped = on_skipped,
		.reach = on_reach,
		.ended = on_ended,
	};

	return executor_start(w->executor, &command, &events, cancel, ret_run);
}

/* --- the world ------------------------------------------------------------ */

/* On the heap: a test that fails leaves its threads behind. */
static struct world *begin(void)
{
	struct world *w = g_new0(struct world, 1);

	w->server = kernel_server_start(true);
	w->pool = http_bench_pool(kernel_server_url(w->server), NULL, NULL);
	assert_int_equal(helper_new(w->pool, NULL, &w->helper), 0);
	w->executor = run_remote_new(w->helper);
	return w;
}

static void end(struct world *w)
{
	executor_free(w->executor);
	helper_free(w->helper);
	assert_int_equal(kernel_server_alive(w->server), 0);
	http_pool_free(w->pool);
	kernel_server_stop(w->server);
	g_free(w);
}

struct interruption {
	struct world *world;
	struct cancel cancel;
};

static void *interrupt_start(void *arg)
{
	struct interruption *i = arg;

	(void)kernel_server_await(i->world->server, "start", 1);
	cancel_fire(&i->cancel);
	return NULL;
}

/* The helper has got it, and did not answer. */
static void start_and_interrupt(struct world *w)
{
	struct interruption i = { .world = w };
	struct executor_run *run = NULL;
	pthread_t thread;

	cancel_init(&i.cancel, 0);
	kernel_server_lose(w->server, "start");
	assert_int_equal(pthread_create(&thread, NULL, interrupt_start, &i), 0);
	assert_int_equal(start(w, &i.cancel, &run), -EINTR);
	(void)pthread_join(thread, NULL);
	assert_null(run);
	cancel_fini(&i.cancel);
}

/* --- behaviours ----------------------------------------------------------- */

static void an_interrupted_start_is_abandoned(void **state)
{
	struct world *w = begin();

	(void)state;
	start_and_interrupt(w);
	assert_true(kernel_server_await(w->server, "abandon", 1));
	end(w);
}

static void a_lost_helper_does_not_hide_it(void **state)
{
	struct world *w = begin();

	(void)state;
	kernel_server_vanish_at(w->server, "abandon");
	start_and_interrupt(w);
	assert_true(kernel_server_await(w->server, "abandon", 2));
	end(w);
}

/* What is settled is not told to the next helper. */
static void once_is_enough_when_it_is_answered(void **state)
{
	struct executor_run *run = NULL;
	struct world *w = begin();
	unsigned count;

	(void)state;
	start_and_interrupt(w);
	assert_true(kernel_server_await(w->server, "abandon", 1));
	kernel_server_lose(w->server, NULL);
	assert_int_equal(start(w, NULL, &run), 0); /* its answer comes later */
	count = kernel_server_count(w->server, "abandon");
	kernel_server_vanish_at(w->server, "signal");
	assert_int_equal(executor_run_signal(run, 2, NULL), 0);
	assert_int_equal(kernel_server_started(w->server), 2);
	assert_int_equal(kernel_server_count(w->server, "abandon"), count);
	executor_run_release(run);
	end(w);
}

static void a_start_that_was_never_sent_is_not_abandoned(void **state)
{
	struct executor_run *run = NULL;
	struct world *w = begin();
	struct cancel cancel;

	(void)state;
	cancel_init(&cancel, 0);
	cancel_fire(&cancel);
	assert_int_equal(start(w, &cancel, &run), -EINTR);
	cancel_fini(&cancel);
	assert_int_equal(start(w, NULL, &run), 0);
	assert_int_equal(kernel_server_count(w->server, "abandon"), 0);
	executor_run_release(run);
	end(w);
}

static void the_inputs_end_does_not_get_lost(void **state)
{
	struct executor_run *run = NULL;
	struct world *w = begin();
	struct cancel cancel;

	(void)state;
	assert_int_equal(start(w, NULL, &run), 0);
	kernel_server_vanish_at(w->server, "feed");
	cancel_init(&cancel, 0);
	cancel_fire(&cancel);
	assert_int_equal(executor_run_feed(run, NULL, 0, &cancel), 0);
	cancel_fini(&cancel);
	assert_true(kernel_server_await(w->server, "feed", 2));
	executor_run_release(run);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interrupted_start_is_abandoned),
		cmocka_unit_test(a_lost_helper_does_not_hide_it),
		cmocka_unit_test(once_is_enough_when_it_is_answered),
		cmocka_unit_test(a_start_that_was_never_sent_is_not_abandoned),
		cmocka_unit_test(the_inputs_end_does_not_get_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
