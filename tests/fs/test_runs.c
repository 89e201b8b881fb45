/* .run: a conversation with a program in the workspace. */
#include "config.h"

#include "attr_cache.h"
#include "fs_limits.h"
#include "run_table.h"
#include "test.h"
#include "world.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

/* Opens .run and starts the line. */
static struct handle *start(struct world *w, const char *line)
{
	struct handle *h;

	assert_int_equal(world_open(w, ".run", O_RDWR, &h), 0);
	assert_int_equal(world_write(w, h, line, 0), (ssize_t)strlen(line));
	return h;
}

static struct fake_run *last(struct world *w)
{
	return fake_executor_last(w->executor);
}

static void assert_input(struct world *w, const char *expected)
{
	g_autofree char *input = fake_run_input(last(w));

	assert_string_equal(input, expected);
}

static void a_line_starts_a_run_with_its_words(void **state)
{
	struct world *w = *state;
	struct handle *h = start(w, "main.py one \"two words\"\n");

	assert_int_equal(fake_executor_starts(w->executor), 1);
	assert_string_equal(
		fake_run_command(last(w)), "main.py|one|two words @ ");
	fake_run_end(last(w), 0, 0, 0);
	assert_int_equal(world_close(w, h), 0);
}

static void the_directory_of_run_is_the_runs_own(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put_directory(w->remote, "d/e");
	assert_int_equal(world_open(w, "d/e/.run", O_WRONLY, &h), 0);
	assert_int_equal(world_write(w, h, "x.py\n", 0), 5);
	assert_string_equal(fake_run_command(last(w)), "x.py @ d/e");
	assert_int_equal(world_close(w, h), 0);
}

static void a_line_without_an_end_starts_at_flush(void **state)
{
	struct world *w = *state;
	struct handle *h;

	assert_int_equal(world_open(w, ".run", O_WRONLY, &h), 0);
	assert_int_equal(world_write(w, h, "main.", 0), 5);
	assert_int_equal(world_write(w, h, "py", 5), 2);
	assert_int_equal(fake_executor_starts(w->executor), 0);
	assert_int_equal(world_flush(w, h), 0);
	assert_string_equal(fake_run_command(last(w)), "main.py @ ");
	assert_int_equal(world_flush(w, h), 0);
	assert_int_equal(fake_executor_starts(w->executor), 1);
	world_release(w, h);
}

static void a_quoted_newline_is_part_of_its_word(void **state)
{
	struct world *w = *state;
	struct handle *h;

	assert_int_equal(world_open(w, ".run", O_WRONLY, &h), 0);
	assert_int_equal(world_write(w, h, "main.py 'one", 0), 12);
	assert_int_equal(world_write(w, h, "\ntwo' \"\n\"\nin", 12), 12);
	assert_string_equal(
		fake_run_command(last(w)), "main.py|one\ntwo|\n @ ");
	assert_input(w, "in");
	assert_int_equal(world_close(w, h), 0);
}

static void more_writing_is_the_scripts_input(void **state)
{
	struct world *w = *state;
	struct handle *h = start(w, "main.py\nfirst ");

	assert_input(w, "first ");
	assert_int_equal(world_write(w, h, "second\n", 14), 7);
	assert_input(w, "first second\n");
	assert_int_equal(world_close(w, h), 0);
	assert_input(w, "first second\n<EOF>");
}

/* The workspace, which may be away, is not asked for that. */
static void a_run_that_is_over_takes_no_input(void **state)
{
	struct world *w = *state;
	struct handle *h = start(w, "main.py\nfirst ");

	fake_run_end(last(w), 0, 0, 0);
	assert_int_equal(world_write(w, h, "second\n", 14), -EPIPE);
	assert_int_equal(world_close(w, h), 0);
	assert_input(w, "first ");
}

static void bad_lines_are_refused_and_forgotten(void **state)
{
	struct world *w = *state;
	struct handle *h;

	assert_int_equal(world_open(w, ".run", O_RDWR, &h), 0);
	assert_int_equal(world_write(w, h, "a \"b\n", 0), -EINVAL);
	assert_int_equal(world_write(w, h, "\n", 0), -EINVAL);
	fake_executor_refuse(w->executor, ENOENT);
	assert_int_equal(world_write(w, h, "none.py\n", 0), -ENOENT);
	assert_int_equal(fake_executor_starts(w->executor), 0);
	assert_int_equal(world_write(w, h, "good.py\n", 0), 8);
	assert_string_equal(fake_run_command(last(w)), "good.py @ ");
	assert_int_equal(world_close(w, h), 0);
}

