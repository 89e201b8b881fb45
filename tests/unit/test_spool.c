/* Logs of the spool: what was said comes back, wherever the log is cut. */
#include "config.h"

#include "spool.h"

#include "scratch.h"
#include "scratch_place.h"
#include "test.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH "dir/file.txt"

struct fixture {
	struct scratch_place place;
	struct spool_record began;
	struct spool_log *log;
	struct spool *spool;
	int fd; /* the bytes */
};

/* How many files another mount removes yet, just before they are locked. */
static struct spool *thief;
static unsigned thefts;

/* Instead of the library's. */
int flock(int fd, int operation)
{
	struct stat st;

	if (thief != NULL && thefts > 0 && fstat(fd, &st) == 0 &&
		st.st_nlink > 0) {
		struct spool *s = g_steal_pointer(&thief);

		thefts--;
		g_ptr_array_unref(spool_list(s));
		thief = s;
	}
	return (int)syscall(SYS_flock, fd, operation);
}

static int make_place(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	scratch_place_make(&f->place);
	f->spool = spool_new(f->place.fd);
	f->fd = -1;
	*state = f;
	return 0;
}

/* As a daemon that ends, or is killed. */
static void let_go(struct fixture *f)
{
	spool_close(f->log);
	f->log = NULL;
	if (f->fd >= 0)
		(void)close(f->fd);
	f->fd = -1;
}

static int remove_place(void **state)
{
	struct fixture *f = *state;

	let_go(f);
	spool_record_clear(&f->began);
	spool_free(f->spool);
	scratch_place_remove(&f->place);
	g_free(f);
	return 0;
}

static void begin_with(struct fixture *f, const char *bytes)
{
	struct spool_record *r = &f->began;

	assert_true(f->fd >= 0);
	assert_int_equal(scratch_write(f->fd, bytes, strlen(bytes), 0), 0);
	r->path = g_strdup(PATH);
	r->base = SPOOL_BASE_VERSION;
	r->base_size = 77;
	r->base_mtime = (struct timespec){ 1700000000, 123456000 };
	r->since_s = 1700000001;
	r->size = (int64_t)strlen(bytes);
	assert_int_equal(extents_add(&r->present, 0, r->size), 0);
	assert_int_equal(spool_begin(f->spool, &f->fd, r, &f->log), 0);
}

static void begin(struct fixture *f, const char *bytes)
{
	f->fd = scratch_file(f->place.fd);
	begin_with(f, bytes);
}

static char *only_name(struct fixture *f)
{
	GPtrArray *names = spool_list(f->spool);
	char *name;

	assert_int_equal(names->len, 1);
	name = g_strdup(names->pdata[0]);
	g_ptr_array_unref(names);
	return name;
}

static int open_again(struct fixture *f, struct spool_record *ret)
{
	g_autofree char *name = only_name(f);

	return spool_open(f->spool, name, ret, &f->fd, &f->log);
}

/* All that a record says, to be compared. */
static char *text_of(const struct spool_record *r)
{
	g_autofree char *present = extents_to_text(&r->present);

	return g_strdup_printf("%s %d %" G_GINT64_FORMAT " %ld.%ld "
			       "%" G_GINT64_FORMAT " %" G_GINT64_FORMAT
			       " [%s]%s%s",
		r->path, (int)r->base, r->base_size, (long)r->base_mtime.tv_sec,
		r->base_mtime.tv_nsec, r->since_s, r->size, present,
		r->was_sent ? " sent" : "",
		r->is_unfinished ? " unfinished" : "");
}

static void assert_again(struct fixture *f, const char *path, int64_t size,
	const char *present, const char *flags)
{
	struct spool_record r;
	g_autofree char *seen = NULL;
	g_autofree char *expected = g_strdup_printf(
		"%s 2 77 1700000000.123456000 1700000001 %" G_GINT64_FORMAT
		" [%s]%s",
		path, size, present, flags);

	let_go(f);
	assert_int_equal(open_again(f, &r), 0);
	seen = text_of(&r);
	assert_string_equal(seen, expected);
	spool_record_clear(&r);
}

