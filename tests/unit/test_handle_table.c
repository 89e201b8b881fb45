/* Numbers of what is open: found until closed, never used twice. */
#include "config.h"

#include "handle_table.h"
#include "test.h"

#include <fcntl.h>
#include <pthread.h>

static int make_table(void **state)
{
	*state = handle_table_new();
	return 0;
}

static int free_table(void **state)
{
	handle_table_free(*state);
	return 0;
}

static void a_handle_is_found_until_it_is_closed(void **state)
{
	struct handle_table *t = *state;
	struct node node = { 0 };
	struct handle *h = handle_table_open(t, &node, O_RDWR);
	uint64_t fh = h->fh;

	assert_true(fh != 0);
	assert_int_equal(h->flags, O_RDWR);
	assert_ptr_equal(handle_table_get(t, fh), h);
	assert_int_equal(handle_table_count(t), 1);
	assert_ptr_equal(handle_table_close(t, h), &node);
	assert_null(handle_table_get(t, fh));
	assert_int_equal(handle_table_count(t), 0);
}

static void unknown_numbers_are_refused(void **state)
{
	assert_null(handle_table_get(*state, 0));
	assert_null(handle_table_get(*state, UINT64_MAX));
}

static void a_number_is_not_used_twice(void **state)
{
	struct handle_table *t = *state;
	struct handle *h = handle_table_open(t, NULL, 0);
	uint64_t fh = h->fh;

	(void)handle_table_close(t, h);
	h = handle_table_open(t, NULL, 0);
	assert_int_not_equal(h->fh, fh);
}

static void a_handle_takes_its_snapshot_and_text_with_it(void **state)
{
	struct handle *h = handle_table_open(*state, NULL, 0);

	h->entries = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(h->entries, g_strdup("entry"));
	h->text = g_string_new("text");
	/* Freed by the table: the leak checker sees whether it is. */
	assert_int_equal(handle_table_count(*state), 1);
}

static void *open_and_close(void *arg)
{
	struct handle_table *t = arg;

	for (int i = 0; i < 2000; i++) {
		struct handle *h = handle_table_open(t, NULL, i);

		if (handle_table_get(t, h->fh) != h)
			return t;
		(void)handle_table_close(t, h);
	}
	return NULL;
}

static void threads_have_numbers_of_their_own(void **state)
{
	pthread_t threads[4];
	void *failed;

	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
					 open_and_close, *state),
			0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(handle_table_count(*state), 0);
}

#define with_table(name) \
	cmocka_unit_test_setup_teardown(name, make_table, free_table)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_table(a_handle_is_found_until_it_is_closed),
		with_table(unknown_numbers_are_refused),
		with_table(a_number_is_not_used_twice),
		with_table(a_handle_takes_its_snapshot_and_text_with_it),
		with_table(threads_have_numbers_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
