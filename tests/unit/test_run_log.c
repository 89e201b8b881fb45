/* The copy of a run's record: what stands where, wherever it was cut. */
#include "config.h"

#include "run_log.h"

#include "run_record.h"
#include "scratch_place.h"
#include "test.h"

#include <errno.h>
#include <string.h>

#define NUMBER	 7
#define KEEP_MAX ((int64_t)8 * 4096)

struct fixture {
	struct scratch_place place;
	struct run_log *log;
	GByteArray *record; /* as it was made so far */
	int64_t written[2];
};

static struct run_log *open_log(const struct fixture *f, uint64_t number)
{
	const struct run_log_place place = { f->place.fd, number, KEEP_MAX };

	return run_log_new(&place);
}

static int make(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	scratch_place_make(&f->place);
	f->log = open_log(f, NUMBER);
	f->record = g_byte_array_new();
	*state = f;
	return 0;
}

static int clean(void **state)
{
	struct fixture *f = *state;

	run_log_free(f->log);
	g_byte_array_unref(f->record);
	scratch_place_remove(&f->place);
	g_free(f);
	return 0;
}

/* As a mount that ends, or is killed, and the next one. */
static void reopen(struct fixture *f)
{
	run_log_free(f->log);
	f->log = open_log(f, NUMBER);
}

/* --- making a record ------------------------------------------------------ */

static void add_frame(
	struct fixture *f, int kind, const void *bytes, size_t length)
{
	const guint8 head[] = { (guint8)kind, (guint8)(length >> 24),
		(guint8)(length >> 16), (guint8)(length >> 8), (guint8)length };

	g_byte_array_append(f->record, head, sizeof(head));
	g_byte_array_append(f->record, bytes, (guint)length);
}

static void add_text(struct fixture *f, int kind, const char *text)
{
	add_frame(f, kind, text, strlen(text));
	f->written[kind - 1] += (int64_t)strlen(text);
}

/* `place`: of what follows; -1: where that is. */
static void add_mark(struct fixture *f, int64_t place)
{
	uint8_t frame[RUN_FRAME_HEAD + RUN_MARK_MAX];
	struct run_mark mark = { place, { f->written[0], f->written[1] } };
	size_t n = run_mark_frame(&mark, frame);

	if (place < 0) { /* the number's own length counts, too */
		mark.place = (int64_t)(f->record->len + n);
		n = run_mark_frame(&mark, frame);
		mark.place = (int64_t)(f->record->len + n);
		n = run_mark_frame(&mark, frame);
	}
	g_byte_array_append(f->record, frame, (guint)n);
}

static void add_figure(struct fixture *f, const char *name, const char *piece)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();

	g_byte_array_append(
		bytes, (const guint8 *)name, (guint)strlen(name) + 1);
	g_byte_array_append(bytes, (const guint8 *)piece, (guint)strlen(piece));
	add_frame(f, RUN_FRAME_FIGURE, bytes->data, bytes->len);
}

static void append_from(struct fixture *f, size_t from, size_t to)
{
	while (from < to) {
		ssize_t n = run_log_append(
			f->log, f->record->data + from, to - from);

		assert_true(n > 0);
		from += (size_t)n;
	}
}

/* --- looking -------------------------------------------------------------- */

static char *read_view(struct run_log *l, enum run_view view, int64_t from)
{
	GString *all = g_string_new(NULL);
	char piece[5000];
	ssize_t n;

	while ((n = run_log_read(l, view, piece, sizeof(piece),
			from + (int64_t)all->len)) > 0)
		g_string_append_len(all, piece, n);
	assert_int_equal(n, 0);
	return g_string_free(all, FALSE);
}

static void assert_view(
	struct fixture *f, enum run_view view, const char *expected)
{
	g_autofree char *text = read_view(f->log, view, 0);
	struct run_log_sizes sizes;

	assert_string_equal(text, expected);
	run_log_sizes(f->log, &sizes);
	assert_int_equal(sizes.error, 0);
	assert_int_equal(sizes.size[view], strlen(expected));
	/* From every place in it. */
	for (size_t at = 0; at < strlen(expected) && at < 200; at++) {
		char byte = '\0';

		assert_int_equal(
			run_log_read(f->log, view, &byte, 1, (int64_t)at), 1);
		assert_int_equal(byte, expected[at]);
	}
}

