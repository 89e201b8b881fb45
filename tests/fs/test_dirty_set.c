/* Which of the files that are not on the server is due, and for what. */
#include "config.h"

#include "cancel.h"
#include "content.h"
#include "dirty_set.h"
#include "file.h"
#include "test.h"
#include "world.h"

#include <errno.h>
#include <pthread.h>

/* A set of its own: the session's has threads that would do it all. */
struct fixture {
	struct world *world;
	struct dirty_set *set;
	struct node *node;
};

static int make_set(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);
	struct node_template template;
	struct node *root;
	void *world;
	int rc = world_setup(&world);

	f->world = world;
	f->set = dirty_set_new(f->world->session->nodes);
	template = file_template(f->world->session);
	root = node_table_get(f->world->session->nodes, ROOT_INO);
	f->node = node_table_enter(
		f->world->session->nodes, root, "a", &template, 0);
	node_table_unref(f->world->session->nodes, root);
	assert_int_equal(content_truncate(f->node->content, 0, NULL), 0);
	dirty_set_add(f->set, f->node);
	*state = f;
	return rc;
}

static int free_set(void **state)
{
	struct fixture *f = *state;
	void *world = f->world;

	content_abandon(f->node->content);
	dirty_set_settle(f->set, f->node);
	assert_int_equal(dirty_set_count(f->set), 0);
	node_table_unref(f->world->session->nodes, f->node);
	dirty_set_free(f->set);
	g_free(f);
	return world_teardown(&world);
}

static void assert_duty(struct fixture *f, enum dirty_duty expected)
{
	struct node *n = NULL;

	assert_int_equal(dirty_set_wait(f->set, &n), expected);
	assert_ptr_equal(n, f->node);
	dirty_set_done(f->set, n);
}

static void what_is_dirty_for_long_is_synced(void **state)
{
	/* Nothing else is due: the wait itself lasts until then. */
	assert_duty(*state, DUTY_SYNC);
}

static void what_is_scheduled_is_due(void **state)
{
	struct fixture *f = *state;

	dirty_set_schedule(f->set, f->node, 3600 * 1000);
	dirty_set_schedule(f->set, f->node, 0);
	assert_duty(f, DUTY_UPLOAD);
}

static void a_failure_is_remembered_and_hurried(void **state)
{
	struct fixture *f = *state;
	struct dirty_info info;

	dirty_set_failed(f->set, f->node, -EACCES);
	dirty_set_failed(f->set, f->node, -ENOSPC);
	assert_true(dirty_set_info(f->set, f->node, &info));
	assert_int_equal(info.attempts, 2);
	assert_int_equal(info.last_error, -ENOSPC);
	dirty_set_hurry(f->set, false);
	assert_duty(f, DUTY_UPLOAD);
}

static void *wait_idle(void *arg)
{
	(void)dirty_set_wait_idle(arg, NULL);
	return NULL;
}

/* What its program is still writing is no reason to wait. */
static void who_waits_is_woken_when_an_upload_is_put_off(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;

	content_add_writer(f->node->content);
	dirty_set_schedule(f->set, f->node, 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_idle, f->set), 0);
	assert_duty(f, DUTY_SYNC);
	assert_int_equal(pthread_join(thread, NULL), 0);
	dirty_set_hurry(f->set, true);
	assert_duty(f, DUTY_UPLOAD);
	content_remove_writer(f->node->content);
}

static void *work_until_the_end(void *arg)
{
	struct fixture *f = arg;
	struct node *n;

	while (dirty_set_wait(f->set, &n) != DUTY_END)
		dirty_set_done(f->set, n);
	return NULL;
}

/* Nothing else happens that would wake who waits. */
static void what_is_put_off_alone_keeps_nobody_waiting(void **state)
{
	struct fixture *f = *state;
	struct cancel cancel;
	pthread_t worker;
	int rc;

	content_add_writer(f->node->content);
	assert_duty(f, DUTY_SYNC);
	dirty_set_schedule(f->set, f->node, 3600 * 1000);
	assert_int_equal(
		pthread_create(&worker, NULL, work_until_the_end, f), 0);
	cancel_init(&cancel, 5000);
	dirty_set_hurry(f->set, false);
	rc = dirty_set_wait_idle(f->set, &cancel);
	cancel_fini(&cancel);
	dirty_set_end(f->set);
	(void)pthread_join(worker, NULL);
	content_remove_writer(f->node->content);
	assert_int_equal(rc, 0);
}

static void the_end_ends_the_wait(void **state)
{
	struct fixture *f = *state;
	struct node *n;

	dirty_set_schedule(f->set, f->node, 0);
	dirty_set_end(f->set);
	assert_int_equal(dirty_set_wait(f->set, &n), DUTY_END);
}

#define with_set(name) cmocka_unit_test_setup_teardown(name, make_set, free_set)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_set(what_is_dirty_for_long_is_synced),
		with_set(what_is_scheduled_is_due),
		with_set(a_failure_is_remembered_and_hurried),
		with_set(who_waits_is_woken_when_an_upload_is_put_off),
		with_set(what_is_put_off_alone_keeps_nobody_waiting),
		with_set(the_end_ends_the_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
