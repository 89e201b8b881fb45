/* What is told of changes: to who looks, to the kernel, to who reads about it;
 * and what it costs. */
#include "config.h"

#include "attr_cache.h"
#include "availability.h"
#include "conflict.h"
#include "fake_watch.h"
#include "fs_limits.h"
#include "mutex.h"
#include "notifier.h"
#include "test.h"
#include "watch.h"
#include "workers.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define AGE_MS ((int64_t)5000) /* attr_timeout */
#define WATCH  3

static _Atomic int64_t the_time_ms;

static int64_t read_clock(void)
{
	return the_time_ms;
}

/* A world whose remote tells, and a kernel that writes down what it hears. */
struct telling {
	struct world *world;
	struct remote *fake, *watch, *stack;
	struct notifier *kernel;
	struct mutex lock;
	/* guarded by lock */
	GString *heard;
	struct handle *mapped; /* read again when its pages have gone */
	char seen[8];
};

static void hear_attr(void *arg, uint64_t ino)
{
	struct telling *t = arg;

	mutex_lock(&t->lock);
	g_string_append_printf(t->heard, "attr %" G_GUINT64_FORMAT ";", ino);
	mutex_unlock(&t->lock);
}

static void hear_pages(void *arg, uint64_t ino)
{
	struct telling *t = arg;

	mutex_lock(&t->lock);
	g_string_append_printf(t->heard, "pages %" G_GUINT64_FORMAT ";", ino);
	if (t->mapped != NULL)
		(void)world_read(
			t->world, t->mapped, t->seen, sizeof(t->seen), 0);
	mutex_unlock(&t->lock);
}

static void hear_entry(void *arg, uint64_t parent, const char *name)
{
	struct telling *t = arg;

	mutex_lock(&t->lock);
	g_string_append_printf(
		t->heard, "entry %" G_GUINT64_FORMAT " %s;", parent, name);
	mutex_unlock(&t->lock);
}

static const struct notifier_ops kernel_ops = { hear_attr, hear_pages,
	hear_entry };

static int probe(void *arg, const struct cancel *cancel)
{
	(void)arg;
	return cancel_check(cancel);
}

/* fake_remote_*() go on working upon world->remote; the session has the stack. */
static void begin_session(struct telling *t)
{
	struct world *w = t->world;

	w->options.attr_timeout_ms = AGE_MS;
	w->options.cache_bytes = CACHE_BYTES;
	w->remote = t->stack;
	world_begin_session(w);
	w->remote = t->fake;
	attr_cache_set_clock(w->session->attrs, read_clock);
	watch_listen(w->session->watch, t->kernel);
}

static int setup(void **state)
{
	struct telling *t = g_new0(struct telling, 1);
	const struct availability_params params = { .probe = probe };
	void *world;

	the_time_ms = 1000;
	mutex_init(&t->lock);
	t->heard = g_string_new(NULL);
	assert_int_equal(notifier_new(&kernel_ops, t, &t->kernel), 0);
	assert_int_equal(world_setup(&world), 0);
	t->world = world;
	world_end_session(t->world);
	t->fake = t->world->remote;
	fake_remote_set_capabilities(t->fake,
		REMOTE_CAN_RANGE | REMOTE_CAN_TREE | REMOTE_CAN_HIDDEN);
	t->watch = fake_watch_new(t->fake);
	t->stack = availability_new(t->watch, &params);
	begin_session(t);
	fake_watch_begin(t->watch, WATCH);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct telling *t = *state;
	void *world = t->world;

	world_end_session(t->world);
	assert_false(fake_watch_has_listener(t->watch));
	notifier_free(t->kernel);
	remote_free(t->stack);
	(void)world_teardown(&world);
	g_string_free(t->heard, TRUE);
	mutex_fini(&t->lock);
	g_free(t);
	return 0;
}

