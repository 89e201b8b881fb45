/* When a server counts as gone, who asks whether it is back, and what a root
 * that lost its names is. */
#include "config.h"

#include "availability.h"
#include "common_limits.h"
#include "fake_remote.h"
#include "fs_limits.h"
#include "mutex.h"
#include "test.h"
#include "waitlist.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static atomic_int_fast64_t fake_now;

static int64_t read_clock(void)
{
	return atomic_load(&fake_now);
}

static void advance(int64_t ms)
{
	(void)atomic_fetch_add(&fake_now, ms);
}

struct world {
	struct remote *fake;
	struct remote *remote; /* around it */
	atomic_int probe_rc;
	atomic_uint probes;
	atomic_uint went_online, went_offline;
	struct mutex lock;
	/* guarded by lock */
	struct waitlist changed;
	bool holds_probe; /* it stands still */
	bool is_held;
	bool holds_sink;
	unsigned sinks; /* reads that stand in it */
	unsigned most_sinks;
	bool releases_read; /* the probe lets bytes arrive before it fails */
};

static int probe(void *arg, const struct cancel *cancel)
{
	struct world *w = arg;
	int rc = 0;

	(void)atomic_fetch_add(&w->probes, 1);
	mutex_lock(&w->lock);
	w->is_held = w->holds_probe;
	waitlist_wake(&w->changed);
	while (rc == 0 && w->holds_probe)
		rc = waitlist_wait(&w->changed, &w->lock, cancel, -1);
	w->is_held = false;
	if (w->releases_read) {
		advance(1);
		fake_remote_release(w->fake, FAKE_READ);
		while (w->sinks == 0)
			(void)waitlist_wait(&w->changed, &w->lock, NULL, -1);
	}
	mutex_unlock(&w->lock);
	return rc < 0 ? rc : atomic_load(&w->probe_rc);
}

static void on_change(void *arg, bool is_online)
{
	struct world *w = arg;

	(void)atomic_fetch_add(
		is_online ? &w->went_online : &w->went_offline, 1);
}

static int make_world(void **state)
{
	struct world *w = g_new0(struct world, 1);
	const struct availability_params params = {
		.probe = probe,
		.probe_arg = w,
		.on_change = on_change,
		.on_change_arg = w,
		.now_ms = read_clock,
	};

	atomic_store(&fake_now, 1000000);
	mutex_init(&w->lock);
	w->fake = fake_remote_new();
	w->remote = availability_new(w->fake, &params);
	fake_remote_put(w->fake, "a", "bytes");
	fake_remote_put(w->fake, "b", "");
	fake_remote_put(w->fake, "d/e", "");
	*state = w;
	return 0;
}

static int free_world(void **state)
{
	struct world *w = *state;

	remote_free(w->remote);
	mutex_fini(&w->lock);
	g_free(w);
	return 0;
}

/* --- calls ---------------------------------------------------------------- */

static int stat_with(
	struct world *w, const char *path, const struct cancel *cancel)
{
	struct entry e = { 0 };
	int rc = remote_stat(w->remote, path, cancel, &e);

	entry_clear(&e);
	return rc;
}

static int stat_of(struct world *w, const char *path)
{
	return stat_with(w, path, NULL);
}

/* The number of names, or -errno. */
static int list_of(struct world *w, const char *path)
{
	GPtrArray *entries = NULL;
	unsigned dropped = 0;
	int rc = remote_list(w->remote, path, NULL, &entries, &dropped);

	if (rc == 0)
		rc = (int)entries->len;
	else
		assert_null(entries);
	if (entries != NULL)
		g_ptr_array_unref(entries);
	return rc;
}

static bool is_online(struct world *w)
{
	struct availability_state state;

	availability_state(w->remote, &state);
	assert_true(state.since.tv_sec > 0);
	assert_int_equal(state.why == NULL, state.is_online);
	g_free(state.why);
	return state.is_online;
}

