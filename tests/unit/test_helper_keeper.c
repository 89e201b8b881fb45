/* The helper's life: had when needed, missed when lost, never for nothing. */
#include "config.h"

#include "common_limits.h"
#include "helper.h"
#include "http_bench.h"
#include "kernel_server.h"
#include "mutex.h"
#include "test.h"
#include "waitlist.h"

#include <errno.h>

#define SOON_MS 20000
#define TICK_MS 50

struct world {
	struct kernel_server *server;
	struct http_pool *pool;
	struct helper *helper;
	struct helper_user *user;

	struct mutex lock;
	/* guarded by lock */
	struct waitlist waiters;
	const char *to_post; /* at the next tick */
	unsigned reconnections;
};

/* --- the handler --------------------------------------------------------- */

static cJSON *verb(const char *name)
{
	cJSON *call = cJSON_CreateObject();

	(void)cJSON_AddStringToObject(call, "call", name);
	return call;
}

static void on_event(void *arg, const char *event, const cJSON *data,
	const struct kernel_buffer *bytes)
{
	(void)arg;
	(void)event;
	(void)data;
	(void)bytes;
}

static void on_reconnected(void *arg)
{
	struct world *w = arg;

	mutex_lock(&w->lock);
	w->reconnections++;
	waitlist_wake(&w->waiters);
	mutex_unlock(&w->lock);
}

static void on_unreachable(void *arg, int error)
{
	(void)arg;
	(void)error;
}

static int on_tick(void *arg)
{
	struct world *w = arg;
	const char *name;

	mutex_lock(&w->lock);
	name = w->to_post;
	w->to_post = NULL;
	mutex_unlock(&w->lock);
	if (name != NULL)
		helper_post(w->helper, verb(name));
	return TICK_MS;
}

/* --- the world ----------------------------------------------------------- */

/* On the heap: a test that fails leaves its threads behind. */
static struct world *begin(bool has_python)
{
	struct world *w = g_new0(struct world, 1);
	const struct helper_handler handler = {
		.event = on_event,
		.reconnected = on_reconnected,
		.unreachable = on_unreachable,
		.tick = on_tick,
		.arg = w,
	};

	w->server = kernel_server_start(has_python);
	mutex_init(&w->lock);
	w->pool = http_bench_pool(kernel_server_url(w->server), NULL, NULL);
	assert_int_equal(helper_new(w->pool, NULL, &w->helper), 0);
	w->user = helper_join(w->helper, &handler);
	return w;
}

static void end(struct world *w)
{
	helper_leave(w->helper, w->user);
	helper_free(w->helper);
	assert_int_equal(kernel_server_alive(w->server), 0);
	http_pool_free(w->pool);
	kernel_server_stop(w->server);
	mutex_fini(&w->lock);
	g_free(w);
}

static int call(struct world *w, const char *name)
{
	return helper_call(w->helper, verb(name), NULL, NULL, NULL);
}

static void await_reconnection(struct world *w)
{
	struct cancel limit;
	int rc = 0;

	cancel_init(&limit, SOON_MS);
	mutex_lock(&w->lock);
	while (w->reconnections < 2 && rc == 0)
		rc = waitlist_wait(&w->waiters, &w->lock, &limit, -1);
	mutex_unlock(&w->lock);
	cancel_fini(&limit);
	assert_int_equal(rc, 0);
}

/* --- behaviours ---------------------------------------------------------- */

static void nothing_is_started_without_need(void **state)
{
	struct world *w = begin(true);

	(void)state;
	helper_post(w->helper, verb("forget"));
	assert_true(kernel_server_stays_idle(w->server, 100));
	end(w);
}

static void calls_share_one_kernel(void **state)
{
	struct world *w = begin(true);

	(void)state;
	assert_int_equal(call(w, "echo"), 0);
	assert_int_equal(call(w, "echo"), 0);
	assert_int_equal(kernel_server_started(w->server), 1);
	assert_int_equal(kernel_server_openings(w->server), 1);
	assert_int_equal(kernel_server_calls(w->server), 2);
	end(w);
}

static void answered_helper_is_idle(void **state)
{
	struct world *w = begin(true);

	(void)state;
	helper_hold(w->helper);
	assert_int_equal(call(w, "echo"), 0);
	assert_true(kernel_server_stays_idle(w->server, 3 * HELPER_DOUBT_MS));
	helper_unhold(w->helper);
	end(w);
}

static void no_python_is_eopnotsupp(void **state)
{
	struct world *w = begin(false);

	(void)state;
	assert_int_equal(call(w, "echo"), -EOPNOTSUPP);
	assert_int_equal(call(w, "echo"), -EOPNOTSUPP);
	assert_int_equal(kernel_server_started(w->server), 0);
	end(w);
}