/* Somebody looks into it, and it becomes watched. */
static void open_and_watch(struct telling *t, const char *path)
{
	unsigned before = fake_remote_calls(t->fake, FAKE_LIST_TREE);
	g_autofree char *names = NULL;
	int rc;

	names = world_names(t->world, path, &rc);
	assert_int_equal(rc, 0);
	fake_remote_await_ended(t->fake, FAKE_LIST_TREE, before + 1);
	assert_true(attr_cache_is_watched(t->world->session->attrs, path));
}

/* Others change the file, and that is told. The costs begin anew. */
static void save_elsewhere(
	struct telling *t, const char *path, const char *text)
{
	fake_remote_put(t->fake, path, text);
	fake_watch_tell(t->watch, path);
	fake_remote_reset(t->fake);
}

static void drop_elsewhere(struct telling *t, const char *path)
{
	fake_remote_drop(t->fake, path);
	fake_watch_tell(t->watch, path);
	fake_remote_reset(t->fake);
}

static void assert_names(
	struct telling *t, const char *path, const char *expected)
{
	int rc;
	g_autofree char *names = world_names(t->world, path, &rc);

	assert_int_equal(rc, 0);
	assert_string_equal(names, expected);
}

static void assert_cost(struct telling *t, unsigned calls)
{
	assert_int_equal(fake_remote_all_calls(t->fake), calls);
}

static void assert_heard(struct telling *t, const char *expected)
{
	assert_int_equal(notifier_wait(t->kernel, NULL, -1), 0);
	mutex_lock(&t->lock);
	assert_string_equal(t->heard->str, expected);
	g_string_truncate(t->heard, 0);
	mutex_unlock(&t->lock);
}

/* --- what it costs -------------------------------------------------------- */

static void what_is_told_shows_at_once_and_costs_nothing(void **state)
{
	struct telling *t = *state;
	struct world *w = t->world;

	fake_remote_put(t->fake, "d/a", "1");
	fake_remote_put(t->fake, "d/b", "1");
	open_and_watch(t, "d");
	open_and_watch(t, "");
	save_elsewhere(t, "d/a", "four");
	assert_int_equal(world_size(w, "d/a"), 4);
	save_elsewhere(t, "d/new", "22");
	assert_int_equal(world_size(w, "d/new"), 2);
	drop_elsewhere(t, "d/b");
	assert_int_equal(world_exists(w, "d/b"), -ENOENT);
	assert_names(t, "d", "a new");
	assert_cost(t, 0);
}

static void a_walk_at_any_age_costs_nothing(void **state)
{
	struct telling *t = *state;
	struct world *w = t->world;

	fake_remote_put(t->fake, "d/a", "1");
	fake_remote_put(t->fake, "d/.hidden", "1");
	open_and_watch(t, "");
	open_and_watch(t, "d");
	fake_remote_reset(t->fake);
	the_time_ms += WATCH_BELIEVED_MS / 2;
	assert_names(t, "", ".run d");
	assert_names(t, "d", ".hidden a");
	assert_int_equal(world_size(w, "d/a"), 1);
	assert_int_equal(world_exists(w, "d/b"), -ENOENT);
	assert_int_equal(world_exists(w, "d/__pycache__"), -ENOENT);
	assert_cost(t, 0);
	assert_int_equal(fake_watch_relied(t->watch), 1);
}

static void opening_asks_nothing(void **state)
{
	struct telling *t = *state;
	struct world *w = t->world;
	struct node *a;
	int rc;

	fake_remote_put(t->fake, "d/a", "one");
	open_and_watch(t, "");
	open_and_watch(t, "d");
	a = world_walk(w, "d/a", &rc); /* its bytes stay */
	assert_cat(w, "d/a", "one");
	fake_remote_reset(t->fake);
	the_time_ms += 100 * AGE_MS;
	assert_cat(w, "d/a", "one");
	assert_cost(t, 0);
	save_elsewhere(t, "d/a", "other");
	assert_cat(w, "d/a", "other");
	assert_int_equal(fake_remote_calls(t->fake, FAKE_READ), 1);
	assert_cost(t, 1);
	world_forget(w, a);
}