static void assert_why(struct world *w, const char *word)
{
	struct availability_state state;

	availability_state(w->remote, &state);
	assert_non_null(state.why);
	assert_non_null(strstr(state.why, word));
	g_free(state.why);
}

static void set_down(struct world *w, int error)
{
	fake_remote_fail_all(w->fake, error);
	atomic_store(&w->probe_rc, -error);
}

static void go_offline(struct world *w)
{
	set_down(w, ECONNREFUSED);
	assert_int_equal(stat_of(w, "a"), -ECONNREFUSED);
	assert_int_equal(stat_of(w, "a"), -EHOSTUNREACH);
	assert_false(is_online(w));
}

struct call {
	struct world *world;
	const char *path;
	const struct cancel *cancel;
	int rc;
	pthread_t thread;
};

static void *stat_thread(void *arg)
{
	struct call *c = arg;

	c->rc = stat_with(c->world, c->path, c->cancel);
	return NULL;
}

static void start(struct call *c, void *(*run)(void *))
{
	assert_int_equal(pthread_create(&c->thread, NULL, run, c), 0);
}

static void join(struct call *c)
{
	assert_int_equal(pthread_join(c->thread, NULL), 0);
}

static void hold_probe(struct world *w, bool holds)
{
	mutex_lock(&w->lock);
	w->holds_probe = holds;
	waitlist_wake(&w->changed);
	mutex_unlock(&w->lock);
}

static void await_probe(struct world *w)
{
	mutex_lock(&w->lock);
	while (!w->is_held)
		(void)waitlist_wait(&w->changed, &w->lock, NULL, -1);
	mutex_unlock(&w->lock);
}

/* --- going and coming back ------------------------------------------------ */

static void a_failure_that_the_probe_does_not_confirm_is_forgotten(void **state)
{
	static const int errors[] = { ETIMEDOUT, ECONNREFUSED, ECONNRESET,
		EHOSTUNREACH, ENETUNREACH, EPROTO };
	struct world *w = *state;

	for (unsigned i = 0; i < G_N_ELEMENTS(errors); i++) {
		fake_remote_fail(w->fake, FAKE_STAT, 1, errors[i]);
		assert_int_equal(stat_of(w, "a"), -errors[i]);
		assert_true(is_online(w));
		assert_int_equal(stat_of(w, "a"), 0);
		assert_int_equal(w->probes, i + 1);
		assert_int_equal(stat_of(w, "a"), 0);
		assert_int_equal(w->probes, i + 1);
	}
	assert_int_equal(w->went_offline, 0);
}

static void a_confirmed_failure_fails_all_calls_at_once(void **state)
{
	const struct remote_source source = { 0 };
	const struct remote_change change = { 0 };
	const struct remote_sink sink = { 0 };
	struct remote_read_info info;
	struct world *w = *state;
	struct entry e;

	go_offline(w);
	assert_int_equal(w->went_offline, 1);
	assert_int_equal(w->probes, 1);
	assert_why(w, "nobody listens");
	fake_remote_reset(w->fake);
	assert_int_equal(stat_of(w, "a"), -EHOSTUNREACH);
	assert_int_equal(list_of(w, ""), -EHOSTUNREACH);
	assert_int_equal(remote_read(w->remote, "a", 0, 1, &sink, NULL, &info),
		-EHOSTUNREACH);
	assert_int_equal(
		remote_write(w->remote, "a", &source, NULL, &e), -EHOSTUNREACH);
	assert_int_equal(
		remote_replace(w->remote, "a", &change, &source, NULL, &e),
		-EHOSTUNREACH);
	assert_int_equal(remote_mkdir(w->remote, "n", NULL, &e), -EHOSTUNREACH);
	assert_int_equal(
		remote_rename(w->remote, "a", "n", NULL, &e), -EHOSTUNREACH);
	assert_int_equal(remote_remove(w->remote, "a", NULL), -EHOSTUNREACH);
	assert_int_equal(fake_remote_all_calls(w->fake), 0);
	assert_int_equal(w->probes, 1);
}

