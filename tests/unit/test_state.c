/* The tables of the state: what is put comes back, whatever moves. */
#include "config.h"

#include "scratch_place.h"
#include "state.h"
#include "test.h"

#include <errno.h>
#include <string.h>

struct world {
	struct scratch_place place;
	struct state *state;
};

static void open_state(struct world *w)
{
	char *note = NULL;

	assert_int_equal(state_open(w->place.path, &w->state, &note), 0);
	assert_null(note);
}

static int make_world(void **state)
{
	struct world *w = g_new0(struct world, 1);

	scratch_place_make(&w->place);
	open_state(w);
	*state = w;
	return 0;
}

static int free_world(void **state)
{
	struct world *w = *state;

	state_close(w->state);
	scratch_place_remove(&w->place);
	g_free(w);
	return 0;
}

static void reopen(struct world *w)
{
	state_close(w->state);
	open_state(w);
}

static char text_a[] = "a";
static char text_file[] = "f00d";
static char text_dirty[] = "0-10,20-30";

static char *attr_paths(struct state *s)
{
	GPtrArray *list = NULL;
	GString *text = g_string_new("");
	unsigned i;

	assert_int_equal(state_attr_list(s, &list), 0);
	for (i = 0; i < list->len; i++) {
		const struct state_attr *r = g_ptr_array_index(list, i);

		g_string_append_printf(text, "%s ", r->path);
	}
	g_ptr_array_unref(list);
	return g_string_free(text, FALSE);
}

static char *cache_paths(struct state *s)
{
	GPtrArray *list = NULL;
	GString *text = g_string_new("");
	unsigned i;

	assert_int_equal(state_cache_list(s, &list), 0);
	for (i = 0; i < list->len; i++) {
		const struct state_cache *r = g_ptr_array_index(list, i);

		g_string_append_printf(text, "%s ", r->path);
	}
	g_ptr_array_unref(list);
	return g_string_free(text, FALSE);
}

#define assert_paths(list, expected)                   \
	do {                                           \
		g_autofree char *seen = (list);        \
		assert_string_equal(seen, (expected)); \
	} while (0)

static const char *const tree[] = { "a", "a.txt", "a/b", "a/b/c", "a0", "a\xff",
	"ab", "ab/c", "x/a" };

static void put_attr_tree(struct state *s)
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(tree); i++) {
		g_autofree char *path = g_strdup(tree[i]);
		struct state_attr r = { .path = path };

		assert_int_equal(state_attr_put(s, &r), 0);
	}
}

static void a_move_takes_the_subtree_and_nothing_beside_it(void **state)
{
	struct world *w = *state;

	put_attr_tree(w->state);
	assert_int_equal(state_attr_moved(w->state, "a", "m/n"), 0);
	assert_paths(attr_paths(w->state),
		"a.txt a0 ab ab/c a\xff m/n m/n/b m/n/b/c x/a ");
	reopen(w);
	assert_int_equal(state_attr_moved(w->state, "m/n", "a"), 0);
	assert_paths(attr_paths(w->state),
		"a a.txt a/b a/b/c a0 ab ab/c a\xff x/a ");
}

static void a_move_replaces_what_was_there(void **state)
{
	struct world *w = *state;

	put_attr_tree(w->state);
	assert_int_equal(state_attr_moved(w->state, "a/b", "ab"), 0);
	assert_paths(attr_paths(w->state), "a a.txt a0 ab ab/c a\xff x/a ");
}

static void impossible_moves_are_refused(void **state)
{
	struct world *w = *state;

	put_attr_tree(w->state);
	assert_int_equal(state_attr_moved(w->state, "a", "a/b"), -EINVAL);
	assert_int_equal(state_attr_moved(w->state, "a", "a"), 0);
	assert_paths(attr_paths(w->state),
		"a a.txt a/b a/b/c a0 ab ab/c a\xff x/a ");
}

static void a_removal_takes_the_subtree(void **state)
{
	struct world *w = *state;

	put_attr_tree(w->state);
	assert_int_equal(state_attr_remove(w->state, "a"), 0);
	assert_paths(attr_paths(w->state), "a.txt a0 ab ab/c a\xff x/a ");
	assert_int_equal(state_attr_remove(w->state, ""), 0);
	assert_paths(attr_paths(w->state), "");
}

static void the_caches_index_is_replaced_as_a_whole(void **state)
{
	struct world *w = *state;
	struct state_cache one = { .path = text_file,
		.version = { 5, { 6, 7 } },
		.file = text_a,
		.present = text_dirty };
	struct state_cache other = {
		.path = text_a, .file = text_file, .present = text_dirty
	};
	GPtrArray *records = g_ptr_array_new();
	const struct state_cache *got;
	GPtrArray *list = NULL;

	g_ptr_array_add(records, &one);
	assert_int_equal(state_cache_replace(w->state, records), 0);
	g_ptr_array_add(records, &other);
	assert_int_equal(state_cache_replace(w->state, records), 0);
	reopen(w);
	assert_paths(cache_paths(w->state), "f00d a ");
	assert_int_equal(state_cache_list(w->state, &list), 0);
	got = g_ptr_array_index(list, 0);
	assert_int_equal(got->version.size, 5);
	assert_int_equal(got->version.mtime.tv_sec, 6);
	assert_int_equal(got->version.mtime.tv_nsec, 7);
	assert_string_equal(got->file, text_a);
	assert_string_equal(got->present, text_dirty);
	g_ptr_array_unref(list);
	assert_int_equal(state_cache_replace(w->state, NULL), 0);
	assert_paths(cache_paths(w->state), "");
	g_ptr_array_unref(records);
}

