/* Runs over mounts: what is kept of them here, and what is followed again. */
#include "config.h"

#include "fs_limits.h"
#include "run_dir.h"
#include "run_record.h"
#include "run_table.h"
#include "state_private.h"
#include "test.h"
#include "world.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void start(struct world *w, const char *line)
{
	struct handle *h;

	assert_int_equal(world_open(w, ".run", O_WRONLY, &h), 0);
	assert_int_equal(world_write(w, h, line, 0), (ssize_t)strlen(line));
	assert_int_equal(world_close(w, h), 0);
}

static struct fake_run *last(struct world *w)
{
	return fake_executor_last(w->executor);
}

static void assert_status(struct world *w, const char *number, const char *line)
{
	g_autofree char *path =
		g_strdup_printf(".pycloud/runs/%s/status", number);
	int rc;
	g_autofree char *text = world_cat(w, path, &rc);

	assert_int_equal(rc, 0);
	if (strstr(text, line) == NULL)
		fail_msg("no \"%s\" in \"%s\"", line, text);
}

static void the_streams_are_to_be_had_apart(void **state)
{
	struct world *w = *state;

	start(w, "main.py\n");
	fake_run_output(last(w), "out\n");
	fake_run_error(last(w), "err\n");
	fake_run_end(last(w), 0, 0, 0);
	assert_cat(w, ".run", "out\nerr\n");
	assert_cat(w, ".pycloud/runs/1/output", "out\nerr\n");
	assert_cat(w, ".pycloud/runs/1/stdout", "out\n");
	assert_cat(w, ".pycloud/runs/1/stderr", "err\n");
	assert_int_equal(world_size(w, ".pycloud/runs/1/stderr"), 4);
	assert_status(w, "1", "\nstdout_bytes: 4\n");
}

static void what_ended_is_whole_after_a_remount(void **state)
{
	struct world *w = *state;

	start(w, "main.py a 'b c'\n");
	fake_run_output(last(w), "out\n");
	fake_run_error(last(w), "err\n");
	fake_run_end(last(w), 3, 0, 0);
	world_restart(w);
	assert_int_equal(w->resumed, 0);
	assert_cat(w, ".run", "out\nerr\n");
	assert_cat(w, ".pycloud/runs/1/stderr", "err\n");
	assert_cat(w, ".pycloud/runs/1/exit", "3\n");
	assert_cat(w, ".pycloud/runs/1/command", "main.py a 'b c'\n");
	assert_status(w, "1", "state: ended\n");
	start(w, "main.py\n");
	fake_run_end(last(w), 0, SIGTERM, 0);
	world_restart(w);
	assert_cat(w, ".pycloud/runs/2/exit", "143\n");
}

static void what_goes_on_is_followed_from_where_the_copy_stops(void **state)
{
	struct world *w = *state;
	g_autofree char *id = NULL;
	g_autofree char *attached = NULL;

	start(w, "main.py\n");
	fake_run_output(last(w), "before ");
	id = g_strdup(fake_run_id(last(w)));
	attached = g_strdup_printf(
		"attached at %" G_GINT64_FORMAT, fake_run_place(last(w)));
	world_restart(w);
	assert_int_equal(w->resumed, 1);
	assert_string_equal(fake_run_id(last(w)), id);
	assert_string_equal(fake_run_command(last(w)), attached);
	assert_status(w, "1", "state: running\n");
	fake_run_output(last(w), "after");
	fake_run_end(last(w), 0, 0, 0);
	assert_cat(w, ".run", "before after");
	world_restart(w);
	assert_int_equal(w->resumed, 0);
	assert_cat(w, ".run", "before after");
}

static void a_start_that_failed_leaves_nothing(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_executor_refuse(w->executor, ENOENT);
	assert_int_equal(world_open(w, ".run", O_WRONLY, &h), 0);
	assert_int_equal(world_write(w, h, "none.py\n", 0), -ENOENT);
	assert_int_equal(world_close(w, h), 0);
	assert_int_equal(scratch_place_count(&w->runs), 0);
	world_restart(w);
	assert_int_equal(w->resumed, 0);
	assert_int_equal(world_exists(w, ".pycloud/runs/last"), -ENOENT);
}

