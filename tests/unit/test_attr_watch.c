/* What is told without being asked for, and what a watch keeps true. */
#include "config.h"

#include "attr_cache.h"
#include "fs_limits.h"
#include "test.h"

#include <stdatomic.h>
#include <string.h>

#define AGE_MS ((int64_t)5000) /* what callers allow */
#define WATCH  7

static _Atomic int64_t the_time_ms;

static int64_t read_clock(void)
{
	return the_time_ms;
}

static int make_cache(void **state)
{
	struct attr_cache *c = attr_cache_new();

	the_time_ms = 1000;
	attr_cache_set_clock(c, read_clock);
	attr_cache_set_watch(c, WATCH);
	*state = c;
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

/* Names with a slash at the end are directories. The size is the version. */
static struct entry an_entry(const char *name, int64_t size)
{
	bool is_directory = g_str_has_suffix(name, "/");

	return (struct entry){ .name = g_strndup(name,
				       strlen(name) - (is_directory ? 1 : 0)),
		.type = is_directory ? ENTRY_DIRECTORY : ENTRY_FILE,
		.size = is_directory ? -1 : size,
		.mtime = { 1000 + size, 0 },
		.is_writable = true };
}

static GPtrArray *entries_of(const char *names)
{
	GPtrArray *entries = g_ptr_array_new_with_free_func(free_entry);
	g_auto(GStrv) words = g_strsplit(names, " ", -1);

	for (char **word = words; *word != NULL; word++) {
		struct entry e = an_entry(*word, 1);

		if (**word != '\0')
			g_ptr_array_add(entries, entry_dup(&e));
		entry_clear(&e);
	}
	return entries;
}

static void watch_since(struct attr_cache *c, uint64_t ticket, const char *dir,
	const char *names)
{
	GPtrArray *entries = entries_of(names);

	attr_cache_put_watched(c, ticket, true, dir, entries, WATCH);
	g_ptr_array_unref(entries);
}

static void watch(struct attr_cache *c, const char *dir, const char *names)
{
	watch_since(c, attr_cache_ticket(c), dir, names);
}

static void list_plainly(struct attr_cache *c, uint64_t ticket, const char *dir,
	const char *names)
{
	GPtrArray *entries = entries_of(names);

	attr_cache_put_listing(c, ticket, dir, entries);
	g_ptr_array_unref(entries);
}

static enum attr_news tell(
	struct attr_cache *c, const char *dir, const char *name, int64_t size)
{
	struct entry e = an_entry(name, size);
	enum attr_news news =
		attr_cache_told(c, WATCH, dir, e.name, REMOTE_TOLD_ENTRY, &e);

	entry_clear(&e);
	return news;
}

static enum attr_news tell_absent(
	struct attr_cache *c, const char *dir, const char *name)
{
	return attr_cache_told(c, WATCH, dir, name, REMOTE_TOLD_ABSENT, NULL);
}

static void change(
	struct attr_cache *c, const char *dir, const char *name, int64_t size)
{
	struct entry e = an_entry(name, size);

	attr_cache_changed(c, dir, name, &e, false);
	entry_clear(&e);
}

static void answer(
	struct attr_cache *c, const char *dir, const char *name, int64_t size)
{
	struct entry e = an_entry(name, size);

	attr_cache_put_answer(c, attr_cache_ticket(c), dir, name, &e);
	entry_clear(&e);
}

enum {
	ABSENT = -11,
	UNLISTED = -12,
	UNKNOWN = -13
};

/* The size, or one of those above. */
static int64_t look_for(struct attr_cache *c, const char *dir, const char *name,
	int64_t max_age_ms)
{
	struct entry e;
	int64_t size;

	switch (attr_cache_lookup(c, dir, name, max_age_ms, &e, NULL)) {
	case ATTR_PRESENT:
		size = e.size;
		entry_clear(&e);
		return size;
	case ATTR_ABSENT:
		return ABSENT;
	case ATTR_UNLISTED:
		return UNLISTED;
	case ATTR_UNKNOWN:
	default:
		return UNKNOWN;
	}
}

static int64_t look(struct attr_cache *c, const char *dir, const char *name)
{
	return look_for(c, dir, name, AGE_MS);
}

/* NULL: it must be asked for. g_free. */
static char *names_of(struct attr_cache *c, const char *dir, int64_t max_age_ms)
{
	GPtrArray *entries = attr_cache_listing(c, dir, max_age_ms, NULL);
	GString *names = g_string_new(NULL);

	for (guint i = 0; entries != NULL && i < entries->len; i++)
		g_string_append_printf(names, "%s%s", i > 0 ? " " : "",
			((struct entry *)entries->pdata[i])->name);
	if (entries != NULL)
		g_ptr_array_unref(entries);
	return g_string_free(names, entries == NULL);
}

static void assert_names(
	struct attr_cache *c, const char *dir, const char *expected)
{
	g_autofree char *names = names_of(c, dir, AGE_MS);

	if (expected == NULL) {
		assert_null(names);
	} else {
		assert_non_null(names);
		assert_string_equal(names, expected);
	}
}

/* --- how old it is -------------------------------------------------------- */

static void a_watched_directory_is_known_at_any_age(void **state)
{
	struct attr_cache *c = *state;
	struct entry e;
	int64_t age_ms = -1;

	watch(c, "d", "a .dot x.pyc");
	the_time_ms += WATCH_BELIEVED_MS;
	assert_names(c, "d", ".dot a x.pyc");
	assert_int_equal(look(c, "d", "a"), 1);
	assert_int_equal(look(c, "d", ".dot"), 1);
	assert_int_equal(look(c, "d", "not.there"), ABSENT);
	assert_int_equal(look(c, "d", ".not"), ABSENT);
	assert_int_equal(look(c, "d", "not.pyc"), ABSENT);
	assert_int_equal(attr_cache_lookup(c, "d", "a", AGE_MS, &e, &age_ms),
		ATTR_PRESENT);
	assert_int_equal(age_ms, 0);
	entry_clear(&e);
}

static void a_watch_is_not_believed_for_ever(void **state)
{
	struct attr_cache *c = *state;

	watch(c, "d", "a");
	the_time_ms += WATCH_BELIEVED_MS + 1;
	assert_int_equal(look(c, "d", "a"), UNKNOWN);
	assert_int_equal(look(c, "d", "b"), UNKNOWN);
	assert_names(c, "d", NULL);
	list_plainly(c, attr_cache_ticket(c), "d", "a");
	the_time_ms += AGE_MS + 1;
	assert_names(c, "d", "a");
}

static void who_believes_nothing_asks(void **state)
{
	struct attr_cache *c = *state;

	watch(c, "d", "a");
	assert_int_equal(look_for(c, "d", "a", 0), UNKNOWN);
	assert_int_equal(look_for(c, "d", "b", 0), UNKNOWN);
	assert_null(names_of(c, "d", 0));
	the_time_ms += PROOF_MS + 1;
	assert_int_equal(look_for(c, "d", "a", PROOF_MS), UNKNOWN);
	assert_int_equal(look_for(c, "d", "b", PROOF_MS), UNKNOWN);
	assert_int_equal(look_for(c, "d", "a", REVALIDATE_MS), 1);
}

static void what_was_told_is_no_proof(void **state)
{
	struct attr_cache *c = *state;

	watch(c, "d", "a b");
	assert_int_equal(look_for(c, "d", "a", PROOF_MS), 1);
	assert_int_equal(tell(c, "d", "a", 2), ATTR_NEWS_CHANGED);
	assert_int_equal(look_for(c, "d", "a", PROOF_MS), UNKNOWN);
	assert_int_equal(look_for(c, "d", "b", PROOF_MS), 1);
	assert_null(names_of(c, "d", PROOF_MS));
	assert_int_equal(look(c, "d", "a"), 2);
}

static void names_that_a_watch_hides_are_unlisted(void **state)
{
	struct attr_cache *c = *state;

	attr_cache_set_hides_dots(c, true);
	answer(c, "d", ".known", 3);
	watch(c, "d", "a");
	assert_int_equal(look(c, "d", ".not"), UNLISTED);
	assert_int_equal(look(c, "d", "not.pyc"), ABSENT);
	assert_int_equal(look(c, "d", ".known"), 3);
	the_time_ms += AGE_MS + 1;
	assert_int_equal(look(c, "d", ".known"), UNKNOWN);
}

/* The answer was made for who may not have them. */
static void dot_names_of_an_older_listing_are_unlisted(void **state)
{
	struct attr_cache *c = *state;
	GPtrArray *entries = entries_of("a");

	attr_cache_put_watched(
		c, attr_cache_ticket(c), false, "d", entries, WATCH);
	g_ptr_array_unref(entries);
	assert_int_equal(look(c, "d", ".dot"), UNLISTED);
	assert_int_equal(tell(c, "d", ".dot", 2), ATTR_NEWS_CAME);
	assert_int_equal(look(c, "d", ".dot"), 2);
	watch(c, "d", "a");
	assert_int_equal(look(c, "d", ".not"), ABSENT);
}

/* --- the end of a watch --------------------------------------------------- */

static void things_are_as_old_as_the_watch_when_it_ends(void **state)
{
	struct attr_cache *c = *state;

	watch(c, "d", "a");
	the_time_ms += 20 * AGE_MS;
	attr_cache_set_watch(c, WATCH); /* it is alive */
	the_time_ms += AGE_MS / 2;
	attr_cache_set_watch(c, 0);
	assert_int_equal(look(c, "d", "a"), 1);
	the_time_ms += AGE_MS / 2;
	assert_int_equal(look(c, "d", "a"), 1);
	assert_names(c, "d", "a");
	the_time_ms++;
	assert_int_equal(look(c, "d", "a"), UNKNOWN);
	assert_names(c, "d", NULL);
}

static void a_new_watch_is_another(void **state)
{
	struct attr_cache *c = *state;

	watch(c, "d", "a");
	assert_true(attr_cache_is_watched(c, "d"));
	attr_cache_set_watch(c, WATCH + 1);
	assert_false(attr_cache_is_watched(c, "d"));
	the_time_ms += AGE_MS + 1;
	assert_int_equal(look(c, "d", "a"), UNKNOWN);
	assert_int_equal(tell(c, "d", "a", 2), ATTR_NEWS_NONE);
	assert_int_equal(look(c, "d", "a"), UNKNOWN);
}

static void a_listing_may_come_before_its_watch(void **state)
{
	struct attr_cache *c = *state;
	GPtrArray *entries = entries_of("a");

	attr_cache_put_watched(
		c, attr_cache_ticket(c), true, "d", entries, WATCH + 1);
	g_ptr_array_unref(entries);
	assert_false(attr_cache_is_watched(c, "d"));
	attr_cache_set_watch(c, WATCH + 1);
	assert_true(attr_cache_is_watched(c, "d"));
	assert_int_equal(attr_cache_count_watched(c), 1);
}

static void one_directory_may_be_unwatched(void **state)
{
	struct attr_cache *c = *state;

	watch(c, "d", "a e/");
	watch(c, "d/e", "f");
	the_time_ms += 20 * AGE_MS;
	attr_cache_unwatched(c, WATCH - 1, "d");
	assert_int_equal(attr_cache_count_watched(c), 2);
	attr_cache_unwatched(c, WATCH, "d");
	assert_int_equal(attr_cache_count_watched(c), 1);
	assert_int_equal(look(c, "d", "a"), 1);
	the_time_ms += AGE_MS + 1;
	assert_int_equal(look(c, "d", "a"), UNKNOWN);
	assert_int_equal(look(c, "d/e", "f"), 1);
}

static void a_listing_may_come_after_its_watch_is_over(void **state)
{
	struct attr_cache *c = *state;
	uint64_t ticket = attr_cache_ticket(c);

	attr_cache_unwatched(c, WATCH, "d");
	watch_since(c, ticket, "d", "a");
	assert_false(attr_cache_is_watched(c, "d"));
	assert_int_equal(look(c, "d", "a"), 1);
	watch(c, "d", "a");
	assert_true(attr_cache_is_watched(c, "d"));
}

static void a_moved_directory_is_not_watched(void **state)
{
	struct attr_cache *c = *state;

	watch(c, "d", "a");
	attr_cache_moved(c, "d", "e");
	assert_int_equal(look(c, "e", "a"), 1);
	assert_int_equal(attr_cache_count_watched(c), 0);
}

/* --- changes -------------------------------------------------------------- */

static void what_is_told_is_so(void **state)
{
	struct attr_cache *c = *state;

	watch(c, "d", "a b");
	assert_int_equal(tell(c, "d", "a", 1), ATTR_NEWS_NONE);
	assert_int_equal(tell(c, "d", "a", 2), ATTR_NEWS_CHANGED);
	assert_int_equal(tell(c, "d", "new", 3), ATTR_NEWS_CAME);
	assert_int_equal(tell_absent(c, "d", "b"), ATTR_NEWS_WENT);
	assert_int_equal(tell_absent(c, "d", "b"), ATTR_NEWS_NONE);
	assert_int_equal(tell_absent(c, "d", "unheard.of"), ATTR_NEWS_NONE);
	the_time_ms += 20 * AGE_MS;
	assert_int_equal(look(c, "d", "a"), 2);
	assert_int_equal(look(c, "d", "b"), ABSENT);
	assert_names(c, "d", "a new");
}

static void a_directory_that_is_gone_is_so_with_all_below(void **state)
{
	struct attr_cache *c = *state;

	watch(c, "d", "e/ f/");
	watch(c, "d/e", "a");
	watch(c, "d/f", "b");
	assert_int_equal(tell_absent(c, "d", "e"), ATTR_NEWS_WENT);
	assert_int_equal(look(c, "d/e", "a"), UNKNOWN);
	assert_int_equal(tell(c, "d", "f", 1), ATTR_NEWS_CAME); /* a file now */
	assert_int_equal(look(c, "d/f", "b"), UNKNOWN);
	assert_int_equal(attr_cache_count_watched(c), 1);
}

static void what_is_told_is_stronger_than_older_answers(void **state)
{
	struct attr_cache *c = *state;
	uint64_t ticket = attr_cache_ticket(c);

	assert_int_equal(tell(c, "d", "a", 2), ATTR_NEWS_CHANGED);
	assert_int_equal(tell_absent(c, "d", "gone"), ATTR_NEWS_NONE);
	assert_int_equal(tell(c, "d", "new", 3), ATTR_NEWS_CHANGED);
	watch_since(c, ticket, "d", "a gone");
	assert_names(c, "d", "a new");
	assert_int_equal(look(c, "d", "a"), 2);
	list_plainly(c, ticket, "d", "a gone");
	assert_names(c, "d", "a new");
}

static void what_came_and_went_does_not_come_back(void **state)
{
	struct attr_cache *c = *state;
	uint64_t ticket;

	watch(c, "d", "a");
	ticket = attr_cache_ticket(c);
	assert_int_equal(tell_absent(c, "d", "b"), ATTR_NEWS_NONE);
	watch_since(c, ticket, "d", "a b");
	assert_names(c, "d", "a");
}

static void our_own_change_is_doubted_and_not_undone(void **state)
{
	struct attr_cache *c = *state;

	watch(c, "d", "a b");
	change(c, "d", "a", 5);
	assert_int_equal(tell(c, "d", "a", 5), ATTR_NEWS_NONE);
	assert_int_equal(look(c, "d", "a"), 5);
	/* An event of before it, or somebody was quicker. */
	assert_int_equal(tell(c, "d", "a", 9), ATTR_NEWS_DOUBT);
	assert_int_equal(look(c, "d", "a"), UNKNOWN);
	assert_int_equal(look(c, "d", "b"), 1);
	assert_true(attr_cache_doubts_alone(c, "d", "a"));
	assert_names(c, "d", NULL);
	answer(c, "d", "a", 5);
	assert_int_equal(look(c, "d", "a"), 5);
	assert_names(c, "d", "a b");
}

static void an_older_version_than_our_own_is_doubted_at_any_age(void **state)
{
	struct attr_cache *c = *state;

	watch(c, "d", "a");
	change(c, "d", "a", 5);
	the_time_ms += REVALIDATE_MS + 1;
	assert_int_equal(tell(c, "d", "a", 4), ATTR_NEWS_DOUBT);
	assert_int_equal(tell(c, "d", "a", 5), ATTR_NEWS_NONE);
	assert_int_equal(look(c, "d", "a"), 5);
	assert_int_equal(tell(c, "d", "a", 6), ATTR_NEWS_CHANGED);
	assert_int_equal(look(c, "d", "a"), 6);
}

/* Which says the same, and does not make the event any younger. */
static void an_answer_does_not_end_the_doubt(void **state)
{
	struct attr_cache *c = *state;

	watch(c, "d", "a b");
	change(c, "d", "a", 5);
	answer(c, "d", "a", 5);
	assert_int_equal(tell(c, "d", "a", 9), ATTR_NEWS_DOUBT);
	answer(c, "d", "a", 5);
	assert_int_equal(tell_absent(c, "d", "a"), ATTR_NEWS_DOUBT);
	attr_cache_changed(c, "d", "b", NULL, false);
	watch(c, "d", "a");
	assert_int_equal(look(c, "d", "b"), ABSENT);
	assert_false(attr_cache_owns_absence(c, "d", "b", AGE_MS));
	assert_int_equal(tell(c, "d", "b", 1), ATTR_NEWS_DOUBT);
	the_time_ms += REVALIDATE_MS + 1;
	watch(c, "d", "a");
	assert_int_equal(tell_absent(c, "d", "a"), ATTR_NEWS_WENT);
	assert_int_equal(tell(c, "d", "b", 1), ATTR_NEWS_CAME);
}

static enum attr_news tell_at(
	struct attr_cache *c, int64_t size, time_t mtime, time_t ctime)
{
	struct entry e = an_entry("a", size);
	enum attr_news news;

	e.mtime.tv_sec = mtime;
	e.ctime.tv_sec = ctime;
	news = attr_cache_told(c, WATCH, "d", "a", REMOTE_TOLD_ENTRY, &e);
	entry_clear(&e);
	return news;
}

/* A name's time of change goes forward, whatever stands there. */
static void what_is_not_newer_than_an_answer_is_doubted(void **state)
{
	struct attr_cache *c = *state;
	struct entry e = an_entry("a", 8191);

	watch(c, "d", "a");
	e.mtime.tv_sec = 500;
	e.ctime.tv_sec = 2000;
	attr_cache_put_answer(c, attr_cache_ticket(c), "d", "a", &e);
	entry_clear(&e);
	assert_int_equal(tell_at(c, 0, 600, 1999), ATTR_NEWS_DOUBT);
	assert_int_equal(tell_at(c, 8191, 500, 2000), ATTR_NEWS_NONE);
	assert_int_equal(tell_at(c, 0, 600, 2000), ATTR_NEWS_DOUBT);
	assert_int_equal(tell_at(c, 8191, 500, 2000), ATTR_NEWS_NONE);
	assert_int_equal(look(c, "d", "a"), 8191);
	assert_int_equal(tell_at(c, 7, 400, 2001), ATTR_NEWS_CHANGED);
	assert_int_equal(look(c, "d", "a"), 7);
}

static void local_names_are_not_the_servers(void **state)
{
	struct attr_cache *c = *state;
	struct entry e = an_entry("mine", 3);

	watch(c, "d", "a");
	attr_cache_changed(c, "d", "mine", &e, true);
	entry_clear(&e);
	the_time_ms += REVALIDATE_MS + 1;
	assert_int_equal(tell_absent(c, "d", "mine"), ATTR_NEWS_NONE);
	assert_int_equal(tell(c, "d", "mine", 8), ATTR_NEWS_NONE);
	assert_int_equal(look(c, "d", "mine"), 3);
}

static void a_change_of_any_kind_is_asked_for(void **state)
{
	struct attr_cache *c = *state;
	GPtrArray *doubted;

	watch(c, "d", "a b");
	assert_int_equal(
		attr_cache_told(c, WATCH, "d", "a", REMOTE_TOLD_CHANGE, NULL),
		ATTR_NEWS_DOUBT);
	assert_int_equal(look(c, "d", "a"), UNKNOWN);
	assert_int_equal(look(c, "d", "b"), 1);
	doubted = attr_cache_doubted(c, "d");
	assert_int_equal(doubted->len, 1);
	assert_string_equal(doubted->pdata[0], "a");
	g_ptr_array_unref(doubted);
}

static void with_many_doubts_it_is_listed(void **state)
{
	struct attr_cache *c = *state;

	watch(c, "d", "a");
	for (int i = 0; i <= DOUBTS_MAX; i++) {
		g_autofree char *name = g_strdup_printf("n%d", i);

		(void)attr_cache_told(
			c, WATCH, "d", name, REMOTE_TOLD_CHANGE, NULL);
	}
	assert_null(attr_cache_doubted(c, "d"));
	assert_false(attr_cache_is_watched(c, "d"));
}

/* A disk that is lost tells of each of its names. */
static void a_root_that_loses_its_names_is_asked_for(void **state)
{
	struct attr_cache *c = *state;
	static const char *const names[] = { "a", "b", "c" };

	watch(c, "", "a b c");
	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
		assert_int_equal(tell_absent(c, "", names[i]), ATTR_NEWS_DOUBT);
		assert_int_equal(look(c, "", names[i]), UNKNOWN);
		assert_false(attr_cache_doubts_alone(c, "", names[i]));
	}
	assert_names(c, "", NULL);
	assert_int_equal(look_for(c, "", "a", ATTR_ANY_AGE), 1);
}