static void saving_and_removing_want_the_servers_own_word(void **state)
{
	struct telling *t = *state;
	struct world *w = t->world;

	fake_remote_put(t->fake, "d/a", "one");
	fake_remote_put_directory(t->fake, "d/empty");
	open_and_watch(t, "");
	open_and_watch(t, "d");
	open_and_watch(t, "d/empty");
	fake_remote_put(t->fake, "d/empty/not.told", "1");
	assert_int_equal(world_rmdir(w, "d/empty"), -ENOTEMPTY);
	fake_remote_put(t->fake, "d/x", "1");
	the_time_ms += JUST_ASKED_MS + 1;
	assert_int_equal(world_mkdir(w, "d/x"), -EEXIST);
}

static void attr_timeout_of_nothing_believes_nothing(void **state)
{
	struct telling *t = *state;
	struct world *w = t->world;

	fake_remote_put(t->fake, "d/a", "1");
	open_and_watch(t, "d");
	w->session->options.attr_timeout_ms = 0;
	fake_remote_put(t->fake, "d/a", "22");
	assert_int_equal(world_size(w, "d/a"), 2);
}

/* --- the end of a watch --------------------------------------------------- */

static void without_a_watch_the_usual_ages_count(void **state)
{
	struct telling *t = *state;
	struct world *w = t->world;

	fake_remote_put(t->fake, "a", "1");
	open_and_watch(t, "");
	the_time_ms += 100 * AGE_MS;
	fake_watch_tell(t->watch, "a"); /* so it is alive */
	fake_watch_begin(t->watch, 0);
	fake_remote_reset(t->fake);
	the_time_ms += AGE_MS;
	assert_int_equal(world_size(w, "a"), 1);
	assert_cost(t, 0);
	the_time_ms++;
	fake_remote_put(t->fake, "a", "22");
	assert_int_equal(world_size(w, "a"), 2);
	assert_cost(t, 1);
}

static void a_directory_alone_may_lose_its_watch(void **state)
{
	struct telling *t = *state;
	struct world *w = t->world;

	fake_remote_put(t->fake, "d/a", "1");
	open_and_watch(t, "");
	open_and_watch(t, "d");
	the_time_ms += 100 * AGE_MS;
	fake_watch_unwatch(t->watch, "d");
	the_time_ms += AGE_MS + 1;
	fake_remote_put(t->fake, "d/a", "22");
	fake_remote_reset(t->fake);
	assert_int_equal(world_size(w, "d/a"), 2);
	assert_int_equal(fake_remote_calls(t->fake, FAKE_LIST), 1);
	assert_cost(t, 1);
}

/* --- becoming watched ----------------------------------------------------- */

static void what_is_opened_becomes_watched_once(void **state)
{
	struct telling *t = *state;
	struct world *w = t->world;

	fake_remote_put(t->fake, "d/a", "1");
	assert_int_equal(world_exists(w, "d/a"), 0);
	assert_int_equal(fake_remote_calls(t->fake, FAKE_LIST_TREE), 0);
	open_and_watch(t, "d");
	assert_names(t, "d", "a");
	assert_int_equal(fake_remote_calls(t->fake, FAKE_LIST_TREE), 1);
}

static void what_is_not_watched_is_not_tried_again_soon(void **state)
{
	struct telling *t = *state;

	fake_remote_put(t->fake, "d/a", "1");
	fake_watch_refuse(t->watch, true);
	assert_names(t, "d", "a");
	fake_remote_await_ended(t->fake, FAKE_LIST_TREE, 1);
	assert_names(t, "d", "a");
	workers_drop(t->world->session->workers);
	assert_names(t, "d", "a");
	assert_int_equal(fake_remote_calls(t->fake, FAKE_LIST_TREE), 1);
	assert_false(attr_cache_is_watched(t->world->session->attrs, "d"));
}

static void without_a_watch_nothing_is_listed_twice(void **state)
{
	struct telling *t = *state;

	fake_watch_begin(t->watch, 0);
	fake_remote_put(t->fake, "a", "1");
	assert_names(t, "", ".run a");
	assert_cost(t, 1);
}

