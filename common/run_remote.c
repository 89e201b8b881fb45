/*
 * run_remote.c - see run_remote.h: an executor whose runs live in the pod.
 *
 * A run is known to its supervisor there, to the helper, and here to a table
 * by its random name. Events come on the helper's keeper thread, which marks
 * the run busy, works without the lock, and unmarks it; a release waits for
 * that. What a run still needs (an acknowledgement, output again) run_follow.h
 * decides.
 *
 *	start()  -> in the table, held -> confirmed -> ended -> release()
 *
 * Output, even the end, may come before the start is confirmed. Silence and a
 * new helper concern confirmed runs only: others may not exist there yet.
 */
#include "config.h"

#include "run_remote.h"

#include "helper.h"
#include "log.h"
#include "mutex.h"
#include "run_follow.h"
#include "waitlist.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

struct run_remote {
	struct executor base;
	struct helper *helper;

	struct mutex lock;
	/* guarded by lock */
	struct waitlist waiters;
	GHashTable *runs; /* by id */
};

struct remote_run {
	struct executor_run base;
	struct run_remote *owner;
	char *id;
	struct run_events events;

	/* the keeper's own */
	struct run_follow follow;

	/* guarded by owner->lock */
	bool is_confirmed;
	bool is_busy; /* the keeper is at work on it */
	bool is_over; /* nothing more is delivered, nothing held */
	bool is_feeding;
	int64_t fed; /* bytes of standard input */
};

/* --- messages ------------------------------------------------------------ */

static cJSON *verb(const char *name, const char *run)
{
	cJSON *call = cJSON_CreateObject();

	(void)cJSON_AddStringToObject(call, "call", name);
	(void)cJSON_AddStringToObject(call, "run", run);
	return call;
}

static cJSON *verb_with(
	const char *name, const char *run, const char *key, int64_t value)
{
	cJSON *call = verb(name, run);

	(void)cJSON_AddNumberToObject(call, key, (double)value);
	return call;
}

/* --- events, on the keeper's thread -------------------------------------- */

/* NULL: unknown, released or over. */
static struct remote_run *begin_work(struct run_remote *x, const char *id)
	EXCLUDES(x->lock);
static struct remote_run *begin_work(struct run_remote *x, const char *id)
{
	struct remote_run *run;

	mutex_lock(&x->lock);
	run = id == NULL ? NULL : g_hash_table_lookup(x->runs, id);
	if (run != NULL && run->is_over)
		run = NULL;
	if (run != NULL)
		run->is_busy = true;
	mutex_unlock(&x->lock);
	return run;
}

static void end_work(struct run_remote *x, struct remote_run *run)
	EXCLUDES(x->lock);
static void end_work(struct run_remote *x, struct remote_run *run)
{
	mutex_lock(&x->lock);
	run->is_busy = false;
	waitlist_wake(&x->waiters);
	mutex_unlock(&x->lock);
}

/* True for the one who ends it. */
static bool mark_over(struct run_remote *x, struct remote_run *run)
	EXCLUDES(x->lock);
static bool mark_over(struct run_remote *x, struct remote_run *run)
{
	bool is_first;

	mutex_lock(&x->lock);
	is_first = !run->is_over;
	run->is_over = true;
	mutex_unlock(&x->lock);
	if (is_first)
		helper_unhold(x->helper);
	return is_first;
}

static void finish(struct remote_run *run, const struct run_end *end)
{
	if (mark_over(run->owner, run))
		run->events.ended(run->events.arg, end);
}

static void take_output(
	void *arg, int stream, const uint8_t *bytes, size_t length)
{
	struct remote_run *run = arg;

	if (stream == RUN_RECORD_GAP)
		log_warning("run %s: %.*s bytes of output were not kept in "
			    "the workspace",
			run->id, (int)length, (const char *)bytes);
	else
		run->events.output(run->events.arg, (enum run_stream)stream,
			bytes, length);
}

static void post_need(struct remote_run *run, int need)
{
	struct helper *helper = run->owner->helper;

	if (need == RUN_FOLLOW_ACK)
		helper_post(helper, verb_with("ack", run->id, "offset",
					    run->follow.offset));
	else if (need == RUN_FOLLOW_AGAIN)
		helper_post(helper, verb_with("follow", run->id, "offset",
					    run->follow.offset));
}

static void handle_output(struct remote_run *run, const cJSON *data,
	const struct kernel_buffer *bytes)
{
	struct run_end broken = { .error = -EIO };
	int64_t offset = 0;
	int need = -EPROTO;

	if (json_int64(data, "offset", &offset) && offset >= 0)
		need = run_follow_output(&run->follow, offset, bytes->bytes,
			bytes->length, take_output, run);
	run_follow_heard(&run->follow, clock_now_ms());
	if (need < 0)
		finish(run, &broken);
	else
		post_need(run, need);
}

