/* fake_executor.c - see fake_executor.h. */
#include "config.h"

#include "fake_executor.h"

#include "mutex.h"
#include "run_record.h"
#include "waitlist.h"

#include <assert.h>
#include <string.h>

#define RELEASE_MS 20000

struct fake_run {
	struct executor_run run;
	struct fake_executor *executor;
	struct run_events events;
	char *command;
	char *id;
	int64_t place; /* of the record; the test's thread's */
	/* guarded by the executor's lock */
	GString *input;
	int signalled;
	bool is_released;
};

struct fake_executor {
	struct executor executor;
	struct mutex lock;
	/* guarded by lock */
	struct waitlist releases;
	GPtrArray *runs;
	int refusal;
	bool refuses_late;
	void (*on_start)(void *arg);
	void *on_start_arg;
};

static struct fake_executor *fake_of(struct executor *e)
{
	return (struct fake_executor *)e;
}

static struct fake_run *fake_run_of(struct executor_run *r)
{
	return (struct fake_run *)r;
}

static void fake_run_free(gpointer p)
{
	struct fake_run *run = p;

	g_string_free(run->input, TRUE);
	g_free(run->command);
	g_free(run->id);
	g_free(run);
}

static struct fake_run *add_run(struct fake_executor *f, const char *id,
	const struct run_events *events) REQUIRES(f->lock)
{
	struct fake_run *run = g_new0(struct fake_run, 1);

	run->run.ops = f->executor.ops;
	run->executor = f;
	run->events = *events;
	run->id = g_strdup(id);
	run->input = g_string_new(NULL);
	g_ptr_array_add(f->runs, run);
	return run;
}

static int attach(struct executor *e, const struct run_place *place,
	const struct run_events *events, struct executor_run **ret_run)
{
	struct fake_executor *f = fake_of(e);
	struct fake_run *run;

	mutex_lock(&f->lock);
	run = add_run(f, place->id, events);
	run->place = place->offset;
	run->command = g_strdup_printf("attached at %" G_GINT64_FORMAT "%s",
		place->offset, place->ends_input ? "" : ", with a copy");
	*ret_run = &run->run;
	mutex_unlock(&f->lock);
	return 0;
}

static int start(struct executor *e, const struct run_command *command,
	const struct run_events *events, const struct cancel *cancel,
	struct executor_run **ret_run)
{
	struct fake_executor *f = fake_of(e);
	g_autofree char *words = NULL;
	struct fake_run *run;
	int rc = cancel_check(cancel);

	if (f->on_start != NULL)
		f->on_start(f->on_start_arg);
	mutex_lock(&f->lock);
	if (rc == 0)
		rc = -f->refusal;
	if (rc < 0 && f->refuses_late)
		events->ended(events->arg, &(struct run_end){ 0 });
	f->refusal = 0;
	f->refuses_late = false;
	if (rc == 0) {
		run = add_run(f, command->id, events);
		words = g_strjoinv("|", (char **)(uintptr_t)command->argv);
		run->command =
			g_strdup_printf("%s @ %s", words, command->directory);
		*ret_run = &run->run;
	}
	mutex_unlock(&f->lock);
	return rc;
}

static int feed(struct executor_run *r, const void *bytes, size_t length,
	const struct cancel *cancel)
{
	struct fake_run *run = fake_run_of(r);
	int rc = cancel_check(cancel);

	mutex_lock(&run->executor->lock);
	if (rc == 0 && length > 0)
		g_string_append_len(run->input, bytes, (gssize)length);
	else if (rc == 0)
		g_string_append(run->input, "<EOF>");
	mutex_unlock(&run->executor->lock);
	return rc;
}

static int signal_run(
	struct executor_run *r, int number, const struct cancel *cancel)
{
	struct fake_run *run = fake_run_of(r);

	mutex_lock(&run->executor->lock);
	run->signalled = number;
	mutex_unlock(&run->executor->lock);
	return cancel_check(cancel);
}

static void release(struct executor_run *r)
{
	struct fake_run *run = fake_run_of(r);

	mutex_lock(&run->executor->lock);
	assert(!run->is_released);
	run->is_released = true;
	waitlist_wake(&run->executor->releases);
	mutex_unlock(&run->executor->lock);
}

static void free_executor(struct executor *e)
{
	struct fake_executor *f = fake_of(e);

	for (guint i = 0; i < f->runs->len; i++)
		assert(((struct fake_run *)f->runs->pdata[i])->is_released);
	g_ptr_array_unref(f->runs);
	mutex_fini(&f->lock);
	g_free(f);
}

static const struct executor_ops ops = {
	.start = start,
	.attach = attach,
	.feed = feed,
	.signal = signal_run,
	.release = release,
	.free = free_executor,
};

