/* run.c - see run.h. */
#include "config.h"

#include "run.h"

#include "fs_limits.h"
#include "log.h"
#include "run_private.h"
#include "run_table.h"
#include "session.h"
#include "state.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

/* --- life ----------------------------------------------------------------- */

struct run *run_new(struct session *s, uint64_t number, const char *line,
	const char *directory, const struct run_log_place *place)
{
	struct run *run = g_new0(struct run, 1);

	run->session = s;
	run->number = number;
	run->line = g_strdup(line);
	run->directory = g_strdup(directory);
	run->log = run_log_new(place);
	run->lock_fd = -1;
	run->pollers = run_poll_new();
	atomic_init(&run->refs, 1);
	atomic_init(&run->has_slot, false);
	atomic_init(&run->is_void, false);
	mutex_init(&run->lock);
	(void)clock_gettime(CLOCK_REALTIME, &run->started);
	run->changed = run->started;
	return run;
}

struct run *run_ref(struct run *run)
{
	if (run != NULL)
		atomic_fetch_add(&run->refs, 1);
	return run;
}

bool run_try_ref(struct run *run)
{
	unsigned refs = atomic_load(&run->refs);

	while (refs > 0)
		if (atomic_compare_exchange_weak(&run->refs, &refs, refs + 1))
			return true;
	return false;
}

/* The last reference is never dropped by the executor's thread: it has none. */
void run_unref(struct run *run)
{
	if (run == NULL || atomic_fetch_sub(&run->refs, 1) > 1)
		return;
	executor_run_release(run->remote);
	run_log_free(run->log);
	if (run->lock_fd >= 0)
		(void)close(run->lock_fd);
	run_poll_free(run->pollers);
	mutex_fini(&run->lock);
	g_free(run->directory);
	g_free(run->line);
	g_free(run->id);
	g_free(run);
}

static int64_t to_ms(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000 + t->tv_nsec / 1000000;
}

int run_record_state(struct run *run)
{
	struct state_run record = {
		.number = (int64_t)run->number,
		.remote_id = run->id,
		.command = run->line,
		.directory = run->directory,
		.started_ms = to_ms(&run->started),
	};
	struct run_state now;
	int rc;

	if (!run->is_recorded)
		return 0;
	run_state(run, &now);
	record.has_ended = now.is_ended;
	if (now.is_ended) {
		record.ended_ms = to_ms(&now.ended);
		record.exit_status = now.end.exit_status;
		record.exit_signal = now.end.signal;
	}
	if (now.is_ended && now.end.error != 0)
		record.why_lost = (char *)(uintptr_t)g_strerror(-now.end.error);
	rc = state_run_put(run->session->state, &record);
	/* Whoever forgets it says so first, and then removes the record. */
	if (atomic_load(&run->is_void))
		(void)state_run_remove(
			run->session->state, (int64_t)run->number);
	if (rc < 0)
		log_warning("run %" G_GUINT64_FORMAT
			    " could not be written down: %s",
			run->number, g_strerror(-rc));
	return rc;
}

/* --- the executor's side, on its thread ----------------------------------- */

static void tell_news(struct run *run) REQUIRES(run->lock)
{
	(void)clock_gettime(CLOCK_REALTIME, &run->changed);
	waitlist_wake(&run->news);
}

/* Of the first failure, once: a full disk fails again and again. */
static void set_error(struct run *run, int error) EXCLUDES(run->lock);
static void set_error(struct run *run, int error)
{
	bool is_new;

	mutex_lock(&run->lock);
	is_new = run->error != error && error != 0;
	run->error = error;
	tell_news(run);
	mutex_unlock(&run->lock);
	run_poll_wake(run->pollers);
	if (is_new)
		log_warning("the output of run %" G_GUINT64_FORMAT
			    " cannot be kept here: %s; it waits in the "
			    "workspace",
			run->number, g_strerror(-error));
}

static ssize_t on_record(void *arg, const uint8_t *bytes, size_t length)
{
	struct run *run = arg;
	ssize_t n = run_log_append(run->log, bytes, length);

	/* No record: the executor gives it up, and says so. */
	set_error(run, n < 0 && n != -EPROTO ? (int)n : 0);
	run_table_wrote(run->session->runs);
	return n;
}

static int on_skipped(void *arg)
{
	struct run *run = arg;

	return run_log_skip(run->log);
}

static void on_reach(void *arg, int error)
{
	struct run *run = arg;

	mutex_lock(&run->lock);
	run->reach = error;
	(void)clock_gettime(CLOCK_REALTIME, &run->changed);
	mutex_unlock(&run->lock);
}

/* When it ended by our clock, which is not the workspace's and may have been
 * set: not before it began. */
static struct timespec end_time(const struct timespec *started,
	const struct timespec *now, int64_t ago_ms)
{
	int64_t ms;

	if (ago_ms <= 0)
		return *now;
	if (ago_ms >= to_ms(now) - to_ms(started))
		return *started;
	ms = to_ms(now) - ago_ms;
	return (struct timespec){ .tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000 };
}

static void on_ended(void *arg, const struct run_end *end)
{
	struct run *run = arg;

	session_drop_beliefs(run->session);
	mutex_lock(&run->lock);
	run->is_ended = true;
	run->end = *end;
	run->reach = 0;
	tell_news(run);
	run->ended = end_time(&run->started, &run->changed, end->ago_ms);
	mutex_unlock(&run->lock);
	run_poll_wake(run->pollers);
	run_table_ended(run->session->runs, run);
}

