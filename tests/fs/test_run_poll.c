/* poll and ioctl of .run and its outputs: who sleeps is woken by news. */
#include "config.h"

#include "poller.h"
#include "run_ioctl.h"
#include "run_poll.h"
#include "run_table.h"
#include "test.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* One that counts in the test's variables, which outlive it. */
struct sleeper {
	struct poller poller;
	int *woken, *freed;
};

static void wake_sleeper(struct poller *poller)
{
	(*((struct sleeper *)poller)->woken)++;
}

static void free_sleeper(struct poller *poller)
{
	(*((struct sleeper *)poller)->freed)++;
	g_free(poller);
}

static struct poller *new_sleeper(int *woken, int *freed)
{
	struct sleeper *s = g_new0(struct sleeper, 1);

	s->poller.wake = wake_sleeper;
	s->poller.free = free_sleeper;
	s->woken = woken;
	s->freed = freed;
	return &s->poller;
}

/* --- the set -------------------------------------------------------------- */

static void all_are_woken_once_and_freed(void **state)
{
	struct run_poll *p = run_poll_new();
	int woken = 0, freed = 0;
	char handles[3];

	(void)state;
	run_poll_wake(p);
	for (int i = 0; i < 3; i++)
		run_poll_add(p, &handles[i], new_sleeper(&woken, &freed));
	run_poll_wake(p);
	run_poll_wake(p);
	assert_int_equal(woken, 3);
	assert_int_equal(freed, 3);
	run_poll_free(p);
}

static void a_handle_has_one_sleeper(void **state)
{
	struct run_poll *p = run_poll_new();
	int woken = 0, freed = 0;
	char handle, other;

	(void)state;
	run_poll_add(p, &handle, new_sleeper(&woken, &freed));
	run_poll_add(p, &handle, new_sleeper(&woken, &freed));
	assert_int_equal(freed, 1);
	run_poll_remove(p, &other);
	assert_int_equal(freed, 1);
	run_poll_remove(p, &handle);
	assert_int_equal(freed, 2);
	run_poll_wake(p);
	assert_int_equal(woken, 0);
	run_poll_free(p);
}

static void what_is_left_is_freed_unwoken(void **state)
{
	struct run_poll *p = run_poll_new();
	int woken = 0, freed = 0;
	char handle;

	(void)state;
	run_poll_add(p, &handle, new_sleeper(&woken, &freed));
	run_poll_free(p);
	assert_int_equal(woken, 0);
	assert_int_equal(freed, 1);
}

#define TURNS 20000

struct crowd {
	struct run_poll *set;
	atomic_int made, woken, freed;
};

struct counted {
	struct poller poller;
	struct crowd *crowd;
};

static void wake_counted(struct poller *poller)
{
	atomic_fetch_add(&((struct counted *)poller)->crowd->woken, 1);
}

static void free_counted(struct poller *poller)
{
	atomic_fetch_add(&((struct counted *)poller)->crowd->freed, 1);
	g_free(poller);
}

/* A handle that sleeps again and again, and sometimes is closed. */
static void *sleep_often(void *arg)
{
	struct crowd *crowd = arg;
	char handle;

	for (int turn = 0; turn < TURNS; turn++) {
		struct counted *c = g_new0(struct counted, 1);

		c->poller.wake = wake_counted;
		c->poller.free = free_counted;
		c->crowd = crowd;
		atomic_fetch_add(&crowd->made, 1);
		run_poll_add(crowd->set, &handle, &c->poller);
		if (turn % 3 == 0)
			run_poll_remove(crowd->set, &handle);
	}
	return NULL;
}

static void *wake_often(void *arg)
{
	struct crowd *crowd = arg;

	for (int turn = 0; turn < TURNS; turn++)
		run_poll_wake(crowd->set);
	return NULL;
}