static void who_asks_after_the_back_off_finds_the_server_again(void **state)
{
	struct world *w = *state;

	go_offline(w);
	set_down(w, 0);
	assert_int_equal(stat_of(w, "a"), -EHOSTUNREACH);
	advance(OFFLINE_DELAY_FIRST_MS);
	assert_int_equal(stat_of(w, "a"), 0);
	assert_true(is_online(w));
	assert_int_equal(w->went_online, 1);
	assert_int_equal(w->probes, 2);
}

static void probes_come_less_and_less_often(void **state)
{
	struct world *w = *state;
	int64_t delay = OFFLINE_DELAY_FIRST_MS;

	go_offline(w);
	for (unsigned probes = 1; probes < 10; probes++) {
		advance(delay / 2 - 1);
		assert_int_equal(stat_of(w, "a"), -EHOSTUNREACH);
		assert_int_equal(w->probes, probes);
		advance(delay - delay / 2 + 1);
		assert_int_equal(stat_of(w, "a"), -EHOSTUNREACH);
		assert_int_equal(w->probes, probes + 1);
		delay = MIN(2 * delay, OFFLINE_DELAY_MAX_MS);
	}
	assert_int_equal(delay, OFFLINE_DELAY_MAX_MS);
	/* Having been back, it is looked for soon again. */
	set_down(w, 0);
	advance(delay);
	assert_int_equal(stat_of(w, "a"), 0);
	go_offline(w);
	set_down(w, 0);
	advance(OFFLINE_DELAY_FIRST_MS);
	assert_int_equal(stat_of(w, "a"), 0);
}

static void an_interrupted_call_says_nothing(void **state)
{
	struct world *w = *state;
	struct cancel cancel;

	cancel_init(&cancel, 0);
	cancel_fire(&cancel);
	assert_int_equal(stat_with(w, "a", &cancel), -EINTR);
	assert_int_equal(stat_of(w, "a"), 0);
	assert_int_equal(w->probes, 0);
	cancel_fini(&cancel);
}

static void an_interrupted_probe_leaves_the_question_open(void **state)
{
	struct world *w = *state;
	struct cancel cancel;
	struct call c = { .world = w, .path = "a", .cancel = &cancel };

	cancel_init(&cancel, 0);
	fake_remote_fail(w->fake, FAKE_STAT, 1, ETIMEDOUT);
	assert_int_equal(stat_of(w, "a"), -ETIMEDOUT);
	hold_probe(w, true);
	start(&c, stat_thread);
	await_probe(w);
	cancel_fire(&cancel);
	join(&c);
	assert_int_equal(c.rc, -EINTR);
	hold_probe(w, false);
	assert_int_equal(stat_of(w, "a"), 0);
	assert_int_equal(w->probes, 2);
	cancel_fini(&cancel);
}

static void who_comes_while_a_doubt_is_probed_shares_the_verdict(void **state)
{
	struct world *w = *state;
	struct call calls[4];

	set_down(w, ETIMEDOUT);
	assert_int_equal(stat_of(w, "a"), -ETIMEDOUT);
	fake_remote_reset(w->fake);
	hold_probe(w, true);
	for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
		calls[i] = (struct call){ .world = w, .path = "a" };
		start(&calls[i], stat_thread);
	}
	await_probe(w);
	hold_probe(w, false);
	for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
		join(&calls[i]);
		assert_int_equal(calls[i].rc, -EHOSTUNREACH);
	}
	assert_int_equal(w->probes, 1);
	assert_int_equal(fake_remote_all_calls(w->fake), 0);
}

static void who_comes_while_offline_is_probed_fails_at_once(void **state)
{
	struct world *w = *state;
	struct call c = { .world = w, .path = "a" };

	go_offline(w);
	set_down(w, 0);
	advance(OFFLINE_DELAY_FIRST_MS);
	hold_probe(w, true);
	start(&c, stat_thread);
	await_probe(w);
	assert_int_equal(stat_of(w, "a"), -EHOSTUNREACH);
	hold_probe(w, false);
	join(&c);
	assert_int_equal(c.rc, 0);
	assert_int_equal(w->probes, 2);
}