/* The answer to the start was lost, and the run is over all the same. */
static void a_start_that_fails_after_its_end_leaves_nothing(void **state)
{
	struct world *w = *state;
	g_autofree char *names = NULL;
	struct handle *h;
	int rc;

	assert_int_equal(world_open(w, ".run", O_WRONLY, &h), 0);
	for (int i = 0; i < RUNS_ACTIVE_MAX + 1; i++) {
		fake_executor_refuse_late(w->executor, ETIMEDOUT);
		assert_int_equal(world_write(w, h, "main.py\n", 0), -ETIMEDOUT);
	}
	assert_int_equal(world_close(w, h), 0);
	start(w, "main.py\n");
	fake_run_end(last(w), 0, 0, 0);
	world_restart(w);
	assert_int_equal(w->resumed, 0);
	names = world_names(w, ".pycloud/runs", &rc);
	assert_string_equal(names, "18 last");
}

static void numbers_are_given_once(void **state)
{
	struct world *w = *state;
	int rc;
	g_autofree char *names = NULL;

	start(w, "one.py\n");
	fake_run_end(last(w), 0, 0, 0);
	world_restart(w);
	start(w, "two.py\n");
	names = world_names(w, ".pycloud/runs", &rc);
	assert_string_equal(names, "1 2 last");
}

static void old_runs_leave_no_files(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < RUNS_KEEP + 3; i++) {
		start(w, "main.py\n");
		fake_run_output(last(w), "x");
		fake_run_end(last(w), 0, 0, 0);
	}
	assert_int_equal(world_exists(w, ".pycloud/runs/3"), -ENOENT);
	/* Each has its output and its lock. */
	assert_int_equal(scratch_place_count(&w->runs), 2 * RUNS_KEEP);
	world_restart(w);
	assert_int_equal(world_exists(w, ".pycloud/runs/3"), -ENOENT);
	assert_cat(w, ".pycloud/runs/4/output", "x");
}

static void who_cannot_be_reached_is_not_lost(void **state)
{
	struct world *w = *state;

	start(w, "main.py\n");
	fake_run_reach(last(w), -EHOSTUNREACH);
	assert_status(w, "1", "state: unreachable\n");
	assert_status(w, "1", "why: No route to host; the run goes on");
	fake_run_reach(last(w), 0);
	assert_status(w, "1", "state: running\n");
	fake_run_end(last(w), 0, 0, 0);
	assert_status(w, "1", "state: ended\n");
}

static void a_lost_run_stays_lost_and_keeps_what_came(void **state)
{
	struct world *w = *state;

	start(w, "main.py\n");
	fake_run_output(last(w), "begun\n");
	fake_run_end(last(w), 0, 0, -ESRCH);
	for (int i = 0; i < 2; i++) {
		assert_cat(w, ".run", "begun\n");
		assert_cat(w, ".pycloud/runs/1/exit", "");
		assert_status(w, "1", "state: lost\n");
		assert_status(w, "1", "\nwhy: the workspace does not know it");
		world_restart(w);
		assert_int_equal(w->resumed, 0);
	}
}

static void another_mount_at_once_follows_with_a_copy_of_its_own(void **state)
{
	struct world *w = *state;
	struct session *first = w->session;
	struct fake_run *of_first;

	start(w, "main.py\n");
	of_first = last(w);
	fake_run_output(of_first, "one ");
	world_begin_session(w);
	assert_int_equal(w->resumed, 1);
	assert_string_equal(
		fake_run_command(last(w)), "attached at 0, with a copy");
	fake_run_output(last(w), "one two");
	fake_run_end(last(w), 0, 0, 0);
	assert_cat(w, ".run", "one two");
	session_free(w->session);
	w->session = first;
	fake_run_output(of_first, "two");
	fake_run_end(of_first, 0, 0, 0);
	assert_cat(w, ".run", "one two");
}

static void what_is_no_record_is_not_taken(void **state)
{
	struct world *w = *state;

	start(w, "main.py\n");
	assert_int_equal(
		fake_run_record(last(w), "\xff no record", 11), -EPROTO);
	fake_run_end(last(w), 0, 0, -EPROTO);
	assert_status(w, "1", "why: what the workspace sent is no record");
}

/* Files that a lost state left behind are not the new run's output. */
static void a_number_that_comes_again_begins_anew(void **state)
{
	struct world *w = *state;
	g_autofree char *path = g_build_filename(w->runs.path, "1.0", NULL);

	assert_true(g_file_set_contents(path, "old", 3, NULL));
	start(w, "main.py\n");
	fake_run_output(last(w), "new");
	fake_run_end(last(w), 0, 0, 0);
	assert_cat(w, ".run", "new");
}

