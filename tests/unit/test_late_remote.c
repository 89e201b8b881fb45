/* Removals that wait, and everything that must not notice. */
#include "config.h"

#include "fake_remote.h"
#include "fake_watch.h"
#include "late_remote.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

struct world {
	struct remote *fake;
	struct late_remote *late;
	struct remote *remote;
};

static int setup(void **state)
{
	struct world *w = g_new0(struct world, 1);

	w->fake = fake_remote_new();
	w->late = late_remote_new(w->fake);
	w->remote = late_remote_of(w->late);
	fake_remote_put(w->fake, "d/a", "old");
	fake_remote_put(w->fake, "d/b", "");
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	late_remote_free(w->late);
	remote_free(w->fake);
	g_free(w);
	return 0;
}

static void assert_done(struct world *w, const char *expected)
{
	g_autofree char *changes = fake_remote_changes(w->fake);

	assert_string_equal(changes, expected);
}

static int stat_of(struct world *w, const char *path)
{
	struct entry e;
	int rc = remote_stat(w->remote, path, NULL, &e);

	if (rc == 0)
		entry_clear(&e);
	return rc;
}

static int remove_late(struct world *w, const char *path)
{
	struct entry now = { 0 };
	int rc;

	/* Also of what waits already: the late remote's own answer is no. */
	(void)remote_stat(w->fake, path, NULL, &now);
	rc = late_remote_remove(w->late, path, &now, NULL);
	entry_clear(&now);
	return rc;
}

static ssize_t no_bytes(void *arg, void *buffer, size_t size, int64_t offset)
{
	(void)arg;
	(void)buffer;
	(void)size;
	(void)offset;
	return 0;
}

static int write_empty(struct world *w, const char *path)
{
	const struct remote_source source = { .read = no_bytes };
	struct entry e;
	int rc = remote_write(w->remote, path, &source, NULL, &e);

	if (rc == 0)
		entry_clear(&e);
	return rc;
}

static int replace_empty(struct world *w, const char *path,
	enum remote_condition condition, const struct entry *base,
	struct entry *ret)
{
	const struct remote_source source = { .read = no_bytes };
	const struct remote_change change = { .condition = condition,
		.base = base };

	return remote_replace(w->remote, path, &change, &source, NULL, ret);
}

static int sink_nothing(
	void *arg, const void *bytes, size_t length, int64_t offset)
{
	(void)arg;
	(void)bytes;
	(void)length;
	(void)offset;
	return 0;
}

static void what_waits_is_not_there(void **state)
{
	struct world *w = *state;
	const struct remote_sink sink = { sink_nothing, NULL };
	struct remote_read_info info;
	GPtrArray *entries = NULL;
	unsigned dropped;

	assert_int_equal(remove_late(w, "d/a"), 0);
	assert_int_equal(stat_of(w, "d/a"), -ENOENT);
	assert_int_equal(
		remote_read(w->remote, "d/a", 0, -1, &sink, NULL, &info),
		-ENOENT);
	assert_int_equal(
		remote_list(w->remote, "d", NULL, &entries, &dropped), 0);
	assert_int_equal(entries->len, 1);
	g_ptr_array_unref(entries);
	assert_true(fake_remote_has(w->fake, "d/a"));
	/* Our own question, in remove_late(). */
	assert_int_equal(fake_remote_calls(w->fake, FAKE_STAT), 1);
	assert_done(w, "");
	assert_int_equal(stat_of(w, "d/b"), 0);
}

static void a_write_is_all_that_happens(void **state)
{
	struct world *w = *state;

	assert_int_equal(remove_late(w, "d/a"), 0);
	assert_int_equal(write_empty(w, "d/a"), 0);
	assert_int_equal(stat_of(w, "d/a"), 0);
	assert_int_equal(late_remote_settle(w->late, NULL), 0);
	assert_done(w, "write d/a;");
}

