/* Modes and times that stand here: for which path, and for which version. */
#include "config.h"

#include "overlay.h"
#include "remote.h"
#include "scratch_place.h"
#include "state.h"
#include "test.h"

#include <sys/stat.h>

static const struct timespec set_time = { 123, 456 };
static const struct entry first = { .size = 1, .mtime = { 10, 0 } };
static const struct entry second = { .size = 1, .mtime = { 20, 0 } };

static int make_overlay(void **state)
{
	*state = overlay_new(NULL);
	return 0;
}

static int free_overlay(void **state)
{
	overlay_free(*state);
	return 0;
}

static struct overlay_attr get(
	struct overlay *o, const char *path, const struct entry *now)
{
	struct overlay_attr attr = { 0 };

	if (!overlay_get(o, path, now, &attr))
		return (struct overlay_attr){ 0 };
	return attr;
}

static void what_was_not_set_is_not_there(void **state)
{
	struct overlay_attr attr;

	assert_false(overlay_get(*state, "a", &first, &attr));
}

static void a_mode_holds_for_every_version(void **state)
{
	overlay_set_mode(*state, "a", S_IFREG | 0600);
	assert_true(get(*state, "a", &first).has_mode);
	assert_int_equal(get(*state, "a", &second).mode, 0600);
	assert_false(get(*state, "a", &first).has_mtime);
	assert_false(get(*state, "b", &first).has_mode);
}

static void a_time_is_dropped_when_the_version_changes_behind_us(void **state)
{
	overlay_set_mtime(*state, "a", &set_time, &first);
	assert_true(get(*state, "a", &first).has_mtime);
	assert_int_equal(get(*state, "a", &first).mtime.tv_nsec, 456);
	assert_false(get(*state, "a", &second).has_mtime);
}

static void our_own_upload_keeps_the_time(void **state)
{
	overlay_set_mtime(*state, "a", &set_time, NULL);
	assert_true(get(*state, "a", NULL).has_mtime);
	overlay_uploaded(*state, "a", &first);
	assert_true(get(*state, "a", &first).has_mtime);
	overlay_uploaded(*state, "a", &second);
	assert_true(get(*state, "a", &second).has_mtime);
	assert_false(get(*state, "a", &first).has_mtime);
}

/* While an upload is being adopted somebody may still ask with the attributes
 * of before. */
static void a_question_about_an_old_version_drops_nothing(void **state)
{
	overlay_set_mtime(*state, "a", &set_time, &second);
	assert_false(get(*state, "a", &first).has_mtime);
	assert_true(get(*state, "a", &second).has_mtime);
}

static void a_write_ends_the_time_but_not_the_mode(void **state)
{
	overlay_set_mode(*state, "a", 0755);
	overlay_set_mtime(*state, "a", &set_time, &first);
	overlay_drop_mtime(*state, "a");
	overlay_drop_mtime(*state, "unknown");
	assert_false(get(*state, "a", &first).has_mtime);
	assert_true(get(*state, "a", &first).has_mode);
}

static void what_moves_takes_its_attributes_along(void **state)
{
	overlay_set_mode(*state, "d", 0700);
	overlay_set_mode(*state, "d/a", 0755);
	overlay_set_mode(*state, "dd", 0711);
	overlay_set_mode(*state, "e/old", 0600);
	overlay_moved(*state, "d", "e");
	assert_int_equal(get(*state, "e", NULL).mode, 0700);
	assert_int_equal(get(*state, "e/a", NULL).mode, 0755);
	assert_false(get(*state, "e/old", NULL).has_mode);
	assert_false(get(*state, "d/a", NULL).has_mode);
	assert_int_equal(get(*state, "dd", NULL).mode, 0711);
}

static void what_is_removed_is_forgotten_with_all_below(void **state)
{
	overlay_set_mode(*state, "d", 0700);
	overlay_set_mode(*state, "d/a", 0755);
	overlay_set_mode(*state, "dd", 0711);
	overlay_removed(*state, "d");
	assert_false(get(*state, "d", NULL).has_mode);
	assert_false(get(*state, "d/a", NULL).has_mode);
	assert_true(get(*state, "dd", NULL).has_mode);
}

/* --- what is so over there ------------------------------------------------- */

/* A version with the mode and time that a file system tells. */
static struct entry told(mode_t mode, struct timespec exact)
{
	return (struct entry){ .size = 1,
		.mtime = { exact.tv_sec, exact.tv_nsec / 1000 * 1000 },
		.has_attr = true,
		.mode = mode,
		.exact = exact };
}

static const struct remote_attr both = { true, 0755, true, { 123, 456 } };

static void what_was_sent_is_a_memory(void **state)
{
	struct entry now = told(0755, set_time);
	struct entry untold = { .size = 1, .mtime = now.mtime };
	struct remote_attr unsent;

	overlay_sent(*state, "a", &both, &now, true);
	assert_false(overlay_unsent(*state, "a", &unsent));
	assert_false(get(*state, "a", &now).has_mtime); /* it tells itself */
	assert_int_equal(get(*state, "a", &untold).mode, 0755);
	assert_int_equal(get(*state, "a", &untold).mtime.tv_nsec, 456);
}

static void what_others_have_changed_is_no_memory_any_more(void **state)
{
	struct entry now = told(0755, set_time);
	struct entry theirs = told(0600, set_time);

	overlay_sent(*state, "a", &both, &now, true);
	assert_false(get(*state, "a", &theirs).has_mode);
	assert_false(get(*state, "a", &first).has_mode);
}

