/* What is believed about names: from listings, from single answers, and from
 * what we did ourselves while an answer was on its way. */
#include "config.h"

#include "attr_cache.h"
#include "cancel.h"
#include "fs_limits.h"
#include "test.h"

#define LONG_MS ((int64_t)3600 * 1000)

static int make_cache(void **state)
{
	*state = attr_cache_new();
	return 0;
}

static int free_cache(void **state)
{
	attr_cache_free(*state);
	return 0;
}

static void free_entry(gpointer p)
{
	entry_free(p);
}

static struct entry a_file(const char *name, int64_t size)
{
	return (struct entry){ .name = g_strdup(name),
		.type = ENTRY_FILE,
		.size = size,
		.mtime = { 1000, 0 },
		.is_writable = true };
}

/* "a b c" */
static GPtrArray *entries_of(const char *names)
{
	GPtrArray *entries = g_ptr_array_new_with_free_func(free_entry);
	g_auto(GStrv) words = g_strsplit(names, " ", -1);

	for (char **word = words; *word != NULL; word++) {
		struct entry e = a_file(*word, 1);

		if (**word != '\0')
			g_ptr_array_add(entries, entry_dup(&e));
		entry_clear(&e);
	}
	return entries;
}

static void put_listing(struct attr_cache *c, uint64_t ticket, const char *dir,
	const char *names)
{
	GPtrArray *entries = entries_of(names);

	attr_cache_put_listing(c, ticket, dir, entries);
	g_ptr_array_unref(entries);
}

static void list(struct attr_cache *c, const char *dir, const char *names)
{
	put_listing(c, attr_cache_ticket(c), dir, names);
}

static void change(struct attr_cache *c, const char *dir, const char *name,
	int64_t size, bool is_local)
{
	struct entry e = a_file(name, size);

	attr_cache_changed(c, dir, name, &e, is_local);
	entry_clear(&e);
}

/* The size, or -1 absent, -2 unknown. */
static int64_t look(
	struct attr_cache *c, const char *dir, const char *name, int64_t age_ms)
{
	struct entry e;
	int64_t size;

	switch (attr_cache_lookup(c, dir, name, age_ms, &e, NULL)) {
	case ATTR_PRESENT:
		assert_string_equal(e.name, name);
		size = e.size;
		entry_clear(&e);
		return size;
	case ATTR_UNLISTED:
	case ATTR_ABSENT:
		return -1;
	case ATTR_UNKNOWN:
	default:
		return -2;
	}
}

static void assert_listing(
	struct attr_cache *c, const char *dir, const char *expected)
{
	GPtrArray *entries = attr_cache_listing(c, dir, LONG_MS, NULL);
	GString *names = g_string_new(NULL);

	assert_non_null(entries);
	for (guint i = 0; i < entries->len; i++)
		g_string_append_printf(names, "%s%s", i > 0 ? " " : "",
			((struct entry *)entries->pdata[i])->name);
	assert_string_equal(names->str, expected);
	g_string_free(names, TRUE);
	g_ptr_array_unref(entries);
}

static void a_listing_answers_for_all_names_there_and_not_there(void **state)
{
	struct attr_cache *c = *state;
	int64_t age_ms = -1;

	assert_int_equal(look(c, "d", "b", LONG_MS), -2);
	assert_null(attr_cache_listing(c, "d", LONG_MS, NULL));
	list(c, "d", "b a");
	assert_int_equal(look(c, "d", "b", LONG_MS), 1);
	assert_int_equal(look(c, "d", "x", LONG_MS), -1);
	assert_int_equal(look(c, "other", "b", LONG_MS), -2);
	assert_listing(c, "d", "a b");
	g_ptr_array_unref(attr_cache_listing(c, "d", LONG_MS, &age_ms));
	assert_in_range(age_ms, 0, LONG_MS);
}

