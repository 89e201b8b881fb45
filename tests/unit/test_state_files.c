/* The state's file: damaged, newer, killed, shared, full. */
#include "config.h"

#include "fs_limits.h"
#include "scratch_place.h"
#include "state.h"
#include "state_private.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int make_place(void **state)
{
	struct scratch_place *p = g_new0(struct scratch_place, 1);

	scratch_place_make(p);
	*state = p;
	return 0;
}

static int free_place(void **state)
{
	scratch_place_remove(*state);
	g_free(*state);
	return 0;
}

static struct state *open_state(const struct scratch_place *p, char **note)
{
	struct state *s = NULL;

	*note = NULL;
	assert_int_equal(state_open(p->path, &s, note), 0);
	return s;
}

static struct state *open_quietly(const struct scratch_place *p)
{
	char *note;
	struct state *s = open_state(p, &note);

	if (note != NULL)
		fail_msg("%s", note);
	return s;
}

static int put_one(struct state *s, size_t length)
{
	g_autofree char *command = g_strnfill(length, 'x');
	static _Atomic int64_t others; /* than the numbers that are given out */
	struct state_run r = { .command = command };

	r.number = ((int64_t)getpid() << 32) + ++others;
	return state_run_put(s, &r);
}

static unsigned count(struct state *s)
{
	GPtrArray *list = NULL;
	unsigned length;

	assert_int_equal(state_run_list(s, &list), 0);
	length = list->len;
	g_ptr_array_unref(list);
	return length;
}

static void make_state(const struct scratch_place *p, unsigned records)
{
	struct state *s = open_quietly(p);

	while (records-- > 0)
		assert_int_equal(put_one(s, 3000), 0);
	state_close(s);
}

