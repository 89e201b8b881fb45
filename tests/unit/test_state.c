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

static struct state_spool some_spool(char *path)
{
	return (struct state_spool){ .path = path,
		.file = text_file,
		.has_base = true,
		.base = { .size = 7, .mtime = { 1700000000, 999999999 } },
		.size = (int64_t)1 << 40,
		.dirty = text_dirty,
		.since_s = 1700000001 };
}

/* The paths of a list, with spaces; g_free. */
static char *spool_paths(struct state *s)
{
	GPtrArray *list = NULL;
	GString *text = g_string_new("");
	unsigned i;

	assert_int_equal(state_spool_list(s, &list), 0);
	for (i = 0; i < list->len; i++) {
		const struct state_spool *r = g_ptr_array_index(list, i);

		g_string_append_printf(text, "%s ", r->path);
	}
	g_ptr_array_unref(list);
	return g_string_free(text, FALSE);
}

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

static void a_journal_record_comes_back_whole(void **state)
{
	struct world *w = *state;
	struct state_spool put = some_spool(text_a);
	GPtrArray *list = NULL;
	const struct state_spool *r;

	assert_int_equal(state_spool_put(w->state, &put), 0);
	assert_true(put.id > 0);
	assert_int_equal(state_spool_set_result(w->state, put.id, EIO), 0);
	assert_int_equal(state_spool_set_result(w->state, put.id, ENOSPC), 0);
	assert_int_equal(
		state_spool_set_result(w->state, put.id + 1, EIO), -ENOENT);
	reopen(w);
	assert_int_equal(state_spool_for_path(w->state, "a", &list), 0);
	assert_int_equal(list->len, 1);
	r = g_ptr_array_index(list, 0);
	assert_int_equal(r->id, put.id);
	assert_string_equal(r->path, "a");
	assert_string_equal(r->file, text_file);
	assert_string_equal(r->dirty, text_dirty);
	assert_false(r->is_new);
	assert_true(r->has_base);
	assert_int_equal(r->base.size, 7);
	assert_int_equal(r->base.mtime.tv_sec, 1700000000);
	assert_int_equal(r->base.mtime.tv_nsec, 999999999);
	assert_int_equal(r->size, (int64_t)1 << 40);
	assert_int_equal(r->attempts, 2);
	assert_int_equal(r->last_error, ENOSPC);
	assert_int_equal(r->since_s, 1700000001);
	g_ptr_array_unref(list);
}

static void a_journal_record_is_replaced_and_removed_by_its_id(void **state)
{
	struct world *w = *state;
	struct state_spool one = some_spool(text_a);
	struct state_spool other = some_spool(text_a);
	int64_t id;

	assert_int_equal(state_spool_put(w->state, &one), 0);
	assert_int_equal(state_spool_put(w->state, &other), 0);
	assert_true(other.id > one.id);
	assert_paths(spool_paths(w->state), "a a ");
	id = one.id;
	one.path = text_file;
	assert_int_equal(state_spool_put(w->state, &one), 0);
	assert_int_equal(one.id, id);
	assert_paths(spool_paths(w->state), "f00d a ");
	assert_int_equal(state_spool_remove(w->state, other.id), 0);
	assert_int_equal(state_spool_remove(w->state, other.id), 0);
	assert_paths(spool_paths(w->state), "f00d ");
	/* An id names one record for ever. */
	id = other.id;
	other.id = 0;
	assert_int_equal(state_spool_put(w->state, &other), 0);
	assert_true(other.id > id);
}

static const char *const tree[] = { "a", "a.txt", "a/b", "a/b/c", "a0", "a\xff",
	"ab", "ab/c", "x/a" };

static void put_spool_tree(struct state *s)
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(tree); i++) {
		g_autofree char *path = g_strdup(tree[i]);
		struct state_spool r = some_spool(path);

		assert_int_equal(state_spool_put(s, &r), 0);
	}
}

static void put_attr_tree(struct state *s)
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(tree); i++) {
		g_autofree char *path = g_strdup(tree[i]);
		struct state_attr r = { .path = path };

		assert_int_equal(state_attr_put(s, &r), 0);
	}
}

static void put_cache_tree(struct state *s)
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(tree); i++) {
		g_autofree char *path = g_strdup(tree[i]);
		struct state_cache r = { .path = path, .file = text_file };

		assert_int_equal(state_cache_put(s, &r), 0);
	}
}

static void a_move_takes_the_subtree_and_nothing_beside_it(void **state)
{
	struct world *w = *state;

	put_spool_tree(w->state);
	put_attr_tree(w->state);
	put_cache_tree(w->state);
	assert_int_equal(state_spool_moved(w->state, "a", "m/n"), 0);
	assert_int_equal(state_attr_moved(w->state, "a", "m/n"), 0);
	assert_int_equal(state_cache_moved(w->state, "a", "m/n"), 0);
	assert_paths(spool_paths(w->state),
		"m/n a.txt m/n/b m/n/b/c a0 a\xff ab ab/c x/a ");
	assert_paths(attr_paths(w->state),
		"a.txt a0 ab ab/c a\xff m/n m/n/b m/n/b/c x/a ");
	assert_paths(cache_paths(w->state),
		"a.txt a0 ab ab/c a\xff m/n m/n/b m/n/b/c x/a ");
	reopen(w);
	assert_int_equal(state_attr_moved(w->state, "m/n", "a"), 0);
	assert_paths(attr_paths(w->state),
		"a a.txt a/b a/b/c a0 ab ab/c a\xff x/a ");
}