static void nothing_is_believed_longer_than_the_caller_allows(void **state)
{
	struct attr_cache *c = *state;

	list(c, "", "a");
	assert_int_equal(look(c, "", "a", LONG_MS), 1);
	/* Always ask: also about what was learnt just now. */
	for (int i = 0; i < 1000; i++) {
		list(c, "", "a");
		assert_int_equal(look(c, "", "a", 0), -2);
		assert_int_equal(look(c, "", "x", 0), -2);
		assert_null(attr_cache_listing(c, "", 0, NULL));
	}
}

static void single_answers_are_believed_without_a_listing(void **state)
{
	struct attr_cache *c = *state;
	struct entry e = a_file("a", 7);

	attr_cache_put_answer(c, attr_cache_ticket(c), "d", "a", &e);
	attr_cache_put_answer(c, attr_cache_ticket(c), "d", "b", NULL);
	assert_int_equal(look(c, "d", "a", LONG_MS), 7);
	assert_int_equal(look(c, "d", "b", LONG_MS), -1);
	assert_int_equal(look(c, "d", "c", LONG_MS), -2);
	assert_null(attr_cache_listing(c, "d", LONG_MS, NULL));
	entry_clear(&e);
}

static void a_new_listing_forgets_what_it_disproves(void **state)
{
	struct attr_cache *c = *state;

	list(c, "d", "a b");
	change(c, "d", "mine", 3, false);
	list(c, "d", "b c");
	assert_int_equal(look(c, "d", "a", LONG_MS), -1);
	assert_int_equal(look(c, "d", "mine", LONG_MS), -1);
	assert_listing(c, "d", "b c");
}

static void an_answer_on_its_way_does_not_undo_our_own_change(void **state)
{
	struct attr_cache *c = *state;
	uint64_t ticket = attr_cache_ticket(c);
	struct entry stale = a_file("new", 1);

	change(c, "d", "new", 42, false);
	attr_cache_changed(c, "d", "gone", NULL, false);
	put_listing(c, ticket, "d", "gone other");
	assert_int_equal(look(c, "d", "new", LONG_MS), 42);
	assert_int_equal(look(c, "d", "gone", LONG_MS), -1);
	assert_listing(c, "d", "new other");
	attr_cache_put_answer(c, ticket, "d", "new", &stale);
	assert_int_equal(look(c, "d", "new", LONG_MS), 42);
	/* Asked after the change: the server's word counts again. */
	attr_cache_put_answer(c, attr_cache_ticket(c), "d", "new", &stale);
	assert_int_equal(look(c, "d", "new", LONG_MS), 1);
	entry_clear(&stale);
}

static void a_listing_says_nothing_of_names_it_may_leave_out(void **state)
{
	struct attr_cache *c = *state;
	struct entry e;

	change(c, "d", "a~", 3, false);
	attr_cache_changed(c, "d", "b~", NULL, false);
	list(c, "d", "a");
	assert_int_equal(look(c, "d", "a~", LONG_MS), 3);
	assert_int_equal(attr_cache_lookup(c, "d", "b~", LONG_MS, &e, NULL),
		ATTR_ABSENT);
	assert_int_equal(attr_cache_lookup(c, "d", "c~", LONG_MS, &e, NULL),
		ATTR_UNLISTED);
	assert_listing(c, "d", "a a~");
	/* No listing renews what is known of it. */
	attr_cache_expire(c);
	list(c, "d", "a");
	assert_int_equal(look(c, "d", "a~", LONG_MS), -2);
	assert_listing(c, "d", "a");
}

static void local_names_survive_listings_and_time(void **state)
{
	struct attr_cache *c = *state;

	change(c, "d", "mine", 0, true);
	assert_true(attr_cache_is_local(c, "d", "mine"));
	list(c, "d", "a");
	attr_cache_expire(c);
	list(c, "d", "a");
	assert_listing(c, "d", "a mine");
	assert_int_equal(look(c, "d", "mine", -1), 0);
	change(c, "d", "mine", 5, false); /* uploaded */
	assert_false(attr_cache_is_local(c, "d", "mine"));
	assert_int_equal(look(c, "d", "mine", -1), -2);
	list(c, "d", "a");
	assert_listing(c, "d", "a");
}