/* --- what is ours --------------------------------------------------------- */

static void a_late_event_of_our_own_save_is_no_conflict(void **state)
{
	struct telling *t = *state;
	struct world *w = t->world;
	struct entry older;

	fake_remote_put(t->fake, "d/a", "zero");
	open_and_watch(t, "");
	open_and_watch(t, "d");
	assert_int_equal(world_save(w, "d/a", "one"), 0);
	assert_int_equal(remote_stat(t->fake, "d/a", NULL, &older), 0);
	assert_int_equal(world_save(w, "d/a", "second"), 0);
	fake_remote_reset(t->fake);
	fake_watch_tell_entry(t->watch, "d/a", &older);
	entry_clear(&older);
	assert_int_equal(world_size(w, "d/a"), 6);
	assert_int_equal(fake_remote_calls(t->fake, FAKE_STAT), 1);
	assert_cost(t, 1);
	assert_int_equal(world_size(w, "d/a"), 6);
	assert_cost(t, 1);
	assert_int_equal(world_save(w, "d/a", "third one"), 0);
	assert_remote(w, "d/a", "third one");
	assert_int_equal(conflicts_count(w->session->conflicts), 0);
}

static void who_saved_first_still_wins(void **state)
{
	struct telling *t = *state;
	struct world *w = t->world;
	struct handle *h;

	fake_remote_put(t->fake, "d/a", "zero");
	open_and_watch(t, "");
	open_and_watch(t, "d");
	assert_int_equal(world_open(w, "d/a", O_WRONLY, &h), 0);
	assert_int_equal(world_write(w, h, "mine", 0), 4);
	save_elsewhere(t, "d/a", "theirs");
	assert_int_equal(world_close(w, h), -ESTALE);
	assert_remote(w, "d/a", "theirs");
	assert_int_equal(conflicts_count(w->session->conflicts), 1);
}

/* --- a disk that is lost -------------------------------------------------- */

static void a_root_that_is_told_to_be_empty_is_a_fault(void **state)
{
	struct telling *t = *state;
	struct world *w = t->world;
	static const char *const names[] = { "a", "b", "c" };

	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
		fake_remote_put(t->fake, names[i], "1");
	open_and_watch(t, "");
	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
		fake_remote_drop(t->fake, names[i]);
	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
		fake_watch_tell(t->watch, names[i]);
	assert_names(t, "", ".run a b c");
	assert_int_equal(world_size(w, "b"), 1);
}

static void a_name_that_leaves_the_root_is_asked_for(void **state)
{
	struct telling *t = *state;

	fake_remote_put(t->fake, "a", "1");
	fake_remote_put(t->fake, "b.pyc", "1");
	fake_remote_put(t->fake, "c", "1");
	open_and_watch(t, "");
	drop_elsewhere(t, "a");
	assert_names(t, "", ".run b.pyc c");
	assert_int_equal(fake_remote_calls(t->fake, FAKE_LIST), 1);
	assert_cost(t, 1);
	the_time_ms += 100 * AGE_MS;
	assert_names(t, "", ".run b.pyc c");
	assert_cost(t, 1);
	drop_elsewhere(t, "b.pyc");
	assert_names(t, "", ".run c");
	assert_int_equal(fake_remote_calls(t->fake, FAKE_STAT), 1);
	assert_cost(t, 1);
}

static void what_may_be_anything_is_asked_for_alone(void **state)
{
	struct telling *t = *state;

	fake_remote_put(t->fake, "d/a", "1");
	fake_remote_put(t->fake, "d/b", "1");
	open_and_watch(t, "");
	open_and_watch(t, "d");
	fake_remote_drop(t->fake, "d/a");
	fake_watch_tell_change(t->watch, "d/a");
	fake_remote_reset(t->fake);
	assert_names(t, "d", "b");
	assert_int_equal(fake_remote_calls(t->fake, FAKE_STAT), 1);
	assert_cost(t, 1);
}

/* --- the kernel ----------------------------------------------------------- */