static void in_the_end_it_is_removed(void **state)
{
	struct world *w = *state;

	fake_remote_stall(w->fake, FAKE_REMOVE);
	assert_int_equal(remove_late(w, "d/a"), 0);
	fake_remote_await_stalled(w->fake, FAKE_REMOVE); /* by the thread */
	assert_int_equal(stat_of(w, "d/a"), -ENOENT);
	fake_remote_release(w->fake, FAKE_REMOVE);
	assert_int_equal(late_remote_settle(w->late, NULL), 0);
	assert_done(w, "remove d/a;");
}

static void *write_a(void *arg)
{
	assert_int_equal(write_empty(arg, "d/a"), 0);
	return NULL;
}

static void a_write_never_races_with_a_removal(void **state)
{
	struct world *w = *state;
	pthread_t thread;

	fake_remote_stall(w->fake, FAKE_REMOVE);
	assert_int_equal(remove_late(w, "d/a"), 0);
	fake_remote_await_stalled(w->fake, FAKE_REMOVE);
	assert_int_equal(pthread_create(&thread, NULL, write_a, w), 0);
	fake_remote_release(w->fake, FAKE_REMOVE);
	(void)pthread_join(thread, NULL);
	assert_done(w, "remove d/a;write d/a;");
}

static void a_failed_removal_is_tried_again_and_given_up(void **state)
{
	struct world *w = *state;

	assert_int_equal(remove_late(w, "d/a"), 0);
	fake_remote_fail(w->fake, FAKE_REMOVE, 1, EHOSTUNREACH);
	assert_int_equal(late_remote_settle(w->late, NULL), -EHOSTUNREACH);
	assert_int_equal(stat_of(w, "d/a"), -ENOENT);
	fake_remote_fail(w->fake, FAKE_REMOVE, 1, EACCES);
	assert_int_equal(late_remote_settle(w->late, NULL), -EACCES);
	fake_remote_fail(w->fake, FAKE_REMOVE, 1, EACCES);
	assert_int_equal(late_remote_settle(w->late, NULL), -EACCES);
	assert_int_equal(stat_of(w, "d/a"), 0); /* shown again */
	assert_int_equal(late_remote_settle(w->late, NULL), 0);
}

static void what_needs_the_name_gone_removes_it_first(void **state)
{
	struct world *w = *state;
	struct entry e;

	assert_int_equal(remove_late(w, "d/a"), 0);
	assert_int_equal(remote_rename(w->remote, "d/b", "d/a", NULL, &e), 0);
	entry_clear(&e);
	assert_done(w, "remove d/a;rename d/b d/a;");
	fake_remote_reset(w->fake);
	assert_int_equal(remove_late(w, "d/a"), 0);
	assert_int_equal(remote_mkdir(w->remote, "d/a", NULL, &e), 0);
	entry_clear(&e);
	assert_done(w, "remove d/a;mkdir d/a;");
	fake_remote_reset(w->fake);
	fake_remote_put(w->fake, "d/c", "");
	assert_int_equal(remove_late(w, "d/c"), 0);
	assert_int_equal(remote_rename(w->remote, "d", "e", NULL, &e), 0);
	entry_clear(&e);
	assert_done(w, "remove d/c;rename d e;");
}

static void what_others_saved_meanwhile_stays(void **state)
{
	struct world *w = *state;

	assert_int_equal(remove_late(w, "d/a"), 0);
	fake_remote_put(w->fake, "d/a", "theirs");
	assert_int_equal(late_remote_settle(w->late, NULL), 0);
	assert_done(w, "");
	assert_int_equal(stat_of(w, "d/a"), 0);
}

/* --- replacing ------------------------------------------------------------ */

static void allow_swap(struct world *w)
{
	fake_remote_set_capabilities(w->fake, REMOTE_CAN_SWAP);
	assert_int_equal(remote_capabilities(w->remote), REMOTE_CAN_SWAP);
}