static void too_long_a_line_is_e2big(void **state)
{
	struct world *w = *state;
	g_autofree char *half = g_strnfill(RUN_LINE_MAX / 2 + 1, 'x');
	struct handle *h;

	assert_int_equal(world_open(w, ".run", O_WRONLY, &h), 0);
	assert_true(world_write(w, h, half, 0) > 0);
	assert_int_equal(world_write(w, h, half, 0), -E2BIG);
	assert_int_equal(fake_executor_starts(w->executor), 0);
	world_release(w, h);
}

static void without_an_executor_nothing_runs(void **state)
{
	struct world *w = *state;
	struct handle *h;

	w->session->executor = NULL;
	assert_int_equal(world_open(w, ".run", O_WRONLY, &h), 0);
	assert_int_equal(world_write(w, h, "main.py\n", 0), -EOPNOTSUPP);
	assert_int_equal(world_close(w, h), 0);
}

static void output_is_read_to_the_byte_and_ends(void **state)
{
	struct world *w = *state;
	struct handle *h = start(w, "main.py\n");
	char byte = '\0';

	fake_run_output(last(w), "ab");
	assert_int_equal(world_read(w, h, &byte, 1, 0), 1);
	assert_int_equal(byte, 'a');
	/* Its own stream: what the kernel counts as position is not it. */
	assert_int_equal(world_read(w, h, &byte, 1, 4711), 1);
	assert_int_equal(byte, 'b');
	fake_run_output(last(w), "c");
	assert_int_equal(world_read(w, h, &byte, 1, 0), 1);
	assert_int_equal(byte, 'c');
	fake_run_end(last(w), 0, 0, 0);
	assert_int_equal(world_read(w, h, &byte, 1, 0), 0);
	assert_int_equal(world_close(w, h), 0);
}

static void a_fresh_open_reads_the_newest_again_and_again(void **state)
{
	struct world *w = *state;
	struct handle *one, *two, *h;

	assert_cat(w, ".run", ""); /* nothing ever ran */
	one = start(w, "one.py\n");
	fake_run_output(last(w), "one");
	fake_run_end(last(w), 0, 0, 0);
	two = start(w, "two.py\n");
	fake_run_output(last(w), "two");
	fake_run_end(last(w), 0, 0, 0);
	assert_cat(w, ".run", "two");
	assert_cat(w, ".run", "two");
	assert_int_equal(world_size(w, ".run"), 3);
	assert_cat(w, ".pycloud/runs/1/output", "one");
	assert_handle(w, one, "one");
	assert_int_equal(world_open(w, ".run", O_RDONLY, &h), 0);
	assert_handle(w, h, "two");
	assert_handle(w, h, "two");
	assert_int_equal(world_close(w, h), 0);
	assert_int_equal(world_close(w, one), 0);
	assert_int_equal(world_close(w, two), 0);
}

static void who_read_an_older_run_reads_ones_own_from_its_start(void **state)
{
	struct world *w = *state;
	struct handle *first = start(w, "one.py\n");
	struct handle *h;

	fake_run_output(last(w), "older");
	fake_run_end(last(w), 0, 0, 0);
	assert_int_equal(world_open(w, ".run", O_RDWR, &h), 0);
	assert_handle(w, h, "older");
	assert_int_equal(world_write(w, h, "two.py\n", 0), 7);
	fake_run_output(last(w), "own output");
	fake_run_end(last(w), 0, 0, 0);
	assert_handle(w, h, "own output");
	assert_int_equal(world_close(w, h), 0);
	assert_int_equal(world_close(w, first), 0);
}