static void a_refusal_is_an_answer(void **state)
{
	static const int errors[] = { ENOENT, EACCES, ENOSPC, EEXIST, EROFS };
	struct world *w = *state;

	for (size_t i = 0; i < G_N_ELEMENTS(errors); i++) {
		struct call c = { .world = w, .path = "a" };

		/* One is under way while another one fails. */
		fake_remote_stall(w->fake, FAKE_STAT);
		start(&c, stat_thread);
		fake_remote_await_stalled(w->fake, FAKE_STAT);
		fake_remote_fail(w->fake, FAKE_LIST, 1, ETIMEDOUT);
		assert_int_equal(list_of(w, "d"), -ETIMEDOUT);
		fake_remote_fail(w->fake, FAKE_STAT, 1, errors[i]);
		fake_remote_release(w->fake, FAKE_STAT);
		join(&c);
		assert_int_equal(c.rc, -errors[i]);
		assert_int_equal(stat_of(w, "a"), 0);
		assert_int_equal(w->probes, 0);
	}
}

/* --- transfers ------------------------------------------------------------ */

static int slow_sink(
	void *arg, const void *bytes, size_t length, int64_t offset)
{
	struct world *w = arg;

	(void)bytes;
	(void)length;
	(void)offset;
	mutex_lock(&w->lock);
	w->sinks++;
	w->most_sinks = MAX(w->most_sinks, w->sinks);
	waitlist_wake(&w->changed);
	while (w->holds_sink)
		(void)waitlist_wait(&w->changed, &w->lock, NULL, -1);
	w->sinks--;
	mutex_unlock(&w->lock);
	return 0;
}

static void await_sinks(struct world *w, unsigned count)
{
	mutex_lock(&w->lock);
	while (w->sinks < count)
		(void)waitlist_wait(&w->changed, &w->lock, NULL, -1);
	mutex_unlock(&w->lock);
}

static void hold_sink(struct world *w, bool holds)
{
	mutex_lock(&w->lock);
	w->holds_sink = holds;
	waitlist_wake(&w->changed);
	mutex_unlock(&w->lock);
}

static void *read_thread(void *arg)
{
	struct call *c = arg;
	const struct remote_sink sink = { slow_sink, c->world };
	struct remote_read_info info = { 0 };

	c->rc = remote_read(
		c->world->remote, c->path, 0, -1, &sink, NULL, &info);
	return NULL;
}

static void bytes_that_arrive_are_stronger_than_a_probe_that_fails(void **state)
{
	struct world *w = *state;
	struct call c = { .world = w, .path = "a" };

	fake_remote_stall(w->fake, FAKE_READ);
	w->holds_sink = true;
	w->releases_read = true;
	start(&c, read_thread);
	fake_remote_await_stalled(w->fake, FAKE_READ);
	fake_remote_fail(w->fake, FAKE_STAT, 1, ETIMEDOUT);
	assert_int_equal(stat_of(w, "a"), -ETIMEDOUT);
	atomic_store(&w->probe_rc, -ETIMEDOUT);
	assert_int_equal(stat_of(w, "a"), 0);
	assert_int_equal(w->probes, 1);
	assert_int_equal(w->went_offline, 0);
	hold_sink(w, false);
	join(&c);
	assert_int_equal(c.rc, 0);
}

static void a_transfer_under_way_goes_on_and_ends_the_outage(void **state)
{
	struct world *w = *state;
	struct call c = { .world = w, .path = "a" };

	fake_remote_stall(w->fake, FAKE_READ);
	start(&c, read_thread);
	fake_remote_await_stalled(w->fake, FAKE_READ);
	go_offline(w);
	fake_remote_fail_all(w->fake, 0);
	fake_remote_release(w->fake, FAKE_READ);
	join(&c);
	assert_int_equal(c.rc, 0);
	assert_true(is_online(w));
	assert_int_equal(w->went_online, 1);
}