static void a_moved_directory_takes_its_names_along(void **state)
{
	struct attr_cache *c = *state;

	list(c, "from", "a");
	list(c, "from/sub", "b");
	change(c, "from/sub", "mine", 0, true);
	list(c, "fromage", "c");
	list(c, "to", "old");
	attr_cache_moved(c, "from", "to");
	assert_int_equal(look(c, "from", "a", LONG_MS), -2);
	assert_listing(c, "to", "a");
	assert_listing(c, "to/sub", "b mine");
	assert_true(attr_cache_is_local(c, "to/sub", "mine"));
	assert_listing(c, "fromage", "c");
}

static void a_removed_directory_is_unknown_with_all_below(void **state)
{
	struct attr_cache *c = *state;

	list(c, "d", "a");
	list(c, "d/e", "b");
	list(c, "dd", "c");
	attr_cache_removed(c, "d");
	assert_int_equal(look(c, "d", "a", LONG_MS), -2);
	assert_int_equal(look(c, "d/e", "b", LONG_MS), -2);
	assert_listing(c, "dd", "c");
}

static void a_listing_asked_before_expiry_is_worth_nothing(void **state)
{
	struct attr_cache *c = *state;
	uint64_t before = attr_cache_ticket(c);
	struct entry e = a_file("a", 9);

	list(c, "d", "a");
	attr_cache_expire(c);
	assert_int_equal(look(c, "d", "a", LONG_MS), -2);
	assert_int_equal(look(c, "d", "x", LONG_MS), -2);
	put_listing(c, before, "d", "a");
	attr_cache_put_answer(c, before, "d", "a", &e);
	assert_int_equal(look(c, "d", "a", LONG_MS), -2);
	assert_null(attr_cache_listing(c, "d", LONG_MS, NULL));
	list(c, "d", "a");
	assert_int_equal(look(c, "d", "a", LONG_MS), 1);
	entry_clear(&e);
}

static void expiring_one_directory_leaves_the_others(void **state)
{
	struct attr_cache *c = *state;

	list(c, "d", "a");
	list(c, "e", "a");
	attr_cache_expire_dir(c, "d");
	attr_cache_expire_dir(c, "unheard of");
	assert_int_equal(look(c, "d", "a", LONG_MS), -2);
	assert_int_equal(look(c, "e", "a", LONG_MS), 1);
}

static void answers_on_their_way_to_an_expired_directory_are_void(void **state)
{
	struct attr_cache *c = *state;
	uint64_t before = attr_cache_ticket(c);

	attr_cache_expire_dir(c, "d");
	put_listing(c, before, "d", "a");
	attr_cache_put_answer(c, before, "d", "b", NULL);
	assert_int_equal(look(c, "d", "a", LONG_MS), -2);
	assert_int_equal(look(c, "d", "b", LONG_MS), -2);
	assert_null(attr_cache_listing(c, "d", LONG_MS, NULL));
	put_listing(c, before, "e", "a");
	assert_int_equal(look(c, "e", "a", LONG_MS), 1);
	list(c, "d", "a");
	assert_int_equal(look(c, "d", "a", LONG_MS), 1);
}

static void a_directorys_time_moves_when_its_entries_do(void **state)
{
	struct attr_cache *c = *state;
	struct entry e;

	list(c, "", "d");
	list(c, "d", "a");
	change(c, "d", "a", 2, false); /* another size: no entry moved */
	assert_int_equal(
		attr_cache_lookup(c, "", "d", LONG_MS, &e, NULL), ATTR_PRESENT);
	assert_int_equal(e.mtime.tv_sec, 1000);
	entry_clear(&e);
	change(c, "d", "b", 2, false);
	assert_int_equal(
		attr_cache_lookup(c, "", "d", LONG_MS, &e, NULL), ATTR_PRESENT);
	assert_true(e.mtime.tv_sec > 1000);
	entry_clear(&e);
}

/* Since it was last asked. */
static bool has_root_moved(struct attr_cache *c, struct timespec *last)
{
	struct timespec now = attr_cache_root_time(c);
	bool has = now.tv_sec != last->tv_sec || now.tv_nsec != last->tv_nsec;

	*last = now;
	return has;
}