static void what_is_not_so_after_it_was_sent_stays_here(void **state)
{
	struct entry now = told(0644, (struct timespec){ 123, 0 });
	struct remote_attr unsent;
	g_autoptr(GPtrArray) all = NULL;

	overlay_sent(*state, "a", &both, &now, true);
	assert_int_equal(get(*state, "a", &now).mode, 0755);
	assert_int_equal(get(*state, "a", &now).mtime.tv_nsec, 456);
	assert_false(overlay_unsent(*state, "a", &unsent)); /* not again */
	assert_int_equal(overlay_list_unsent(*state, 10, &all), 0);
	overlay_set_mode(*state, "a", 0755);
	assert_true(overlay_unsent(*state, "a", &unsent));
	assert_false(unsent.has_mtime);
}

/* It was set while something else was on its way. */
static void what_was_set_since_is_still_to_be_sent(void **state)
{
	struct entry now = told(0755, set_time);
	struct remote_attr unsent;

	overlay_set_mode(*state, "a", 0700);
	overlay_sent(*state, "a", &both, &now, false);
	assert_true(overlay_unsent(*state, "a", &unsent));
	assert_int_equal(unsent.mode, 0700);
	assert_false(unsent.has_mtime);
	overlay_sent(*state, "b", &both, &now, false);
	assert_false(overlay_unsent(*state, "b", &unsent));
}

static void a_file_made_anew_wants_them_again(void **state)
{
	struct entry now = told(0755, set_time);
	struct entry other = told(0644, set_time);
	struct remote_attr unsent;

	overlay_sent(*state, "a", &both, &now, true);
	overlay_reopen(*state, "a", &now);
	assert_false(overlay_unsent(*state, "a", &unsent));
	overlay_reopen(*state, "a", &other);
	assert_true(overlay_unsent(*state, "a", &unsent));
	assert_true(unsent.has_mode && !unsent.has_mtime);
}

static void the_state_knows_where_they_are(void **state)
{
	struct entry now = told(0755, (struct timespec){ 123, 0 });
	g_autoptr(GPtrArray) all = NULL;
	struct scratch_place place;
	struct state *db = NULL;
	struct overlay *o;
	char *note = NULL;

	(void)state;
	scratch_place_make(&place);
	assert_int_equal(state_open(place.path, &db, &note), 0);
	o = overlay_new(db);
	overlay_sent(o, "a", &both, &now, true); /* its time is refused */
	overlay_set_mode(o, "b", 0700);
	overlay_set_mode(o, "c", 0700);
	overlay_free(o);
	o = overlay_new(db);
	assert_int_equal(get(o, "a", &now).mode_place, OVERLAY_THERE);
	assert_int_equal(get(o, "a", &now).mtime_place, OVERLAY_REFUSED);
	assert_int_equal(overlay_list_unsent(o, 1, &all), 2);
	assert_int_equal(all->len, 1);
	assert_string_equal(
		((struct overlay_unsent *)all->pdata[0])->path, "b");
	overlay_free(o);
	state_close(db);
	scratch_place_remove(&place);
}

/* What one mount set, the next one finds. */
static void what_was_set_is_kept_in_the_state(void **state)
{
	static const struct entry dir = {
		.type = ENTRY_DIRECTORY, .size = -1, .mtime = { 30, 1 }
	};
	struct scratch_place place;
	struct state *db = NULL;
	struct overlay *o;
	char *note = NULL;

	(void)state;
	scratch_place_make(&place);
	assert_int_equal(state_open(place.path, &db, &note), 0);
	o = overlay_new(db);
	overlay_set_mode(o, "d/a", 0750);
	overlay_set_mtime(o, "d/a", &set_time, NULL);
	overlay_uploaded(o, "d/a", &first);
	overlay_set_mtime(o, "d", &set_time, &dir);
	overlay_set_mode(o, "gone/a", 0600);
	overlay_removed(o, "gone");
	overlay_set_mode(o, "d-b", 0700);
	overlay_set_mtime(o, "written", &set_time, &first);
	overlay_drop_mtime(o, "written");
	overlay_moved(o, "d", "e");
	overlay_free(o);
	o = overlay_new(db);
	assert_int_equal(get(o, "e/a", &first).mode, 0750);
	assert_true(get(o, "e/a", &first).has_mtime);
	assert_int_equal(get(o, "e/a", &first).mtime.tv_nsec, 456);
	assert_false(get(o, "e/a", &second).has_mtime);
	assert_true(get(o, "e", &dir).has_mtime);
	assert_int_equal(get(o, "d-b", NULL).mode, 0700);
	assert_false(get(o, "d/a", NULL).has_mode);
	assert_false(get(o, "gone/a", NULL).has_mode);
	assert_false(get(o, "written", &first).has_mtime);
	overlay_free(o);
	state_close(db);
	scratch_place_remove(&place);
}

#define with_overlay(name) \
	cmocka_unit_test_setup_teardown(name, make_overlay, free_overlay)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_overlay(what_was_not_set_is_not_there),
		with_overlay(a_mode_holds_for_every_version),
		with_overlay(
			a_time_is_dropped_when_the_version_changes_behind_us),
		with_overlay(our_own_upload_keeps_the_time),
		with_overlay(a_question_about_an_old_version_drops_nothing),
		with_overlay(a_write_ends_the_time_but_not_the_mode),
		with_overlay(what_moves_takes_its_attributes_along),
		with_overlay(what_is_removed_is_forgotten_with_all_below),
		with_overlay(what_was_sent_is_a_memory),
		with_overlay(what_others_have_changed_is_no_memory_any_more),
		with_overlay(what_is_not_so_after_it_was_sent_stays_here),
		with_overlay(what_was_set_since_is_still_to_be_sent),
		with_overlay(a_file_made_anew_wants_them_again),
		cmocka_unit_test(what_was_set_is_kept_in_the_state),
		cmocka_unit_test(the_state_knows_where_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
