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

#include "log.h"
#include "mutex.h"
#include "run_follow.h"
#include "waitlist.h"

#include <errno.h>
#include <string.h>

struct run_remote {
	struct executor base;
	struct helper *helper;
	struct helper_user *user;

	struct mutex lock;
	/* guarded by lock */
	struct waitlist waiters;
	GHashTable *runs;      /* by id */
	GHashTable *abandoned; /* ids; the helper is held for each */
	int64_t abandoned_ms;  /* when the helper was last told of them */
};

struct remote_run {
	struct executor_run base;
	struct run_remote *owner;
	char *id;
	struct run_events events;

	/* the keeper's own */
	struct run_follow follow;

	/* guarded by owner->lock */
	bool ends_input; /* told to each helper: it may be the first to hear */
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

static cJSON *end_of_input(const char *run)
{
	cJSON *call = verb_with("feed", run, "offset", 0);

	(void)cJSON_AddTrueToObject(call, "eof");
	return call;
}

/* --- starts that nobody answered ------------------------------------------ */

/* It may go on, or come to be, and nobody will know of it: the workspace must
 * hear that, however long it takes. */
static void abandon(struct run_remote *x, const char *id) EXCLUDES(x->lock);
static void abandon(struct run_remote *x, const char *id)
{
	bool is_kept;

	mutex_lock(&x->lock);
	is_kept = g_hash_table_size(x->abandoned) < RUNS_ABANDONED_MAX &&
		  g_hash_table_add(x->abandoned, g_strdup(id));
	x->abandoned_ms = clock_now_ms();
	mutex_unlock(&x->lock);
	if (is_kept)
		helper_hold(x->helper);
	helper_post(x->helper, verb("abandon", id));
	helper_rouse(x->helper); /* whose silence counts from now on */
}

/* The workspace has heard it. */
static void settle(struct run_remote *x, const char *id) EXCLUDES(x->lock);
static void settle(struct run_remote *x, const char *id)
{
	bool is_settled;

	mutex_lock(&x->lock);
	is_settled = g_hash_table_remove(x->abandoned, id);
	mutex_unlock(&x->lock);
	if (is_settled)
		helper_unhold(x->helper);
}

/* How long until it is to be called again, -1: never. */
static int abandon_again(struct run_remote *x, bool is_new) EXCLUDES(x->lock);
static int abandon_again(struct run_remote *x, bool is_new)
{
	g_autoptr(GPtrArray) calls = g_ptr_array_new();
	int64_t left = -1;
	GHashTableIter iter;
	void *id;
	guint i;

	mutex_lock(&x->lock);
	if (g_hash_table_size(x->abandoned) > 0)
		left = x->abandoned_ms + RUN_QUIET_MAX_MS - clock_now_ms();
	if (g_hash_table_size(x->abandoned) > 0 && (is_new || left <= 0)) {
		g_hash_table_iter_init(&iter, x->abandoned);
		while (g_hash_table_iter_next(&iter, &id, NULL))
			g_ptr_array_add(calls, verb("abandon", id));
		x->abandoned_ms = clock_now_ms();
		left = RUN_QUIET_MAX_MS;
	}
	mutex_unlock(&x->lock);
	for (i = 0; i < calls->len; i++)
		helper_post(x->helper, g_ptr_array_index(calls, i));
	return (int)left;
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
	const struct run_end broken = { .error = -EPROTO };
	const struct run_sink sink = { run->events.record, run->events.skipped,
		run->events.arg };
	struct run_piece piece = {
		.is_after_skip = json_bool(data, "skipped", false),
		.bytes = bytes->bytes,
		.length = bytes->length,
	};
	int need = -EPROTO;

	if (json_int64(data, "offset", &piece.offset) && piece.offset >= 0 &&
		piece.offset <= RUN_RECORD_MAX - (int64_t)piece.length)
		need = run_follow_output(&run->follow, &piece, &sink);
	run_follow_heard(&run->follow, clock_now_ms());
	if (need == -EPROTO)
		finish(run, &broken);
	else
		post_need(run, need);
}

/* The length is -1 for a run that has no record any more. */
static struct run_end read_end(const cJSON *data, int64_t *ret_length)
{
	const char *error = json_string(data, "error");
	int64_t status = -1, number = -1, ago_ms = 0;

