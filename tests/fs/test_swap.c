/* Saving by compare-and-swap: what it costs, and who has saved meanwhile. */
#include "config.h"

#include "common_limits.h"
#include "conflict.h"
#include "content.h"
#include "test.h"
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int setup(void **state)
{
	int rc = world_setup(state);
	struct world *w = *state;

	fake_remote_set_capabilities(
		w->remote, REMOTE_CAN_RANGE | REMOTE_CAN_SWAP);
	return rc;
}

/* A file of the server's, open here, with other bytes that are not saved yet,
 * and of which nothing is believed any more. */
static struct handle *edit(struct world *w, const char *path, const char *text)
{
	struct handle *h;

	assert_int_equal(world_open(w, path, O_WRONLY | O_TRUNC, &h), 0);
	assert_int_equal(world_write(w, h, text, 0), (ssize_t)strlen(text));
	world_forget_beliefs(w);
	fake_remote_reset(w->remote);
	return h;
}

static void assert_calls(struct world *w, unsigned replaces, unsigned others)
{
	unsigned all = fake_remote_all_calls(w->remote);

	assert_int_equal(fake_remote_calls(w->remote, FAKE_REPLACE), replaces);
	assert_int_equal(all - replaces, others);
}

/* The one copy beside files in the root, g_free. */
static char *find_copy(struct world *w)
{
	g_autofree char *names = NULL;
	g_auto(GStrv) each = NULL;
	char *found = NULL;
	int rc;

	world_forget_beliefs(w);
	names = world_names(w, "", &rc);
	assert_int_equal(rc, 0);
	each = g_strsplit(names, " ", -1);
	for (char **name = each; *name != NULL; name++)
		if (strstr(*name, ".conflict-") != NULL) {
			assert_null(found);
			found = g_strdup(*name);
		}
	return found;
}

static void assert_both(
	struct world *w, const char *path, const char *theirs, const char *ours)
{
	g_autofree char *copy = find_copy(w);

	assert_remote(w, path, theirs);
	assert_non_null(copy);
	assert_remote(w, copy, ours);
	assert_int_equal(conflicts_count(w->session->conflicts), 1);
	assert_int_equal(world_pending(w), 0);
	assert_int_equal(scratch_place_count(&w->spool), 0);
}

static void assert_no_copy(struct world *w)
{
	g_autofree char *copy = find_copy(w);

	assert_null(copy);
	assert_int_equal(conflicts_count(w->session->conflicts), 0);
	assert_int_equal(world_pending(w), 0);
}

static void a_save_is_one_replace_and_nothing_else(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	h = edit(w, "a", "new bytes");
	assert_int_equal(world_close(w, h), 0);
	assert_calls(w, 1, 0);
	assert_remote(w, "a", "new bytes");
	assert_int_equal(world_size(w, "a"), 9);
	h = edit(w, "a", "again");
	assert_int_equal(world_fsync(w, h), 0);
	assert_calls(w, 1, 0);
	assert_remote(w, "a", "again");
	assert_int_equal(world_close(w, h), 0);
	assert_calls(w, 1, 0);
}

static void a_new_file_is_one_replace(void **state)
{
	struct world *w = *state;
	struct handle *h;

	assert_int_equal(world_open(w, "new", O_WRONLY | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "x", 0), 1);
	world_forget_beliefs(w);
	fake_remote_reset(w->remote);
	assert_int_equal(world_close(w, h), 0);
	assert_calls(w, 1, 0);
	assert_remote(w, "new", "x");
}

static void a_new_file_that_others_made_too_is_a_conflict(void **state)
{
	struct world *w = *state;
	struct handle *h;

	assert_int_equal(world_open(w, "new", O_WRONLY | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "ours", 0), 4);
	fake_remote_put(w->remote, "new", "theirs");
	assert_int_equal(world_close(w, h), -ESTALE);
	assert_both(w, "new", "theirs", "ours");
}

/* No moment is between a look and the save: there is no look. */
static void the_replace_itself_finds_the_other_writer(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	h = edit(w, "a", "ours");
	fake_remote_put(w->remote, "a", "theirs");
	assert_int_equal(world_close(w, h), -ESTALE);
	/* And one for the copy; theirs was read to be compared. */
	assert_calls(w, 2, 1);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_READ), 1);
	assert_both(w, "a", "theirs", "ours");
	assert_cat(w, "a", "theirs");
}

