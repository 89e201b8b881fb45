/* run_table.c - see run_table.h. */
#include "config.h"

#include "run_table.h"

#include "fs_limits.h"
#include "log.h"
#include "mutex.h"
#include "scratch.h"
#include "session.h"
#include "transfer.h"
#include "waitlist.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

struct run {
	/* immutable after the start */
	struct session *session;
	uint64_t number;
	char *line;
	int fd; /* the output so far */
	struct executor_run *remote;
	struct timespec started;

	atomic_uint refs; /* so that the table's lock can take one */
	struct mutex lock;
	/* guarded by lock */
	int64_t size;
	int error; /* -errno: output from `size` on could not be kept */
	bool is_ended;
	struct run_end end;
	struct timespec changed, ended;
	struct waitlist news;
};

struct run_table {
	/* immutable once the mount serves */
	struct session *session;
	bool (*is_ending)(void *arg); /* NULL: it never does */
	void *ending_arg;

	struct mutex lock;
	/* guarded by lock */
	GQueue runs; /* oldest first, each with a reference */
	uint64_t next_number;

	atomic_int readers; /* workers inside run_table_read */
};

struct run_table *run_table_new(struct session *s)
{
	struct run_table *t = g_new0(struct run_table, 1);

	t->session = s;
	mutex_init(&t->lock);
	g_queue_init(&t->runs);
	t->next_number = 1;
	return t;
}

void run_table_set_ending(
	struct run_table *t, bool (*is_ending)(void *arg), void *arg)
{
	t->is_ending = is_ending;
	t->ending_arg = arg;
}

static int check_ending(const struct run_table *t)
{
	return t->is_ending != NULL && t->is_ending(t->ending_arg) ? -ENODEV
								   : 0;
}

struct run *run_ref(struct run *run)
{
	if (run != NULL)
		atomic_fetch_add(&run->refs, 1);
	return run;
}

/* The last reference is never dropped by the executor's thread: it has none. */
void run_unref(struct run *run)
{
	if (run == NULL || atomic_fetch_sub(&run->refs, 1) > 1)
		return;
	executor_run_release(run->remote);
	if (run->fd >= 0)
		(void)close(run->fd);
	mutex_fini(&run->lock);
	g_free(run->line);
	g_free(run);
}

void run_table_free(struct run_table *t)
{
	struct run *run;

	if (t == NULL)
		return;
	while ((run = g_queue_pop_head(&t->runs)) != NULL)
		run_unref(run);
	mutex_fini(&t->lock);
	g_free(t);
}

/* --- the executor's side -------------------------------------------------- */

/* Only the executor's thread writes, one piece after another. */
static void on_output(
	void *arg, enum run_stream stream, const void *bytes, size_t length)
{
	struct run *run = arg;
	int64_t at;
	int rc;

	(void)stream;
	mutex_lock(&run->lock);
	at = run->size;
	rc = run->error;
	mutex_unlock(&run->lock);
	if (rc == 0 && at + (int64_t)length > RUN_OUTPUT_MAX)
		rc = -EFBIG;
	if (rc == 0)
		rc = scratch_write(run->fd, bytes, length, at);

	mutex_lock(&run->lock);
	if (rc == 0)
		run->size = at + (int64_t)length;
	else
		run->error = rc;
	(void)clock_gettime(CLOCK_REALTIME, &run->changed);
	waitlist_wake(&run->news);
	mutex_unlock(&run->lock);
}

static void on_ended(void *arg, const struct run_end *end)
{
	struct run *run = arg;

	session_drop_beliefs(run->session);
	mutex_lock(&run->lock);
	run->is_ended = true;
	run->end = *end;
	(void)clock_gettime(CLOCK_REALTIME, &run->ended);
	run->changed = run->ended;
	waitlist_wake(&run->news);
	mutex_unlock(&run->lock);
}

/* --- the table ------------------------------------------------------------ */

static bool is_running(struct run *run)
{
	bool is_running;

	mutex_lock(&run->lock);
	is_running = !run->is_ended;
	mutex_unlock(&run->lock);
	return is_running;
}