struct run_events run_events(struct run *run)
{
	return (struct run_events){
		.record = on_record,
		.skipped = on_skipped,
		.reach = on_reach,
		.ended = on_ended,
		.arg = run,
	};
}

/* --- what is known of it -------------------------------------------------- */

void run_state(struct run *run, struct run_state *ret)
{
	mutex_lock(&run->lock);
	*ret = (struct run_state){
		.number = run->number,
		.is_ended = run->is_ended,
		.end = run->end,
		.reach = run->reach,
		.error = run->error,
		.started = run->started,
		.ended = run->ended,
		.changed = run->changed,
	};
	mutex_unlock(&run->lock);
	run_log_sizes(run->log, &ret->output);
}

bool run_is_ended(struct run *run)
{
	bool is_ended;

	mutex_lock(&run->lock);
	is_ended = run->is_ended;
	mutex_unlock(&run->lock);
	return is_ended;
}

struct timespec run_started(const struct run *run)
{
	return run->started;
}

struct timespec run_changed(struct run *run)
{
	struct timespec changed;

	mutex_lock(&run->lock);
	changed = run->changed;
	mutex_unlock(&run->lock);
	return changed;
}

uint64_t run_number(const struct run *run)
{
	return run->number;
}

const char *run_command_line(const struct run *run)
{
	return run->line;
}

const char *run_directory(const struct run *run)
{
	return run->directory;
}

struct run_log *run_log(struct run *run)
{
	return run->log;
}

bool run_exit_status(const struct run_state *state, int *ret)
{
	if (!state->is_ended || state->end.error != 0)
		return false;
	*ret = state->end.signal > 0 ? 128 + state->end.signal
				     : state->end.exit_status;
	return true;
}

/* --- reading -------------------------------------------------------------- */

static int64_t size_of(struct run *run, enum run_view view)
{
	struct run_log_sizes sizes;

	run_log_sizes(run->log, &sizes);
	return sizes.size[view];
}

static bool has_news(struct run *run, enum run_view view, int64_t offset)
	REQUIRES(run->lock)
{
	return run->is_ended || run->error != 0 || offset < size_of(run, view);
}

bool run_is_readable(struct run *run, enum run_view view, int64_t offset)
{
	bool is_readable;

	mutex_lock(&run->lock);
	is_readable = has_news(run, view, offset);
	mutex_unlock(&run->lock);
	return is_readable;
}

bool run_watch(struct run *run, enum run_view view, int64_t offset,
	const void *handle, struct poller *poller)
{
	bool is_readable = run_is_readable(run, view, offset);

	if (is_readable || poller == NULL) {
		poller_free(poller);
		return is_readable;
	}
	run_poll_add(run->pollers, handle, poller);
	is_readable = run_is_readable(run, view, offset);
	/* Not taken back: in its place another may have slept by this handle,
	 * whom these news were to wake. */
	if (is_readable)
		run_poll_wake(run->pollers);
	return is_readable;
}

void run_unwatch(struct run *run, const void *handle)
{
	run_poll_remove(run->pollers, handle);
}

void run_wake(struct run *run)
{
	run_poll_wake(run->pollers);
}

/* One turn of a wait. 1: there is something at `offset`, or the end. */
static int wait_turn(struct run *run, enum run_view view, int64_t offset,
	const struct cancel *cancel)
{
	int rc = 1;

	mutex_lock(&run->lock);
	if (!has_news(run, view, offset))
		rc = waitlist_wait(
			&run->news, &run->lock, cancel, RUN_READER_TURN_MS);
	mutex_unlock(&run->lock);
	return rc == -ETIMEDOUT ? cancel_check(cancel) : rc;
}

static int wait_for_news(struct run *run, enum run_view view, int64_t offset,
	const struct cancel *cancel)
{
	int rc = wait_turn(run, view, offset, cancel);

	while (rc == 0) {
		rc = run_table_check(run->session->runs);
		if (rc == 0)
			rc = wait_turn(run, view, offset, cancel);
	}
	return MIN(rc, 0);
}

/* 0 is its end only when it had ended before the look: what could not be kept
 * may have come, and its error gone, since the wait. */
ssize_t run_read(struct run *run, enum run_view view, char *buffer, size_t size,
	int64_t offset, const struct cancel *cancel)
{
	bool was_ended = false;
	ssize_t n = 0;
	int rc = 0;

	while (rc == 0 && n == 0 && size > 0 && !was_ended) {
		rc = wait_for_news(run, view, offset, cancel);
		if (rc < 0)
			return rc;
		was_ended = run_is_ended(run);
		n = run_log_read(run->log, view, buffer, size, offset);
		mutex_lock(&run->lock);
		rc = run->error;
		mutex_unlock(&run->lock);
	}
	return n != 0 ? n : rc;
}

/* --- talking to it -------------------------------------------------------- */

int run_feed(struct run *run, const void *bytes, size_t length,
	const struct cancel *cancel)
{
	return run->remote == NULL || run_is_ended(run)
		       ? -EPIPE
		       : executor_run_feed(run->remote, bytes, length, cancel);
}

int run_signal(struct run *run, int number, const struct cancel *cancel)
{
	return run->remote == NULL || run_is_ended(run)
		       ? -ESRCH
		       : executor_run_signal(run->remote, number, cancel);
}