static void a_directorys_time_moves_with_what_is_told(void **state)
{
	struct attr_cache *c = *state;
	struct entry before, after;

	watch(c, "", "d/");
	watch(c, "d", "a");
	assert_int_equal(attr_cache_lookup(c, "", "d", AGE_MS, &before, NULL),
		ATTR_PRESENT);
	(void)tell(c, "d", "b", 1);
	assert_int_equal(attr_cache_lookup(c, "", "d", AGE_MS, &after, NULL),
		ATTR_PRESENT);
	assert_true(after.mtime.tv_sec > before.mtime.tv_sec);
	entry_clear(&before);
	entry_clear(&after);
}

/* What a file system tells, of the version `size`. */
static enum attr_news tell_mode(
	struct attr_cache *c, int64_t size, mode_t mode, time_t ctime)
{
	struct entry e = an_entry("a", size);
	enum attr_news news;

	e.has_attr = true;
	e.mode = mode;
	e.ctime.tv_sec = ctime;
	news = attr_cache_told(c, WATCH, "d", "a", REMOTE_TOLD_ENTRY, &e);
	entry_clear(&e);
	return news;
}

static int mode_of(struct attr_cache *c)
{
	struct entry e;
	int mode;

	if (attr_cache_lookup(c, "d", "a", ATTR_ANY_AGE, &e, NULL) !=
		ATTR_PRESENT)
		return -1;
	mode = e.has_attr ? (int)e.mode : -1;
	entry_clear(&e);
	return mode;
}