static void a_damaged_copy_is_fetched_anew(void **state)
{
	struct world *w = *state;
	g_autofree char *path = g_build_filename(w->runs.path, "1.0", NULL);

	start(w, "main.py\n");
	fake_run_output(last(w), "before");
	world_end_session(w);
	assert_true(g_file_set_contents(path, "\3\0\0\0\1x", 6, NULL));
	world_begin_session(w);
	assert_string_equal(fake_run_command(last(w)), "attached at 0");
	fake_run_output(last(w), "all of it");
	fake_run_end(last(w), 0, 0, 0);
	assert_cat(w, ".run", "all of it");
}

/* It may be read another day; until then there is one of this mount's own. */
static void a_copy_that_cannot_be_read_stays(void **state)
{
	struct world *w = *state;
	g_autofree char *path = g_build_filename(w->runs.path, "1.0", NULL);
	g_autofree char *aside = g_build_filename(w->runs.path, "aside", NULL);
	g_autofree char *attached = NULL;

	start(w, "main.py\n");
	fake_run_output(last(w), "before ");
	attached = g_strdup_printf(
		"attached at %" G_GINT64_FORMAT, fake_run_place(last(w)));
	world_end_session(w);
	assert_int_equal(rename(path, aside), 0);
	assert_int_equal(symlink(aside, path), 0);
	world_begin_session(w);
	assert_string_equal(fake_run_command(last(w)), "attached at 0");
	fake_run_output(last(w), "before and");
	assert_int_equal(world_size(w, ".pycloud/runs/1/stdout"), 10);
	world_end_session(w);
	assert_int_equal(rename(aside, path), 0);
	world_begin_session(w);
	assert_string_equal(fake_run_command(last(w)), attached);
	fake_run_output(last(w), "after");
	fake_run_end(last(w), 0, 0, 0);
	assert_cat(w, ".run", "before after");
}

static void state_exec(struct world *w, const char *text)
{
	struct state *s = w->state_db;
	struct sql q;
	int rc;

	mutex_lock(&s->lock);
	q = sql_open(s, text);
	rc = sql_run(&q);
	mutex_unlock(&s->lock);
	assert_int_equal(rc, 0);
}

/* If we were killed then, it would be nobody's. */
static void what_cannot_be_written_down_is_not_started(void **state)
{
	struct world *w = *state;
	struct handle *h;

	state_exec(w, "ALTER TABLE run RENAME TO away");
	assert_int_equal(world_open(w, ".run", O_WRONLY, &h), 0);
	assert_true(world_write(w, h, "main.py\n", 0) < 0);
	assert_int_equal(world_close(w, h), 0);
	assert_int_equal(fake_executor_starts(w->executor), 0);
	assert_int_equal(scratch_place_count(&w->runs), 0);
	state_exec(w, "ALTER TABLE away RENAME TO run");
	start(w, "main.py\n");
	fake_run_end(last(w), 0, 0, 0);
}

/* Written by a pycloud that gave runs no names. */
static void a_run_without_a_name_is_lost(void **state)
{
	struct world *w = *state;

	start(w, "main.py\n");
	fake_run_output(last(w), "begun\n");
	world_end_session(w);
	state_exec(w, "UPDATE run SET remote_id = NULL");
	world_begin_session(w);
	assert_int_equal(w->resumed, 0);
	assert_cat(w, ".run", "begun\n");
	assert_status(w, "1", "state: lost\n");
}