static void the_kernel_hears_of_what_it_holds(void **state)
{
	struct telling *t = *state;
	struct world *w = t->world;
	g_autofree char *changed = NULL;
	g_autofree char *went = NULL;
	g_autofree char *came = NULL;
	struct node *d, *a;
	int rc;

	fake_remote_put(t->fake, "d/a", "1");
	fake_remote_put(t->fake, "e/a", "1");
	open_and_watch(t, "d");
	open_and_watch(t, "e");
	d = world_walk(w, "d", &rc);
	a = world_walk(w, "d/a", &rc);
	changed = g_strdup_printf("pages %" G_GUINT64_FORMAT ";", a->ino);
	came = g_strdup_printf("entry %" G_GUINT64_FORMAT
			       " new;attr %" G_GUINT64_FORMAT ";",
		d->ino, d->ino);
	went = g_strdup_printf("entry %" G_GUINT64_FORMAT
			       " a;attr %" G_GUINT64_FORMAT ";",
		d->ino, d->ino);
	save_elsewhere(t, "d/a", "22");
	assert_heard(t, changed);
	fake_watch_tell(t->watch, "d/a");
	assert_heard(t, "");
	save_elsewhere(t, "d/new", "1");
	assert_heard(t, came);
	drop_elsewhere(t, "d/a");
	assert_heard(t, went);
	save_elsewhere(t, "e/a", "333"); /* of which it knows nothing */
	assert_heard(t, "");
	world_forget(w, a);
	world_forget(w, d);
}

static void pages_are_read_anew_of_the_version_that_was_told(void **state)
{
	struct telling *t = *state;
	struct world *w = t->world;
	struct handle *h;

	fake_remote_put(t->fake, "d/a", "old");
	open_and_watch(t, "d");
	assert_int_equal(world_open(w, "d/a", O_RDONLY, &h), 0);
	assert_handle(w, h, "old");
	mutex_lock(&t->lock);
	t->mapped = h;
	mutex_unlock(&t->lock);
	save_elsewhere(t, "d/a", "new");
	assert_int_equal(notifier_wait(t->kernel, NULL, -1), 0);
	assert_string_equal(t->seen, "new");
	mutex_lock(&t->lock);
	t->mapped = NULL;
	mutex_unlock(&t->lock);
	assert_int_equal(world_close(w, h), 0);
}

static void pages_that_are_not_saved_stay(void **state)
{
	struct telling *t = *state;
	struct world *w = t->world;
	g_autofree char *expected = NULL;
	struct handle *h;

	fake_remote_put(t->fake, "d/a", "1");
	open_and_watch(t, "d");
	assert_int_equal(world_open(w, "d/a", O_WRONLY, &h), 0);
	assert_int_equal(world_write(w, h, "mine", 0), 4);
	expected = g_strdup_printf("attr %" G_GUINT64_FORMAT ";", h->node->ino);
	save_elsewhere(t, "d/a", "theirs");
	assert_heard(t, expected);
	(void)world_close(w, h);
}

/* --- .pycloud/events ------------------------------------------------------ */

static void events_are_what_others_change(void **state)
{
	struct telling *t = *state;
	struct world *w = t->world;
	struct handle *h;

	fake_remote_put(t->fake, "d/a", "1");
	open_and_watch(t, "d");
	assert_int_equal(
		world_open(w, ".pycloud/events", O_RDONLY | O_NONBLOCK, &h), 0);
	assert_handle(w, h, "live\n");
	assert_int_equal(world_save(w, "d/mine", "1"), 0);
	fake_watch_tell(t->watch, "d/mine");
	save_elsewhere(t, "d/a", "22");
	save_elsewhere(t, "d/new\nline", "1");
	drop_elsewhere(t, "d/a");
	fake_watch_begin(t->watch, 0);
	assert_handle(w, h,
		"changed d/a\ncreated d/new\\012line\nremoved d/a\nlost\n");
	fake_watch_begin(t->watch, WATCH + 1);
	fake_watch_begin(t->watch, WATCH + 2);
	assert_handle(w, h, "live\nlost\nlive\n");
	world_release(w, h);
}

