/* Bytes that are not on the server: kept, taken up again, never lost. */
#include "config.h"

#include "dirty_set.h"
#include "status.h"
#include "test.h"
#include "world.h"

#include <errno.h>
#include <string.h>

static char *pending(struct world *w)
{
	GString *text = g_string_new(NULL);

	status_pending(w->session, 0, text);
	return g_string_free(text, FALSE);
}

/* A file of `path` that was written to and whose close failed. */
static void save_in_vain(struct world *w, const char *path, const char *text)
{
	struct handle *h;

	assert_int_equal(
		world_open(w, path, O_WRONLY | O_CREAT | O_TRUNC, &h), 0);
	assert_int_equal(world_write(w, h, text, 0), (ssize_t)strlen(text));
	fake_remote_fail(w->remote, FAKE_WRITE, 1, EACCES);
	assert_int_equal(world_close(w, h), -EACCES);
}

static struct handle *open_to(struct world *w, const char *path, int flags)
{
	struct handle *h = NULL;

	assert_int_equal(world_open(w, path, flags, &h), 0);
	return h;
}

static void write_to(
	struct world *w, struct handle *h, const char *text, int64_t offset)
{
	assert_int_equal(
		world_write(w, h, text, offset), (ssize_t)strlen(text));
}

/* The server has it, and nothing is left here. */
static void assert_arrived(struct world *w, const char *path, const char *text)
{
	world_upload_late(w);
	assert_remote(w, path, text);
	assert_int_equal(world_pending(w), 0);
	assert_int_equal(scratch_place_count(&w->spool), 0);
}

/* The name of the only copy beside a file; NULL: none. */
static char *copy_in(struct world *w, const char *dir)
{
	int rc;
	g_autofree char *names = NULL;
	g_auto(GStrv) each = NULL;
	char *found = NULL;

	world_forget_beliefs(w);
	names = world_names(w, dir, &rc);
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
	g_autofree char *copy = copy_in(w, "");

	assert_remote(w, path, theirs);
	assert_non_null(copy);
	assert_remote(w, copy, ours);
	assert_int_equal(world_pending(w), 0);
	assert_int_equal(scratch_place_count(&w->spool), 0);
}

static void a_save_that_failed_is_kept_and_uploaded_by_the_next(void **state)
{
	struct world *w = *state;
	g_autofree char *text = NULL;

	save_in_vain(w, "a", "precious");
	text = pending(w);
	assert_true(g_str_has_prefix(text, "a\t8\t1\tPermission denied\t"));
	assert_true(g_str_has_suffix(text, ".data\n"));
	assert_int_equal(world_size(w, "a"), 8);
	assert_int_equal(world_kill(w), 1);
	assert_cat(w, "a", "precious");
	assert_arrived(w, "a", "precious");
}

static void a_session_that_ends_without_the_server_keeps(void **state)
{
	struct world *w = *state;

	save_in_vain(w, "a", "one");
	save_in_vain(w, "b", "two");
	fake_remote_fail_all(w->remote, EHOSTUNREACH);
	assert_int_equal(world_restart(w), 2);
	assert_int_equal(world_kill(w), 2);
	world_upload_late(w);
	assert_remote(w, "a", "one");
	assert_arrived(w, "b", "two");
}

static void a_new_file_survives_a_kill(void **state)
{
	struct world *w = *state;
	struct handle *h = open_to(w, "new", O_WRONLY | O_CREAT | O_EXCL);

	write_to(w, h, "not flushed", 0);
	assert_int_equal(world_kill(w), 1);
	assert_arrived(w, "new", "not flushed");
}

static void edits_survive_a_kill(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "log", "one\n");
	fake_remote_put(w->remote, "table", "aaaa");
	h = open_to(w, "log", O_WRONLY | O_APPEND);
	write_to(w, h, "two\n", 0);
	h = open_to(w, "table", O_WRONLY);
	write_to(w, h, "X", 2);
	assert_int_equal(world_kill(w), 2);
	world_upload_late(w);
	assert_remote(w, "log", "one\ntwo\n");
	assert_arrived(w, "table", "aaXa");
}