static void a_reader_that_waits_can_be_interrupted(void **state)
{
	struct world *w = *state;
	struct handle *h = start(w, "main.py\n");
	struct request r;
	char byte;

	world_begin(w, &r);
	cancel_fire(&r.cancel);
	assert_int_equal(h->node->ops->read(&r, h, &byte, 1, 0), -EINTR);
	world_end(&r);
	fake_run_end(last(w), 0, 0, 0);
	assert_int_equal(world_read(w, h, &byte, 1, 0), 0);
	assert_int_equal(world_close(w, h), 0);
}

static void any_signal_ends_a_wait_even_one_that_came_first(void **state)
{
	struct world *w = *state;
	struct handle *h = start(w, "main.py\n");
	struct request r;
	char byte;

	world_begin(w, &r);
	request_signalled(&r, false);
	assert_int_equal(cancel_check(&r.cancel), 0);
	assert_int_equal(h->node->ops->read(&r, h, &byte, 1, 0), -EINTR);
	world_end(&r);
	world_begin(w, &r);
	request_be_like_pipe(&r);
	assert_int_equal(cancel_check(&r.cancel), 0);
	request_signalled(&r, false);
	assert_int_equal(cancel_check(&r.cancel), -EINTR);
	world_end(&r);
	assert_int_equal(world_close(w, h), 0);
}

static bool counts_to_two(void *arg)
{
	return ++*(int *)arg >= 2;
}

static void a_reader_that_waits_ends_with_the_mount(void **state)
{
	struct world *w = *state;
	struct handle *h = start(w, "main.py\n");
	int asked = 0;
	char byte;

	run_table_set_ending(w->session->runs, counts_to_two, &asked);
	assert_int_equal(world_read(w, h, &byte, 1, 0), -ENODEV);
	fake_run_output(last(w), "x");
	assert_int_equal(world_read(w, h, &byte, 1, 0), 1);
	assert_int_equal(world_close(w, h), 0);
}

static void there_is_a_limit_of_runs_at_once(void **state)
{
	struct world *w = *state;
	struct handle *handles[RUNS_ACTIVE_MAX];
	struct handle *h;

	for (int i = 0; i < RUNS_ACTIVE_MAX; i++)
		handles[i] = start(w, "main.py\n");
	assert_int_equal(world_open(w, ".run", O_RDWR, &h), 0);
	assert_int_equal(world_write(w, h, "one.py\n", 0), -EAGAIN);
	fake_run_end(last(w), 0, 0, 0);
	assert_int_equal(world_write(w, h, "one.py\n", 0), 7);
	for (int i = 0; i < RUNS_ACTIVE_MAX; i++)
		assert_int_equal(world_close(w, handles[i]), 0);
	assert_int_equal(world_close(w, h), 0);
}

static void old_runs_make_room_but_not_active_ones(void **state)
{
	struct world *w = *state;
	struct handle *active = start(w, "active.py\n");
	struct fake_run *second;
	int rc;

	assert_int_equal(world_close(w, start(w, "second.py\n")), 0);
	second = last(w);
	fake_run_end(second, 0, 0, 0);
	for (int i = 0; i < RUNS_KEEP; i++) {
		struct handle *h = start(w, "main.py\n");

		fake_run_end(last(w), 0, 0, 0);
		assert_int_equal(world_close(w, h), 0);
	}
	assert_int_equal(world_exists(w, ".pycloud/runs/1"), 0);
	assert_int_equal(world_exists(w, ".pycloud/runs/2"), -ENOENT);
	assert_null(world_walk(w, ".pycloud/runs/01", &rc));
	assert_true(fake_run_await_release(second));
	assert_int_equal(world_close(w, active), 0);
}

/* --- the workspace before, during and after ------------------------------- */

static void unsaved_files_are_uploaded_before_the_start(void **state)
{
	struct world *w = *state;
	struct handle *file, *h;

	assert_int_equal(world_open(w, "main.py", O_RDWR | O_CREAT, &file), 0);
	assert_int_equal(world_write(w, file, "print(1)", 0), 8);
	fake_remote_fail(w->remote, FAKE_WRITE, 1, ENOSPC);
	assert_int_equal(world_open(w, ".run", O_RDWR, &h), 0);
	assert_int_equal(world_write(w, h, "main.py\n", 0), -ENOSPC);
	assert_int_equal(fake_executor_starts(w->executor), 0);
	assert_int_equal(world_write(w, h, "main.py\n", 0), 8);
	assert_remote(w, "main.py", "print(1)");
	fake_run_end(last(w), 0, 0, 0);
	assert_int_equal(world_close(w, h), 0);
	assert_int_equal(world_close(w, file), 0);
	assert_changes(w, "write main.py;");
}