static void what_was_said_comes_back(void **state)
{
	struct fixture *f = *state;
	char byte;

	begin(f, "hello");
	assert_again(f, PATH, 5, "0-5", " unfinished");
	assert_int_equal(spool_log_present(f->log, 9, 12), 0);
	assert_again(f, PATH, 12, "0-5,9-12", " unfinished");
	assert_int_equal(pread(f->fd, &byte, 1, 4), 1);
	assert_int_equal(byte, 'o');
	assert_int_equal(spool_log_truncated(f->log, 10), 0);
	assert_int_equal(spool_log_moved(f->log, "b"), 0);
	assert_again(f, "b", 10, "0-5,9-10", " unfinished");
	assert_int_equal(spool_log_sent(f->log, false), 0);
	assert_again(f, "b", 10, "0-5,9-10", " sent");
	assert_int_equal(spool_log_present(f->log, 5, 6), 0);
	assert_again(f, "b", 10, "0-6,9-10", " sent unfinished");
	assert_int_equal(spool_log_truncated(f->log, 0), 0);
	assert_again(f, "b", 0, "", " sent unfinished");
	spool_remove(f->log);
	f->log = NULL;
	assert_int_equal(scratch_place_count(&f->place), 0);
}

static void what_is_unfinished_stays_so_when_it_is_sent(void **state)
{
	struct fixture *f = *state;

	begin(f, "half");
	assert_int_equal(spool_log_sent(f->log, true), 0);
	assert_again(f, PATH, 4, "0-4", " sent unfinished");
}

static void bytes_past_the_end_go(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	begin(f, "hello");
	assert_int_equal(scratch_write(f->fd, "unanswered", 10, 5), 0);
	assert_again(f, PATH, 5, "0-5", " unfinished");
	assert_int_equal(fstat(f->fd, &st), 0);
	assert_int_equal(st.st_size, 5);
}

static void a_sequential_writer_makes_a_small_log(void **state)
{
	struct fixture *f = *state;
	struct stat before, after;
	g_autofree char *name = NULL;
	g_autofree char *log = NULL;

	begin(f, "");
	name = only_name(f);
	log = g_strdup_printf("%s.log", name);
	assert_int_equal(fstatat(f->place.fd, log, &before, 0), 0);
	for (int64_t i = 0; i < 1000000; i++)
		assert_int_equal(
			spool_log_present(f->log, i * 10, i * 10 + 10), 0);
	assert_int_equal(fstatat(f->place.fd, log, &after, 0), 0);
	assert_int_equal(after.st_size, before.st_size + 24);
	assert_again(f, PATH, 10000000, "0-10000000", " unfinished");
	/* A log that was taken up goes on. */
	assert_int_equal(spool_log_present(f->log, 10000000, 10000001), 0);
	assert_again(f, PATH, 10000001, "0-10000001", " unfinished");
}

/* --- logs that end early -------------------------------------------------- */

static void cut_log(struct fixture *f, const char *bytes, size_t length)
{
	g_autofree char *name = only_name(f);
	g_autofree char *path =
		g_strdup_printf("%s/%s.log", f->place.path, name);

	assert_true(g_file_set_contents(path, bytes, (gssize)length, NULL));
}

static char *whole_log(struct fixture *f, size_t *ret_length)
{
	g_autofree char *name = only_name(f);
	g_autofree char *path =
		g_strdup_printf("%s/%s.log", f->place.path, name);
	char *bytes;

	assert_true(g_file_get_contents(path, &bytes, ret_length, NULL));
	return bytes;
}

/* What a reader of the log sees now: the states that a cut one may show. */
static void add_state(struct fixture *f, GPtrArray *states)
{
	struct spool_record r;

	let_go(f);
	assert_int_equal(open_again(f, &r), 0);
	g_ptr_array_add(states, text_of(&r));
	spool_record_clear(&r);
}

