/* The cancel token: flag, descriptor and deadline say the same thing. */
#include "config.h"

#include "cancel.h"
#include "test.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>

static void null_token_never_fires(void **state)
{
	(void)state;
	assert_int_equal(cancel_check(NULL), 0);
	assert_int_equal(cancel_fd(NULL), -1);
	assert_int_equal(cancel_remaining_ms(NULL, -1), -1);
	assert_int_equal(cancel_remaining_ms(NULL, 7), 7);
}

static void firing_is_seen_by_flag_and_descriptor(void **state)
{
	struct cancel c;
	struct pollfd p;

	(void)state;
	cancel_init(&c, 0);
	p = (struct pollfd){ .fd = cancel_fd(&c), .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(cancel_check(&c), 0);
	cancel_fire(&c);
	cancel_fire(&c);
	assert_int_equal(cancel_check(&c), -EINTR);
	assert_int_equal(poll(&p, 1, 0), 1);
	cancel_fini(&c);
}

static void deadline_passes(void **state)
{
	struct cancel c;

	(void)state;
	cancel_init(&c, 20);
	assert_in_range(cancel_remaining_ms(&c, -1), 0, 20);
	assert_in_range(cancel_remaining_ms(&c, 5), 0, 5);
	assert_int_equal(cancel_sleep(&c, 60000), -ETIMEDOUT);
	assert_int_equal(cancel_check(&c), -ETIMEDOUT);
	cancel_fini(&c);
}

static void *fire_thread(void *arg)
{
	cancel_fire(arg);
	return NULL;
}

static void sleep_ends_when_another_thread_fires(void **state)
{
	struct cancel c;
	pthread_t t;

	(void)state;
	cancel_init(&c, 0);
	assert_int_equal(pthread_create(&t, NULL, fire_thread, &c), 0);
	assert_int_equal(cancel_sleep(&c, 600000), -EINTR);
	(void)pthread_join(t, NULL);
	cancel_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(null_token_never_fires),
		cmocka_unit_test(firing_is_seen_by_flag_and_descriptor),
		cmocka_unit_test(deadline_passes),
		cmocka_unit_test(sleep_ends_when_another_thread_fires),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
