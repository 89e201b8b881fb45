/* The table of nodes: what is counted, what is found, and under which path. */
#include "config.h"

#include "content.h"
#include "node_table.h"
#include "test.h"

#include <fcntl.h>

static const struct node_ops directory = { .kind = "dir", .type = S_IFDIR };
static const struct node_ops file = { .kind = "file", .type = S_IFREG };
static const struct node_template a_directory = { .ops = &directory };
static const struct node_template a_file = { .ops = &file };

struct fixture {
	struct node_table *nodes;
	struct node *root; /* a ref */
};

static int make_table(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	(void)node_table_new(&directory, &f->nodes);
	f->root = node_table_get(f->nodes, ROOT_INO);
	*state = f;
	return 0;
}

static int free_table(void **state)
{
	struct fixture *f = *state;

	node_table_unref(f->nodes, f->root);
	node_table_free(f->nodes);
	g_free(f);
	return 0;
}

static struct node *enter(struct fixture *f, struct node *dir, const char *name,
	const struct node_template *template, uint64_t lookups)
{
	return node_table_enter(f->nodes, dir, name, template, lookups);
}

static void assert_path(struct fixture *f, struct node *n, const char *expected)
{
	g_autofree char *path = node_table_path(f->nodes, n);

	if (expected == NULL)
		assert_null(path);
	else
		assert_string_equal(path, expected);
}

static void a_lookup_keeps_a_node_until_it_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct node *n = enter(f, f->root, "a", &a_file, 1);
	uint64_t ino = n->ino;

	node_table_unref(f->nodes, n);
	assert_int_equal(node_table_count(f->nodes), 2);
	n = node_table_get(f->nodes, ino);
	assert_non_null(n);
	node_table_count_lookup(f->nodes, n);
	node_table_unref(f->nodes, n);
	node_table_forget(f->nodes, ino, 1);
	assert_int_equal(node_table_count(f->nodes), 2);
	node_table_forget(f->nodes, ino, 1);
	assert_int_equal(node_table_count(f->nodes), 1);
	assert_null(node_table_get(f->nodes, ino));
}

static void a_ref_outlives_the_kernels_interest(void **state)
{
	struct fixture *f = *state;
	struct node *n = enter(f, f->root, "a", &a_file, 3);
	uint64_t ino = n->ino;

	node_table_forget(f->nodes, ino, 3);
	assert_path(f, n, "a");
	node_table_unref(f->nodes, n);
	assert_null(node_table_get(f->nodes, ino));
}

static void forgetting_too_much_harms_nobody(void **state)
{
	struct fixture *f = *state;
	struct node *n = enter(f, f->root, "a", &a_file, 1);

	node_table_forget(f->nodes, n->ino, 1000);
	node_table_forget(f->nodes, n->ino, 1);
	node_table_forget(f->nodes, 4711, 1);
	node_table_forget(f->nodes, ROOT_INO, 1);
	assert_path(f, n, "a");
	assert_path(f, f->root, "");
	node_table_unref(f->nodes, n);
	assert_int_equal(node_table_count(f->nodes), 1);
}

static void a_name_is_one_node_as_long_as_it_lives(void **state)
{
	struct fixture *f = *state;
	struct node *first = enter(f, f->root, "a", &a_file, 0);
	struct node *again = enter(f, f->root, "a", &a_file, 0);
	uint64_t ino = first->ino;

	assert_ptr_equal(first, again);
	node_table_unref(f->nodes, again);
	node_table_unref(f->nodes, first);
	assert_null(node_table_find(f->nodes, f->root, "a"));
	first = enter(f, f->root, "a", &a_file, 0);
	assert_true(first->ino > ino);
	node_table_unref(f->nodes, first);
}