static void change_in_every_way(struct fixture *f, GPtrArray *states)
{
	add_state(f, states);
	assert_int_equal(spool_log_present(f->log, 100, 200), 0);
	add_state(f, states);
	assert_int_equal(spool_log_moved(f->log, "another/path"), 0);
	add_state(f, states);
	assert_int_equal(spool_log_truncated(f->log, 150), 0);
	add_state(f, states);
	assert_int_equal(spool_log_sent(f->log, false), 0);
	add_state(f, states);
	assert_int_equal(spool_log_present(f->log, 20, 30), 0);
	add_state(f, states);
	let_go(f);
}

/* The bytes that a log speaks of must not be cut by one that says nothing. */
static void assert_bytes_stay(struct fixture *f)
{
	g_autofree char *bytes = scratch_place_read(&f->place, ".data");

	assert_non_null(bytes);
	assert_memory_equal(bytes, "hello", 5);
}

static void a_log_cut_anywhere_is_an_earlier_one(void **state)
{
	struct fixture *f = *state;
	GPtrArray *states = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *bytes = NULL;
	size_t whole, beginning, at;
	guint seen = 0;

	begin(f, "hello");
	g_free(whole_log(f, &beginning));
	change_in_every_way(f, states);
	bytes = whole_log(f, &whole);
	for (at = 0; at <= whole; at++) {
		struct spool_record r;
		g_autofree char *text = NULL;
		int rc;

		cut_log(f, bytes, at);
		rc = open_again(f, &r);
		assert_int_equal(rc, at < beginning ? -EBADMSG : 0);
		assert_bytes_stay(f);
		if (rc < 0)
			continue;
		text = text_of(&r);
		if (strcmp(text, states->pdata[seen]) != 0)
			seen++;
		assert_true(seen < states->len);
		assert_string_equal(text, states->pdata[seen]);
		spool_record_clear(&r);
		let_go(f);
	}
	assert_int_equal(seen, states->len - 1);
	g_ptr_array_unref(states);
}

static void a_piece_of_a_record_does_not_stand_in_the_way(void **state)
{
	struct fixture *f = *state;
	g_autofree char *bytes = NULL;
	size_t length;

	begin(f, "hello");
	assert_int_equal(spool_log_present(f->log, 100, 200), 0);
	let_go(f);
	bytes = whole_log(f, &length);
	cut_log(f, bytes, length - 5);
	assert_again(f, PATH, 5, "0-5", " unfinished");
	assert_int_equal(spool_log_present(f->log, 7, 9), 0);
	assert_again(f, PATH, 9, "0-5,7-9", " unfinished");
}

static void zeroes_at_the_end_are_no_record(void **state)
{
	struct fixture *f = *state;
	g_autofree char *bytes = NULL;
	g_autofree char *longer = NULL;
	size_t length;

	begin(f, "hello");
	let_go(f);
	bytes = whole_log(f, &length);
	longer = g_malloc0(length + 4096);
	memcpy(longer, bytes, length);
	cut_log(f, longer, length + 4096);
	assert_again(f, PATH, 5, "0-5", " unfinished");
	assert_int_equal(spool_log_present(f->log, 5, 6), 0);
	assert_again(f, PATH, 6, "0-6", " unfinished");
}

/* --- logs of nobody's ----------------------------------------------------- */

struct raw {
	uint32_t kind, length;
	int64_t a, b;
};

/* One record more, which no daemon of ours ever wrote. */
static void assert_refused(struct fixture *f, const struct raw *record,
	const char *bytes, size_t length)
{
	g_autofree char *good = NULL;
	struct spool_record r;
	GString *log;
	size_t good_length;

	good = whole_log(f, &good_length);
	log = g_string_new_len(good, (gssize)good_length);
	g_string_append_len(log, (const char *)record, sizeof(*record));
	g_string_append_len(log, bytes, (gssize)length);
	cut_log(f, log->str, log->len);
	assert_int_equal(open_again(f, &r), -EBADMSG);
	assert_null(r.path);
	assert_bytes_stay(f);
	assert_int_equal(scratch_place_count(&f->place), 2);
	cut_log(f, good, good_length);
	g_string_free(log, TRUE);
}