static void the_roots_time_moves_when_its_names_do(void **state)
{
	struct attr_cache *c = *state;
	struct timespec last = attr_cache_root_time(c);
	struct entry e = a_file("c", 1);

	/* What there was before is not known. */
	put_listing(c, attr_cache_ticket(c), "", "a b .git");
	assert_false(has_root_moved(c, &last));
	put_listing(c, attr_cache_ticket(c), "", "b a");
	assert_false(has_root_moved(c, &last));
	put_listing(c, attr_cache_ticket(c), "d", "a b c");
	assert_false(has_root_moved(c, &last));
	put_listing(c, attr_cache_ticket(c), "", "a b x");
	assert_true(has_root_moved(c, &last));
	put_listing(c, attr_cache_ticket(c), "", "a x");
	assert_true(has_root_moved(c, &last));
	put_listing(c, attr_cache_ticket(c), "", "a y");
	assert_true(has_root_moved(c, &last));
	attr_cache_changed(c, "", "c", &e, false);
	assert_true(has_root_moved(c, &last));
	put_listing(c, attr_cache_ticket(c), "", "a c y");
	assert_false(has_root_moved(c, &last));
	attr_cache_changed(c, "", "c", &e, false);
	assert_false(has_root_moved(c, &last));
	attr_cache_changed(c, "", "c", NULL, false);
	assert_true(has_root_moved(c, &last));
	put_listing(c, attr_cache_ticket(c), "", "a y");
	assert_false(has_root_moved(c, &last));
	entry_clear(&e);
}

static void singles_are_counted_between_listings(void **state)
{
	struct attr_cache *c = *state;
	unsigned singles = 99;

	assert_int_equal(attr_cache_count_single(c, "d", &singles), -1);
	assert_int_equal(singles, 0);
	list(c, "d", "a b c");
	assert_int_equal(attr_cache_count_single(c, "d", &singles), 3);
	assert_int_equal(attr_cache_count_single(c, "d", &singles), 3);
	assert_int_equal(singles, 1);
	list(c, "d", "a");
	assert_int_equal(attr_cache_count_single(c, "d", &singles), 1);
	assert_int_equal(singles, 0);
}

static GPtrArray *many_entries(unsigned count)
{
	GPtrArray *entries = g_ptr_array_new_with_free_func(free_entry);

	for (unsigned i = 0; i < count; i++) {
		struct entry e = { .name = g_strdup_printf("%u", i) };

		g_ptr_array_add(entries, entry_dup(&e));
		entry_clear(&e);
	}
	return entries;
}

static void the_longest_unused_listing_makes_room(void **state)
{
	struct attr_cache *c = *state;
	GPtrArray *most = many_entries(ATTR_CACHE_NAMES_MAX - 2);

	list(c, "old", "a");
	change(c, "with local names", "mine", 4, true);
	assert_int_equal(cancel_sleep(NULL, 2), 0); /* "old" is older */
	attr_cache_put_listing(c, attr_cache_ticket(c), "big", most);
	assert_int_equal(look(c, "old", "a", LONG_MS), 1);
	assert_int_equal(cancel_sleep(NULL, 2), 0);
	assert_int_equal(look(c, "big", "0", LONG_MS), 0);
	list(c, "new", "a b");
	assert_int_equal(look(c, "old", "a", LONG_MS), -2);
	assert_int_equal(look(c, "big", "0", LONG_MS), -2);
	assert_int_equal(look(c, "new", "b", LONG_MS), 1);
	assert_int_equal(look(c, "with local names", "mine", LONG_MS), 4);
	g_ptr_array_unref(most);
}

static void single_answers_make_room_too(void **state)
{
	struct attr_cache *c = *state;
	uint64_t ticket = attr_cache_ticket(c);

	list(c, "old", "a");
	assert_int_equal(cancel_sleep(NULL, 2), 0);
	for (unsigned i = 0; i < ATTR_CACHE_NAMES_MAX; i++) {
		char name[16];

		(void)g_snprintf(name, sizeof(name), "%u", i);
		attr_cache_put_answer(c, ticket, "big", name, NULL);
	}
	assert_int_equal(look(c, "old", "a", LONG_MS), -2);
	assert_int_equal(look(c, "big", "7", LONG_MS), -1);
}