static void *end_run(void *arg)
{
	fake_run_end(arg, 0, 0, 0);
	return NULL;
}

static void what_was_believed_is_dropped_before_readers_see_the_end(
	void **state)
{
	struct world *w = *state;
	struct handle *h = start(w, "main.py\n");
	pthread_t executor;
	char byte;

	assert_int_equal(world_exists(w, "made.txt"), -ENOENT);
	fake_remote_put(w->remote, "made.txt", "by the script");
	assert_int_equal(world_exists(w, "made.txt"), -ENOENT);
	assert_int_equal(pthread_create(&executor, NULL, end_run, last(w)), 0);
	assert_int_equal(world_read(w, h, &byte, 1, 0), 0);
	assert_int_equal(world_exists(w, "made.txt"), 0);
	(void)pthread_join(executor, NULL);
	assert_int_equal(world_close(w, h), 0);
}

static void assert_exit(struct world *w, const char *number, const char *xattr,
	const char *file, const char *status_line)
{
	g_autofree char *value = world_getxattr(w, ".run", "user.pycloud.exit");
	g_autofree char *exit_path =
		g_strdup_printf(".pycloud/runs/%s/exit", number);
	g_autofree char *status_path =
		g_strdup_printf(".pycloud/runs/%s/status", number);
	g_autofree char *status = NULL;
	int rc;

	if (xattr == NULL)
		assert_null(value);
	else
		assert_string_equal(value, xattr);
	assert_cat(w, exit_path, file);
	status = world_cat(w, status_path, &rc);
	assert_int_equal(rc, 0);
	assert_non_null(strstr(status, status_line));
}

static void the_exit_status_is_told_in_three_places(void **state)
{
	struct world *w = *state;
	struct handle *h = start(w, "main.py  'a b'\n");

	assert_exit(w, "1", NULL, "", "state: running\n");
	fake_run_end(last(w), 3, 0, 0);
	assert_exit(w, "1", "3", "3\n", "exit: 3\n");
	assert_cat(w, ".pycloud/runs/1/command", "main.py  'a b'\n");
	assert_int_equal(world_close(w, h), 0);
	h = start(w, "main.py\n");
	fake_run_end(last(w), 0, SIGKILL, 0);
	assert_exit(w, "2", "137", "137\n", "signal: 9\n");
	assert_int_equal(world_close(w, h), 0);
	h = start(w, "main.py\n");
	fake_run_end(last(w), 0, 0, -EHOSTUNREACH);
	assert_exit(w, "3", NULL, "", "state: lost\n");
	assert_int_equal(world_close(w, h), 0);
}

static int64_t ms_of(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000 + t->tv_nsec / 1000000;
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return ms_of(&now);
}

/* Ends it once it is old enough; how it is then. */
static struct run_state end_late(
	struct world *w, uint64_t number, int64_t age_ms, int64_t ago_ms)
{
	struct run *run = run_table_get(w->session->runs, number);
	struct run_state s;

	run_state(run, &s);
	while (now_ms() < ms_of(&s.started) + age_ms)
		sched_yield();
	fake_run_end_late(last(w), ago_ms);
	run_state(run, &s);
	run_unref(run);
	return s;
}

/* Nobody followed it then: not when we hear of it, but not before it began. */
static void a_run_ended_when_it_did(void **state)
{
	struct world *w = *state;
	struct handle *h = start(w, "main.py\n");
	struct run_state s = end_late(w, 1, 50, 40);

	assert_true(ms_of(&s.ended) >= ms_of(&s.started));
	assert_true(ms_of(&s.ended) <= now_ms() - 40);
	assert_true(ms_of(&s.changed) >= ms_of(&s.ended) + 40);
	assert_int_equal(world_close(w, h), 0);
	h = start(w, "main.py\n");
	s = end_late(w, 2, 0, INT64_MAX);
	assert_memory_equal(&s.ended, &s.started, sizeof(s.started));
	assert_int_equal(world_close(w, h), 0);
}