static void what_we_did_not_write_is_left_alone(void **state)
{
	struct fixture *f = *state;
	const struct raw records[] = {
		{ 99, 0, 0, 0 },	 /* no such kind */
		{ 7, 0xffffffff, 0, 0 }, /* an absurd length */
		{ 4, 4097, 0, 0 },	 /* a path too long */
		{ 4, 0, 0, 0 },		 /* none */
		{ 2, 0, -5, 5 },	 /* before the file */
		{ 2, 0, 5, 5 },		 /* no range */
		{ 2, 0, 9, 5 },		 /* backwards */
		{ 2, 0, 0, INT64_MAX },	 /* larger than any file */
		{ 3, 0, -1, 0 }, { 3, 0, INT64_MAX, 0 }, { 1, 0, INT64_MIN, 0 },
		{ 5, 0, 1, 0 }, /* a base of nothing */
	};
	const struct raw path = { 4, 3, 0, 0 };
	const struct raw base = { 5, 24, 17, 0 };
	const char zeroes[24] = "";

	begin(f, "hello");
	let_go(f);
	for (size_t i = 0; i < G_N_ELEMENTS(records); i++)
		assert_refused(f, &records[i], NULL, 0);
	assert_refused(f, &path, "a\0b", 3);
	assert_refused(f, &base, zeroes, sizeof(zeroes));
	assert_again(f, PATH, 5, "0-5", " unfinished");
}

static void more_ranges_than_there_may_be_are_refused(void **state)
{
	struct fixture *f = *state;
	struct spool_record r;

	begin(f, "hello");
	for (int64_t i = 1; i <= 5000; i++)
		assert_int_equal(
			spool_log_present(f->log, i * 10, i * 10 + 1), 0);
	let_go(f);
	assert_int_equal(open_again(f, &r), -EBADMSG);
	assert_int_equal(scratch_place_count(&f->place), 2);
}

static void another_magic_is_no_log(void **state)
{
	struct fixture *f = *state;
	struct spool_record r;

	begin(f, "hello");
	let_go(f);
	cut_log(f, "PYCSPL99 and something", 22);
	assert_int_equal(open_again(f, &r), -EBADMSG);
	cut_log(f, "", 0);
	assert_int_equal(open_again(f, &r), -EBADMSG);
	assert_bytes_stay(f);
}

/* --- files ---------------------------------------------------------------- */

static void an_orphan_is_removed_unless_it_is_somebodys(void **state)
{
	struct fixture *f = *state;
	g_autofree char *name = NULL;
	g_autofree char *log = NULL;
	GPtrArray *names;

	begin(f, "hello");
	name = only_name(f);
	log = g_strdup_printf("%s.log", name);
	assert_int_equal(unlinkat(f->place.fd, log, 0), 0);
	names = spool_list(f->spool);
	assert_int_equal(names->len, 0);
	g_ptr_array_unref(names);
	assert_int_equal(scratch_place_count(&f->place), 1); /* it has it */
	let_go(f);
	names = spool_list(f->spool);
	assert_int_equal(names->len, 0);
	g_ptr_array_unref(names);
	assert_int_equal(scratch_place_count(&f->place), 0);
}

static void another_daemons_is_busy(void **state)
{
	struct fixture *f = *state;
	g_autofree char *name = NULL;
	struct spool_record r;
	struct spool_log *log;
	int fd;

	begin(f, "hello");
	name = only_name(f);
	assert_int_equal(spool_open(f->spool, name, &r, &fd, &log), -EBUSY);
	let_go(f);
	assert_int_equal(open_again(f, &r), 0);
	spool_record_clear(&r);
	assert_int_equal(spool_open(f->spool, name, &r, &fd, &log), -EBUSY);
	assert_int_equal(
		spool_open(f->spool, "nobody", &r, &fd, &log), -ENOENT);
}