static void what_waits_is_replaced_as_absent(void **state)
{
	struct world *w = *state;
	struct entry now = { 0 };

	allow_swap(w);
	assert_int_equal(remove_late(w, "d/a"), 0);
	assert_int_equal(
		replace_empty(w, "d/a", REMOTE_IF_ABSENT, NULL, &now), 0);
	assert_int_equal(now.size, 0);
	entry_clear(&now);
	assert_int_equal(stat_of(w, "d/a"), 0);
	assert_int_equal(late_remote_settle(w->late, NULL), 0);
	assert_done(w, "replace d/a;");
	assert_int_equal(remove_late(w, "d/b"), 0);
	assert_int_equal(
		replace_empty(w, "d/b", REMOTE_WHATEVER, NULL, &now), 0);
	entry_clear(&now);
	assert_int_equal(late_remote_settle(w->late, NULL), 0);
	assert_done(w, "replace d/a;replace d/b;");
}

static void what_does_not_wait_is_replaced_as_it_is(void **state)
{
	struct world *w = *state;
	struct entry now = { 0 };

	allow_swap(w);
	assert_int_equal(
		replace_empty(w, "d/a", REMOTE_IF_ABSENT, NULL, &now), -ESTALE);
	assert_int_equal(now.size, 3);
	entry_clear(&now);
	assert_int_equal(
		replace_empty(w, "d/c", REMOTE_IF_ABSENT, NULL, &now), 0);
	entry_clear(&now);
	assert_done(w, "replace d/c;");
}

static void no_version_is_where_a_removal_waits(void **state)
{
	struct world *w = *state;
	struct entry base, now;

	allow_swap(w);
	assert_int_equal(remote_stat(w->fake, "d/a", NULL, &base), 0);
	assert_int_equal(remove_late(w, "d/a"), 0);
	assert_int_equal(
		replace_empty(w, "d/a", REMOTE_IF_VERSION, &base, &now),
		-ESTALE);
	assert_true(remote_found_nothing(&now));
	entry_clear(&base);
	assert_int_equal(fake_remote_calls(w->fake, FAKE_REPLACE), 0);
	assert_int_equal(late_remote_settle(w->late, NULL), 0);
	assert_done(w, "remove d/a;");
}

static void a_removal_goes_on_when_nothing_was_replaced(void **state)
{
	struct world *w = *state;
	struct entry now = { 0 };

	allow_swap(w);
	assert_int_equal(remove_late(w, "d/a"), 0);
	fake_remote_fail(w->fake, FAKE_REPLACE, 1, EOPNOTSUPP);
	assert_int_equal(replace_empty(w, "d/a", REMOTE_IF_ABSENT, NULL, &now),
		-EOPNOTSUPP);
	assert_int_equal(stat_of(w, "d/a"), -ENOENT);
	assert_int_equal(late_remote_settle(w->late, NULL), 0);
	assert_done(w, "remove d/a;");
}

static void a_replace_leaves_what_others_saved_meanwhile(void **state)
{
	struct world *w = *state;
	struct entry now = { 0 };

	allow_swap(w);
	assert_int_equal(remove_late(w, "d/a"), 0);
	fake_remote_put(w->fake, "d/a", "theirs");
	assert_int_equal(
		replace_empty(w, "d/a", REMOTE_IF_ABSENT, NULL, &now), -ESTALE);
	assert_int_equal(now.size, 6);
	entry_clear(&now);
	assert_int_equal(stat_of(w, "d/a"), 0);
	assert_int_equal(remove_late(w, "d/a"), 0);
	fake_remote_drop(w->fake, "d/a");
	assert_int_equal(
		replace_empty(w, "d/a", REMOTE_IF_ABSENT, NULL, &now), 0);
	entry_clear(&now);
	assert_int_equal(late_remote_settle(w->late, NULL), 0);
	assert_done(w, "replace d/a;");
}

static void *replace_a(void *arg)
{
	struct entry now = { 0 };

	assert_int_equal(
		replace_empty(arg, "d/a", REMOTE_IF_ABSENT, NULL, &now), 0);
	entry_clear(&now);
	return NULL;
}