/* Every run, each with a reference. */
static GPtrArray *all_runs(struct run_table *t)
{
	GPtrArray *all = g_ptr_array_new();
	GList *l;

	mutex_lock(&t->lock);
	for (l = t->runs.head; l != NULL; l = l->next) {
		struct run *run = l->data;

		atomic_fetch_add(&run->refs, 1);
		g_ptr_array_add(all, run);
	}
	mutex_unlock(&t->lock);
	return all;
}

static unsigned count_active(struct run_table *t)
{
	GPtrArray *all = all_runs(t);
	unsigned active = 0;

	for (guint i = 0; i < all->len; i++) {
		active += is_running(all->pdata[i]);
		run_unref(all->pdata[i]);
	}
	g_ptr_array_unref(all);
	return active;
}

/* The oldest runs that have ended make room for new ones. */
static void forget_old_runs(struct run_table *t)
{
	GPtrArray *all = all_runs(t);
	guint surplus = all->len > RUNS_KEEP ? all->len - RUNS_KEEP : 0;

	for (guint i = 0; i < all->len; i++) {
		struct run *run = all->pdata[i];
		bool is_removed = false;

		if (surplus > 0 && !is_running(run)) {
			mutex_lock(&t->lock);
			is_removed = g_queue_remove(&t->runs, run);
			mutex_unlock(&t->lock);
		}
		if (is_removed) {
			surplus--;
			run_unref(run); /* the table's */
		}
		run_unref(run);
	}
	g_ptr_array_unref(all);
}

struct run *run_table_get(struct run_table *t, uint64_t number)
{
	struct run *found = NULL;
	GList *l;

	mutex_lock(&t->lock);
	for (l = t->runs.tail; l != NULL && found == NULL; l = l->prev) {
		struct run *run = l->data;

		if (number == 0 || run->number == number)
			found = run;
	}
	if (found != NULL)
		atomic_fetch_add(&found->refs, 1);
	mutex_unlock(&t->lock);
	return found;
}

uint64_t run_table_newest(struct run_table *t)
{
	struct run *run = run_table_get(t, 0);
	uint64_t number = run == NULL ? 0 : run->number;

	run_unref(run);
	return number;
}

GArray *run_table_numbers(struct run_table *t)
{
	GArray *numbers = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	GList *l;

	mutex_lock(&t->lock);
	for (l = t->runs.head; l != NULL; l = l->next) {
		const struct run *run = l->data;

		g_array_append_val(numbers, run->number);
	}
	mutex_unlock(&t->lock);
	return numbers;
}

/* --- starting ------------------------------------------------------------- */

static int split_line(const char *line, char ***ret_words)
{
	g_autoptr(GError) error = NULL;

	/* A '#' starts a comment for GLib, not for a shell's argument. What
	 * is wrong (an open quote, nothing at all) is EINVAL all the same. */
	if (strlen(line) > RUN_LINE_MAX)
		return -E2BIG;
	if (!g_shell_parse_argv(line, NULL, ret_words, &error))
		return -EINVAL;
	return 0;
}

static struct run *run_new(struct run_table *t, const char *line)
{
	struct run *run = g_new0(struct run, 1);

	run->session = t->session;
	run->line = g_strdup(line);
	atomic_init(&run->refs, 1);
	mutex_init(&run->lock);
	(void)clock_gettime(CLOCK_REALTIME, &run->started);
	run->changed = run->started;
	run->fd = scratch_file(t->session->cache_fd);
	return run;
}

static int start_words(
	struct request *r, struct run *run, const char *directory, char **words)
{
	struct run_command command = {
		.argv = (const char *const *)words,
		.directory = directory,
	};
	struct run_events events = {
		.output = on_output,
		.ended = on_ended,
		.arg = run,
	};

	return executor_start(r->session->executor, &command, &events,
		&r->cancel, &run->remote);
}

/* Numbers are given in the order of the starts that succeeded. */
static void add_run(struct run_table *t, struct run *run)
{
	mutex_lock(&t->lock);
	run->number = t->next_number++;
	atomic_fetch_add(&run->refs, 1);
	g_queue_push_tail(&t->runs, run);
	mutex_unlock(&t->lock);
	forget_old_runs(t);
}