static void half_of_a_new_version_does_not_replace_the_old(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "a long and good version");
	h = open_to(w, "a", O_WRONLY | O_TRUNC);
	write_to(w, h, "a half", 0);
	assert_int_equal(world_kill(w), 1);
	world_upload_late(w);
	assert_both(w, "a", "a long and good version", "a half");
}

static void half_of_a_version_stays_that_through_a_second_kill(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "a long and good version");
	h = open_to(w, "a", O_WRONLY | O_TRUNC);
	write_to(w, h, "a half", 0);
	assert_int_equal(world_kill_alone(w), 1);
	world_upload_late(w);
	assert_int_equal(world_kill(w), 1);
	world_upload_late(w);
	assert_both(w, "a", "a long and good version", "a half");
}

static void what_was_only_emptied_is_forgotten(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "still here");
	(void)open_to(w, "a", O_WRONLY | O_TRUNC);
	assert_int_equal(world_kill(w), 0);
	world_upload_late(w);
	assert_remote(w, "a", "still here");
	assert_int_equal(scratch_place_count(&w->spool), 0);
}

static void a_dirty_file_is_found_under_its_new_name(void **state)
{
	struct world *w = *state;

	fake_remote_put_directory(w->remote, "d");
	save_in_vain(w, "d/a", "moved");
	assert_int_equal(world_rename(w, "d", "e", 0), 0);
	assert_int_equal(world_kill(w), 1);
	assert_cat(w, "e/a", "moved");
	assert_arrived(w, "e/a", "moved");
	assert_remote(w, "d/a", NULL);
}

static void an_open_new_file_is_found_under_its_new_name(void **state)
{
	struct world *w = *state;
	struct handle *h = open_to(w, "a.tmp", O_WRONLY | O_CREAT);

	write_to(w, h, "whole", 0);
	assert_int_equal(world_rename(w, "a.tmp", "a", 0), 0);
	(void)world_kill(w);
	world_upload_late(w);
	assert_remote(w, "a", "whole");
	assert_remote(w, "a.tmp", NULL);
}

static void what_is_unlinked_does_not_come_back(void **state)
{
	struct world *w = *state;
	struct handle *h;

	save_in_vain(w, "a", "unwanted");
	assert_int_equal(world_unlink(w, "a"), 0);
	assert_int_equal(scratch_place_count(&w->spool), 0);
	h = open_to(w, "b", O_WRONLY | O_CREAT);
	write_to(w, h, "unwanted", 0);
	assert_int_equal(world_unlink(w, "b"), 0);
	assert_int_equal(scratch_place_count(&w->spool), 0);
	write_to(w, h, "still", 0);
	assert_int_equal(world_fsync(w, h), 0);
	assert_int_equal(scratch_place_count(&w->spool), 0);
	assert_int_equal(world_kill(w), 0);
	world_upload_late(w);
	assert_remote(w, "a", NULL);
	assert_remote(w, "b", NULL);
}

/* --- large files, of which a part is here --------------------------------- */

#define LARGE_BYTES ((size_t)5 << 20)

static char *large_text(void)
{
	char *text = g_malloc(LARGE_BYTES + 1);

	for (size_t i = 0; i < LARGE_BYTES; i++)
		text[i] = (char)('a' + i % 23);
	text[LARGE_BYTES] = '\0';
	return text;
}

/* Changes two places of a large file and is killed. */
static char *edit_large(struct world *w)
{
	char *text = large_text();
	struct handle *h;

	fake_remote_put(w->remote, "large", text);
	h = open_to(w, "large", O_WRONLY);
	write_to(w, h, "FIRST", 100);
	write_to(w, h, "SECOND", 4 << 20);
	memcpy(text + 100, "FIRST", 5);
	memcpy(text + (4 << 20), "SECOND", 6);
	return text;
}

static void a_part_of_a_large_file_is_completed(void **state)
{
	struct world *w = *state;
	g_autofree char *text = edit_large(w);

	assert_int_equal(world_kill(w), 1);
	assert_arrived(w, "large", text);
}