static void another_kind_of_the_same_name_replaces_the_node(void **state)
{
	struct fixture *f = *state;
	struct node *was = enter(f, f->root, "a", &a_file, 1);
	struct node *now = enter(f, f->root, "a", &a_directory, 1);
	struct node *found = node_table_find(f->nodes, f->root, "a");

	assert_ptr_not_equal(was, now);
	assert_path(f, was, NULL);
	assert_path(f, now, "a");
	assert_ptr_equal(found, now);
	node_table_unref(f->nodes, found);
	node_table_forget(f->nodes, was->ino, 1);
	node_table_forget(f->nodes, now->ino, 1);
	node_table_unref(f->nodes, was);
	node_table_unref(f->nodes, now);
	assert_int_equal(node_table_count(f->nodes), 1);
}

static void an_unlinked_node_has_no_path_and_its_name_is_free(void **state)
{
	struct fixture *f = *state;
	struct node *dir = enter(f, f->root, "d", &a_directory, 0);
	struct node *was = enter(f, dir, "a", &a_file, 0);
	struct node *now;

	node_table_unlink(f->nodes, dir, "a");
	node_table_unlink(f->nodes, dir, "a");
	assert_path(f, was, NULL);
	assert_null(node_table_find(f->nodes, dir, "a"));
	now = enter(f, dir, "a", &a_file, 0);
	assert_ptr_not_equal(was, now);
	node_table_unref(f->nodes, was);
	assert_path(f, now, "d/a");
	node_table_unlink(f->nodes, f->root, "d");
	assert_path(f, now, NULL);
	node_table_unref(f->nodes, now);
	node_table_unref(f->nodes, dir);
	assert_int_equal(node_table_count(f->nodes), 1);
}

static void a_rename_carries_everything_below(void **state)
{
	struct fixture *f = *state;
	struct node *a = enter(f, f->root, "a", &a_directory, 0);
	struct node *b = enter(f, f->root, "b", &a_directory, 0);
	struct node *leaf = enter(f, a, "leaf", &a_file, 0);
	struct node *parent;

	node_table_move(f->nodes, f->root, "a", b, "c");
	assert_path(f, leaf, "b/c/leaf");
	assert_null(node_table_find(f->nodes, f->root, "a"));
	assert_true(node_table_is_below(f->nodes, leaf, b));
	assert_false(node_table_is_below(f->nodes, b, a));
	parent = node_table_parent(f->nodes, a);
	assert_ptr_equal(parent, b);
	node_table_unref(f->nodes, parent);
	node_table_unref(f->nodes, b);
	node_table_unref(f->nodes, a);
	assert_path(f, leaf, "b/c/leaf");
	node_table_unref(f->nodes, leaf);
	assert_int_equal(node_table_count(f->nodes), 1);
}

static void a_rename_unlinks_what_it_replaces(void **state)
{
	struct fixture *f = *state;
	struct node *a = enter(f, f->root, "a", &a_file, 0);
	struct node *b = enter(f, f->root, "b", &a_file, 0);

	node_table_move(f->nodes, f->root, "a", f->root, "b");
	assert_path(f, a, "b");
	assert_path(f, b, NULL);
	/* Onto itself, and of a name nobody knows: b is still b. */
	node_table_move(f->nodes, f->root, "b", f->root, "b");
	assert_path(f, a, "b");
	node_table_move(f->nodes, f->root, "unknown", f->root, "b");
	assert_path(f, a, NULL);
	node_table_unref(f->nodes, a);
	node_table_unref(f->nodes, b);
}

#define DEPTH 100000

static void a_deep_chain_ends_with_its_last_file(void **state)
{
	struct fixture *f = *state;
	struct node *n = f->root;

	node_table_ref(f->nodes, n);
	for (int i = 0; i < DEPTH; i++) {
		struct node *child = enter(f, n, "d", &a_directory, 0);

		node_table_unref(f->nodes, n);
		n = child;
	}
	assert_int_equal(node_table_count(f->nodes), DEPTH + 1);
	node_table_unref(f->nodes, n);
	assert_int_equal(node_table_count(f->nodes), 1);
}