static void a_copy_takes_no_name_that_is_taken(void **state)
{
	struct world *w = *state;
	struct handle *h;
	g_autofree char *first = NULL;
	g_autofree char *names = NULL;
	int rc;

	fake_remote_put(w->remote, "a", "old");
	h = edit(w, "a", "ours");
	fake_remote_put(w->remote, "a", "theirs");
	fake_remote_fail(w->remote, FAKE_REPLACE, 2, ESTALE);
	assert_int_equal(world_close(w, h), -ESTALE);
	assert_calls(w, 3, 1);
	first = find_copy(w);
	assert_non_null(first);
	assert_true(g_str_has_suffix(first, "-2"));
	names = world_names(w, "", &rc);
	assert_remote(w, first, "ours");
}

static void the_same_bytes_are_no_conflict(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	h = edit(w, "a", "same");
	fake_remote_put(w->remote, "a", "same");
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "");
	assert_no_copy(w);
}

static void what_others_removed_is_made_again(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	h = edit(w, "a", "ours");
	fake_remote_drop(w->remote, "a");
	assert_int_equal(world_close(w, h), 0);
	assert_calls(w, 2, 0);
	assert_remote(w, "a", "ours");
	assert_no_copy(w);
}

static void a_directory_is_not_replaced(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	h = edit(w, "a", "ours");
	fake_remote_drop(w->remote, "a");
	fake_remote_put_directory(w->remote, "a");
	assert_int_equal(world_close(w, h), -EISDIR);
	assert_int_equal(world_pending(w), 1);
}

/* --- answers that were lost ----------------------------------------------- */

static void a_save_whose_answer_was_lost_is_known_again(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	h = edit(w, "a", "ours");
	fake_remote_tear_write(w->remote, -1, EIO);
	assert_int_equal(world_flush(w, h), -EIO);
	assert_int_equal(world_pending(w), 1);
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "replace a;");
	assert_int_equal(fake_remote_calls(w->remote, FAKE_STAT), 0);
	assert_remote(w, "a", "ours");
	assert_no_copy(w);
}

static void other_bytes_after_such_a_save_replace_it(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	h = edit(w, "a", "first");
	fake_remote_tear_write(w->remote, -1, EIO);
	assert_int_equal(world_flush(w, h), -EIO);
	assert_int_equal(world_write(w, h, "SECOND", 0), 6);
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "replace a;replace a;");
	assert_remote(w, "a", "SECOND");
	assert_no_copy(w);
}

static void others_who_save_after_such_a_save_are_found(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	h = edit(w, "a", "ours");
	fake_remote_tear_write(w->remote, -1, EIO);
	assert_int_equal(world_flush(w, h), -EIO);
	fake_remote_put(w->remote, "a", "theirs");
	assert_int_equal(world_close(w, h), -ESTALE);
	assert_both(w, "a", "theirs", "ours");
}

/* The connection went: the plain way finds what the replace has left. */
static void a_save_whose_connection_broke_is_found(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	h = edit(w, "a", "ours");
	fake_remote_tear_write(w->remote, -1, ECONNRESET);
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "replace a;");
	assert_no_copy(w);
}

static void without_the_capability_half_way_it_is_written(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	h = edit(w, "a", "ours");
	fake_remote_fail(w->remote, FAKE_REPLACE, 1, EOPNOTSUPP);
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "write a;");
	assert_remote(w, "a", "ours");
	h = edit(w, "a", "lost");
	fake_remote_put(w->remote, "a", "theirs");
	fake_remote_fail(w->remote, FAKE_REPLACE, 1, EOPNOTSUPP);
	assert_int_equal(world_close(w, h), -ESTALE);
	assert_both(w, "a", "theirs", "lost");
}

/* Nothing was sent: a new file is not asked for, as ever. */
static void a_new_file_is_written_without_a_question_then(void **state)
{
	struct world *w = *state;
	struct handle *h;

	assert_int_equal(world_open(w, "new", O_WRONLY | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "x", 0), 1);
	fake_remote_reset(w->remote);
	fake_remote_fail(w->remote, FAKE_REPLACE, 1, EOPNOTSUPP);
	assert_int_equal(world_close(w, h), 0);
	assert_calls(w, 1, 1);
	assert_changes(w, "write new;");
}

static void a_remote_that_cannot_is_not_asked_to(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_set_capabilities(w->remote, REMOTE_CAN_RANGE);
	fake_remote_put(w->remote, "a", "old");
	h = edit(w, "a", "ours");
	assert_int_equal(world_close(w, h), 0);
	assert_calls(w, 0, 2);
	assert_changes(w, "write a;");
}

static void a_refused_save_survives_a_kill(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	h = edit(w, "a", "ours");
	fake_remote_fail(w->remote, FAKE_REPLACE, 1, ENOSPC);
	assert_int_equal(world_flush(w, h), -ENOSPC);
	assert_remote(w, "a", "old");
	assert_int_equal(world_kill(w), 1);
	world_upload_late(w);
	assert_remote(w, "a", "ours");
	assert_no_copy(w);
}