static void make_small_record(struct fixture *f)
{
	add_mark(f, -1);
	add_text(f, RUN_FRAME_STDOUT, "one\n");
	add_text(f, RUN_FRAME_STDERR, "two\n");
	add_text(f, RUN_FRAME_STDERR, "");
	add_figure(f, "figure-1.png", "pic");
	add_figure(f, "figure-1.png", "ture");
	add_figure(f, "figure-1.png", "");
	add_text(f, RUN_FRAME_STDOUT, "three\n");
}

static void assert_small_record(struct fixture *f)
{
	GPtrArray *figures = run_log_figures(f->log);
	char picture[16] = "";

	assert_view(f, RUN_VIEW_OUTPUT, "one\ntwo\nthree\n");
	assert_view(f, RUN_VIEW_STDOUT, "one\nthree\n");
	assert_view(f, RUN_VIEW_STDERR, "two\n");
	assert_int_equal(figures->len, 1);
	assert_string_equal(figures->pdata[0], "figure-1.png");
	assert_int_equal(run_log_figure_size(f->log, "figure-1.png"), 7);
	assert_int_equal(run_log_figure_read(f->log, "figure-1.png", picture,
				 sizeof(picture), 0),
		7);
	assert_string_equal(picture, "picture");
	assert_int_equal(
		run_log_figure_read(f->log, "figure-1.png", picture, 2, 4), 2);
	assert_memory_equal(picture, "ur", 2);
	g_ptr_array_unref(figures);
}

/* --- tests ---------------------------------------------------------------- */

static void views_show_the_streams_apart_and_together(void **state)
{
	struct fixture *f = *state;

	assert_view(f, RUN_VIEW_OUTPUT, "");
	make_small_record(f);
	append_from(f, 0, f->record->len);
	assert_small_record(f);
	assert_int_equal(run_log_place(f->log), f->record->len);
}

static void any_beginning_is_gone_on_from(void **state)
{
	struct fixture *f = *state;

	make_small_record(f);
	for (size_t cut = 0; cut <= f->record->len; cut++) {
		(void)run_log_restart(f->log);
		append_from(f, 0, cut);
		reopen(f);
		assert_int_equal(run_log_place(f->log), cut);
		append_from(f, cut, f->record->len);
		assert_small_record(f);
	}
}

static void what_was_not_kept_is_said_where_it_is_missing(void **state)
{
	struct fixture *f = *state;
	const char *const with_gap =
		"one\n\n[pycloud: 42 bytes of output were not kept]\ntwo\n";

	add_mark(f, -1);
	add_text(f, RUN_FRAME_STDOUT, "one\n");
	f->written[0] += 40;
	f->written[1] += 2;
	add_mark(f, -1);
	add_text(f, RUN_FRAME_STDOUT, "two\n");
	append_from(f, 0, f->record->len);
	for (int i = 0; i < 2; i++) {
		assert_view(f, RUN_VIEW_OUTPUT, with_gap);
		assert_view(f, RUN_VIEW_STDOUT, "one\ntwo\n");
		assert_view(f, RUN_VIEW_STDERR,
			"\n[pycloud: 42 bytes of output were not kept]\n");
		reopen(f);
	}
}

/* The workspace threw away what we were in the midst of. */
static void a_cut_frame_ends_where_the_record_skips(void **state)
{
	struct fixture *f = *state;
	size_t begin, skip;

	add_mark(f, -1);
	begin = f->record->len;
	add_text(f, RUN_FRAME_STDOUT, "abcdef");
	skip = f->record->len;
	add_mark(f, 100000);
	add_text(f, RUN_FRAME_STDOUT, "ghi");
	for (size_t cut = begin; cut <= skip; cut++) {
		size_t kept = cut - begin > 5 ? cut - begin - 5 : 0;
		g_autofree char *text = NULL;
		g_autofree char *expected = NULL;

		(void)run_log_restart(f->log);
		append_from(f, 0, cut);
		assert_int_equal(run_log_skip(f->log), 0);
		append_from(f, skip, f->record->len);
		reopen(f);
		expected = g_strdup_printf("%.*sghi", (int)kept, "abcdef");
		text = read_view(f->log, RUN_VIEW_STDOUT, 0);
		assert_string_equal(text, expected);
		assert_int_equal(run_log_place(f->log), 100000 + 8);
	}
}