static void a_mode_is_news_of_its_own(void **state)
{
	struct attr_cache *c = *state;

	watch(c, "d", "a");
	assert_int_equal(tell_mode(c, 1, 0755, 50), ATTR_NEWS_ATTR);
	assert_int_equal(mode_of(c), 0755);
	assert_int_equal(tell_mode(c, 1, 0755, 50), ATTR_NEWS_NONE);
	assert_int_equal(tell_mode(c, 1, 0644, 60), ATTR_NEWS_ATTR);
	assert_int_equal(tell_mode(c, 1, 0755, 50), ATTR_NEWS_NONE); /* late */
	assert_int_equal(mode_of(c), 0644);
	assert_int_equal(tell_mode(c, 2, 0600, 70), ATTR_NEWS_CHANGED);
	assert_int_equal(mode_of(c), 0600);
}

/* Its time was set to the past: what comes late has a newer one. */
static void late_news_of_what_we_set_is_known_by_the_change_time(void **state)
{
	struct attr_cache *c = *state;
	struct entry e = an_entry("a", 1);

	watch(c, "d", "a");
	e.has_attr = true;
	e.ctime.tv_sec = 60;
	attr_cache_changed(c, "d", "a", &e, false);
	entry_clear(&e);
	the_time_ms += 10 * REVALIDATE_MS;
	assert_int_equal(tell_mode(c, 9, 0644, 50), ATTR_NEWS_DOUBT);
}