static void a_move_replaces_but_never_a_journal_record(void **state)
{
	struct world *w = *state;

	put_spool_tree(w->state);
	put_attr_tree(w->state);
	put_cache_tree(w->state);
	assert_int_equal(state_spool_moved(w->state, "a/b", "ab"), 0);
	assert_int_equal(state_attr_moved(w->state, "a/b", "ab"), 0);
	assert_int_equal(state_cache_moved(w->state, "a/b", "ab"), 0);
	assert_paths(
		spool_paths(w->state), "a a.txt ab ab/c a0 a\xff ab ab/c x/a ");
	assert_paths(attr_paths(w->state), "a a.txt a0 ab ab/c a\xff x/a ");
	assert_paths(cache_paths(w->state), "a a.txt a0 ab ab/c a\xff x/a ");
}

static void impossible_moves_are_refused(void **state)
{
	struct world *w = *state;

	put_attr_tree(w->state);
	assert_int_equal(state_attr_moved(w->state, "a", "a/b"), -EINVAL);
	assert_int_equal(state_cache_moved(w->state, "a/b", "a"), -EINVAL);
	assert_int_equal(state_spool_moved(w->state, "", "x"), -EINVAL);
	assert_int_equal(state_attr_moved(w->state, "a", "a"), 0);
	assert_paths(attr_paths(w->state),
		"a a.txt a/b a/b/c a0 ab ab/c a\xff x/a ");
}

static void a_removal_takes_the_subtree(void **state)
{
	struct world *w = *state;

	put_attr_tree(w->state);
	put_cache_tree(w->state);
	assert_int_equal(state_attr_remove(w->state, "a"), 0);
	assert_int_equal(state_cache_remove(w->state, "a"), 0);
	assert_int_equal(state_cache_remove(w->state, "none"), 0);
	assert_paths(attr_paths(w->state), "a.txt a0 ab ab/c a\xff x/a ");
	assert_paths(cache_paths(w->state), "a.txt a0 ab ab/c a\xff x/a ");
	assert_int_equal(state_attr_remove(w->state, ""), 0);
	assert_paths(attr_paths(w->state), "");
}

static void the_cache_knows_what_was_not_used_for_longest(void **state)
{
	struct world *w = *state;
	struct state_cache *got = NULL;
	struct state_cache r = { .path = text_a,
		.version = { 5, { 6, 7 } },
		.file = text_file,
		.present = text_dirty,
		.bytes = 4096,
		.used_ms = 1 };
	GPtrArray *list = NULL;
	int64_t total = -1;

	assert_int_equal(state_cache_total(w->state, &total), 0);
	assert_int_equal(total, 0);
	assert_int_equal(state_cache_get(w->state, "a", &got), -ENOENT);
	assert_int_equal(state_cache_put(w->state, &r), 0);
	assert_int_equal(state_cache_put(w->state, &r), 0);
	r.path = text_file;
	r.used_ms = 2;
	assert_int_equal(state_cache_put(w->state, &r), 0);
	assert_int_equal(state_cache_touch(w->state, "a", 3), 0);
	assert_int_equal(state_cache_touch(w->state, "none", 3), -ENOENT);
	assert_int_equal(state_cache_total(w->state, &total), 0);
	assert_int_equal(total, 8192);
	assert_int_equal(state_cache_oldest(w->state, 1, &list), 0);
	assert_int_equal(list->len, 1);
	assert_string_equal(
		((struct state_cache *)g_ptr_array_index(list, 0))->path,
		text_file);
	g_ptr_array_unref(list);
	assert_int_equal(state_cache_get(w->state, "a", &got), 0);
	assert_int_equal(got->version.size, 5);
	assert_int_equal(got->version.mtime.tv_sec, 6);
	assert_int_equal(got->version.mtime.tv_nsec, 7);
	assert_string_equal(got->present, text_dirty);
	assert_int_equal(got->used_ms, 3);
	state_cache_free(got);
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
		case_of(a_journal_record_comes_back_whole),
		case_of(a_journal_record_is_replaced_and_removed_by_its_id),
		case_of(a_move_takes_the_subtree_and_nothing_beside_it),
		case_of(a_move_replaces_but_never_a_journal_record),
		case_of(impossible_moves_are_refused),
		case_of(a_removal_takes_the_subtree),
		case_of(the_cache_knows_what_was_not_used_for_longest),
		case_of(attributes_come_back_whole),
		case_of(ten_thousand_attributes_are_no_ten_thousand_syncs),
		case_of(runs_have_numbers_for_ever),
		case_of(facts_are_known_until_they_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