#define with_cache(name) \
	cmocka_unit_test_setup_teardown(name, make_cache, free_cache)

static void late_answers_about_a_directory_that_parted_are_void(void **state)
{
	struct attr_cache *c = *state;
	struct entry late = a_file("ghost", 1);
	uint64_t ticket = attr_cache_ticket(c);

	list(c, "from/sub", "a");
	attr_cache_removed(c, "gone");
	attr_cache_moved(c, "from", "to");
	put_listing(c, ticket, "gone", "ghost");
	put_listing(c, ticket, "gone/sub", "ghost");
	put_listing(c, ticket, "from", "ghost");
	put_listing(c, ticket, "to", "ghost");
	attr_cache_put_answer(c, ticket, "from/sub", "ghost", &late);
	attr_cache_put_answer(c, ticket, "gone", "ghost", &late);
	put_listing(c, ticket, "other", "b");
	assert_int_equal(look(c, "gone", "ghost", LONG_MS), -2);
	assert_int_equal(look(c, "gone/sub", "ghost", LONG_MS), -2);
	assert_int_equal(look(c, "from", "ghost", LONG_MS), -2);
	assert_int_equal(look(c, "from/sub", "ghost", LONG_MS), -2);
	assert_int_equal(look(c, "to", "ghost", LONG_MS), -2);
	assert_listing(c, "to/sub", "a");
	assert_listing(c, "other", "b");
	/* What is asked from now on counts. */
	list(c, "gone", "new");
	assert_listing(c, "gone", "new");
	entry_clear(&late);
}

static void the_oldest_parting_makes_room_by_voiding_more(void **state)
{
	struct attr_cache *c = *state;
	uint64_t ticket = attr_cache_ticket(c);

	for (int i = 0; i <= PARTED_MAX; i++) {
		g_autofree char *path = g_strdup_printf("%d", i);

		attr_cache_removed(c, path);
	}
	put_listing(c, ticket, "0", "ghost");
	put_listing(c, ticket, "other", "b");
	assert_int_equal(look(c, "0", "ghost", LONG_MS), -2);
	assert_int_equal(look(c, "other", "b", LONG_MS), -2);
	list(c, "other", "b");
	assert_listing(c, "other", "b");
}

/* As of a tree that is removed one by one. */
static void many_removed_below_one_void_nothing_else(void **state)
{
	struct attr_cache *c = *state;
	uint64_t ticket = attr_cache_ticket(c);
	g_autofree char *last = NULL;

	for (int i = 0; i < 5 * PARTED_MAX; i++) {
		g_free(last);
		last = g_strdup_printf("t/%d", i);
		attr_cache_removed(c, last);
	}
	put_listing(c, ticket, "t/0", "ghost");
	put_listing(c, ticket, last, "ghost");
	put_listing(c, ticket, "other", "b");
	assert_int_equal(look(c, "t/0", "ghost", LONG_MS), -2);
	assert_int_equal(look(c, last, "ghost", LONG_MS), -2);
	assert_listing(c, "other", "b");
	attr_cache_removed(c, "t");
	put_listing(c, ticket, "t", "ghost");
	assert_int_equal(look(c, "t", "ghost", LONG_MS), -2);
	list(c, "t", "new");
	assert_listing(c, "t", "new");
}