/* Its turn would come when those before it have used up their limits. */
static void a_transfer_that_waits_for_its_turn_hears_of_the_verdict(
	void **state)
{
	struct world *w = *state;
	struct call calls[HTTP_CONNECTIONS_MAX];
	unsigned count = G_N_ELEMENTS(calls) - 1;

	w->holds_sink = true;
	for (unsigned i = 0; i <= count; i++) {
		calls[i] = (struct call){ .world = w, .path = "a" };
		start(&calls[i], read_thread);
		await_sinks(w, MIN(i + 1, count));
	}
	atomic_store(&w->probe_rc, -ETIMEDOUT);
	fake_remote_fail(w->fake, FAKE_STAT, 1, ETIMEDOUT);
	assert_int_equal(stat_of(w, "a"), -ETIMEDOUT);
	join(&calls[count]);
	assert_int_equal(calls[count].rc, -EHOSTUNREACH);
	assert_int_equal(fake_remote_calls(w->fake, FAKE_READ), count);
	hold_sink(w, false);
	for (unsigned i = 0; i < count; i++) {
		join(&calls[i]);
		assert_int_equal(calls[i].rc, 0);
	}
}

static void a_transfer_waits_for_its_turn(void **state)
{
	struct world *w = *state;
	struct call calls[2 * HTTP_CONNECTIONS_MAX];

	w->holds_sink = true;
	for (unsigned i = 0; i < G_N_ELEMENTS(calls); i++) {
		calls[i] = (struct call){ .world = w, .path = "a" };
		start(&calls[i], read_thread);
	}
	await_sinks(w, HTTP_CONNECTIONS_MAX - 1);
	assert_int_equal(stat_of(w, "a"), 0); /* there is room for names */
	hold_sink(w, false);
	for (unsigned i = 0; i < G_N_ELEMENTS(calls); i++) {
		join(&calls[i]);
		assert_int_equal(calls[i].rc, 0);
	}
	assert_true(w->most_sinks < HTTP_CONNECTIONS_MAX);
}

/* --- the root ------------------------------------------------------------- */

static void drop_root(struct world *w)
{
	fake_remote_drop(w->fake, "a");
	fake_remote_drop(w->fake, "b");
	fake_remote_drop(w->fake, "d");
}

static void a_root_that_is_gone_is_no_deletion(void **state)
{
	struct world *w = *state;

	assert_int_equal(list_of(w, ""), 3);
	fake_remote_fail(w->fake, FAKE_LIST, 1, ENOENT);
	assert_int_equal(list_of(w, ""), -EHOSTUNREACH);
	assert_false(is_online(w));
	assert_why(w, "root is gone");
	/* Only a listing of it can say that it is back. */
	fake_remote_fail(w->fake, FAKE_LIST, 1, ENOENT);
	advance(OFFLINE_DELAY_FIRST_MS);
	assert_int_equal(stat_of(w, "a"), -EHOSTUNREACH);
	assert_int_equal(fake_remote_calls(w->fake, FAKE_STAT), 0);
	assert_why(w, "root is gone");
	advance(2 * OFFLINE_DELAY_FIRST_MS);
	assert_int_equal(stat_of(w, "a"), 0);
	assert_true(is_online(w));
}

static void a_root_that_never_was_is_simply_not_there(void **state)
{
	struct world *w = *state;

	fake_remote_fail(w->fake, FAKE_LIST, 1, ENOENT);
	assert_int_equal(list_of(w, ""), -ENOENT);
	assert_true(is_online(w));
	drop_root(w);
	assert_int_equal(list_of(w, ""), 0);
	assert_true(is_online(w));
}

static void a_directory_that_goes_with_its_root_is_not_gone(void **state)
{
	struct world *w = *state;

	assert_int_equal(list_of(w, ""), 3);
	drop_root(w);
	assert_int_equal(list_of(w, "d"), -EHOSTUNREACH);
	assert_false(is_online(w));
	assert_why(w, "root is empty");
}