static void events_cannot_be_written(void **state)
{
	struct telling *t = *state;
	struct handle *h;
	char byte;

	assert_int_equal(
		world_open(t->world, ".pycloud/events", O_RDWR, &h), -EACCES);
	assert_int_equal(world_open(t->world, ".pycloud/events",
				 O_RDONLY | O_NONBLOCK, &h),
		0);
	assert_handle(t->world, h, "live\n");
	assert_int_equal(world_read(t->world, h, &byte, 1, 5), -EAGAIN);
	world_release(t->world, h);
}

static void the_status_says_whether_changes_are_told(void **state)
{
	struct telling *t = *state;
	struct world *w = t->world;
	int rc;
	g_autofree char *live = NULL;
	g_autofree char *off = NULL;

	open_and_watch(t, "");
	live = world_cat(w, ".pycloud/status", &rc);
	assert_non_null(strstr(live, "push: live\nwatched: 1\n"));
	fake_watch_begin(t->watch, 0);
	off = world_cat(w, ".pycloud/status", &rc);
	assert_non_null(strstr(off, "push: off ("));
	assert_non_null(strstr(off, "watched: 0\n"));
}

/* --- all at the same time ------------------------------------------------- */

#define ROUNDS 200

static void *tell_all_the_time(void *arg)
{
	struct telling *t = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		fake_watch_tell(t->watch, "d/a");
		fake_watch_tell_change(t->watch, "d/b");
		fake_remote_drop(t->fake, "d/c");
		fake_watch_tell(t->watch, "d/c");
		fake_remote_put(t->fake, "d/c", "333");
		fake_watch_tell(t->watch, "d/c");
		if (i % 50 == 49)
			fake_watch_begin(t->watch, WATCH + i);
	}
	return NULL;
}

static void telling_and_looking_do_not_disturb_each_other(void **state)
{
	struct telling *t = *state;
	struct world *w = t->world;
	pthread_t teller;

	fake_remote_put(t->fake, "d/a", "1");
	fake_remote_put(t->fake, "d/b", "22");
	fake_remote_put(t->fake, "d/c", "333");
	open_and_watch(t, "d");
	assert_int_equal(
		pthread_create(&teller, NULL, tell_all_the_time, t), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		g_autofree char *names = NULL;
		int rc;

		assert_int_equal(world_size(w, "d/a"), 1);
		assert_int_equal(world_size(w, "d/b"), 2);
		names = world_names(w, "d", &rc);
		assert_int_equal(rc, 0);
		assert_non_null(strstr(names, "a b"));
	}
	(void)pthread_join(teller, NULL);
	assert_int_equal(world_size(w, "d/c"), 3);
}

#define telling(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		telling(what_is_told_shows_at_once_and_costs_nothing),
		telling(a_walk_at_any_age_costs_nothing),
		telling(opening_asks_nothing),
		telling(saving_and_removing_want_the_servers_own_word),
		telling(attr_timeout_of_nothing_believes_nothing),
		telling(without_a_watch_the_usual_ages_count),
		telling(a_directory_alone_may_lose_its_watch),
		telling(what_is_opened_becomes_watched_once),
		telling(what_is_not_watched_is_not_tried_again_soon),
		telling(without_a_watch_nothing_is_listed_twice),
		telling(a_late_event_of_our_own_save_is_no_conflict),
		telling(who_saved_first_still_wins),
		telling(a_root_that_is_told_to_be_empty_is_a_fault),
		telling(a_name_that_leaves_the_root_is_asked_for),
		telling(what_may_be_anything_is_asked_for_alone),
		telling(the_kernel_hears_of_what_it_holds),
		telling(pages_are_read_anew_of_the_version_that_was_told),
		telling(pages_that_are_not_saved_stay),
		telling(events_are_what_others_change),
		telling(events_cannot_be_written),
		telling(the_status_says_whether_changes_are_told),
		telling(telling_and_looking_do_not_disturb_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