static void reliance_is_told_once(void **state)
{
	struct attr_cache *c = *state;

	watch(c, "d", "a");
	(void)look(c, "d", "a");
	assert_false(attr_cache_take_reliance(c));
	the_time_ms += AGE_MS + 1;
	(void)look(c, "d", "a");
	assert_true(attr_cache_take_reliance(c));
	assert_false(attr_cache_take_reliance(c));
}

/* Of which nothing is known but that. */
static void directories_that_are_told_of_are_bounded(void **state)
{
	struct attr_cache *c = *state;

	answer(c, "d", "a", 1);
	for (unsigned i = 0; i < ATTR_CACHE_NAMES_MAX; i++) {
		char dir[16];

		the_time_ms += i == 0; /* the first is the oldest */
		(void)g_snprintf(dir, sizeof(dir), "n%u", i);
		attr_cache_unwatched(c, WATCH, dir);
	}
	assert_int_equal(look(c, "d", "a"), UNKNOWN);
}

static void dropped_beliefs_are_dropped_for_a_watch_too(void **state)
{
	struct attr_cache *c = *state;

	watch(c, "d", "a");
	attr_cache_expire(c);
	assert_int_equal(look(c, "d", "a"), UNKNOWN);
	assert_int_equal(look(c, "d", "b"), UNKNOWN);
	assert_names(c, "d", NULL);
	assert_false(attr_cache_doubts_alone(c, "d", "a"));
	list_plainly(c, attr_cache_ticket(c), "d", "a");
	the_time_ms += AGE_MS + 1;
	assert_names(c, "d", "a");
}