static void pages_stay_for_the_version_they_are_of(void **state)
{
	struct fixture *f = *state;
	struct node *n = enter(f, f->root, "a", &a_file, 0);
	const struct timespec early = { 100, 1 };
	const struct timespec late = { 100, 2 };

	assert_false(node_table_keeps_pages(f->nodes, n, &early, 5));
	assert_true(node_table_keeps_pages(f->nodes, n, &early, 5));
	assert_false(node_table_keeps_pages(f->nodes, n, &late, 5));
	assert_false(node_table_keeps_pages(f->nodes, n, &late, 6));
	assert_true(node_table_keeps_pages(f->nodes, n, &late, 6));
	node_table_unref(f->nodes, n);
}

static struct content *make_content(void *arg)
{
	unsigned *made = arg;

	(*made)++;
	return content_new(AT_FDCWD);
}

static void a_content_lives_as_long_as_its_node(void **state)
{
	struct fixture *f = *state;
	unsigned made = 0;
	const struct node_template t = { &file, 7, make_content, &made };
	struct node *n = enter(f, f->root, "a", &t, 0);
	struct node *again = enter(f, f->root, "a", &t, 0);

	assert_int_equal(made, 1);
	assert_int_equal(n->tag, 7);
	assert_non_null(n->content);
	node_table_unref(f->nodes, again);
	node_table_unref(f->nodes, n); /* the leak checker sees the rest */
	assert_int_equal(node_table_count(f->nodes), 1);
}

static void all_gives_every_node_with_a_ref(void **state)
{
	struct fixture *f = *state;
	struct node *n = enter(f, f->root, "a", &a_file, 0);
	GPtrArray *all = node_table_all(f->nodes);

	node_table_unref(f->nodes, n);
	assert_int_equal(all->len, 2);
	assert_int_equal(node_table_count(f->nodes), 2);
	for (guint i = 0; i < all->len; i++)
		node_table_unref(f->nodes, all->pdata[i]);
	g_ptr_array_unref(all);
	assert_int_equal(node_table_count(f->nodes), 1);
}

/* --- threads -------------------------------------------------------------- */

#define THREADS 4
#define ROUNDS	2000

static void *look_up_rename_and_forget(void *arg)
{
	static const char *const names[] = { "a", "b", "c" };
	struct fixture *f = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		const char *name = names[i % 3];
		struct node *n = enter(f, f->root, name, &a_directory, 1);
		struct node *leaf = enter(f, n, "leaf", &a_file, 1);

		g_free(node_table_path(f->nodes, leaf));
		node_table_move(
			f->nodes, f->root, name, f->root, names[(i + 1) % 3]);
		node_table_unlink(f->nodes, f->root, names[(i + 2) % 3]);
		node_table_forget(f->nodes, n->ino, 1);
		node_table_unref(f->nodes, n);
		node_table_forget(f->nodes, leaf->ino, 1);
		node_table_unref(f->nodes, leaf);
	}
	return NULL;
}

static void threads_leave_nothing_behind(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
					 look_up_rename_and_forget, f),
			0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(node_table_count(f->nodes), 1);
}

#define with_table(name) \
	cmocka_unit_test_setup_teardown(name, make_table, free_table)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_table(a_lookup_keeps_a_node_until_it_is_forgotten),
		with_table(a_ref_outlives_the_kernels_interest),
		with_table(forgetting_too_much_harms_nobody),
		with_table(a_name_is_one_node_as_long_as_it_lives),
		with_table(another_kind_of_the_same_name_replaces_the_node),
		with_table(an_unlinked_node_has_no_path_and_its_name_is_free),
		with_table(a_rename_carries_everything_below),
		with_table(a_rename_unlinks_what_it_replaces),
		with_table(a_deep_chain_ends_with_its_last_file),
		with_table(pages_stay_for_the_version_they_are_of),
		with_table(a_content_lives_as_long_as_its_node),
		with_table(all_gives_every_node_with_a_ref),
		with_table(threads_leave_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