static void assert_copied(struct fixture *f)
{
	struct spool_record r;
	struct spool_log *log;
	g_autofree char *name = only_name(f);
	int fd;

	/* What is written to the copy is what the next daemon finds. */
	assert_int_equal(scratch_write(f->fd, "J", 1, 0), 0);
	assert_int_equal(spool_open(f->spool, name, &r, &fd, &log), -EBUSY);
	assert_again(f, PATH, 5, "0-5", " unfinished");
	{
		g_autofree char *bytes = scratch_place_read(&f->place, ".data");

		assert_string_equal(bytes, "Jello");
	}
}

static void a_file_without_a_name_to_be_given_is_copied(void **state)
{
	struct fixture *f = *state;

	f->fd = openat(f->place.fd, "gone", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(unlinkat(f->place.fd, "gone", 0), 0);
	begin_with(f, "hello");
	assert_copied(f);
}

static void a_copy_that_is_taken_for_left_behind_is_made_again(void **state)
{
	struct fixture *f = *state;

	thief = f->spool;
	thefts = 3;
	f->fd = openat(f->place.fd, "gone", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(unlinkat(f->place.fd, "gone", 0), 0);
	begin_with(f, "hello");
	thief = NULL;
	assert_int_equal(thefts, 0);
	assert_copied(f);
}

static void a_file_of_another_file_system_is_copied(void **state)
{
	struct fixture *f = *state;
	char other[] = "/dev/shm/pycloud-test-XXXXXX";
	struct stat here, there;

	f->fd = mkstemp(other);
	if (f->fd < 0 || fstat(f->fd, &there) < 0 ||
		fstat(f->place.fd, &here) < 0 || here.st_dev == there.st_dev) {
		print_message("no second file system in /dev/shm\n");
		skip();
	}
	(void)unlink(other);
	begin_with(f, "hello");
	assert_copied(f);
}

static void a_second_change_of_the_same_file_gets_its_name_again(void **state)
{
	struct fixture *f = *state;
	char *was = NULL;

	begin(f, "hello");
	was = f->began.path;
	spool_remove(f->log);
	f->log = NULL;
	assert_int_equal(spool_begin(f->spool, &f->fd, &f->began, &f->log), 0);
	assert_ptr_equal(was, f->began.path);
	assert_again(f, PATH, 5, "0-5", " unfinished");
	assert_bytes_stay(f);
}

static void a_sync_needs_no_log_any_more(void **state)
{
	struct fixture *f = *state;
	struct spool_sync sync;

	begin(f, "hello");
	assert_int_equal(spool_sync_begin(f->log, f->fd, &sync), 0);
	spool_remove(f->log);
	f->log = NULL;
	assert_int_equal(spool_sync_end(&sync), 0);
}

#define with_place(name) \
	cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_place(what_was_said_comes_back),
		with_place(what_is_unfinished_stays_so_when_it_is_sent),
		with_place(bytes_past_the_end_go),
		with_place(a_sequential_writer_makes_a_small_log),
		with_place(a_log_cut_anywhere_is_an_earlier_one),
		with_place(a_piece_of_a_record_does_not_stand_in_the_way),
		with_place(zeroes_at_the_end_are_no_record),
		with_place(what_we_did_not_write_is_left_alone),
		with_place(more_ranges_than_there_may_be_are_refused),
		with_place(another_magic_is_no_log),
		with_place(an_orphan_is_removed_unless_it_is_somebodys),
		with_place(another_daemons_is_busy),
		with_place(a_file_without_a_name_to_be_given_is_copied),
		with_place(a_copy_that_is_taken_for_left_behind_is_made_again),
		with_place(a_file_of_another_file_system_is_copied),
		with_place(
			a_second_change_of_the_same_file_gets_its_name_again),
		with_place(a_sync_needs_no_log_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