	*ret_length = -1;
	(void)json_int64(data, "length", ret_length);
	if (error != NULL && *error != '\0')
		return (struct run_end){ .error = helper_errno(error) };
	if (*ret_length < 0 || !json_int64(data, "exit", &status) ||
		!json_int64(data, "signal", &number) || status < 0 ||
		status > 255 || number < 0 || number > 64)
		return (struct run_end){ .error = -EPROTO };
	(void)json_int64(data, "ago_ms", &ago_ms);
	return (struct run_end){ .exit_status = (int)status,
		.signal = (int)number,
		.ago_ms = MAX(ago_ms, 0) };
}

static void handle_end(struct remote_run *run, const cJSON *data)
{
	int64_t length = -1;
	struct run_end end = read_end(data, &length);
	enum run_follow_need need = run_follow_end(&run->follow, length);

	run_follow_heard(&run->follow, clock_now_ms());
	if (need == RUN_FOLLOW_DONE)
		finish(run, &end);
	else
		post_need(run, (int)need);
}

static void on_event(void *arg, const char *event, const cJSON *data,
	const struct kernel_buffer *bytes)
{
	struct run_remote *x = arg;
	const char *id = json_string(data, "run");
	struct remote_run *run = begin_work(x, id);

	if (run == NULL && id != NULL && strcmp(event, "ended") == 0)
		settle(x, id);
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
		if (run->is_confirmed && is_new && run->ends_input)
			g_ptr_array_add(calls, end_of_input(run->id));
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
	int runs = ask_for_runs(arg, false);
	int abandoned = abandon_again(arg, false);

	return runs < 0 || (abandoned >= 0 && abandoned < runs) ? abandoned
								: runs;
}

/* Tells the runs whether they are followed. */
static void tell_reach(struct run_remote *x, int error) EXCLUDES(x->lock);
static void tell_reach(struct run_remote *x, int error)
{
	g_autoptr(GPtrArray) runs = g_ptr_array_new();
	struct remote_run *run;
	GHashTableIter iter;
	guint i;

	mutex_lock(&x->lock);
	g_hash_table_iter_init(&iter, x->runs);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&run)) {
		if (!run->is_confirmed || run->is_over)
			continue;
		run->is_busy = true;
		g_ptr_array_add(runs, run);
	}
	mutex_unlock(&x->lock);
	for (i = 0; i < runs->len; i++) {
		run = g_ptr_array_index(runs, i);
		run->events.reach(run->events.arg, error);
		end_work(x, run);
	}
}

static void on_reconnected(void *arg)
{
	tell_reach(arg, 0);
	(void)ask_for_runs(arg, true);
	(void)abandon_again(arg, true);
}