static void the_beginning_that_is_not_kept_is_said_to_each_reader(void **state)
{
	struct world *w = *state;
	g_autofree char *piece = g_strnfill(RUN_OUTPUT_LEAST / 8, 'x');
	g_autofree char *text = NULL;
	struct handle *h;
	int64_t size;
	char byte;

	world_end_session(w);
	w->options.run_output_max = RUN_OUTPUT_LEAST;
	world_begin_session(w);
	start(w, "main.py\n");
	assert_int_equal(
		world_open(w, ".pycloud/runs/1/stdout", O_RDONLY, &h), 0);
	fake_run_output(last(w), "first");
	assert_int_equal(world_read(w, h, &byte, 1, 0), 1);
	for (int i = 0; i < 20; i++)
		fake_run_output(last(w), piece);
	fake_run_output(last(w), "last");
	fake_run_end(last(w), 0, 0, 0);
	/* It reads on where there is something. */
	assert_int_equal(world_read(w, h, &byte, 1, 1), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(world_close(w, h), 0);
	assert_int_equal(world_open(w, ".run", O_RDONLY, &h), 0);
	text = g_malloc0(200);
	assert_true(world_read(w, h, text, 100, 0) > 0);
	assert_true(g_str_has_prefix(text, "\n[pycloud: "));
	assert_non_null(strstr(text, " bytes of output were not kept]\n"));
	assert_int_equal(world_read(w, h, &byte, 1, (int64_t)strlen(text)), 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(world_close(w, h), 0);
	size = world_size(w, ".pycloud/runs/1/stdout");
	assert_int_equal(size, 5 + 20 * (RUN_OUTPUT_LEAST / 8) + 4);
	assert_int_equal(
		world_open(w, ".pycloud/runs/1/stdout", O_RDONLY, &h), 0);
	assert_int_equal(world_read(w, h, text, 100, size - 5), 5);
	assert_memory_equal(text, "xlast", 5);
	assert_int_equal(world_close(w, h), 0);
	assert_status(w, "1", "\nmissing_bytes: ");
}

static void figures_are_files(void **state)
{
	static const char frames[] = "\4\0\0\0\x09"
				     "f-1.png\0A"
				     "\4\0\0\0\x09"
				     "f-1.png\0B"
				     "\4\0\0\0\x08"
				     "f-1.png\0"
				     "\4\0\0\0\x09"
				     "f-2.png\0X";
	struct world *w = *state;
	int rc;
	g_autofree char *names = NULL;

	start(w, "main.py\n");
	fake_run_output(last(w), "shown\n");
	assert_int_equal(
		fake_run_record(last(w), frames, sizeof(frames) - 1), 0);
	names = world_names(w, ".pycloud/runs/1/figures", &rc);
	assert_string_equal(names, "f-1.png");
	assert_cat(w, ".pycloud/runs/1/figures/f-1.png", "AB");
	assert_int_equal(
		world_exists(w, ".pycloud/runs/1/figures/f-2.png"), -ENOENT);
	fake_run_end(last(w), 0, 0, 0);
	world_restart(w);
	assert_cat(w, ".pycloud/runs/1/figures/f-1.png", "AB");
	assert_cat(w, ".run", "shown\n");
}

static int send(struct world *w, const char *text)
{
	struct handle *h;
	ssize_t n;
	int rc = world_open(w, ".pycloud/runs/last/ctl", O_WRONLY, &h);

	if (rc == -ELOOP || rc == -ENOTDIR) /* the kernel follows links */
		rc = world_open(w, ".pycloud/runs/1/ctl", O_WRONLY, &h);
	assert_int_equal(rc, 0);
	n = world_write(w, h, text, 0);
	assert_int_equal(world_close(w, h), 0);
	return (int)n;
}

static void ctl_takes_names_and_numbers(void **state)
{
	struct world *w = *state;

	start(w, "main.py\n");
	assert_int_equal(send(w, "INT\n"), 4);
	assert_int_equal(fake_run_signalled(last(w)), SIGINT);
	assert_int_equal(send(w, "SIGTERM"), 7);
	assert_int_equal(fake_run_signalled(last(w)), SIGTERM);
	assert_int_equal(send(w, "9\n"), 2);
	assert_int_equal(fake_run_signalled(last(w)), SIGKILL);
	assert_int_equal(send(w, "65\n"), -EINVAL);
	assert_int_equal(send(w, "0\n"), -EINVAL);
	assert_int_equal(send(w, "NONSENSE\n"), -EINVAL);
	assert_int_equal(send(w, "\n"), -EINVAL);
	fake_run_end(last(w), 0, SIGKILL, 0);
	assert_int_equal(send(w, "INT\n"), -ESRCH);
	world_restart(w);
	assert_int_equal(send(w, "INT\n"), -ESRCH);
}

#define with_world(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(the_streams_are_to_be_had_apart),
		with_world(what_ended_is_whole_after_a_remount),
		with_world(what_goes_on_is_followed_from_where_the_copy_stops),
		with_world(a_start_that_failed_leaves_nothing),
		with_world(a_start_that_fails_after_its_end_leaves_nothing),
		with_world(numbers_are_given_once),
		with_world(old_runs_leave_no_files),
		with_world(who_cannot_be_reached_is_not_lost),
		with_world(a_lost_run_stays_lost_and_keeps_what_came),
		with_world(
			another_mount_at_once_follows_with_a_copy_of_its_own),
		with_world(what_is_no_record_is_not_taken),
		with_world(a_number_that_comes_again_begins_anew),
		with_world(a_damaged_copy_is_fetched_anew),
		with_world(a_copy_that_cannot_be_read_stays),
		with_world(what_cannot_be_written_down_is_not_started),
		with_world(a_run_without_a_name_is_lost),
		with_world(
			the_beginning_that_is_not_kept_is_said_to_each_reader),
		with_world(figures_are_files),
		with_world(ctl_takes_names_and_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