static void check_stillborn_kernel(bool is_answered)
{
	int64_t begun = clock_now_ms();
	struct world *w = begin(true);

	kernel_server_break_start(w->server, is_answered);
	assert_int_equal(call(w, "echo"), -ENOEXEC);
	assert_in_range(clock_now_ms() - begun, 0, KERNEL_START_TIMEOUT_MS / 2);
	/* And nothing of it is left for the next caller. */
	assert_int_equal(call(w, "echo"), 0);
	assert_int_equal(kernel_server_started(w->server), 2);
	end(w);
}

static void kernel_that_died_unheard_is_not_waited_for(void **state)
{
	(void)state;
	check_stillborn_kernel(false);
}

static void kernel_that_died_behind_its_channel_is_forgotten(void **state)
{
	(void)state;
	check_stillborn_kernel(true);
}

/* The server knows it long before the silence proves it. */
static void vanished_kernel_is_replaced_soon(void **state)
{
	int64_t begun = clock_now_ms();
	struct world *w = begin(true);

	(void)state;
	assert_int_equal(call(w, "vanish"), 0);
	assert_in_range(clock_now_ms() - begun, 0, HELPER_DEAF_MS - 1);
	assert_int_equal(kernel_server_started(w->server), 2);
	assert_int_equal(kernel_server_checks(w->server), 1);
	end(w);
}

/* What is sent while nobody waits for an answer is missed all the same. */
static void kernel_that_vanished_under_a_hold_is_replaced(void **state)
{
	int64_t begun = clock_now_ms();
	struct world *w = begin(true);

	(void)state;
	helper_hold(w->helper);
	assert_int_equal(call(w, "echo"), 0);
	mutex_lock(&w->lock);
	w->to_post = "vanish";
	mutex_unlock(&w->lock);
	await_reconnection(w);
	assert_in_range(clock_now_ms() - begun, 0, HELPER_DEAF_MS - 1);
	assert_int_equal(kernel_server_started(w->server), 2);
	helper_unhold(w->helper);
	end(w);
}

static void silence_alone_is_no_end(void **state)
{
	struct world *w = begin(true);

	(void)state;
	assert_int_equal(call(w, "mute"), 0);
	assert_int_equal(kernel_server_started(w->server), 1);
	assert_int_equal(kernel_server_checks(w->server), 1);
	assert_int_equal(kernel_server_openings(w->server), 1);
	assert_int_equal(kernel_server_calls(w->server), 2);
	end(w);
}

static void announced_end_needs_no_silence(void **state)
{
	struct world *w = begin(true);

	(void)state;
	helper_hold(w->helper);
	assert_int_equal(call(w, "quit"), 0);
	await_reconnection(w);
	assert_int_equal(call(w, "echo"), 0);
	assert_int_equal(kernel_server_started(w->server), 2);
	assert_int_equal(kernel_server_checks(w->server), 0);
	helper_unhold(w->helper);
	end(w);
}

/* Nobody holds it: nobody needs another kernel. */
static void announced_end_is_an_end(void **state)
{
	struct world *w = begin(true);

	(void)state;
	assert_int_equal(call(w, "quit"), 0);
	assert_true(kernel_server_stays_idle(w->server, HELPER_DOUBT_MS));
	assert_int_equal(kernel_server_started(w->server), 1);
	end(w);
}

static void restarted_kernel_is_made_a_helper_again(void **state)
{
	struct world *w = begin(true);

	(void)state;
	helper_hold(w->helper);
	assert_int_equal(call(w, "restart"), 0);
	await_reconnection(w);
	assert_int_equal(call(w, "echo"), 0);
	assert_int_equal(kernel_server_started(w->server), 1);
	assert_int_equal(kernel_server_openings(w->server), 3);
	helper_unhold(w->helper);
	end(w);
}

static int ask(struct world *w, const char *name,
	const struct kernel_buffer *bytes, int timeout_ms, bool *ret_is_sent)
{
	struct helper_reply reply = { 0 };
	int rc = helper_ask(
		w->helper, verb(name), bytes, timeout_ms, NULL, &reply);

	*ret_is_sent = reply.is_sent;
	helper_reply_clear(&reply);
	return rc;
}

static void what_was_not_sent_is_known(void **state)
{
	struct world *w = begin(true);
	bool is_sent = true;

	(void)state;
	assert_int_equal(ask(w, "echo", NULL, SOON_MS, &is_sent), -EAGAIN);
	assert_false(is_sent);
	assert_int_equal(call(w, "echo"), 0);
	assert_int_equal(
		ask(w, "mute", NULL, HELPER_DOUBT_MS, &is_sent), -ETIMEDOUT);
	assert_true(is_sent);
	end(w);
}