static void a_part_of_what_is_no_more_goes_beside_it(void **state)
{
	struct world *w = *state;
	g_autofree char *copy = NULL;
	g_autofree char *ours = NULL;

	g_free(edit_large(w));
	fake_remote_put(w->remote, "large", "replaced");
	assert_int_equal(world_kill(w), 1);
	world_upload_late(w);
	assert_remote(w, "large", "replaced");
	copy = copy_in(w, "");
	assert_non_null(copy);
	ours = fake_remote_text(w->remote, copy);
	assert_memory_equal(ours, "replaced", 8);
	assert_int_equal(world_pending(w), 0);
}

/* --- what the server refuses ---------------------------------------------- */

static void a_file_waits_for_its_directory(void **state)
{
	struct world *w = *state;
	g_autofree char *text = NULL;
	struct handle *h;

	fake_remote_put_directory(w->remote, "d");
	h = open_to(w, "d/a", O_WRONLY | O_CREAT);
	write_to(w, h, "patient", 0);
	fake_remote_drop(w->remote, "d");
	assert_true(world_close(w, h) < 0);
	assert_int_equal(world_kill(w), 1);
	world_upload_late(w);
	text = pending(w);
	assert_true(g_str_has_prefix(text, "d/a\t7\t"));
	assert_null(strstr(text, "\t-\t"));
	fake_remote_put_directory(w->remote, "d");
	world_forget_beliefs(w);
	assert_arrived(w, "d/a", "patient");
}

static void every_reason_is_reported_by_close(void **state)
{
	struct world *w = *state;
	const int errors[] = { EACCES, ENOSPC, EHOSTUNREACH, EFBIG };

	for (size_t i = 0; i < G_N_ELEMENTS(errors); i++) {
		struct handle *h = open_to(w, "a", O_WRONLY | O_CREAT);

		write_to(w, h, "text", 0);
		fake_remote_fail(w->remote, FAKE_WRITE, 1, errors[i]);
		assert_int_equal(world_flush(w, h), -errors[i]);
		assert_int_equal(world_close(w, h), 0);
		assert_remote(w, "a", "text");
	}
}

/* --- somebody else -------------------------------------------------------- */

/* Opened and changed here, saved by somebody else meanwhile. */
static struct handle *edit_beside(struct world *w)
{
	struct handle *h;

	fake_remote_put(w->remote, "a.txt", "before");
	h = open_to(w, "a.txt", O_RDWR);
	write_to(w, h, "OURS", 0);
	fake_remote_put(w->remote, "a.txt", "theirs!");
	world_forget_beliefs(w);
	return h;
}

static void both_versions_of_a_conflict_are_kept(void **state)
{
	struct world *w = *state;
	struct handle *h = edit_beside(w);
	GString *text = g_string_new(NULL);
	g_autofree char *copy = NULL;

	assert_int_equal(world_flush(w, h), -ESTALE);
	assert_both(w, "a.txt", "theirs!", "OURSre");
	assert_int_equal(world_write(w, h, "more", 0), -ESTALE);
	assert_int_equal(world_close(w, h), -ESTALE);
	assert_cat(w, "a.txt", "theirs!");
	assert_int_equal(world_save(w, "a.txt", "again"), 0);
	assert_remote(w, "a.txt", "again");
	(void)world_restart(w);
	copy = copy_in(w, "");
	assert_true(g_str_has_suffix(copy, ".txt"));
	status_conflicts(w->session, 0, text);
	assert_true(g_str_has_prefix(text->str, "a.txt\ta.conflict-"));
	assert_non_null(strstr(text->str, "\t7 bytes of "));
	assert_int_equal(world_unlink(w, copy), 0);
	g_string_truncate(text, 0);
	status_conflicts(w->session, 0, text);
	assert_string_equal(text->str, "");
	g_string_free(text, TRUE);
}

static void a_copy_that_is_renamed_is_settled(void **state)
{
	struct world *w = *state;
	GString *text = g_string_new(NULL);
	g_autofree char *copy = NULL;

	assert_int_equal(world_close(w, edit_beside(w)), -ESTALE);
	copy = copy_in(w, "");
	assert_int_equal(world_rename(w, copy, "a.txt", 0), 0);
	(void)world_restart(w);
	status_conflicts(w->session, 0, text);
	assert_string_equal(text->str, "");
	assert_cat(w, "a.txt", "OURSre");
	g_string_free(text, TRUE);
}