static void what_is_not_believed_any_more_is_still_known(void **state)
{
	struct attr_cache *c = *state;
	GPtrArray *known;

	assert_null(attr_cache_listing(c, "d", ATTR_ANY_AGE, NULL));
	assert_int_equal(look(c, "d", "a", ATTR_ANY_AGE), -2);
	list(c, "d", "a b");
	attr_cache_put_answer(c, attr_cache_ticket(c), "d", "x~", NULL);
	attr_cache_expire(c);
	assert_null(attr_cache_listing(c, "d", LONG_MS, NULL));
	assert_int_equal(look(c, "d", "a", LONG_MS), -2);
	known = attr_cache_listing(c, "d", ATTR_ANY_AGE, NULL);
	assert_non_null(known);
	assert_int_equal(known->len, 2);
	g_ptr_array_unref(known);
	assert_int_equal(look(c, "d", "a", ATTR_ANY_AGE), 1);
	assert_int_equal(look(c, "d", "x~", ATTR_ANY_AGE), -1);
	/* What is learnt anew is believed anew. */
	list(c, "d", "b");
	assert_listing(c, "d", "b");
	assert_int_equal(look(c, "d", "a", ATTR_ANY_AGE), -1);
}

static void a_directory_that_we_made_is_empty(void **state)
{
	struct attr_cache *c = *state;

	attr_cache_made(c, "d");
	assert_listing(c, "d", "");
	assert_int_equal(look(c, "d", "a", LONG_MS), -1);
	assert_true(attr_cache_owns_absence(c, "d", "a", LONG_MS));
	/* Also of what no listing would show. */
	assert_true(attr_cache_owns_absence(c, "d", "x~", LONG_MS));
	assert_false(attr_cache_owns_absence(c, "d", "a", 0));
	change(c, "d", "a", 1, false);
	assert_false(attr_cache_owns_absence(c, "d", "a", LONG_MS));
	list(c, "d", "a");
	assert_false(attr_cache_owns_absence(c, "d", "b", LONG_MS));
}

static void the_absence_of_what_we_removed_is_our_own(void **state)
{
	struct attr_cache *c = *state;

	list(c, "d", "b");
	assert_false(attr_cache_owns_absence(c, "d", "a", LONG_MS));
	attr_cache_changed(c, "d", "b", NULL, false);
	assert_true(attr_cache_owns_absence(c, "d", "b", LONG_MS));
	attr_cache_put_answer(c, attr_cache_ticket(c), "d", "b", NULL);
	assert_false(attr_cache_owns_absence(c, "d", "b", LONG_MS));
}

static void names_that_a_listing_may_leave_out_are_remembered(void **state)
{
	struct attr_cache *c = *state;
	GPtrArray *names;

	change(c, "d", "x~", 1, false);
	change(c, "d", "a", 1, false);
	attr_cache_put_answer(c, attr_cache_ticket(c), "d", "y~", NULL);
	attr_cache_expire_dir(c, "d");
	list(c, "d", "a");
	names = attr_cache_unlisted(c, "d");
	assert_int_equal(names->len, 1);
	assert_string_equal(names->pdata[0], "x~");
	g_ptr_array_unref(names);
}

static void what_was_asked_before_a_doubt_does_not_end_it(void **state)
{
	struct attr_cache *c = *state;
	uint64_t before;

	list(c, "d", "a b");
	before = attr_cache_ticket(c);
	attr_cache_doubt(c, "d", "a");
	put_listing(c, before, "d", "a b");
	assert_int_equal(look(c, "d", "a", LONG_MS), -2);
	list(c, "d", "b");
	assert_int_equal(look(c, "d", "a", LONG_MS), -1);
}

static void what_is_in_doubt_is_asked_for(void **state)
{
	struct attr_cache *c = *state;

	list(c, "d", "a x~");
	attr_cache_doubt(c, "d", "x~");
	assert_int_equal(look(c, "d", "x~", LONG_MS), -2);
	assert_int_equal(look(c, "d", "a", LONG_MS), 1);
	assert_null(attr_cache_listing(c, "d", LONG_MS, NULL));
	attr_cache_doubt(c, "never seen", "a");
	assert_int_equal(look(c, "never seen", "a", LONG_MS), -2);
}

/* --- what a file system tells --------------------------------------------- */

static void put_told(struct attr_cache *c, mode_t mode, const char *target)
{
	struct entry e = a_file("a", 1);

	e.ctime.tv_sec = 50;
	e.has_attr = true;
	e.mode = mode;
	e.target = g_strdup(target);
	attr_cache_put_answer(c, attr_cache_ticket(c), "d", "a", &e);
	entry_clear(&e);
}