static void a_directory_that_goes_alone_is_gone(void **state)
{
	struct world *w = *state;

	assert_int_equal(list_of(w, ""), 3);
	fake_remote_drop(w->fake, "d");
	assert_int_equal(list_of(w, "d"), -ENOENT);
	assert_true(is_online(w));
}

static void a_root_that_is_empty_at_once_must_say_so_for_a_while(void **state)
{
	struct world *w = *state;

	assert_int_equal(list_of(w, ""), 3);
	drop_root(w);
	assert_int_equal(list_of(w, ""), -EHOSTUNREACH);
	assert_why(w, "root is empty: it had 3 names");
	advance(ROOT_EMPTY_MS / 2);
	assert_int_equal(list_of(w, ""), -EHOSTUNREACH);
	advance(ROOT_EMPTY_MS / 2);
	assert_int_equal(list_of(w, ""), 0);
	assert_true(is_online(w));
	assert_int_equal(w->went_offline, 1);
	assert_int_equal(w->went_online, 1);
}

static void names_that_come_back_end_the_fault(void **state)
{
	struct world *w = *state;

	assert_int_equal(list_of(w, ""), 3);
	drop_root(w);
	assert_int_equal(list_of(w, ""), -EHOSTUNREACH);
	fake_remote_put(w->fake, "c", "");
	advance(OFFLINE_DELAY_FIRST_MS);
	assert_int_equal(list_of(w, ""), 1);
	assert_true(is_online(w));
	/* One name is few enough to vanish. */
	fake_remote_drop(w->fake, "c");
	assert_int_equal(list_of(w, ""), 0);
	assert_true(is_online(w));
}

static void a_server_that_dies_with_a_lost_root_is_probed_with_back_off(
	void **state)
{
	struct world *w = *state;

	assert_int_equal(list_of(w, ""), 3);
	drop_root(w);
	assert_int_equal(list_of(w, ""), -EHOSTUNREACH);
	set_down(w, ECONNREFUSED);
	advance(OFFLINE_DELAY_FIRST_MS);
	assert_int_equal(list_of(w, ""), -EHOSTUNREACH);
	assert_int_equal(list_of(w, ""), -EHOSTUNREACH);
	assert_int_equal(w->probes, 1);
	assert_why(w, "nobody listens");
	set_down(w, 0);
	advance(2 * OFFLINE_DELAY_FIRST_MS);
	assert_int_equal(list_of(w, ""), -EHOSTUNREACH);
	assert_why(w, "root is empty");
}

static void what_we_removed_ourselves_is_not_missed(void **state)
{
	struct world *w = *state;
	struct entry e;

	fake_remote_put(w->fake, "sub/x", "");
	assert_int_equal(list_of(w, ""), 4);
	assert_int_equal(remote_remove(w->remote, "a", NULL), 0);
	assert_int_equal(remote_rename(w->remote, "b", "d/b", NULL, &e), 0);
	entry_clear(&e);
	assert_int_equal(remote_remove(w->remote, "sub/x", NULL), 0);
	fake_remote_drop(w->fake, "d");
	fake_remote_drop(w->fake, "sub");
	assert_int_equal(list_of(w, ""), 0);
	assert_true(is_online(w));
}

#define with_world(name) \
	cmocka_unit_test_setup_teardown(name, make_world, free_world)

/* --- many at once --------------------------------------------------------- */

static void count_directory(void *arg, const char *path, GPtrArray *entries,
	unsigned dropped, uint64_t watch)
{
	(void)path;
	(void)dropped;
	(void)watch;
	g_ptr_array_unref(entries);
	++*(int *)arg;
}

/* How many directories. */
static int list_tree_of(struct world *w, const char *top)
{
	int count = 0;
	const struct remote_tree_sink sink = { count_directory, &count };
	bool is_all;
	int rc =
		remote_list_tree(w->remote, top, "", 100, &sink, NULL, &is_all);

	return rc < 0 ? rc : count;
}

