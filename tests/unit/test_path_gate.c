/* Who may pass the gate together, and who waits for whom. */
#include "config.h"

#include "path_gate.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

static int make_gate(void **state)
{
	*state = path_gate_new();
	return 0;
}

static int free_gate(void **state)
{
	path_gate_free(*state);
	return 0;
}

static struct path_pass shared(const char *path)
{
	return (struct path_pass){ .path = path };
}

static struct path_pass alone(const char *path, const char *other)
{
	return (struct path_pass){
		.path = path, .other_path = other, .is_alone = true
	};
}

/* Would it have to wait? A token that was fired before asks without waiting. */
static bool is_held_up(struct path_gate *g, struct path_pass pass)
{
	struct cancel fired;
	int rc;

	cancel_init(&fired, 0);
	cancel_fire(&fired);
	rc = path_gate_enter(g, &pass, &fired);
	cancel_fini(&fired);
	if (rc == 0)
		path_gate_leave(g, &pass);
	else
		assert_int_equal(rc, -EINTR);
	return rc != 0;
}

static void transfers_pass_together(void **state)
{
	struct path_gate *g = *state;
	struct path_pass one = shared("d/a");

	assert_int_equal(path_gate_enter(g, &one, NULL), 0);
	assert_false(is_held_up(g, shared("d/a")));
	assert_false(is_held_up(g, shared("d")));
	path_gate_leave(g, &one);
}

static void a_transfer_holds_up_changes_of_its_path_and_above(void **state)
{
	struct path_gate *g = *state;
	struct path_pass transfer = shared("d/e/a");

	assert_int_equal(path_gate_enter(g, &transfer, NULL), 0);
	assert_true(is_held_up(g, alone("d/e/a", NULL)));
	assert_true(is_held_up(g, alone("d", NULL)));
	assert_true(is_held_up(g, alone("", NULL)));
	assert_true(is_held_up(g, alone("x", "d/e")));
	assert_false(is_held_up(g, alone("d/e/b", NULL)));
	assert_false(is_held_up(g, alone("d/e/a.txt", "x")));
	path_gate_leave(g, &transfer);
	assert_false(is_held_up(g, alone("d/e/a", NULL)));
}

static void a_rename_holds_up_everything_at_both_paths(void **state)
{
	struct path_gate *g = *state;
	struct path_pass renaming = alone("d/from", "e/to");

	assert_int_equal(path_gate_enter(g, &renaming, NULL), 0);
	assert_true(is_held_up(g, shared("d/from/below/it")));
	assert_true(is_held_up(g, shared("e/to")));
	assert_true(is_held_up(g, alone("e/to", "d/from")));
	assert_true(is_held_up(g, alone("x", "d/from")));
	assert_true(is_held_up(g, alone("e", NULL)));
	assert_false(is_held_up(g, shared("d/other")));
	path_gate_leave(g, &renaming);
}

static void those_who_wait_for_a_directory_leave_with_the_last(void **state)
{
	struct path_gate *g = *state;
	struct path_pass a = shared("d/a");
	struct path_pass b = shared("d/b");

	assert_int_equal(path_gate_enter(g, &a, NULL), 0);
	assert_int_equal(path_gate_enter(g, &b, NULL), 0);
	path_gate_leave(g, &a);
	assert_true(is_held_up(g, alone("d", NULL)));
	path_gate_leave(g, &b);
	assert_false(is_held_up(g, alone("d", NULL)));
}

struct entering {
	struct path_gate *gate;
	struct path_pass pass;
	struct cancel cancel;
	int rc;
};

static void *enter(void *arg)
{
	struct entering *e = arg;

	e->rc = path_gate_enter(e->gate, &e->pass, &e->cancel);
	return NULL;
}

static void waiting_ends_with_the_token(void **state)
{
	struct path_gate *g = *state;
	struct path_pass holder = alone("a", NULL);
	struct entering e = { .gate = g, .pass = shared("a") };
	pthread_t thread;

	assert_int_equal(path_gate_enter(g, &holder, NULL), 0);
	cancel_init(&e.cancel, 0);
	assert_int_equal(pthread_create(&thread, NULL, enter, &e), 0);
	cancel_fire(&e.cancel);
	(void)pthread_join(thread, NULL);
	assert_int_equal(e.rc, -EINTR);
	cancel_fini(&e.cancel);
	path_gate_leave(g, &holder);
	/* Who left without entering is not inside. */
	assert_false(is_held_up(g, alone("a", NULL)));
}

static void who_waits_enters_when_the_holder_leaves(void **state)
{
	struct path_gate *g = *state;
	struct path_pass holder = alone("a", NULL);
	struct entering e = { .gate = g, .pass = alone("b", "a") };
	pthread_t thread;

	assert_int_equal(path_gate_enter(g, &holder, NULL), 0);
	cancel_init(&e.cancel, 0);
	assert_int_equal(pthread_create(&thread, NULL, enter, &e), 0);
	path_gate_leave(g, &holder);
	(void)pthread_join(thread, NULL);
	assert_int_equal(e.rc, 0);
	assert_true(is_held_up(g, shared("a")));
	path_gate_leave(g, &e.pass);
	cancel_fini(&e.cancel);
}

/* --- two renames crossing ------------------------------------------------- */

#define ROUNDS 500

struct crossing {
	struct path_gate *gate;
	const char *from, *to;
	atomic_int *inside;
	atomic_bool *were_together;
};

static void *rename_again_and_again(void *arg)
{
	const struct crossing *c = arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct path_pass pass = alone(c->from, c->to);

		(void)path_gate_enter(c->gate, &pass, NULL);
		if (atomic_fetch_add(c->inside, 1) > 0)
			atomic_store(c->were_together, true);
		(void)atomic_fetch_sub(c->inside, 1);
		path_gate_leave(c->gate, &pass);
	}
	return NULL;
}

static void two_renames_crossing_take_turns(void **state)
{
	atomic_int inside = 0;
	atomic_bool were_together = false;
	struct crossing there = { *state, "a", "b", &inside, &were_together };
	struct crossing back = { *state, "b", "a", &inside, &were_together };
	pthread_t threads[2];

	assert_int_equal(pthread_create(&threads[0], NULL,
				 rename_again_and_again, &there),
		0);
	assert_int_equal(pthread_create(&threads[1], NULL,
				 rename_again_and_again, &back),
		0);
	(void)pthread_join(threads[0], NULL);
	(void)pthread_join(threads[1], NULL);
	assert_false(were_together);
}

#define with_gate(name) \
	cmocka_unit_test_setup_teardown(name, make_gate, free_gate)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_gate(transfers_pass_together),
		with_gate(a_transfer_holds_up_changes_of_its_path_and_above),
		with_gate(a_rename_holds_up_everything_at_both_paths),
		with_gate(those_who_wait_for_a_directory_leave_with_the_last),
		with_gate(waiting_ends_with_the_token),
		with_gate(who_waits_enters_when_the_holder_leaves),
		with_gate(two_renames_crossing_take_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