static void on_unreachable(void *arg, int error)
{
	tell_reach(arg, error);
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

static struct remote_run *add_run(struct run_remote *x,
	const struct run_place *place, const struct run_events *events,
	bool is_confirmed)
{
	struct remote_run *run = g_new0(struct remote_run, 1);

	run->base.ops = x->base.ops;
	run->owner = x;
	run->id = g_strdup(place->id);
	run->ends_input = place->ends_input;
	run->events = *events;
	run->is_confirmed = is_confirmed;
	run_follow_init(&run->follow, place->offset, clock_now_ms());
	mutex_lock(&x->lock);
	g_hash_table_insert(x->runs, run->id, run);
	mutex_unlock(&x->lock);
	helper_hold(x->helper);
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
}

static int run_start(struct executor *base, const struct run_command *command,
	const struct run_events *events, const struct cancel *cancel,
	struct executor_run **ret_run)
{
	struct run_remote *x = (struct run_remote *)base;
	const struct run_place place = { .id = command->id };
	g_autoptr(GByteArray) line = NULL;
	struct kernel_buffer bytes;
	struct remote_run *run;
	bool is_doubtful = false;
	cJSON *call;
	int rc;

	if (!g_utf8_validate(command->directory, -1, NULL))
		return -EILSEQ;
	rc = join_words(command->argv, &line);
	if (rc < 0)
		return rc;
	run = add_run(x, &place, events, false);
	call = verb_with("start", run->id, "output_max", command->output_max);
	(void)cJSON_AddNumberToObject(call, "runs_keep", command->runs_keep);
	(void)cJSON_AddStringToObject(call, "directory", command->directory);
	bytes = (struct kernel_buffer){ line->data, line->len };
	rc = helper_call(x->helper, call, &bytes, cancel, &is_doubtful);
	if (rc < 0) {
		remove_run(x, run);
		if (is_doubtful)
			abandon(x, run->id);
		free_run(run);
		return rc;
	}
	mutex_lock(&x->lock);
	run->is_confirmed = true;
	mutex_unlock(&x->lock);
	*ret_run = &run->base;
	return 0;
}

static int run_attach(struct executor *base, const struct run_place *place,
	const struct run_events *events, struct executor_run **ret_run)
{
	struct run_remote *x = (struct run_remote *)base;

	*ret_run = &add_run(x, place, events, true)->base;
	/* To a helper that is there already; a new one hears it at once. */
	if (place->ends_input)
		helper_post(x->helper, end_of_input(place->id));
	helper_post(x->helper,
		verb_with("follow", place->id, "offset", place->offset));
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
	(void)cJSON_AddFalseToObject(call, "eof");
	rc = helper_call(x->helper, call, &buffer, cancel, NULL);

	mutex_lock(&x->lock);
	run->is_feeding = false;
	if (rc == 0)
		run->fed += (int64_t)length;
	waitlist_wake(&x->waiters);
	mutex_unlock(&x->lock);
	return rc == -ESRCH ? -EPIPE : rc;
}

/* Does not wait: whoever closes what it wrote to cannot be told of a failure,
 * and the script must not wait for ever because there was one. */
static int end_input(struct remote_run *run)
{
	struct run_remote *x = run->owner;
	bool is_over;

	mutex_lock(&x->lock);
	is_over = run->is_over;
	run->ends_input = true;
	mutex_unlock(&x->lock);
	if (is_over)
		return -EPIPE;
	helper_post(x->helper, end_of_input(run->id));
	return 0;
}

static int run_feed(struct executor_run *base, const void *bytes, size_t length,
	const struct cancel *cancel)
{
	struct remote_run *run = (struct remote_run *)base;
	const uint8_t *from = bytes;
	int rc;

	if (length == 0)
		return end_input(run);
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
	helper_post(run->owner->helper, verb("forget", run->id));
	free_run(run);
}

static void run_free(struct executor *base)
{
	struct run_remote *x = (struct run_remote *)base;

	helper_leave(x->helper, x->user);
	g_hash_table_unref(x->runs);
	g_hash_table_unref(x->abandoned);
	mutex_fini(&x->lock);
	g_free(x);
}

static const struct executor_ops run_remote_ops = {
	.start = run_start,
	.attach = run_attach,
	.feed = run_feed,
	.signal = run_signal,
	.release = run_release,
	.free = run_free,
};

struct executor *run_remote_new(struct helper *helper)
{
	struct run_remote *x = g_new0(struct run_remote, 1);
	const struct helper_handler handler = {
		.event = on_event,
		.reconnected = on_reconnected,
		.unreachable = on_unreachable,
		.tick = on_tick,
		.arg = x,
	};

	x->base.ops = &run_remote_ops;
	x->runs = g_hash_table_new(g_str_hash, g_str_equal);
	x->abandoned =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	mutex_init(&x->lock);
	x->helper = helper;
	x->user = helper_join(helper, &handler);
	return &x->base;
}