static void a_tree_says_what_a_listing_of_its_root_says(void **state)
{
	struct world *w = *state;

	fake_remote_set_capabilities(w->fake, REMOTE_CAN_TREE);
	assert_int_equal(list_tree_of(w, ""), 2);
	drop_root(w);
	assert_int_equal(list_tree_of(w, "d"), -EHOSTUNREACH);
	assert_false(is_online(w));
	assert_why(w, "root is empty: it had 3 names");
	fake_remote_put(w->fake, "c", "");
	advance(OFFLINE_DELAY_FIRST_MS);
	assert_int_equal(list_tree_of(w, ""), 1);
	assert_true(is_online(w));
}

static void an_empty_root_is_not_given_out_with_its_tree(void **state)
{
	struct world *w = *state;

	fake_remote_set_capabilities(w->fake, REMOTE_CAN_TREE);
	assert_int_equal(list_of(w, ""), 3);
	drop_root(w);
	assert_int_equal(list_tree_of(w, ""), -EHOSTUNREACH);
	assert_false(is_online(w));
}

/* A plain listing will not show them. */
static void hidden_names_of_a_tree_are_not_missed(void **state)
{
	struct world *w = *state;

	fake_remote_set_capabilities(w->fake, REMOTE_CAN_TREE);
	drop_root(w);
	fake_remote_put(w->fake, ".a", "");
	fake_remote_put(w->fake, ".b", "");
	fake_remote_put(w->fake, "c.pyc", "");
	assert_int_equal(list_tree_of(w, ""), 1);
	assert_int_equal(list_of(w, ""), 0);
	assert_true(is_online(w));
}

static void what_the_helper_cannot_do_is_no_outage(void **state)
{
	struct world *w = *state;
	const struct remote_many_sink sink = { 0 };

	assert_int_equal(list_tree_of(w, ""), -EOPNOTSUPP);
	assert_int_equal(remote_read_many(w->remote, NULL, 0, 0, &sink, NULL),
		-EOPNOTSUPP);
	assert_int_equal(stat_of(w, "a"), 0);
	assert_int_equal(w->probes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(
			a_failure_that_the_probe_does_not_confirm_is_forgotten),
		with_world(a_confirmed_failure_fails_all_calls_at_once),
		with_world(who_asks_after_the_back_off_finds_the_server_again),
		with_world(probes_come_less_and_less_often),
		with_world(an_interrupted_call_says_nothing),
		with_world(an_interrupted_probe_leaves_the_question_open),
		with_world(
			who_comes_while_a_doubt_is_probed_shares_the_verdict),
		with_world(who_comes_while_offline_is_probed_fails_at_once),
		with_world(a_refusal_is_an_answer),
		with_world(
			bytes_that_arrive_are_stronger_than_a_probe_that_fails),
		with_world(a_transfer_under_way_goes_on_and_ends_the_outage),
		with_world(
			a_transfer_that_waits_for_its_turn_hears_of_the_verdict),
		with_world(a_transfer_waits_for_its_turn),
		with_world(a_root_that_is_gone_is_no_deletion),
		with_world(a_root_that_never_was_is_simply_not_there),
		with_world(a_directory_that_goes_with_its_root_is_not_gone),
		with_world(a_directory_that_goes_alone_is_gone),
		with_world(
			a_root_that_is_empty_at_once_must_say_so_for_a_while),
		with_world(names_that_come_back_end_the_fault),
		with_world(
			a_server_that_dies_with_a_lost_root_is_probed_with_back_off),
		with_world(what_we_removed_ourselves_is_not_missed),
		with_world(a_tree_says_what_a_listing_of_its_root_says),
		with_world(an_empty_root_is_not_given_out_with_its_tree),
		with_world(hidden_names_of_a_tree_are_not_missed),
		with_world(what_the_helper_cannot_do_is_no_outage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
