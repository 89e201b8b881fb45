/* Waiting for a state: woken by a change, ended by the token or the limit. */
#include "config.h"

#include "test.h"
#include "waitlist.h"

#include <errno.h>
#include <sys/resource.h>

struct door {
	struct mutex lock;
	struct waitlist waiters;
	int is_open;
};

static void *open_door(void *arg)
{
	struct door *d = arg;

	mutex_lock(&d->lock);
	d->is_open = 1;
	waitlist_wake(&d->waiters);
	mutex_unlock(&d->lock);
	return NULL;
}

static void *pass_door(void *arg)
{
	struct door *d = arg;

	mutex_lock(&d->lock);
	while (!d->is_open)
		(void)waitlist_wait(&d->waiters, &d->lock, NULL, -1);
	mutex_unlock(&d->lock);
	return NULL;
}

static void a_change_wakes_every_waiter(void **state)
{
	struct door d = { MUTEX_INIT, WAITLIST_INIT, 0 };
	pthread_t waiters[8];
	pthread_t opener;
	size_t i;

	(void)state;
	for (i = 0; i < 8; i++)
		assert_int_equal(
			pthread_create(&waiters[i], NULL, pass_door, &d), 0);
	assert_int_equal(pthread_create(&opener, NULL, open_door, &d), 0);
	for (i = 0; i < 8; i++)
		assert_int_equal(pthread_join(waiters[i], NULL), 0);
	(void)pthread_join(opener, NULL);
	assert_null(d.waiters.first);
}

static void token_and_limit_end_a_wait(void **state)
{
	struct door d = { MUTEX_INIT, WAITLIST_INIT, 0 };
	struct cancel c;

	(void)state;
	cancel_init(&c, 0);
	mutex_lock(&d.lock);
	assert_int_equal(waitlist_wait(&d.waiters, &d.lock, &c, 5), -ETIMEDOUT);
	cancel_fire(&c);
	assert_int_equal(waitlist_wait(&d.waiters, &d.lock, &c, -1), -EINTR);
	assert_null(d.waiters.first);
	mutex_unlock(&d.lock);
	cancel_fini(&c);
}

static int64_t timed_wait(
	struct door *d, const struct cancel *c, int64_t limit, int *ret_rc)
{
	int64_t began = clock_now_ms();

	mutex_lock(&d->lock);
	*ret_rc = waitlist_wait(&d->waiters, &d->lock, c, limit);
	mutex_unlock(&d->lock);
	return clock_now_ms() - began;
}

/* Callers look again and wait again: that must not become spinning, and the
 * lock must be free meanwhile. */
static void out_of_descriptors_it_still_waits(void **state)
{
	struct door d = { MUTEX_INIT, WAITLIST_INIT, 0 };
	struct rlimit few, before;
	struct cancel c;
	pthread_t opener, waiter;
	int rc;

	(void)state;
	cancel_init(&c, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_true(timed_wait(&d, &c, -1, &rc) >= 5);
	assert_int_equal(rc, 0);
	assert_true(timed_wait(&d, &c, 5, &rc) >= 4);
	assert_int_equal(rc, -ETIMEDOUT);
	(void)timed_wait(&d, &c, 0, &rc);
	assert_int_equal(rc, -ETIMEDOUT);
	assert_int_equal(pthread_create(&waiter, NULL, pass_door, &d), 0);
	assert_int_equal(pthread_create(&opener, NULL, open_door, &d), 0);
	assert_int_equal(pthread_join(waiter, NULL), 0);
	assert_int_equal(pthread_join(opener, NULL), 0);
	cancel_fire(&c);
	(void)timed_wait(&d, &c, -1, &rc);
	assert_int_equal(rc, -EINTR);
	assert_null(d.waiters.first);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	cancel_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_wakes_every_waiter),
		cmocka_unit_test(token_and_limit_end_a_wait),
		cmocka_unit_test(out_of_descriptors_it_still_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