/* On a slow link they are long on their way: neither are they sent again, nor
 * is the channel given up for a silence that they explain. */
static void many_bytes_have_their_time(void **state)
{
	static uint8_t many[(HELPER_DEAF_MS + 2000) * HELPER_BYTES_PER_MS];
	const struct kernel_buffer bytes = { many, sizeof(many) };
	struct world *w = begin(true);
	bool is_sent;

	(void)state;
	assert_int_equal(call(w, "echo"), 0);
	kernel_server_lose(w->server, "lost");
	assert_int_equal(
		ask(w, "lost", &bytes, HELPER_DEAF_MS + 1000, &is_sent),
		-ETIMEDOUT);
	assert_int_equal(kernel_server_calls(w->server), 2);
	assert_int_equal(kernel_server_openings(w->server), 1);
	assert_int_equal(call(w, "echo"), 0);
	assert_int_equal(kernel_server_openings(w->server), 1);
	end(w);
}

static void an_answer_that_was_lost_costs_no_bytes(void **state)
{
	static uint8_t many[1024 * 1024];
	const struct kernel_buffer bytes = { many, sizeof(many) };
	struct world *w = begin(true);
	bool is_sent;

	(void)state;
	assert_int_equal(call(w, "echo"), 0);
	assert_int_equal(ask(w, "mute", &bytes, SOON_MS, &is_sent), 0);
	assert_int_equal(kernel_server_count(w->server, "mute"), 1);
	assert_int_equal(kernel_server_count(w->server, "again"), 1);
	assert_int_equal(kernel_server_openings(w->server), 1);
	end(w);
}

struct giving_up {
	struct world *world;
	const struct cancel *cancel;
	int rc;
};

static void *post_bytes(void *arg)
{
	static uint8_t many[7 * 1024 * 1024];
	const struct kernel_buffer bytes = { many, sizeof(many) };
	struct giving_up *g = arg;

	do
		g->rc = helper_post_bytes(
			g->world->helper, verb("echo"), &bytes, g->cancel);
	while (g->rc == 0);
	return NULL;
}

/* The network takes nothing any more: everybody has his own patience, and what
 * was to be sent is sent when it goes on. */
static void who_sends_into_nothing_may_give_up(void **state)
{
	static uint8_t many[7 * 1024 * 1024];
	const struct kernel_buffer bytes = { many, sizeof(many) };
	struct world *w = begin(true);
	struct giving_up g = { .world = w };
	struct cancel cancel;
	pthread_t poster;
	int64_t since_ms = clock_now_ms();
	bool is_sent;

	(void)state;
	assert_int_equal(call(w, "echo"), 0);
	kernel_server_set_deaf(w->server, true);
	for (int i = 0; i < 4; i++)
		assert_int_equal(
			ask(w, "echo", &bytes, TICK_MS, &is_sent), -ETIMEDOUT);
	cancel_init(&cancel, 0);
	g.cancel = &cancel;
	assert_int_equal(pthread_create(&poster, NULL, post_bytes, &g), 0);
	cancel_fire(&cancel);
	(void)pthread_join(poster, NULL);
	assert_true(g.rc == -EINTR || g.rc == -EBUSY);
	assert_true(clock_now_ms() - since_ms < HELPER_DEAF_MS);
	kernel_server_set_deaf(w->server, false);
	assert_int_equal(call(w, "echo"), 0);
	assert_int_equal(kernel_server_openings(w->server), 1);
	cancel_fini(&cancel);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_started_without_need),
		cmocka_unit_test(calls_share_one_kernel),
		cmocka_unit_test(answered_helper_is_idle),
		cmocka_unit_test(no_python_is_eopnotsupp),
		cmocka_unit_test(kernel_that_died_unheard_is_not_waited_for),
		cmocka_unit_test(
			kernel_that_died_behind_its_channel_is_forgotten),
		cmocka_unit_test(vanished_kernel_is_replaced_soon),
		cmocka_unit_test(kernel_that_vanished_under_a_hold_is_replaced),
		cmocka_unit_test(silence_alone_is_no_end),
		cmocka_unit_test(announced_end_needs_no_silence),
		cmocka_unit_test(announced_end_is_an_end),
		cmocka_unit_test(restarted_kernel_is_made_a_helper_again),
		cmocka_unit_test(what_was_not_sent_is_known),
		cmocka_unit_test(many_bytes_have_their_time),
		cmocka_unit_test(an_answer_that_was_lost_costs_no_bytes),
		cmocka_unit_test(who_sends_into_nothing_may_give_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