static void a_replace_never_races_with_a_removal(void **state)
{
	struct world *w = *state;
	pthread_t thread;

	allow_swap(w);
	assert_int_equal(remove_late(w, "d/a"), 0);
	fake_remote_stall(w->fake, FAKE_REPLACE);
	assert_int_equal(pthread_create(&thread, NULL, replace_a, w), 0);
	fake_remote_await_stalled(w->fake, FAKE_REPLACE);
	assert_int_equal(stat_of(w, "d/a"), -ENOENT);
	fake_remote_release(w->fake, FAKE_REPLACE);
	assert_int_equal(late_remote_settle(w->late, NULL), 0);
	(void)pthread_join(thread, NULL);
	assert_done(w, "replace d/a;");
}

/* "d:1 b;": how many names a directory has, and which. */
static void note_directory(void *arg, const char *path, GPtrArray *entries,
	unsigned dropped, uint64_t watch)
{
	GString *text = arg;

	assert_int_equal(dropped, 0);
	assert_int_equal(watch, 0);
	g_string_append_printf(text, "%s:%u", path, entries->len);
	for (guint i = 0; i < entries->len; i++)
		g_string_append_printf(text, " %s",
			((const struct entry *)entries->pdata[i])->name);
	g_string_append_c(text, ';');
	g_ptr_array_unref(entries);
}

static void note_file(void *arg, unsigned index, int rc,
	const struct entry *version, const void *bytes, size_t length)
{
	GString *text = arg;

	(void)version;
	g_string_append_printf(text, "%u:%d:%.*s;", index, rc, (int)length,
		rc == 0 ? (const char *)bytes : "");
}

static void what_waits_is_not_among_many(void **state)
{
	struct world *w = *state;
	g_autoptr(GString) text = g_string_new(NULL);
	const struct remote_tree_sink tree_sink = { note_directory, text };
	const struct remote_many_sink many_sink = { note_file, text };
	const char *const paths[] = { "d/a", "d/e/f" };
	bool is_all = false;

	fake_remote_set_capabilities(w->fake, REMOTE_CAN_TREE);
	fake_remote_put(w->fake, "d/e/f", "new");
	assert_int_equal(remove_late(w, "d/a"), 0);
	assert_int_equal(remove_late(w, "d/b"), 0);
	assert_int_equal(remote_list_tree(w->remote, "d", "", 10, &tree_sink,
				 NULL, &is_all),
		0);
	assert_true(is_all);
	assert_int_equal(
		remote_read_many(w->remote, paths, 2, 100, &many_sink, NULL),
		0);
	assert_string_equal(text->str, "d:1 e;d/e:1 f;0:-2:;1:0:new;");
	assert_done(w, "");
}

static void note_watch(void *arg, uint64_t watch)
{
	g_string_append_printf(arg, "watch %" G_GUINT64_FORMAT ";", watch);
}

static void note_change(void *arg, uint64_t watch, const char *directory,
	const char *name, enum remote_told told, const struct entry *entry)
{
	static const char *const words[] = {
		[REMOTE_TOLD_ENTRY] = "is",
		[REMOTE_TOLD_ABSENT] = "absent",
		[REMOTE_TOLD_CHANGE] = "ask",
	};

	assert_int_equal(watch, 3);
	assert_int_equal(entry != NULL, told == REMOTE_TOLD_ENTRY);
	g_string_append_printf(arg, "%s %s/%s;", words[told], directory, name);
}

static void note_unwatched(void *arg, uint64_t watch, const char *directory)
{
	(void)watch;
	g_string_append_printf(arg, "unwatched %s;", directory);
}