static void the_control_directory_lists_the_runs(void **state)
{
	struct world *w = *state;
	g_autofree char *names = NULL;
	g_autofree char *run = NULL;
	struct request r;
	struct node *n;
	char *target = NULL;
	int rc;

	assert_int_equal(world_close(w, start(w, "one.py\n")), 0);
	assert_int_equal(world_close(w, start(w, "two.py\n")), 0);
	names = world_names(w, ".pycloud/runs", &rc);
	assert_string_equal(names, "1 2 last");
	run = world_names(w, ".pycloud/runs/2", &rc);
	assert_string_equal(run,
		"command ctl ended exit figures output started "
		"status stderr stdout");
	n = world_walk(w, ".pycloud/runs/last", &rc);
	assert_int_equal(rc, 0);
	world_begin(w, &r);
	assert_int_equal(n->ops->readlink(&r, n, &target), 0);
	world_end(&r);
	assert_string_equal(target, "2");
	g_free(target);
	world_forget(w, n);
}

/* --- output and readers at once ------------------------------------------- */

#define PIECES	 400
#define PIECE	 "0123456789abcdefghijklmnopqrstuvwxyz"
#define ALL_SIZE (PIECES * (sizeof(PIECE) - 1))

static void assert_time(
	struct world *w, const char *path, const struct timespec *expected)
{
	struct stat st;

	assert_int_equal(world_stat(w, path, &st), 0);
	assert_memory_equal(&st.st_mtim, expected, sizeof(*expected));
}

static void the_control_directory_is_as_old_as_its_run(void **state)
{
	struct world *w = *state;
	struct handle *h = start(w, "main.py\n");
	struct run_state s;

	w->session->mounted_at = (struct timespec){ .tv_sec = 1 };
	s = end_late(w, 1, 50, 20);
	assert_time(w, ".pycloud/runs/1", &s.started);
	assert_time(w, ".pycloud/runs/1/ctl", &s.started);
	assert_time(w, ".pycloud/runs/1/command", &s.started);
	assert_time(w, ".pycloud/runs/1/exit", &s.changed);
	assert_time(w, ".pycloud/runs/last", &s.started);
	assert_time(w, ".pycloud/status", &w->session->mounted_at);
	assert_int_equal(world_close(w, h), 0);
}

static void *write_pieces(void *arg)
{
	for (int i = 0; i < PIECES; i++)
		fake_run_output(arg, PIECE);
	fake_run_end(arg, 0, 0, 0);
	return NULL;
}

struct slow_reader {
	struct world *world;
	struct handle *handle;
	GString *text;
};

static void *read_slowly(void *arg)
{
	struct slow_reader *s = arg;
	char piece[13];
	ssize_t n;

	do {
		n = world_read(s->world, s->handle, piece, sizeof(piece),
			(int64_t)s->text->len);
		if (n > 0)
			g_string_append_len(s->text, piece, n);
	} while (n > 0);
	return NULL;
}

static void assert_all(const GString *text)
{
	assert_int_equal(text->len, ALL_SIZE);
	for (size_t at = 0; at < ALL_SIZE; at += sizeof(PIECE) - 1)
		assert_memory_equal(text->str + at, PIECE, sizeof(PIECE) - 1);
}

static void slow_readers_get_every_byte_once(void **state)
{
	struct world *w = *state;
	struct slow_reader readers[3];
	pthread_t threads[3];
	pthread_t writer;

	readers[0].handle = start(w, "main.py\n");
	assert_int_equal(
		world_open(w, ".run", O_RDONLY, &readers[1].handle), 0);
	assert_int_equal(world_open(w, ".pycloud/runs/1/output", O_RDONLY,
				 &readers[2].handle),
		0);
	for (size_t i = 0; i < 3; i++) {
		readers[i].world = w;
		readers[i].text = g_string_new(NULL);
		assert_int_equal(pthread_create(&threads[i], NULL, read_slowly,
					 &readers[i]),
			0);
	}
	assert_int_equal(
		pthread_create(&writer, NULL, write_pieces, last(w)), 0);
	(void)pthread_join(writer, NULL);
	for (size_t i = 0; i < 3; i++) {
		(void)pthread_join(threads[i], NULL);
		assert_all(readers[i].text);
		g_string_free(readers[i].text, TRUE);
		assert_int_equal(world_close(w, readers[i].handle), 0);
	}
}