int run_table_start(struct request *r, const char *directory, const char *line,
	struct run **ret_run)
{
	struct run_table *t = r->session->runs;
	g_auto(GStrv) words = NULL;
	struct run *run;
	int rc = split_line(line, &words);

	if (rc < 0)
		return rc;
	if (r->session->executor == NULL)
		return -EOPNOTSUPP;
	if (count_active(t) >= RUNS_ACTIVE_MAX)
		return -EAGAIN;
	rc = transfer_upload_all(r->session, &r->cancel);
	if (rc < 0)
		return rc;
	run = run_new(t, line);
	if (run->fd < 0)
		rc = run->fd;
	if (rc == 0)
		rc = start_words(r, run, directory, words);
	if (rc < 0) {
		run_unref(run);
		return rc;
	}
	add_run(t, run);
	*ret_run = run;
	return 0;
}

/* --- a run ---------------------------------------------------------------- */

void run_state(struct run *run, struct run_state *ret)
{
	mutex_lock(&run->lock);
	*ret = (struct run_state){
		.number = run->number,
		.is_ended = run->is_ended,
		.end = run->end,
		.output_bytes = run->size,
		.started = run->started,
		.ended = run->ended,
		.changed = run->changed,
	};
	mutex_unlock(&run->lock);
}

const char *run_command_line(const struct run *run)
{
	return run->line;
}

/* One turn of a wait. 1: there is something at `offset`, or the end. */
static int wait_turn(
	struct run *run, int64_t offset, const struct cancel *cancel)
{
	int rc = 1;

	mutex_lock(&run->lock);
	if (offset >= run->size && !run->is_ended && run->error == 0)
		rc = waitlist_wait(
			&run->news, &run->lock, cancel, RUN_READER_TURN_MS);
	mutex_unlock(&run->lock);
	return rc == -ETIMEDOUT ? cancel_check(cancel) : rc;
}

static int wait_for_news(
	struct run *run, int64_t offset, const struct cancel *cancel)
{
	int rc = wait_turn(run, offset, cancel);

	while (rc == 0) {
		rc = check_ending(run->session->runs);
		if (rc == 0)
			rc = wait_turn(run, offset, cancel);
	}
	return MIN(rc, 0);
}

ssize_t run_read(struct run *run, char *buffer, size_t size, int64_t offset,
	const struct cancel *cancel)
{
	int64_t available;
	int rc = wait_for_news(run, offset, cancel);
	ssize_t n;

	mutex_lock(&run->lock);
	available = run->size - offset;
	if (rc == 0 && available <= 0)
		rc = run->error;
	mutex_unlock(&run->lock);
	if (rc < 0 || available <= 0)
		return rc;
	if ((int64_t)size > available)
		size = (size_t)available;
	do {
		n = pread(run->fd, buffer, size, offset);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -EIO : n;
}

ssize_t run_table_read(struct run_table *t, struct run *run, char *buffer,
	size_t size, int64_t offset, const struct cancel *cancel)
{
	ssize_t n = -EAGAIN;

	if (atomic_fetch_add(&t->readers, 1) < RUN_READERS_MAX)
		n = run_read(run, buffer, size, offset, cancel);
	atomic_fetch_sub(&t->readers, 1);
	return n;
}

int run_table_readers(struct run_table *t)
{
	return atomic_load(&t->readers);
}

int run_feed(struct run *run, const void *bytes, size_t length,
	const struct cancel *cancel)
{
	return executor_run_feed(run->remote, bytes, length, cancel);
}

int run_signal(struct run *run, int number, const struct cancel *cancel)
{
	return executor_run_signal(run->remote, number, cancel);
}

bool run_exit_status(const struct run_state *state, int *ret)
{
	if (!state->is_ended || state->end.error != 0)
		return false;
	*ret = state->end.signal > 0 ? 128 + state->end.signal
				     : state->end.exit_status;
	return true;
}