static void a_copy_that_cannot_be_made_loses_nothing(void **state)
{
	struct world *w = *state;
	struct handle *h = edit_beside(w);

	fake_remote_fail(w->remote, FAKE_WRITE, 1, ENOSPC);
	assert_int_equal(world_close(w, h), -ENOSPC);
	assert_int_equal(world_pending(w), 1);
	assert_remote(w, "a.txt", "theirs!");
	assert_int_equal(world_size(w, "a.txt"), 6);
	assert_int_equal(world_kill(w), 1);
	world_upload_late(w);
	assert_both(w, "a.txt", "theirs!", "OURSre");
}

static void a_conflict_is_found_by_the_next_session_too(void **state)
{
	struct world *w = *state;

	(void)edit_beside(w);
	assert_int_equal(world_kill(w), 1);
	world_upload_late(w);
	assert_both(w, "a.txt", "theirs!", "OURSre");
}

static void the_same_bytes_are_no_conflict(void **state)
{
	struct world *w = *state;
	struct handle *h = edit_beside(w);

	fake_remote_put(w->remote, "a.txt", "OURSre");
	fake_remote_reset(w->remote);
	world_forget_beliefs(w);
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "");
	assert_arrived(w, "a.txt", "OURSre");
}

static void a_file_that_is_empty_is_no_conflict(void **state)
{
	struct world *w = *state;
	struct handle *h = edit_beside(w);

	fake_remote_put(w->remote, "a.txt", "");
	world_forget_beliefs(w);
	assert_int_equal(world_close(w, h), 0);
	assert_arrived(w, "a.txt", "OURSre");
}

static void assert_torn(struct world *w, const char *path, int64_t bytes)
{
	struct handle *h = open_to(w, path, O_WRONLY | O_CREAT | O_TRUNC);
	g_autofree char *copy = NULL;

	write_to(w, h, "all of it", 0);
	fake_remote_tear_write(w->remote, bytes, ECONNRESET);
	assert_int_equal(world_close(w, h), -ECONNRESET);
	world_forget_beliefs(w);
	assert_int_equal(world_kill(w), 1);
	assert_arrived(w, path, "all of it");
	copy = copy_in(w, "");
	assert_null(copy);
}

static void an_upload_without_an_end_is_no_conflict(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "old", "what was there before");
	assert_torn(w, "old", -1);
	assert_torn(w, "old", 3);
	assert_torn(w, "new", -1);
	assert_torn(w, "new2", 3);
}

/* What stands there is ours, although what we have now is something else. */
static void other_bytes_after_such_an_upload_are_no_conflict(void **state)
{
	struct world *w = *state;
	g_autofree char *copy = NULL;
	struct handle *h;

	fake_remote_put(w->remote, "a", "what was there before");
	assert_int_equal(world_open(w, "a", O_WRONLY | O_TRUNC, &h), 0);
	assert_int_equal(world_write(w, h, "the first bytes", 0), 15);
	fake_remote_tear_write(w->remote, -1, ECONNRESET);
	assert_int_equal(world_close(w, h), -ECONNRESET);
	world_forget_beliefs(w);
	assert_int_equal(world_save(w, "a", "others"), 0);
	assert_remote(w, "a", "others");
	copy = copy_in(w, "");
	assert_null(copy);
}

static void two_new_files_of_one_name_are_both_kept(void **state)
{
	struct world *w = *state;

	save_in_vain(w, "a", "ours");
	fake_remote_put(w->remote, "a", "their own");
	world_forget_beliefs(w);
	world_upload_late(w);
	assert_both(w, "a", "their own", "ours");
}

static void what_others_removed_is_made_again(void **state)
{
	struct world *w = *state;
	struct handle *h = edit_beside(w);

	fake_remote_drop(w->remote, "a.txt");
	world_forget_beliefs(w);
	assert_int_equal(world_close(w, h), 0);
	assert_arrived(w, "a.txt", "OURSre");
}