/* Writes over a part of state.db, which nobody has open. */
static void write_at(
	const struct scratch_place *p, const void *bytes, size_t n, off_t at)
{
	int fd = openat(p->fd, "state.db", O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
	(void)close(fd);
}

static void truncate_to(const struct scratch_place *p, off_t size)
{
	int fd = openat(p->fd, "state.db", O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	(void)close(fd);
}

/* How many states were set aside. */
static unsigned asides(const struct scratch_place *p)
{
	GDir *dir = g_dir_open(p->path, 0, NULL);
	unsigned found = 0;
	const char *name;

	while ((name = g_dir_read_name(dir)) != NULL)
		found += g_str_has_prefix(name, "state.db.aside-") &&
			 !g_str_has_suffix(name, "-wal") &&
			 !g_str_has_suffix(name, "-shm");
	g_dir_close(dir);
	return found;
}

/* Opens; the note must say `why`; the new state is empty and works. */
static void assert_set_aside(const struct scratch_place *p, const char *why)
{
	g_autofree char *note = NULL;
	struct state *s = open_state(p, &note);

	if (note == NULL || strstr(note, why) == NULL ||
		strstr(note, "state.db.aside-") == NULL)
		fail_msg("the note is: %s", note);
	assert_int_equal(count(s), 0);
	assert_int_equal(put_one(s, 10), 0);
	state_close(s);
	s = open_quietly(p);
	assert_int_equal(count(s), 1);
	state_close(s);
}

static void a_damaged_state_is_kept_aside(void **state)
{
	static const char junk[4096] = "this is no database, nor was it ever";

	make_state(*state, 3);
	write_at(*state, junk, sizeof(junk), 0);
	assert_set_aside(*state, "damaged");
	write_at(*state, junk, sizeof(junk), 4096);
	assert_set_aside(*state, "damaged");
	/* In one second, under two names. */
	assert_int_equal(asides(*state), 2);
}

static void a_truncated_state_is_kept_aside(void **state)
{
	make_state(*state, 20);
	truncate_to(*state, 4096 * 5 + 100);
	assert_set_aside(*state, "damaged");
	truncate_to(*state, 50);
	assert_set_aside(*state, "damaged");
}

static void a_newer_state_is_kept_aside(void **state)
{
	static const unsigned char version[4] = { 0, 0, 1, 0 };

	make_state(*state, 1);
	write_at(*state, version, sizeof(version), 60);
	assert_set_aside(*state, "newer");
}

static void a_state_of_another_program_is_kept_aside(void **state)
{
	static const unsigned char id[4] = { 1, 2, 3, 4 };

	make_state(*state, 1);
	write_at(*state, id, sizeof(id), 68);
	assert_set_aside(*state, "not written by pycloud");
}

static void an_empty_file_is_a_new_state(void **state)
{
	struct state *s;

	write_at(*state, "", 0, 0);
	s = open_quietly(*state);
	assert_int_equal(put_one(s, 1), 0);
	state_close(s);
}

static void assert_text_of_aside(
	const struct scratch_place *p, const char *text)
{
	g_autofree char *seen = scratch_place_read(p, "-wal");

	assert_string_equal(seen, text);
}

static void a_journal_without_its_database_is_kept_aside(void **state)
{
	struct scratch_place *p = *state;
	g_autofree char *path = g_build_filename(p->path, "state.db-wal", NULL);

	assert_true(g_file_set_contents(path, "frames", -1, NULL));
	assert_set_aside(p, "damaged");
	assert_int_equal(asides(p), 0);
	assert_text_of_aside(p, "frames");
}

/* Whatever byte of the header is wrong, there is a state to work with. */
static void any_damage_of_the_header_ends_in_a_state(void **state)
{
	struct scratch_place *p = *state;
	g_autofree char *path = g_build_filename(p->path, "state.db", NULL);
	g_autofree char *good = NULL;
	gsize length;
	off_t at;

	make_state(p, 1);
	assert_true(g_file_get_contents(path, &good, &length, NULL));
	for (at = 0; at < 100; at++) {
		char wrong = (char)(good[at] ^ 0xff);
		g_autofree char *note = NULL;
		struct state *s;

		truncate_to(p, 0);
		write_at(p, good, length, 0);
		write_at(p, &wrong, 1, at);
		s = open_state(p, &note);
		assert_int_equal(count(s), note == NULL ? 1 : 0);
		assert_int_equal(put_one(s, 10), 0);
		state_close(s);
	}
}

static void a_state_in_use_is_not_set_aside(void **state)
{
	struct state *s = open_quietly(*state);
	struct state *other = NULL;
	g_autofree char *note = NULL;
	struct sql q;

	mutex_lock(&s->lock);
	q = sql_open(s, "PRAGMA user_version = 77");
	assert_int_equal(sql_run(&q), 0);
	mutex_unlock(&s->lock);
	assert_int_equal(state_open(((struct scratch_place *)*state)->path,
				 &other, &note),
		-EBUSY);
	assert_non_null(strstr(note, "newer"));
	assert_int_equal(asides(*state), 0);
	assert_int_equal(put_one(s, 1), 0);
	state_close(s);
	assert_set_aside(*state, "newer");
}

static void the_directory_is_made_and_made_private(void **state)
{
	struct scratch_place *p = *state;
	g_autofree char *below = g_build_filename(p->path, "d", NULL);
	g_autofree char *file = g_build_filename(p->path, "f", NULL);
	g_autofree char *note = NULL;
	struct scratch_place inner = { .path = below };
	struct state *s = open_quietly(&inner);
	struct stat st;

	state_close(s);
	assert_int_equal(chmod(below, 0755), 0);
	state_close(open_quietly(&inner));
	assert_int_equal(stat(below, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	inner.path = g_strdup(below);
	inner.fd = open(below, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	scratch_place_remove(&inner);
	assert_true(g_file_set_contents(file, "x", -1, NULL));
	assert_true(state_open(file, &s, &note) < 0);
	assert_non_null(note);
}

/* --- kill -9 -------------------------------------------------------------- */

/* Puts records until it is killed; a byte says that one is acknowledged. */
static void G_GNUC_NORETURN put_for_ever(const char *directory, int ack)
{
	struct state *s = NULL;
	char *note = NULL;

	if (state_open(directory, &s, &note) != 0)
		_exit(1);
	for (;;)
		if (put_one(s, 500) != 0 || state_fact_set(s, "k", "v") != 0 ||
			write(ack, "+", 1) != 1)
			_exit(2);
}

static void what_was_acknowledged_survives_kill_9(void **state)
{
	struct scratch_place *p = *state;
	unsigned acknowledged = 0;
	int round;

	for (round = 1; round <= 5; round++) {
		struct state *s;
		int ack[2];
		int i;
		char byte;
		pid_t child;
		char *fact = NULL;

		assert_int_equal(pipe(ack), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0)
			put_for_ever(p->path, ack[1]);
		(void)close(ack[1]);
		for (i = 0; i < 7 * round; i++)
			assert_int_equal(read(ack[0], &byte, 1), 1);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, NULL, 0), child);
		acknowledged += (unsigned)i;
		while (read(ack[0], &byte, 1) == 1)
			acknowledged++;
		(void)close(ack[0]);
		s = open_quietly(p);
		assert_true(count(s) >= acknowledged);
		/* At most one was done and not acknowledged. */
		assert_true(count(s) <= acknowledged + 1);
		acknowledged = count(s);
		assert_int_equal(state_fact_get(s, "k", &fact), 0);
		g_free(fact);
		state_close(s);
	}
}

/* --- two at once ---------------------------------------------------------- */

#define NUMBERS 40

static int take_numbers(struct state *s, int64_t *numbers)
{
	int rc = 0;
	int i;

	for (i = 0; rc == 0 && i < NUMBERS; i++) {
		rc = state_run_next_number(s, &numbers[i]);
		if (rc == 0)
			rc = put_one(s, 20);
		if (rc == 0)
			rc = state_fact_set(s, "k", "v");
	}
	return rc;
}

static void mark(gboolean *seen, const int64_t *numbers)
{
	int i;

	for (i = 0; i < NUMBERS; i++) {
		assert_in_range(numbers[i], 1, 4 * NUMBERS);
		assert_false(seen[numbers[i]]);
		seen[numbers[i]] = TRUE;
	}
}

struct taker {
	struct state *state;
	pthread_t thread;
	int64_t numbers[NUMBERS];
	int rc;
};

static void *run_taker(void *argument)
{
	struct taker *t = argument;

	t->rc = take_numbers(t->state, t->numbers);
	return NULL;
}

static void two_handles_and_four_threads_share_a_state(void **state)
{
	struct state *s[2] = { open_quietly(*state), open_quietly(*state) };
	gboolean seen[4 * NUMBERS + 1] = { FALSE };
	struct taker takers[4];
	int i;

	for (i = 0; i < 4; i++) {
		takers[i] = (struct taker){ .state = s[i % 2] };
		assert_int_equal(pthread_create(&takers[i].thread, NULL,
					 run_taker, &takers[i]),
			0);
	}
	for (i = 0; i < 4; i++) {
		(void)pthread_join(takers[i].thread, NULL);
		assert_int_equal(takers[i].rc, 0);
		mark(seen, takers[i].numbers);
	}
	assert_int_equal(count(s[0]), 4 * NUMBERS);
	assert_int_equal(count(s[1]), 4 * NUMBERS);
	state_close(s[0]);
	assert_int_equal(put_one(s[1], 1), 0);
	state_close(s[1]);
}

static void two_processes_share_a_state(void **state)
{
	struct scratch_place *p = *state;
	gboolean seen[4 * NUMBERS + 1] = { FALSE };
	int64_t numbers[NUMBERS];
	int pipes[3][2];
	pid_t children[3];
	struct state *s;
	int i;

	for (i = 0; i < 3; i++) {
		assert_int_equal(pipe(pipes[i]), 0);
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0) {
			char *note = NULL;

			/* All three make the state at once. */
			if (state_open(p->path, &s, &note) != 0 ||
				note != NULL || take_numbers(s, numbers) != 0)
				_exit(1);
			state_close(s);
			_exit(write(pipes[i][1], numbers, sizeof(numbers)) !=
				(ssize_t)sizeof(numbers));
		}
		(void)close(pipes[i][1]);
	}
	for (i = 0; i < 3; i++) {
		int status = -1;

		assert_int_equal(read(pipes[i][0], numbers, sizeof(numbers)),
			sizeof(numbers));
		mark(seen, numbers);
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
		(void)close(pipes[i][0]);
	}
	s = open_quietly(p);
	assert_int_equal(count(s), 3 * NUMBERS);
	state_close(s);
}

/* --- full ----------------------------------------------------------------- */

static void a_full_disk_loses_nothing(void **state)
{
	struct state *s = open_quietly(*state);
	unsigned put = 0;
	int rc;

	assert_int_equal(state_limit_pages(s, 60), 0);
	while ((rc = put_one(s, 3000)) == 0)
		put++;
	assert_int_equal(rc, -ENOSPC);
	assert_in_range(put, 5, 60);
	assert_int_equal(count(s), put);
	assert_int_equal(put_one(s, 3000), -ENOSPC);
	assert_int_equal(state_limit_pages(s, 100000), 0);
	assert_int_equal(put_one(s, 3000), 0);
	state_close(s);
	s = open_quietly(*state);
	assert_int_equal(count(s), put + 1);
	state_close(s);
}

/* The system's own refusal, in a child because a limit is a process's. */
static void a_refused_write_loses_nothing(void **state)
{
	struct scratch_place *p = *state;
	struct state *s;
	int status = -1;
	pid_t child;

	make_state(p, 1);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		const struct rlimit limit = { 300000, RLIM_INFINITY };
		struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
		char *note = NULL;
		unsigned put = 1;
		int rc;

		(void)signal(SIGXFSZ, SIG_IGN);
		if (state_open(p->path, &s, &note) != 0 ||
			setrlimit(RLIMIT_FSIZE, &limit) != 0)
			_exit(101);
		while ((rc = put_one(s, 3000)) == 0)
			put++;
		if (rc != -ENOSPC || count(s) != put)
			_exit(102);
		if (setrlimit(RLIMIT_FSIZE, &none) != 0 ||
			put_one(s, 3000) != 0)
			_exit(103);
		_exit((int)put); /* without closing: it crashed, too */
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_in_range(WEXITSTATUS(status), 2, 100);
	s = open_quietly(p);
	assert_int_equal(count(s), WEXITSTATUS(status) + 1);
	state_close(s);
}

/* All that is there, as it is. */
static void assert_examined(const struct scratch_place *p, int rc)
{
	g_autofree char *path = g_build_filename(p->path, "state.db", NULL);
	g_autofree char *before = NULL;
	g_autofree char *after = NULL;
	gsize size_before = 0, size_after = 0;

	(void)g_file_get_contents(path, &before, &size_before, NULL);
	assert_int_equal(state_examine(p->path), rc);
	(void)g_file_get_contents(path, &after, &size_after, NULL);
	assert_int_equal(size_after, size_before);
	if (size_before > 0)
		assert_memory_equal(before, after, size_before);
	assert_int_equal(asides(p), 0);
}

static void examining_changes_nothing(void **state)
{
	static const char junk[4096] = "this is no database, nor was it ever";
	static const unsigned char newer[4] = { 0, 0, 1, 0 };
	static const unsigned char foreign[4] = { 1, 2, 3, 4 };
	struct state *s;

	assert_examined(*state, 0);
	make_state(*state, 3);
	assert_examined(*state, 0);
	s = open_quietly(*state);
	assert_int_equal(put_one(s, 10), 0);
	assert_examined(*state, 0);
	assert_int_equal(put_one(s, 10), 0);
	assert_int_equal(count(s), 5);
	state_close(s);
	write_at(*state, newer, sizeof(newer), 60);
	assert_examined(*state, -EOVERFLOW);
	write_at(*state, foreign, sizeof(foreign), 68);
	assert_examined(*state, -EUCLEAN);
	write_at(*state, junk, sizeof(junk), 0);
	assert_examined(*state, -EUCLEAN);
}

#define case_of(f) cmocka_unit_test_setup_teardown(f, make_place, free_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_of(a_damaged_state_is_kept_aside),
		case_of(a_truncated_state_is_kept_aside),
		case_of(a_newer_state_is_kept_aside),
		case_of(a_state_of_another_program_is_kept_aside),
		case_of(an_empty_file_is_a_new_state),
		case_of(examining_changes_nothing),
		case_of(a_journal_without_its_database_is_kept_aside),
		case_of(any_damage_of_the_header_ends_in_a_state),
		case_of(a_state_in_use_is_not_set_aside),
		case_of(the_directory_is_made_and_made_private),
		case_of(what_was_acknowledged_survives_kill_9),
		case_of(two_handles_and_four_threads_share_a_state),
		case_of(two_processes_share_a_state),
		case_of(a_full_disk_loses_nothing),
		case_of(a_refused_write_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