static void a_cut_figure_is_never_whole(void **state)
{
	struct fixture *f = *state;
	size_t begin, skip;

	add_mark(f, -1);
	add_figure(f, "figure-1.png", "pic");
	begin = f->record->len;
	add_figure(f, "figure-1.png", "ture");
	skip = f->record->len;
	add_mark(f, 100000);
	for (size_t cut = begin; cut < skip; cut++) {
		(void)run_log_restart(f->log);
		append_from(f, 0, cut);
		assert_int_equal(run_log_skip(f->log), 0);
		append_from(f, skip, f->record->len);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(
				run_log_figure_size(f->log, "figure-1.png"),
				-ENOENT);
			assert_int_equal(run_log_place(f->log), 100000);
			reopen(f);
		}
	}
}

static char *make_lines(struct fixture *f, unsigned count)
{
	GString *all = g_string_new(NULL);

	add_mark(f, -1);
	for (unsigned i = 0; i < count; i++) {
		char line[64];

		(void)g_snprintf(line, sizeof(line), "line %u\n", i);
		add_text(f, i % 3 == 0 ? RUN_FRAME_STDERR : RUN_FRAME_STDOUT,
			line);
		g_string_append(all, line);
	}
	return g_string_free(all, FALSE);
}

static void the_tail_is_kept_past_the_limit(void **state)
{
	struct fixture *f = *state;
	g_autofree char *all = make_lines(f, 5000);
	g_autofree char *tail = NULL;
	struct run_log_sizes sizes;
	char byte;

	for (size_t at = 0; at < f->record->len; at += 777)
		append_from(f, at, MIN(at + 777, f->record->len));
	for (int i = 0; i < 2; i++) {
		run_log_sizes(f->log, &sizes);
		assert_int_equal(sizes.size[RUN_VIEW_OUTPUT], strlen(all));
		assert_true(sizes.start[RUN_VIEW_OUTPUT] > 0);
		assert_int_equal(sizes.start[RUN_VIEW_STDOUT] +
					 sizes.start[RUN_VIEW_STDERR],
			sizes.start[RUN_VIEW_OUTPUT]);
		assert_int_equal(sizes.missing, 0);
		assert_int_equal(run_log_read(f->log, RUN_VIEW_OUTPUT, &byte, 1,
					 sizes.start[RUN_VIEW_OUTPUT] - 1),
			-ENODATA);
		g_free(tail);
		tail = read_view(
			f->log, RUN_VIEW_OUTPUT, sizes.start[RUN_VIEW_OUTPUT]);
		assert_string_equal(tail, all + sizes.start[RUN_VIEW_OUTPUT]);
		assert_int_equal(run_log_place(f->log), f->record->len);
		assert_in_range(scratch_place_count(&f->place), 6, 9);
		reopen(f);
	}
	run_log_remove(f->place.fd, NUMBER);
	assert_int_equal(scratch_place_count(&f->place), 0);
}

/* Where the frame that begins at `at` ends. */
static size_t frame_end(const struct fixture *f, size_t at)
{
	const guint8 *head = f->record->data + at;

	return at + RUN_FRAME_HEAD + ((size_t)head[3] << 8 | head[4]);
}