/* What its program left in the middle of it is less than what it began from:
 * that no condition says. */
static void an_unfinished_save_never_makes_a_file_less(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "all of it");
	(void)edit(w, "a", "half");
	assert_int_equal(world_kill(w), 1);
	world_upload_late(w);
	assert_both(w, "a", "all of it", "half");
}

/* --- links over there ------------------------------------------------------ */

/* Listed with its own size, which saves through it leave as it is. */
static void saves_through_a_link_follow_each_other(void **state)
{
	struct world *w = *state;
	struct node *n;
	struct handle *h;
	int rc;

	fake_remote_put_link(w->remote, "link", "old");
	n = world_walk(w, "link", &rc); /* as the kernel keeps it */
	assert_non_null(n);
	assert_int_equal(world_save(w, "link", "first"), 0);
	assert_int_equal(world_size(w, "link"), 5);
	fake_remote_reset(w->remote);
	assert_int_equal(world_save(w, "link", "the second"), 0);
	assert_calls(w, 1, 0);
	assert_int_equal(world_open(w, "link", O_RDWR, &h), 0);
	assert_int_equal(world_write(w, h, "THE", 0), 3);
	assert_int_equal(world_fsync(w, h), 0);
	world_forget_beliefs(w);
	assert_int_equal(world_size(w, "link"), 10);
	assert_int_equal(world_write(w, h, "2", 4), 1);
	assert_int_equal(world_close(w, h), 0);
	assert_remote(w, "link", "THE 2econd");
	assert_no_copy(w);
	/* In the plain way, too. */
	fake_remote_set_capabilities(w->remote, REMOTE_CAN_RANGE);
	assert_int_equal(world_save(w, "link", "third"), 0);
	h = edit(w, "link", "fourth");
	assert_int_equal(world_close(w, h), 0);
	assert_remote(w, "link", "fourth");
	assert_no_copy(w);
	world_forget(w, n);
}

/* --- names ---------------------------------------------------------------- */

static void a_save_by_rename_from_here_is_one_replace(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "old");
	assert_int_equal(world_exists(w, "a"), 0);
	assert_int_equal(world_save(w, ".goutputstream-1", "new"), 0);
	world_forget_beliefs(w);
	fake_remote_reset(w->remote);
	assert_int_equal(world_rename(w, ".goutputstream-1", "a", 0), 0);
	assert_calls(w, 1, 0);
	assert_remote(w, "a", "new");
	assert_cat(w, "a", "new");
}

/* It replaces whatever is there, but only that: carried out late it would not
 * be over what was saved since. */
static void an_overwrite_names_what_it_replaces(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "old");
	assert_int_equal(world_exists(w, "a"), 0);
	assert_int_equal(world_save(w, ".goutputstream-1", "new"), 0);
	fake_remote_put(w->remote, "a", "theirs");
	fake_remote_reset(w->remote);
	assert_int_equal(world_rename(w, ".goutputstream-1", "a", 0), 0);
	assert_calls(w, 2, 0);
	assert_remote(w, "a", "new");
	/* What is gone is not there to be named. */
	assert_int_equal(world_save(w, ".goutputstream-1", "newer"), 0);
	fake_remote_drop(w->remote, "a");
	fake_remote_reset(w->remote);
	assert_int_equal(world_rename(w, ".goutputstream-1", "a", 0), 0);
	assert_calls(w, 2, 0);
	assert_remote(w, "a", "newer");
}

static void what_cannot_be_replaced_by_rename_stays(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "old");
	fake_remote_put_directory(w->remote, "d");
	assert_int_equal(world_save(w, "b~", "kept"), 0);
	assert_int_equal(world_rename(w, "b~", "d", 0), -EISDIR);
	assert_int_equal(world_rename(w, "b~", "a", RENAME_NOREPLACE), -EEXIST);
	fake_remote_fail(w->remote, FAKE_REPLACE, 1, ENOSPC);
	assert_int_equal(world_rename(w, "b~", "a", 0), -ENOSPC);
	assert_cat(w, "b~", "kept");
	fake_remote_fail(w->remote, FAKE_REPLACE, 1, EOPNOTSUPP);
	assert_int_equal(world_rename(w, "b~", "a", 0), 0);
	assert_changes(w, "write a;");
	assert_remote(w, "a", "kept");
}

static void a_save_by_rename_on_the_server_is_all_or_nothing(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "old");
	assert_int_equal(world_save(w, "tmp", "new"), 0);
	assert_int_equal(world_rename(w, "tmp", "a", 0), 0);
	assert_changes(w, "replace tmp;replace a;remove tmp;");
	assert_remote(w, "a", "new");
}