/* As the contents API tells it. */
static void put_plain(struct attr_cache *c, int64_t size, time_t ctime)
{
	GPtrArray *entries = g_ptr_array_new_with_free_func(free_entry);
	struct entry e = a_file("a", size);

	e.ctime.tv_sec = ctime;
	g_ptr_array_add(entries, entry_dup(&e));
	entry_clear(&e);
	attr_cache_put_listing(c, attr_cache_ticket(c), "d", entries);
	g_ptr_array_unref(entries);
}

static int mode_of(struct attr_cache *c, bool *ret_is_link)
{
	struct entry e;
	int mode;

	assert_int_equal(attr_cache_lookup(c, "d", "a", ATTR_ANY_AGE, &e, NULL),
		ATTR_PRESENT);
	mode = e.has_attr ? (int)e.mode : -1;
	*ret_is_link = e.target != NULL;
	entry_clear(&e);
	return mode;
}

static void what_the_server_does_not_tell_stays_known(void **state)
{
	struct attr_cache *c = *state;
	bool is_link;

	put_told(c, 0750, NULL);
	put_plain(c, 1, 50);
	assert_int_equal(mode_of(c, &is_link), 0750);
	attr_cache_expire(c);
	put_plain(c, 1, 50);
	assert_int_equal(mode_of(c, &is_link), 0750);
	put_plain(c, 2, 60); /* the best guess */
	assert_int_equal(mode_of(c, &is_link), 0750);
	change(c, "d", "a", 3, false);
	assert_int_equal(mode_of(c, &is_link), 0750);
	attr_cache_changed(c, "d", "a", NULL, false);
	change(c, "d", "a", 3, false); /* another file */
	assert_int_equal(mode_of(c, &is_link), -1);
}

static void what_was_a_link_is_one_as_long_as_nothing_has_changed(void **state)
{
	struct attr_cache *c = *state;
	bool is_link;

	put_told(c, 0777, "../b");
	put_plain(c, 1, 50);
	assert_int_equal(mode_of(c, &is_link), 0777);
	assert_true(is_link);
	put_plain(c, 1, 60);
	assert_int_equal(mode_of(c, &is_link), -1);
	assert_false(is_link);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_cache(a_listing_answers_for_all_names_there_and_not_there),
		with_cache(nothing_is_believed_longer_than_the_caller_allows),
		with_cache(single_answers_are_believed_without_a_listing),
		with_cache(a_new_listing_forgets_what_it_disproves),
		with_cache(an_answer_on_its_way_does_not_undo_our_own_change),
		with_cache(a_listing_says_nothing_of_names_it_may_leave_out),
		with_cache(local_names_survive_listings_and_time),
		with_cache(a_moved_directory_takes_its_names_along),
		with_cache(a_removed_directory_is_unknown_with_all_below),
		with_cache(late_answers_about_a_directory_that_parted_are_void),
		with_cache(the_oldest_parting_makes_room_by_voiding_more),
		with_cache(many_removed_below_one_void_nothing_else),
		with_cache(a_listing_asked_before_expiry_is_worth_nothing),
		with_cache(expiring_one_directory_leaves_the_others),
		with_cache(
			answers_on_their_way_to_an_expired_directory_are_void),
		with_cache(what_is_not_believed_any_more_is_still_known),
		with_cache(a_directorys_time_moves_when_its_entries_do),
		with_cache(the_roots_time_moves_when_its_names_do),
		with_cache(singles_are_counted_between_listings),
		with_cache(the_longest_unused_listing_makes_room),
		with_cache(single_answers_make_room_too),
		with_cache(a_directory_that_we_made_is_empty),
		with_cache(the_absence_of_what_we_removed_is_our_own),
		with_cache(names_that_a_listing_may_leave_out_are_remembered),
		with_cache(what_is_in_doubt_is_asked_for),
		with_cache(what_was_asked_before_a_doubt_does_not_end_it),
		with_cache(what_the_server_does_not_tell_stays_known),
		with_cache(
			what_was_a_link_is_one_as_long_as_nothing_has_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