/* Killed, or the disk full, between a file's beginning and its mark. */
static void a_file_without_its_mark_still_gets_it(void **state)
{
	struct fixture *f = *state;
	g_autofree char *all = make_lines(f, 5000);
	g_autofree char *tail = NULL;
	g_autofree char *path = NULL;
	struct run_log_sizes sizes;
	size_t cut = 0;

	while (cut < KEEP_MAX / 8)
		cut = frame_end(f, cut);
	append_from(f, 0, cut);
	run_log_free(f->log);
	path = g_strdup_printf("%s/%d.1", f->place.path, NUMBER);
	assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
	assert_true(g_file_set_contents(path, "", 0, NULL));
	f->log = open_log(f, NUMBER);
	assert_int_equal(run_log_place(f->log), cut);
	/* Until it is the oldest that is kept. */
	for (size_t at = cut;; at += 100) {
		g_autofree char *oldest =
			g_strdup_printf("%s/%d.0", f->place.path, NUMBER);

		assert_true(at + 100 <= f->record->len);
		append_from(f, at, at + 100);
		cut = at + 100;
		if (!g_file_test(oldest, G_FILE_TEST_EXISTS))
			break;
	}
	reopen(f);
	assert_int_equal(run_log_place(f->log), cut);
	append_from(f, cut, f->record->len);
	run_log_sizes(f->log, &sizes);
	tail = read_view(f->log, RUN_VIEW_OUTPUT, sizes.start[RUN_VIEW_OUTPUT]);
	assert_string_equal(tail, all + sizes.start[RUN_VIEW_OUTPUT]);
}

/* Many a file would begin in the midst of one. */
static void figures_are_kept_whole_or_not_at_all(void **state)
{
	struct fixture *f = *state;
	g_autofree char *piece = g_strnfill(1000, 'x');
	size_t at = 0;

	add_mark(f, -1);
	for (int i = 0; i < 40; i++) {
		g_autofree char *name = g_strdup_printf("figure-%d.png", i);

		for (int k = 0; k < 3; k++)
			add_figure(f, name, piece);
		add_figure(f, name, "");
	}
	while (at < f->record->len) {
		GPtrArray *figures;

		append_from(f, at, MIN(at + 700, f->record->len));
		at = MIN(at + 700, f->record->len);
		reopen(f);
		assert_int_equal(run_log_place(f->log), at);
		figures = run_log_figures(f->log);
		for (guint i = 0; i < figures->len; i++)
			assert_int_equal(
				run_log_figure_size(f->log, figures->pdata[i]),
				3000);
		g_ptr_array_unref(figures);
	}
	assert_in_range(scratch_place_count(&f->place), 4, 9);
}

static void unnamed_logs_leave_nothing(void **state)
{
	struct fixture *f = *state;
	struct run_log *named = f->log;
	g_autofree char *all = make_lines(f, 1000);
	g_autofree char *text = NULL;

	f->log = open_log(f, 0);
	append_from(f, 0, f->record->len);
	text = read_view(f->log, RUN_VIEW_OUTPUT, 0);
	assert_string_equal(text, all);
	assert_int_equal(scratch_place_count(&f->place), 0);
	run_log_free(f->log);
	f->log = named;
}

static void what_is_no_record_is_refused(void **state)
{
	static const char *const bad[] = { "\0\0\0\0\1x", "\5\0\0\0\1x",
		"\1\xff\0\0\0x", "\3\0\0\0\1x" };
	struct fixture *f = *state;

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		(void)run_log_restart(f->log);
		assert_int_equal(
			run_log_append(f->log, (const uint8_t *)bad[i], 6),
			-EPROTO);
	}
}

/* Where a file is full, the end of a frame is taken before what follows it is
 * seen to be nothing: it is the next call that fails, and all after it. */
static void after_what_is_no_record_nothing_is_taken(void **state)
{
	struct fixture *f = *state;
	g_autofree char *text = g_strnfill(KEEP_MAX / 4, 'x');
	size_t end;

	add_mark(f, -1);
	add_text(f, RUN_FRAME_STDOUT, text);
	end = f->record->len;
	g_byte_array_append(f->record, (const guint8 *)"yyyyyyyyyyyy", 12);
	append_from(f, 0, end - 10);
	assert_int_equal(
		run_log_append(f->log, f->record->data + end - 10, 22), 10);
	for (int i = 0; i < 3; i++)
		assert_int_equal(run_log_append(f->log,
					 (const uint8_t *)"yyyyyyyyyyyy", 12),
			-EPROTO);
	assert_int_equal(run_log_skip(f->log), -EPROTO);
	assert_view(f, RUN_VIEW_STDOUT, text);
}