static void a_large_file_that_is_sent_anyway_needs_no_dance(void **state)
{
	struct world *w = *state;
	g_autofree char *text = g_strnfill(CONTENTS_CHUNK_BYTES + 7, 'n');
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	assert_int_equal(world_open(w, "tmp", O_WRONLY | O_CREAT, &h), 0);
	assert_true(world_write(w, h, text, 0) > 0);
	assert_int_equal(world_rename(w, "tmp", "a", 0), 0);
	assert_changes(w, "replace a;");
	assert_remote(w, "a", text);
	assert_int_equal(world_close(w, h), 0);
	/* What the server has already is renamed over there. */
	assert_int_equal(world_rename(w, "a", "b", 0), 0);
	assert_int_equal(world_save(w, "c", "old"), 0);
	fake_remote_reset(w->remote);
	assert_int_equal(world_rename(w, "b", "c", 0), 0);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_REPLACE), 0);
	assert_remote(w, "c", text);
}

static void a_large_file_is_never_written_over_another(void **state)
{
	struct world *w = *state;
	g_autofree char *text = g_strnfill(CONTENTS_CHUNK_BYTES + 7, 'n');
	g_autofree char *changes = NULL;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	assert_int_equal(world_open(w, "tmp", O_WRONLY | O_CREAT, &h), 0);
	assert_true(world_write(w, h, text, 0) > 0);
	fake_remote_fail(w->remote, FAKE_REPLACE, 1, EOPNOTSUPP);
	assert_int_equal(world_rename(w, "tmp", "a", 0), 0);
	changes = fake_remote_changes(w->remote);
	assert_true(g_str_has_prefix(changes, "replace tmp;rename a a."));
	assert_remote(w, "a", text);
	assert_int_equal(world_close(w, h), 0);
}

static void a_large_file_replaces_though_the_helper_is_gone(void **state)
{
	struct world *w = *state;
	g_autofree char *text = g_strnfill(CONTENTS_CHUNK_BYTES + 7, 'n');
	g_autofree char *changes = NULL;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	assert_int_equal(world_open(w, "tmp", O_WRONLY | O_CREAT, &h), 0);
	assert_true(world_write(w, h, text, 0) > 0);
	fake_remote_fail(w->remote, FAKE_REPLACE, 1, ETIMEDOUT);
	assert_int_equal(world_rename(w, "tmp", "a", 0), 0);
	changes = fake_remote_changes(w->remote);
	assert_true(g_str_has_prefix(changes, "replace tmp;rename a a."));
	assert_remote(w, "a", text);
	assert_int_equal(world_close(w, h), 0);
}

/* As vim saves: the old file's removal waits, and is never carried out. */
static void a_save_through_a_backup_is_one_replace(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	assert_int_equal(world_exists(w, "a"), 0);
	assert_int_equal(world_rename(w, "a", "a~", 0), 0);
	assert_int_equal(world_open(w, "a", O_WRONLY | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "new", 0), 3);
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "replace a;");
	assert_remote(w, "a", "new");
	assert_cat(w, "a~", "old");
	assert_no_copy(w);
}

#define with_world(name) \
	cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(a_save_is_one_replace_and_nothing_else),
		with_world(a_new_file_is_one_replace),
		with_world(a_new_file_that_others_made_too_is_a_conflict),
		with_world(the_replace_itself_finds_the_other_writer),
		with_world(a_copy_takes_no_name_that_is_taken),
		with_world(the_same_bytes_are_no_conflict),
		with_world(what_others_removed_is_made_again),
		with_world(a_directory_is_not_replaced),
		with_world(a_save_whose_answer_was_lost_is_known_again),
		with_world(other_bytes_after_such_a_save_replace_it),
		with_world(others_who_save_after_such_a_save_are_found),
		with_world(a_save_whose_connection_broke_is_found),
		with_world(without_the_capability_half_way_it_is_written),
		with_world(a_new_file_is_written_without_a_question_then),
		with_world(a_remote_that_cannot_is_not_asked_to),
		with_world(a_refused_save_survives_a_kill),
		with_world(an_unfinished_save_never_makes_a_file_less),
		with_world(saves_through_a_link_follow_each_other),
		with_world(a_save_by_rename_from_here_is_one_replace),
		with_world(an_overwrite_names_what_it_replaces),
		with_world(what_cannot_be_replaced_by_rename_stays),
		with_world(a_save_by_rename_on_the_server_is_all_or_nothing),
		with_world(a_large_file_that_is_sent_anyway_needs_no_dance),
		with_world(a_large_file_is_never_written_over_another),
		with_world(a_large_file_replaces_though_the_helper_is_gone),
		with_world(a_save_through_a_backup_is_one_replace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
