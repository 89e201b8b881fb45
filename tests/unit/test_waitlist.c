/* Waiting for a state: woken by a change, ended by the token or the limit. */
#include "config.h"

#include "test.h"
#include "waitlist.h"

#include <errno.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_wakes_every_waiter),
		cmocka_unit_test(token_and_limit_end_a_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