static void what_is_told_of_a_name_that_waits_is_not_passed_on(void **state)
{
	struct world *w = *state;
	g_autoptr(GString) text = g_string_new(NULL);
	const struct remote_listener listener = { note_watch, note_change,
		note_unwatched, text };
	struct remote *watch = fake_watch_new(w->fake);
	struct late_remote *late = late_remote_new(watch);
	struct remote *remote = late_remote_of(late);
	struct entry now;

	remote_listen(remote, &listener);
	remote_rely(remote);
	assert_int_equal(fake_watch_relied(watch), 1);
	fake_watch_begin(watch, 3);
	fake_watch_tell(watch, "d/a");
	fake_watch_unwatch(watch, "d");
	assert_int_equal(remote_stat(remote, "d/a", NULL, &now), 0);
	assert_int_equal(late_remote_remove(late, "d/a", &now, NULL), 0);
	entry_clear(&now);
	fake_remote_put(w->fake, "d/a", "theirs");
	fake_watch_tell(watch, "d/a");
	fake_watch_tell_entry(watch, "d/a", NULL);
	assert_string_equal(text->str, "watch 3;is d/a;unwatched d;");
	/* Theirs stays: whoever heard nothing of it hears now. */
	assert_int_equal(late_remote_settle(late, NULL), 0);
	assert_string_equal(text->str, "watch 3;is d/a;unwatched d;ask d/a;");
	remote_listen(remote, NULL);
	assert_false(fake_watch_has_listener(watch));
	late_remote_free(late);
	remote_free(watch);
}

/* Somebody made it again between the removal and its end; or it was only the
 * removal itself that was told. */
static void what_was_told_of_a_removed_name_is_asked_for(void **state)
{
	struct world *w = *state;
	g_autoptr(GString) text = g_string_new(NULL);
	const struct remote_listener listener = { note_watch, note_change,
		note_unwatched, text };
	struct remote *watch = fake_watch_new(w->fake);
	struct late_remote *late = late_remote_new(watch);
	struct remote *remote = late_remote_of(late);
	const struct remote_source source = { .read = no_bytes };
	struct entry now;

	remote_listen(remote, &listener);
	fake_watch_begin(watch, 3);
	assert_int_equal(remote_stat(remote, "d/a", NULL, &now), 0);
	assert_int_equal(late_remote_remove(late, "d/a", &now, NULL), 0);
	entry_clear(&now);
	fake_watch_tell_entry(watch, "d/a", NULL);
	assert_string_equal(text->str, "watch 3;");
	assert_int_equal(late_remote_settle(late, NULL), 0);
	assert_false(fake_remote_has(w->fake, "d/a"));
	assert_string_equal(text->str, "watch 3;ask d/a;");
	/* A removal that is called off, for a write that fails. */
	assert_int_equal(remote_stat(remote, "d/b", NULL, &now), 0);
	assert_int_equal(late_remote_remove(late, "d/b", &now, NULL), 0);
	entry_clear(&now);
	fake_remote_fail(w->fake, FAKE_WRITE, 1, ENOSPC);
	assert_int_equal(
		remote_write(remote, "d/b", &source, NULL, &now), -ENOSPC);
	assert_string_equal(text->str, "watch 3;ask d/a;ask d/b;");
	remote_listen(remote, NULL);
	late_remote_free(late);
	remote_free(watch);
}

#define with_world(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(what_is_told_of_a_name_that_waits_is_not_passed_on),
		with_world(what_was_told_of_a_removed_name_is_asked_for),
		with_world(what_waits_is_not_there),
		with_world(a_write_is_all_that_happens),
		with_world(in_the_end_it_is_removed),
		with_world(a_write_never_races_with_a_removal),
		with_world(a_failed_removal_is_tried_again_and_given_up),
		with_world(what_needs_the_name_gone_removes_it_first),
		with_world(what_others_saved_meanwhile_stays),
		with_world(what_waits_is_replaced_as_absent),
		with_world(what_does_not_wait_is_replaced_as_it_is),
		with_world(no_version_is_where_a_removal_waits),
		with_world(a_removal_goes_on_when_nothing_was_replaced),
		with_world(a_replace_leaves_what_others_saved_meanwhile),
		with_world(a_replace_never_races_with_a_removal),
		with_world(what_waits_is_not_among_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