/* --- ends nobody waited for ----------------------------------------------- */

static void end_before_the_start_returns(void *arg)
{
	struct world *w = arg;

	fake_remote_put(w->remote, "made", "early");
}

static void the_start_sees_what_is_on_the_server(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_executor_on_start(w->executor, end_before_the_start_returns, w);
	h = start(w, "main.py\n");
	assert_true(fake_remote_has(w->remote, "made"));
	fake_run_output(last(w), "x");
	fake_run_end(last(w), 0, 0, 0);
	assert_handle(w, h, "x");
	assert_int_equal(world_close(w, h), 0);
}

static void *read_into(void *arg)
{
	struct slow_reader *s = arg;
	char piece[16];
	ssize_t n = world_read(s->world, s->handle, piece, sizeof(piece), 0);

	if (n > 0)
		g_string_append_len(s->text, piece, n);
	return NULL;
}

/* The older run is forgotten while somebody still waits for its output. */
static void a_start_in_the_midst_of_a_read_leaves_the_read_its_run(void **state)
{
	struct world *w = *state;
	struct handle *first = start(w, "one.py\n");
	struct fake_run *older = last(w);
	struct slow_reader reader = { .world = w };
	pthread_t thread;

	reader.text = g_string_new(NULL);
	assert_int_equal(world_open(w, ".run", O_RDWR, &reader.handle), 0);
	assert_int_equal(pthread_create(&thread, NULL, read_into, &reader), 0);
	while (run_table_readers(w->session->runs) == 0)
		(void)sched_yield();
	assert_int_equal(world_write(w, reader.handle, "two.py\n", 0), 7);
	fake_run_output(older, "older");
	(void)pthread_join(thread, NULL);
	assert_string_equal(reader.text->str, "older");
	g_string_free(reader.text, TRUE);
	fake_run_output(last(w), "own");
	assert_handle(w, reader.handle, "own");
	assert_int_equal(world_close(w, reader.handle), 0);
	assert_int_equal(world_close(w, first), 0);
}

static void open_conversations_end_with_the_session(void **state)
{
	struct world *w = *state;
	struct handle *h = start(w, "main.py\n");

	fake_run_output(last(w), "x");
	assert_handle(w, h, "x");
	assert_false(fake_run_is_released(last(w)));
	/* The kernel went away without releasing anything. */
	world_end_session(w);
	assert_true(fake_run_is_released(last(w)));
}

#define with_world(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(a_line_starts_a_run_with_its_words),
		with_world(the_directory_of_run_is_the_runs_own),
		with_world(a_line_without_an_end_starts_at_flush),
		with_world(a_quoted_newline_is_part_of_its_word),
		with_world(more_writing_is_the_scripts_input),
		with_world(a_run_that_is_over_takes_no_input),
		with_world(bad_lines_are_refused_and_forgotten),
		with_world(too_long_a_line_is_e2big),
		with_world(without_an_executor_nothing_runs),
		with_world(output_is_read_to_the_byte_and_ends),
		with_world(a_fresh_open_reads_the_newest_again_and_again),
		with_world(who_read_an_older_run_reads_ones_own_from_its_start),
		with_world(a_reader_that_waits_can_be_interrupted),
		with_world(any_signal_ends_a_wait_even_one_that_came_first),
		with_world(a_reader_that_waits_ends_with_the_mount),
		with_world(there_is_a_limit_of_runs_at_once),
		with_world(old_runs_make_room_but_not_active_ones),
		with_world(unsaved_files_are_uploaded_before_the_start),
		with_world(
			what_was_believed_is_dropped_before_readers_see_the_end),
		with_world(the_exit_status_is_told_in_three_places),
		with_world(a_run_ended_when_it_did),
		with_world(the_control_directory_lists_the_runs),
		with_world(the_control_directory_is_as_old_as_its_run),
		with_world(slow_readers_get_every_byte_once),
		with_world(the_start_sees_what_is_on_the_server),
		with_world(
			a_start_in_the_midst_of_a_read_leaves_the_read_its_run),
		with_world(open_conversations_end_with_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