struct executor *fake_executor_new(void)
{
	struct fake_executor *f = g_new0(struct fake_executor, 1);

	f->executor.ops = &ops;
	mutex_init(&f->lock);
	f->runs = g_ptr_array_new_with_free_func(fake_run_free);
	return &f->executor;
}

void fake_executor_refuse(struct executor *e, int error)
{
	struct fake_executor *f = fake_of(e);

	mutex_lock(&f->lock);
	f->refusal = error;
	mutex_unlock(&f->lock);
}

void fake_executor_refuse_late(struct executor *e, int error)
{
	struct fake_executor *f = fake_of(e);

	fake_executor_refuse(e, error);
	mutex_lock(&f->lock);
	f->refuses_late = true;
	mutex_unlock(&f->lock);
}

void fake_executor_on_start(
	struct executor *e, void (*call)(void *arg), void *arg)
{
	struct fake_executor *f = fake_of(e);

	f->on_start = call;
	f->on_start_arg = arg;
}

unsigned fake_executor_starts(struct executor *e)
{
	struct fake_executor *f = fake_of(e);
	unsigned count;

	mutex_lock(&f->lock);
	count = f->runs->len;
	mutex_unlock(&f->lock);
	return count;
}

struct fake_run *fake_executor_last(struct executor *e)
{
	struct fake_executor *f = fake_of(e);
	struct fake_run *run;

	mutex_lock(&f->lock);
	run = f->runs->len == 0 ? NULL : f->runs->pdata[f->runs->len - 1];
	mutex_unlock(&f->lock);
	return run;
}

int fake_run_record(struct fake_run *run, const void *bytes, size_t length)
{
	ssize_t n = run->events.record(run->events.arg, bytes, length);

	run->place += MAX(n, 0);
	return n < 0 ? (int)n : 0;
}

/* A frame begins with a mark where nothing came before it. */
static int write_frame(struct fake_run *run, int kind, const char *text)
{
	g_autoptr(GByteArray) frame = g_byte_array_new();
	size_t length = strlen(text);
	const guint8 head[] = { (guint8)kind, (guint8)(length >> 24),
		(guint8)(length >> 16), (guint8)(length >> 8), (guint8)length };
	uint8_t mark[RUN_FRAME_HEAD + RUN_MARK_MAX];

	if (run->place == 0)
		g_byte_array_append(frame, mark,
			(guint)run_mark_frame(
				&(struct run_mark){ .place = 5 + 6 }, mark));
	g_byte_array_append(frame, head, sizeof(head));
	g_byte_array_append(frame, (const guint8 *)text, (guint)length);
	return fake_run_record(run, frame->data, frame->len);
}

void fake_run_output(struct fake_run *run, const char *text)
{
	(void)write_frame(run, RUN_FRAME_STDOUT, text);
}

void fake_run_error(struct fake_run *run, const char *text)
{
	(void)write_frame(run, RUN_FRAME_STDERR, text);
}

void fake_run_reach(struct fake_run *run, int error)
{
	run->events.reach(run->events.arg, error);
}

int64_t fake_run_place(const struct fake_run *run)
{
	return run->place;
}

const char *fake_run_id(const struct fake_run *run)
{
	return run->id;
}

void fake_run_end(struct fake_run *run, int exit_status, int signal, int error)
{
	const struct run_end end = { exit_status, signal, error, 0 };

	run->events.ended(run->events.arg, &end);
}

void fake_run_end_late(struct fake_run *run, int64_t ago_ms)
{
	const struct run_end end = { .ago_ms = ago_ms };

	run->events.ended(run->events.arg, &end);
}

const char *fake_run_command(const struct fake_run *run)
{
	return run->command;
}

char *fake_run_input(struct fake_run *run)
{
	char *input;

	mutex_lock(&run->executor->lock);
	input = g_strdup(run->input->str);
	mutex_unlock(&run->executor->lock);
	return input;
}

int fake_run_signalled(struct fake_run *run)
{
	int number;

	mutex_lock(&run->executor->lock);
	number = run->signalled;
	mutex_unlock(&run->executor->lock);
	return number;
}

bool fake_run_is_released(struct fake_run *run)
{
	bool is_released;

	mutex_lock(&run->executor->lock);
	is_released = run->is_released;
	mutex_unlock(&run->executor->lock);
	return is_released;
}

bool fake_run_await_release(struct fake_run *run)
{
	struct fake_executor *f = run->executor;
	struct cancel limit;
	int rc = 0;

	cancel_init(&limit, RELEASE_MS);
	mutex_lock(&f->lock);
	while (!run->is_released && rc == 0)
		rc = waitlist_wait(&f->releases, &f->lock, &limit, -1);
	mutex_unlock(&f->lock);
	cancel_fini(&limit);
	return rc == 0;
}
