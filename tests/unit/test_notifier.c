/* Invalidations: in order, by a thread of their own, and waited for. */
#include "config.h"

#include "fs_limits.h"
#include "mutex.h"
#include "notifier.h"
#include "test.h"
#include "waitlist.h"

#include <errno.h>
#include <glib.h>
#include <pthread.h>

/* A kernel that writes down what it is told, and can be held. */
struct kernel {
	struct mutex lock;
	struct waitlist changed;
	GString *told;
	bool is_held;
	bool is_busy;
	pthread_t teller;
};

static void tell(struct kernel *k, uint64_t ino, const char *name)
{
	mutex_lock(&k->lock);
	k->is_busy = true;
	waitlist_wake(&k->changed);
	while (k->is_held)
		(void)waitlist_wait(&k->changed, &k->lock, NULL, -1);
	k->is_busy = false;
	k->teller = pthread_self();
	g_string_append_printf(k->told, "%" G_GUINT64_FORMAT "%s;", ino, name);
	mutex_unlock(&k->lock);
}

static void on_attr(void *arg, uint64_t ino)
{
	tell(arg, ino, "");
}

static void on_entry(void *arg, uint64_t parent, const char *name)
{
	tell(arg, parent, name);
}

static void on_pages(void *arg, uint64_t ino)
{
	tell(arg, ino, "/pages");
}

static const struct notifier_ops ops = { on_attr, on_pages, on_entry };

static void hold(struct kernel *k, bool is_held)
{
	mutex_lock(&k->lock);
	k->is_held = is_held;
	waitlist_wake(&k->changed);
	mutex_unlock(&k->lock);
}

static void wait_until_busy(struct kernel *k)
{
	mutex_lock(&k->lock);
	while (!k->is_busy)
		(void)waitlist_wait(&k->changed, &k->lock, NULL, -1);
	mutex_unlock(&k->lock);
}

static int make_kernel(void **state)
{
	struct kernel *k = g_new0(struct kernel, 1);

	mutex_init(&k->lock);
	k->told = g_string_new(NULL);
	*state = k;
	return 0;
}

static int free_kernel(void **state)
{
	struct kernel *k = *state;

	g_string_free(k->told, TRUE);
	mutex_fini(&k->lock);
	g_free(k);
	return 0;
}

static void everything_is_told_in_order_before_wait_returns(void **state)
{
	struct kernel *k = *state;
	struct notifier *n;

	assert_int_equal(notifier_new(&ops, k, &n), 0);
	notifier_invalidate_attr(n, 5);
	notifier_invalidate_entry(n, 1, "a");
	notifier_invalidate_pages(n, 6);
	assert_int_equal(notifier_wait(n, NULL, -1), 0);
	assert_string_equal(k->told->str, "5;1a;6/pages;");
	assert_false(pthread_equal(k->teller, pthread_self()));
	assert_int_equal(notifier_wait(n, NULL, -1), 0);
	notifier_free(n);
}

static void waiting_for_a_stuck_kernel_has_its_limits(void **state)
{
	struct kernel *k = *state;
	struct notifier *n;
	struct cancel cancel;

	hold(k, true);
	cancel_init(&cancel, 0);
	assert_int_equal(notifier_new(&ops, k, &n), 0);
	notifier_invalidate_attr(n, 5);
	assert_int_equal(notifier_wait(n, NULL, 1), -ETIMEDOUT);
	cancel_fire(&cancel);
	assert_int_equal(notifier_wait(n, &cancel, -1), -EINTR);
	hold(k, false);
	assert_int_equal(notifier_wait(n, NULL, -1), 0);
	assert_string_equal(k->told->str, "5;");
	notifier_free(n);
	cancel_fini(&cancel);
}

static void *free_notifier(void *arg)
{
	notifier_free(arg);
	return NULL;
}

static void *wait_for_notifier(void *arg)
{
	return notifier_wait(arg, NULL, -1) == 0 ? NULL : arg;
}

static void freeing_drops_what_is_queued(void **state)
{
	struct kernel *k = *state;
	pthread_t freeing;
	struct notifier *n;

	hold(k, true);
	assert_int_equal(notifier_new(&ops, k, &n), 0);
	notifier_invalidate_attr(n, 5);
	wait_until_busy(k);
	for (int i = 0; i < 100; i++)
		notifier_invalidate_entry(n, 1, "never told, perhaps");
	assert_int_equal(pthread_create(&freeing, NULL, free_notifier, n), 0);
	hold(k, false);
	(void)pthread_join(freeing, NULL);
	assert_memory_equal(k->told->str, "5;", 2);
	notifier_free(NULL);
}

static void many_can_wait_at_once(void **state)
{
	struct kernel *k = *state;
	pthread_t waiting[4];
	struct notifier *n;
	void *failed;

	hold(k, true);
	assert_int_equal(notifier_new(&ops, k, &n), 0);
	notifier_invalidate_attr(n, 5);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
			pthread_create(&waiting[i], NULL, wait_for_notifier, n),
			0);
	hold(k, false);
	for (size_t i = 0; i < 4; i++) {
		(void)pthread_join(waiting[i], &failed);
		assert_null(failed);
	}
	notifier_free(n);
}

static void nothing_is_queued_twice_nor_without_end(void **state)
{
	struct kernel *k = *state;
	struct notifier *n;
	g_autofree char *end = NULL;

	hold(k, true);
	assert_int_equal(notifier_new(&ops, k, &n), 0);
	notifier_invalidate_attr(n, 5);
	wait_until_busy(k);
	for (int i = 0; i < 3; i++) {
		notifier_invalidate_attr(n, 5); /* since that began */
		notifier_invalidate_pages(n, 5);
		notifier_invalidate_entry(n, 5, "a");
		notifier_invalidate_entry(n, 6, "a");
	}
	hold(k, false);
	assert_int_equal(notifier_wait(n, NULL, -1), 0);
	assert_string_equal(k->told->str, "5;5;5/pages;5a;6a;");
	hold(k, true);
	notifier_invalidate_attr(n, 1);
	wait_until_busy(k);
	for (uint64_t ino = 1; ino <= NOTES_MAX + 9; ino++)
		notifier_invalidate_attr(n, ino);
	hold(k, false);
	assert_int_equal(notifier_wait(n, NULL, -1), 0);
	end = g_strdup_printf("%d;", NOTES_MAX);
	assert_true(g_str_has_suffix(k->told->str, end));
	notifier_free(n);
}

#define with_kernel(name) \
	cmocka_unit_test_setup_teardown(name, make_kernel, free_kernel)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_kernel(everything_is_told_in_order_before_wait_returns),
		with_kernel(waiting_for_a_stuck_kernel_has_its_limits),
		with_kernel(freeing_drops_what_is_queued),
		with_kernel(many_can_wait_at_once),
		with_kernel(nothing_is_queued_twice_nor_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