static void attributes_come_back_whole(void **state)
{
	struct world *w = *state;
	char empty[] = "";
	struct state_attr r = { .path = text_a,
		.has_mode = true,
		.mode = 0755,
		.has_mtime = true,
		.mtime = { -1, 1 },
		.has_version = true,
		.version = { 3, { 4, 5 } } };
	const struct state_attr *got;
	GPtrArray *list = NULL;

	assert_int_equal(state_attr_put(w->state, &r), 0);
	r = (struct state_attr){ .path = empty };
	assert_int_equal(state_attr_put(w->state, &r), 0);
	reopen(w);
	assert_int_equal(state_attr_list(w->state, &list), 0);
	assert_int_equal(list->len, 2);
	got = g_ptr_array_index(list, 0);
	assert_string_equal(got->path, "");
	assert_false(got->has_mode);
	got = g_ptr_array_index(list, 1);
	assert_int_equal(got->mode, 0755);
	assert_int_equal(got->mtime.tv_sec, -1);
	assert_int_equal(got->mtime.tv_nsec, 1);
	assert_int_equal(got->version.size, 3);
	assert_int_equal(got->version.mtime.tv_nsec, 5);
	g_ptr_array_unref(list);
}

/* No assertion of time: a sync each would make this test minutes long. */
static void ten_thousand_attributes_are_no_ten_thousand_syncs(void **state)
{
	struct world *w = *state;
	gint64 start = g_get_monotonic_time();
	GPtrArray *list = NULL;
	int i;

	for (i = 0; i < 10000; i++) {
		g_autofree char *path = g_strdup_printf("d%d/f%d", i % 10, i);
		struct state_attr r = { .path = path, .has_mode = true };

		assert_int_equal(state_attr_put(w->state, &r), 0);
	}
	assert_int_equal(state_sync(w->state), 0);
	print_message("10000 puts: %d ms\n",
		(int)((g_get_monotonic_time() - start) / 1000));
	assert_int_equal(state_attr_moved(w->state, "d1", "e"), 0);
	assert_int_equal(state_attr_remove(w->state, "e"), 0);
	assert_int_equal(state_attr_list(w->state, &list), 0);
	assert_int_equal(list->len, 9000);
	g_ptr_array_unref(list);
}

static void runs_have_numbers_for_ever(void **state)
{
	struct world *w = *state;
	struct state_run r = { .command = text_a, .started_ms = 12 };
	const struct state_run *got;
	GPtrArray *list = NULL;
	int64_t number = 0;

	assert_int_equal(state_run_next_number(w->state, &number), 0);
	assert_int_equal(number, 1);
	reopen(w);
	assert_int_equal(state_run_next_number(w->state, &number), 0);
	assert_int_equal(number, 2);
	r.number = number;
	assert_int_equal(state_run_put(w->state, &r), 0);
	r.remote_id = text_file;
	r.has_ended = true;
	r.ended_ms = 34;
	r.exit_status = 1;
	r.exit_signal = 9;
	assert_int_equal(state_run_put(w->state, &r), 0);
	assert_int_equal(state_run_list(w->state, &list), 0);
	assert_int_equal(list->len, 1);
	got = g_ptr_array_index(list, 0);
	assert_int_equal(got->number, 2);
	assert_string_equal(got->remote_id, text_file);
	assert_string_equal(got->command, "a");
	assert_true(got->has_ended);
	assert_int_equal(got->ended_ms, 34);
	assert_int_equal(got->exit_status, 1);
	assert_int_equal(got->exit_signal, 9);
	g_ptr_array_unref(list);
	assert_int_equal(state_run_remove(w->state, 2), 0);
	assert_int_equal(state_run_list(w->state, &list), 0);
	assert_int_equal(list->len, 0);
	g_ptr_array_unref(list);
	assert_int_equal(state_run_next_number(w->state, &number), 0);
	assert_int_equal(number, 3);
}

static void facts_are_known_until_they_are_not(void **state)
{
	struct world *w = *state;
	char *value = NULL;

	assert_int_equal(state_fact_get(w->state, "k", &value), -ENOENT);
	assert_int_equal(state_fact_set(w->state, "k", "one"), 0);
	assert_int_equal(state_fact_set(w->state, "k", ""), 0);
	reopen(w);
	assert_int_equal(state_fact_get(w->state, "k", &value), 0);
	assert_string_equal(value, "");
	g_free(value);
	assert_int_equal(state_fact_set(w->state, "k", NULL), 0);
	assert_int_equal(state_fact_get(w->state, "k", &value), -ENOENT);
}

#define case_of(f) cmocka_unit_test_setup_teardown(f, make_world, free_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_of(a_move_takes_the_subtree_and_nothing_beside_it),
		case_of(a_move_replaces_what_was_there),
		case_of(impossible_moves_are_refused),
		case_of(a_removal_takes_the_subtree),
		case_of(the_caches_index_is_replaced_as_a_whole),
		case_of(attributes_come_back_whole),
		case_of(ten_thousand_attributes_are_no_ten_thousand_syncs),
		case_of(runs_have_numbers_for_ever),
		case_of(facts_are_known_until_they_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