static void counts_do_not_go_backwards(void **state)
{
	struct fixture *f = *state;
	size_t end;

	add_mark(f, -1);
	add_text(f, RUN_FRAME_STDOUT, "more");
	end = f->record->len;
	f->written[0] = 1;
	add_mark(f, -1);
	append_from(f, 0, end);
	assert_int_equal(run_log_append(f->log, f->record->data + end,
				 f->record->len - end),
		-EPROTO);
}

/* It becomes a file's name. */
static void hostile_figure_names_are_passed_over(void **state)
{
	static const char *const names[] = { "", ".", "..", "a/b", "../x",
		".hidden", "new\nline", "\xff" };
	struct fixture *f = *state;
	GPtrArray *figures;

	add_mark(f, -1);
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		add_figure(f, names[i], "x");
		add_figure(f, names[i], "");
	}
	add_frame(f, RUN_FRAME_FIGURE, "no end of its name", 18);
	append_from(f, 0, f->record->len);
	figures = run_log_figures(f->log);
	assert_int_equal(figures->len, 0);
	g_ptr_array_unref(figures);
}

/* In the last file, that is. */
static void zeros_of_a_power_cut_are_cut_off(void **state)
{
	static const char zeros[100];
	struct fixture *f = *state;
	size_t cut;

	make_small_record(f);
	for (cut = 0; cut < f->record->len; cut = frame_end(f, cut)) {
		g_autoptr(GByteArray) left = g_byte_array_new();
		g_autofree char *path =
			g_strdup_printf("%s/%d.0", f->place.path, NUMBER);

		run_log_free(f->log);
		g_byte_array_append(left, f->record->data, (guint)cut);
		g_byte_array_append(left, (const guint8 *)zeros, sizeof(zeros));
		assert_true(g_file_set_contents(path, (const char *)left->data,
			(gssize)left->len, NULL));
		f->log = open_log(f, NUMBER);
		assert_int_equal(run_log_place(f->log), cut);
		append_from(f, cut, f->record->len);
		assert_small_record(f);
		reopen(f);
		assert_small_record(f);
	}
}

static void what_is_no_record_is_an_error_until_restart(void **state)
{
	static const char mark[] = "\3\0\0\0\1x";
	struct fixture *f = *state;
	g_autofree char *path =
		g_strdup_printf("%s/%d.0", f->place.path, NUMBER);

	run_log_free(f->log);
	assert_true(g_file_set_contents(path, mark, sizeof(mark) - 1, NULL));
	f->log = open_log(f, NUMBER);
	assert_int_equal(run_log_place(f->log), -EPROTO);
	assert_int_equal(run_log_restart(f->log), 0);
	make_small_record(f);
	append_from(f, 0, f->record->len);
	assert_small_record(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			views_show_the_streams_apart_and_together, make, clean),
		cmocka_unit_test_setup_teardown(
			any_beginning_is_gone_on_from, make, clean),
		cmocka_unit_test_setup_teardown(
			what_was_not_kept_is_said_where_it_is_missing, make,
			clean),
		cmocka_unit_test_setup_teardown(
			a_cut_frame_ends_where_the_record_skips, make, clean),
		cmocka_unit_test_setup_teardown(
			a_cut_figure_is_never_whole, make, clean),
		cmocka_unit_test_setup_teardown(
			the_tail_is_kept_past_the_limit, make, clean),
		cmocka_unit_test_setup_teardown(
			a_file_without_its_mark_still_gets_it, make, clean),
		cmocka_unit_test_setup_teardown(
			figures_are_kept_whole_or_not_at_all, make, clean),
		cmocka_unit_test_setup_teardown(
			unnamed_logs_leave_nothing, make, clean),
		cmocka_unit_test_setup_teardown(
			what_is_no_record_is_refused, make, clean),
		cmocka_unit_test_setup_teardown(
			after_what_is_no_record_nothing_is_taken, make, clean),
		cmocka_unit_test_setup_teardown(
			counts_do_not_go_backwards, make, clean),
		cmocka_unit_test_setup_teardown(
			hostile_figure_names_are_passed_over, make, clean),
		cmocka_unit_test_setup_teardown(
			zeros_of_a_power_cut_are_cut_off, make, clean),
		cmocka_unit_test_setup_teardown(
			what_is_no_record_is_an_error_until_restart, make,
			clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