static bool read_end(
	const cJSON *data, int64_t *ret_length, struct run_end *ret)
{
	int64_t status = -1, signal_number = -1;

	if (json_string(data, "error") != NULL ||
		!json_int64(data, "length", ret_length) ||
		!json_int64(data, "exit", &status) ||
		!json_int64(data, "signal", &signal_number) || status < 0 ||
		status > 255 || signal_number < 0 || signal_number > 64)
		return false;
	*ret = (struct run_end){ .exit_status = (int)status,
		.signal = (int)signal_number };
	return true;
}

static void handle_end(struct remote_run *run, const cJSON *data)
{
	struct run_end end = { .error = -EIO };
	int64_t length = 0;
	enum run_follow_need need = RUN_FOLLOW_DONE;

	run_follow_heard(&run->follow, clock_now_ms());
	if (read_end(data, &length, &end))
		need = run_follow_end(&run->follow, length);
	if (need == RUN_FOLLOW_DONE)
		finish(run, &end);
	else
		post_need(run, (int)need);
}

static void on_event(void *arg, const char *event, const cJSON *data,
	const struct kernel_buffer *bytes)
{
	struct run_remote *x = arg;
	struct remote_run *run = begin_work(x, json_string(data, "run"));

	if (run == NULL)
		return;
	if (strcmp(event, "output") == 0)
		handle_output(run, data, bytes);
	else if (strcmp(event, "ended") == 0)
		handle_end(run, data);
	end_work(x, run);
}

/* Asks again for every run that is due; is_new: for all of them. */
static int ask_for_runs(struct run_remote *x, bool is_new) EXCLUDES(x->lock);
static int ask_for_runs(struct run_remote *x, bool is_new)
{
	g_autoptr(GPtrArray) calls = g_ptr_array_new();
	int64_t now = clock_now_ms();
	struct remote_run *run;
	GHashTableIter iter;
	int wait = -1;
	guint i;

	mutex_lock(&x->lock);
	g_hash_table_iter_init(&iter, x->runs);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&run)) {
		int mine = RUN_QUIET_MS;

		if (run->is_over)
			continue;
		if (run->is_confirmed && is_new)
			run_follow_asked(&run->follow, now);
		if (run->is_confirmed &&
			(is_new || run_follow_tick(&run->follow, now, &mine) ==
					   RUN_FOLLOW_AGAIN))
			g_ptr_array_add(
				calls, verb_with("follow", run->id, "offset",
					       run->follow.offset));
		wait = wait < 0 || mine < wait ? mine : wait;
	}
	mutex_unlock(&x->lock);
	for (i = 0; i < calls->len; i++)
		helper_post(x->helper, g_ptr_array_index(calls, i));
	return wait;
}

static int on_tick(void *arg)
{
	return ask_for_runs(arg, false);
}

static void on_reconnected(void *arg)
{
	(void)ask_for_runs(arg, true);
}

static struct remote_run *begin_work_on_any(struct run_remote *x)
	EXCLUDES(x->lock);
static struct remote_run *begin_work_on_any(struct run_remote *x)
{
	struct remote_run *run, *found = NULL;
	GHashTableIter iter;

	mutex_lock(&x->lock);
	g_hash_table_iter_init(&iter, x->runs);
	while (found == NULL &&
		g_hash_table_iter_next(&iter, NULL, (gpointer *)&run))
		if (run->is_confirmed && !run->is_over)
			found = run;
	if (found != NULL)
		found->is_busy = true;
	mutex_unlock(&x->lock);
	return found;
}

static void on_lost(void *arg, int error)
{
	const struct run_end end = { .error = -EIO };
	struct run_remote *x = arg;
	struct remote_run *run;

	while ((run = begin_work_on_any(x)) != NULL) {
		log_warning("run %s cannot be followed any more: %s", run->id,
			g_strerror(-error));
		finish(run, &end);
		end_work(x, run);
	}
}

/* --- the executor -------------------------------------------------------- */

static int join_words(const char *const *argv, GByteArray **ret_line)
{
	GByteArray *line = g_byte_array_new();
	size_t i;

	for (i = 0; argv[i] != NULL && line->len <= RUN_COMMAND_MAX; i++) {
		if (i > 0)
			g_byte_array_append(line, (const guint8 *)"", 1);
		g_byte_array_append(line, (const guint8 *)argv[i],
			(guint)strnlen(argv[i], RUN_COMMAND_MAX + 1));
	}
	if (i == 0 || line->len > RUN_COMMAND_MAX) {
		g_byte_array_unref(line);
		return i == 0 ? -EINVAL : -E2BIG;
	}
	*ret_line = line;
	return 0;
}

static void free_run(struct remote_run *run)
{
	g_free(run->id);
	g_free(run);
}

static struct remote_run *add_run(
	struct run_remote *x, const struct run_events *events)
{
	struct remote_run *run = g_new0(struct remote_run, 1);

	run->base.ops = x->base.ops;
	run->owner = x;
	run->id = g_uuid_string_random();
	run->events = *events;
	run_follow_init(&run->follow, clock_now_ms());
	helper_hold(x->helper);
	mutex_lock(&x->lock);
	g_hash_table_insert(x->runs, run->id, run);
	mutex_unlock(&x->lock);
	return run;
}