#define with_cache(name) \
	cmocka_unit_test_setup_teardown(name, make_cache, free_cache)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_cache(a_watched_directory_is_known_at_any_age),
		with_cache(a_watch_is_not_believed_for_ever),
		with_cache(who_believes_nothing_asks),
		with_cache(what_was_told_is_no_proof),
		with_cache(names_that_a_watch_hides_are_unlisted),
		with_cache(dot_names_of_an_older_listing_are_unlisted),
		with_cache(things_are_as_old_as_the_watch_when_it_ends),
		with_cache(a_new_watch_is_another),
		with_cache(a_listing_may_come_before_its_watch),
		with_cache(one_directory_may_be_unwatched),
		with_cache(a_listing_may_come_after_its_watch_is_over),
		with_cache(a_moved_directory_is_not_watched),
		with_cache(what_is_told_is_so),
		with_cache(a_directory_that_is_gone_is_so_with_all_below),
		with_cache(what_is_told_is_stronger_than_older_answers),
		with_cache(what_came_and_went_does_not_come_back),
		with_cache(our_own_change_is_doubted_and_not_undone),
		with_cache(an_older_version_than_our_own_is_doubted_at_any_age),
		with_cache(an_answer_does_not_end_the_doubt),
		with_cache(what_is_not_newer_than_an_answer_is_doubted),
		with_cache(local_names_are_not_the_servers),
		with_cache(a_change_of_any_kind_is_asked_for),
		with_cache(with_many_doubts_it_is_listed),
		with_cache(a_root_that_loses_its_names_is_asked_for),
		with_cache(a_directorys_time_moves_with_what_is_told),
		with_cache(a_mode_is_news_of_its_own),
		with_cache(
			late_news_of_what_we_set_is_known_by_the_change_time),
		with_cache(reliance_is_told_once),
		with_cache(directories_that_are_told_of_are_bounded),
		with_cache(dropped_beliefs_are_dropped_for_a_watch_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