/* --- -o writeback --------------------------------------------------------- */

static int setup_late(void **state)
{
	struct world *w;
	int rc = world_setup(state);

	if (rc != 0)
		return rc;
	w = *state;
	w->options.writeback_ms = 3600 * 1000;
	return (int)world_restart(w);
}

static void a_late_close_costs_nothing_and_is_kept(void **state)
{
	struct world *w = *state;
	struct handle *h = open_to(w, "a", O_WRONLY | O_CREAT);
	unsigned calls;

	write_to(w, h, "late", 0);
	calls = fake_remote_all_calls(w->remote);
	assert_int_equal(world_close(w, h), 0);
	assert_int_equal(fake_remote_all_calls(w->remote), calls);
	assert_int_equal(world_kill(w), 1);
	assert_arrived(w, "a", "late");
}

static void a_late_upload_is_hastened(void **state)
{
	struct world *w = *state;
	struct handle *h = open_to(w, "a", O_WRONLY | O_CREAT);

	write_to(w, h, "synced", 0);
	assert_int_equal(world_fsync(w, h), 0);
	assert_remote(w, "a", "synced");
	write_to(w, h, "S", 0);
	assert_int_equal(world_close(w, h), 0);
	assert_remote(w, "a", "synced");
	assert_int_equal(world_save(w, "b", "drained"), 0);
	assert_int_equal(session_drain(w->session), 0);
	assert_remote(w, "a", "Synced");
	assert_arrived(w, "b", "drained");
}

static void a_late_overwriting_survives_a_kill_as_a_whole(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "a long old version");
	assert_int_equal(world_save(w, "a", "short"), 0);
	assert_remote(w, "a", "a long old version");
	assert_int_equal(world_kill(w), 1);
	assert_arrived(w, "a", "short");
}

/* What its program is still writing is nobody else's to upload. */
static void what_is_being_written_is_not_hastened(void **state)
{
	struct world *w = *state;
	struct handle *h = open_to(w, "a", O_WRONLY | O_CREAT);

	write_to(w, h, "one", 0);
	assert_int_equal(world_flush(w, h), 0);
	write_to(w, h, "two", 0);
	world_upload_late(w);
	assert_remote(w, "a", NULL);
	assert_int_equal(world_close(w, h), 0);
	assert_arrived(w, "a", "two");
}

#define with_world(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
#define late(name) \
	cmocka_unit_test_setup_teardown(name, setup_late, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(a_save_that_failed_is_kept_and_uploaded_by_the_next),
		with_world(a_session_that_ends_without_the_server_keeps),
		with_world(a_new_file_survives_a_kill),
		with_world(edits_survive_a_kill),
		with_world(half_of_a_new_version_does_not_replace_the_old),
		with_world(half_of_a_version_stays_that_through_a_second_kill),
		with_world(what_was_only_emptied_is_forgotten),
		with_world(a_dirty_file_is_found_under_its_new_name),
		with_world(an_open_new_file_is_found_under_its_new_name),
		with_world(what_is_unlinked_does_not_come_back),
		with_world(a_part_of_a_large_file_is_completed),
		with_world(a_part_of_what_is_no_more_goes_beside_it),
		with_world(a_file_waits_for_its_directory),
		with_world(every_reason_is_reported_by_close),
		with_world(both_versions_of_a_conflict_are_kept),
		with_world(a_copy_that_is_renamed_is_settled),
		with_world(a_copy_that_cannot_be_made_loses_nothing),
		with_world(a_conflict_is_found_by_the_next_session_too),
		with_world(the_same_bytes_are_no_conflict),
		with_world(a_file_that_is_empty_is_no_conflict),
		with_world(an_upload_without_an_end_is_no_conflict),
		with_world(other_bytes_after_such_an_upload_are_no_conflict),
		with_world(two_new_files_of_one_name_are_both_kept),
		with_world(what_others_removed_is_made_again),
		late(a_late_close_costs_nothing_and_is_kept),
		late(a_late_upload_is_hastened),
		late(a_late_overwriting_survives_a_kill_as_a_whole),
		late(what_is_being_written_is_not_hastened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