/* Takes it out of the keeper's sight. */
static void remove_run(struct run_remote *x, struct remote_run *run)
{
	mutex_lock(&x->lock);
	(void)g_hash_table_remove(x->runs, run->id);
	while (run->is_busy)
		(void)waitlist_wait(&x->waiters, &x->lock, NULL, -1);
	mutex_unlock(&x->lock);
	(void)mark_over(x, run);
	helper_post(x->helper, verb("forget", run->id));
}

static int run_start(struct executor *base, const struct run_command *command,
	const struct run_events *events, const struct cancel *cancel,
	struct executor_run **ret_run)
{
	struct run_remote *x = (struct run_remote *)base;
	g_autoptr(GByteArray) line = NULL;
	struct kernel_buffer bytes;
	struct remote_run *run;
	cJSON *call;
	int rc;

	if (!g_utf8_validate(command->directory, -1, NULL))
		return -EILSEQ;
	rc = join_words(command->argv, &line);
	if (rc < 0)
		return rc;
	run = add_run(x, events);
	call = verb("start", run->id);
	(void)cJSON_AddStringToObject(call, "directory", command->directory);
	bytes = (struct kernel_buffer){ line->data, line->len };
	rc = helper_call(x->helper, call, &bytes, cancel, NULL);
	if (rc < 0) {
		/* It may have been started although nobody told us. */
		helper_post(x->helper,
			verb_with("signal", run->id, "number", SIGKILL));
		remove_run(x, run);
		free_run(run);
		return rc;
	}
	mutex_lock(&x->lock);
	run->is_confirmed = true;
	mutex_unlock(&x->lock);
	*ret_run = &run->base;
	return 0;
}

/* One at a time: the bytes' places follow from each other. */
static int feed_piece(struct remote_run *run, const uint8_t *bytes,
	size_t length, const struct cancel *cancel)
{
	struct run_remote *x = run->owner;
	const struct kernel_buffer buffer = { bytes, length };
	int64_t offset = 0;
	cJSON *call;
	int rc = 0;

	mutex_lock(&x->lock);
	while (run->is_feeding && rc == 0)
		rc = waitlist_wait(&x->waiters, &x->lock, cancel, -1);
	if (rc == 0)
		run->is_feeding = true;
	offset = run->fed;
	mutex_unlock(&x->lock);
	if (rc < 0)
		return rc;

	call = verb_with("feed", run->id, "offset", offset);
	(void)cJSON_AddBoolToObject(call, "eof", length == 0);
	rc = helper_call(
		x->helper, call, length > 0 ? &buffer : NULL, cancel, NULL);

	mutex_lock(&x->lock);
	run->is_feeding = false;
	if (rc == 0)
		run->fed += (int64_t)length;
	waitlist_wake(&x->waiters);
	mutex_unlock(&x->lock);
	return rc == -ESRCH ? -EPIPE : rc;
}

static int run_feed(struct executor_run *base, const void *bytes, size_t length,
	const struct cancel *cancel)
{
	struct remote_run *run = (struct remote_run *)base;
	const uint8_t *from = bytes;
	int rc;

	do {
		size_t n = length < RUN_FEED_BYTES ? length : RUN_FEED_BYTES;

		rc = feed_piece(run, from, n, cancel);
		from += n;
		length -= n;
	} while (rc == 0 && length > 0);
	return rc;
}

static int run_signal(
	struct executor_run *base, int number, const struct cancel *cancel)
{
	struct remote_run *run = (struct remote_run *)base;

	return helper_call(run->owner->helper,
		verb_with("signal", run->id, "number", number), NULL, cancel,
		NULL);
}

static void run_release(struct executor_run *base)
{
	struct remote_run *run = (struct remote_run *)base;

	remove_run(run->owner, run);
	free_run(run);
}

static void run_free(struct executor *base)
{
	struct run_remote *x = (struct run_remote *)base;

	helper_free(x->helper);
	g_hash_table_unref(x->runs);
	mutex_fini(&x->lock);
	g_free(x);
}

static const struct executor_ops run_remote_ops = {
	.start = run_start,
	.feed = run_feed,
	.signal = run_signal,
	.release = run_release,
	.free = run_free,
};

int run_remote_new(struct http_pool *pool, struct executor **ret)
{
	struct run_remote *x = g_new0(struct run_remote, 1);
	const struct helper_handler handler = {
		.event = on_event,
		.reconnected = on_reconnected,
		.lost = on_lost,
		.tick = on_tick,
		.arg = x,
	};
	int rc;

	x->base.ops = &run_remote_ops;
	x->runs = g_hash_table_new(g_str_hash, g_str_equal);
	mutex_init(&x->lock);
	rc = helper_new(pool, &handler, &x->helper);
	if (rc < 0) {
		run_free(&x->base);
		return rc;
	}
	*ret = &x->base;
	return 0;
}