static void each_poller_is_freed_once_whoever_comes_first(void **state)
{
	struct crowd crowd = { .set = run_poll_new() };
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL,
				i < 2 ? sleep_often : wake_often, &crowd),
			0);
	for (int i = 0; i < 4; i++)
		(void)pthread_join(threads[i], NULL);
	run_poll_free(crowd.set);
	assert_int_equal(atomic_load(&crowd.made), 2 * TURNS);
	assert_int_equal(atomic_load(&crowd.freed), 2 * TURNS);
	assert_in_range(atomic_load(&crowd.woken), 0, 2 * TURNS);
}

/* --- handles -------------------------------------------------------------- */

static bool ask(struct world *w, struct handle *h, struct poller *poller)
{
	struct request r;
	bool is_readable;

	world_begin(w, &r);
	is_readable = h->node->ops->poll(&r, h, poller);
	world_end(&r);
	return is_readable;
}

static ssize_t number_of(
	struct world *w, struct handle *h, unsigned command, uint64_t *ret)
{
	struct request r;
	ssize_t n;

	world_begin(w, &r);
	n = h->node->ops->ioctl(&r, h, command, ret, sizeof(*ret));
	world_end(&r);
	return n;
}

static struct handle *start(struct world *w)
{
	struct handle *h;

	assert_int_equal(world_open(w, ".run", O_RDWR, &h), 0);
	assert_int_equal(world_write(w, h, "main.py\n", 0), 8);
	return h;
}

static struct fake_run *last(struct world *w)
{
	return fake_executor_last(w->executor);
}

static void where_nothing_ran_a_read_does_not_wait(void **state)
{
	struct world *w = *state;
	int woken = 0, freed = 0;
	struct handle *h;

	assert_int_equal(world_open(w, ".run", O_RDONLY, &h), 0);
	assert_true(ask(w, h, NULL));
	assert_true(ask(w, h, new_sleeper(&woken, &freed)));
	assert_int_equal(freed, 1);
	assert_int_equal(world_close(w, h), 0);
}

static void output_and_the_end_wake_a_sleeper(void **state)
{
	struct world *w = *state;
	struct handle *h = start(w);
	int woken = 0, freed = 0;
	char buffer[16];

	assert_false(ask(w, h, new_sleeper(&woken, &freed)));
	assert_int_equal(woken, 0);
	fake_run_output(last(w), "hello");
	assert_int_equal(woken, 1);
	assert_int_equal(freed, 1);
	assert_true(ask(w, h, NULL));
	assert_int_equal(world_read(w, h, buffer, 3, 0), 3);
	assert_true(ask(w, h, NULL));
	assert_int_equal(world_read(w, h, buffer, sizeof(buffer), 3), 2);
	assert_false(ask(w, h, new_sleeper(&woken, &freed)));
	fake_run_end(last(w), 0, 0, 0);
	assert_int_equal(woken, 2);
	assert_true(ask(w, h, NULL));
	assert_int_equal(world_read(w, h, buffer, sizeof(buffer), 5), 0);
	assert_true(ask(w, h, NULL));
	assert_int_equal(world_close(w, h), 0);
	assert_int_equal(freed, 2);
}

static void a_stream_waits_for_its_own_bytes(void **state)
{
	struct world *w = *state;
	struct handle *run = start(w);
	struct handle *out, *err;
	int woken = 0, freed = 0;
	char buffer[16];

	assert_int_equal(
		world_open(w, ".pycloud/runs/1/stdout", O_RDONLY, &out), 0);
	assert_int_equal(
		world_open(w, ".pycloud/runs/1/stderr", O_RDONLY, &err), 0);
	assert_false(ask(w, err, new_sleeper(&woken, &freed)));
	fake_run_output(last(w), "out");
	assert_int_equal(woken, 1);
	assert_false(ask(w, err, new_sleeper(&woken, &freed)));
	assert_true(ask(w, out, NULL));
	assert_int_equal(world_read(w, out, buffer, sizeof(buffer), 0), 3);
	assert_false(ask(w, out, NULL));
	assert_int_equal(world_read(w, out, buffer, 1, 0), 1);
	assert_true(ask(w, out, NULL)); /* it went back */
	fake_run_error(last(w), "err");
	assert_true(ask(w, err, NULL));
	fake_run_end(last(w), 0, 0, 0);
	assert_int_equal(world_close(w, out), 0);
	assert_int_equal(world_close(w, err), 0);
	assert_int_equal(world_close(w, run), 0);
	assert_int_equal(freed, 2);
}

static void closing_forgets_the_sleeper(void **state)
{
	struct world *w = *state;
	struct handle *run = start(w);
	struct handle *h;
	int woken = 0, freed = 0;

	assert_int_equal(world_open(w, ".run", O_RDONLY, &h), 0);
	assert_false(ask(w, h, new_sleeper(&woken, &freed)));
	assert_int_equal(world_close(w, h), 0);
	assert_int_equal(freed, 1);
	fake_run_output(last(w), "x");
	assert_int_equal(woken, 0);
	fake_run_end(last(w), 0, 0, 0);
	assert_int_equal(world_close(w, run), 0);
}

static void a_start_by_the_handle_wakes_who_sleeps_by_it(void **state)
{
	struct world *w = *state;
	struct handle *older = start(w);
	struct handle *h;
	int woken = 0, freed = 0;

	assert_int_equal(world_open(w, ".run", O_RDWR, &h), 0);
	assert_false(ask(w, h, new_sleeper(&woken, &freed)));
	assert_int_equal(world_write(w, h, "two.py\n", 0), 7);
	assert_int_equal(woken, 1);
	assert_false(ask(w, h, new_sleeper(&woken, &freed)));
	fake_run_output(last(w), "own");
	assert_int_equal(woken, 2);
	assert_int_equal(world_close(w, h), 0);
	assert_int_equal(world_close(w, older), 0);
}

/* What the executor brings is there before it wakes anybody. */
static void who_finds_the_news_first_takes_nobody_elses(void **state)
{
	static const char frame[] = "\1\0\0\0\1x";
	struct world *w = *state;
	struct handle *h = start(w);
	struct run *run = run_table_get(w->session->runs, 0);
	int woken = 0, freed = 0;

	assert_false(ask(w, h, new_sleeper(&woken, &freed)));
	assert_int_equal(run_log_append(run_log(run), (const uint8_t *)frame,
				 sizeof(frame) - 1),
		sizeof(frame) - 1);
	assert_true(ask(w, h, new_sleeper(&woken, &freed)));
	run_wake(run);
	assert_in_range(woken, 1, 2);
	assert_int_equal(freed, 2);
	run_unref(run);
	assert_int_equal(world_close(w, h), 0);
}

static void who_started_a_run_can_ask_its_number(void **state)
{
	struct world *w = *state;
	struct handle *first = start(w);
	struct handle *second = start(w);
	uint64_t number = 0;
	struct handle *h;

	assert_int_equal(number_of(w, first, RUN_IOC_NUMBER, &number), 8);
	assert_int_equal(number, 1);
	assert_int_equal(number_of(w, second, RUN_IOC_NUMBER, &number), 8);
	assert_int_equal(number, 2);
	assert_int_equal(number_of(w, second, 7, &number), -ENOTTY);
	assert_int_equal(world_open(w, ".run", O_RDONLY, &h), 0);
	assert_false(ask(w, h, NULL)); /* it looks at the newest run */
	assert_int_equal(number_of(w, h, RUN_IOC_NUMBER, &number), -ENODATA);
	assert_int_equal(world_close(w, h), 0);
	assert_int_equal(world_close(w, second), 0);
	assert_int_equal(world_close(w, first), 0);
}

#define with_world(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_woken_once_and_freed),
		cmocka_unit_test(a_handle_has_one_sleeper),
		cmocka_unit_test(what_is_left_is_freed_unwoken),
		cmocka_unit_test(each_poller_is_freed_once_whoever_comes_first),
		with_world(where_nothing_ran_a_read_does_not_wait),
		with_world(output_and_the_end_wake_a_sleeper),
		with_world(a_stream_waits_for_its_own_bytes),
		with_world(closing_forgets_the_sleeper),
		with_world(a_start_by_the_handle_wakes_who_sleeps_by_it),
		with_world(who_finds_the_news_first_takes_nobody_elses),
		with_world(who_started_a_run_can_ask_its_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
