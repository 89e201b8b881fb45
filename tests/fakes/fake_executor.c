/* fake_executor.c - see fake_executor.h. */
#include "config.h"

#include "fake_executor.h"

#include "mutex.h"

#include <assert.h>
#include <string.h>

struct fake_run {
	struct executor_run run;
	struct fake_executor *executor;
	struct run_events events;
	char *command;
	/* guarded by the executor's lock */
	GString *input;
	int signalled;
	bool is_released;
};

struct fake_executor {
	struct executor executor;
	struct mutex lock;
	/* guarded by lock */
	GPtrArray *runs;
	int refusal;
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
	g_free(run);
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
	f->refusal = 0;
	if (rc == 0) {
		run = g_new0(struct fake_run, 1);
		run->run.ops = e->ops;
		run->executor = f;
		run->events = *events;
		run->input = g_string_new(NULL);
		words = g_strjoinv("|", (char **)(uintptr_t)command->argv);
		run->command =
			g_strdup_printf("%s @ %s", words, command->directory);
		g_ptr_array_add(f->runs, run);
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

void fake_run_output(struct fake_run *run, const char *text)
{
	run->events.output(run->events.arg, RUN_STDOUT, text, strlen(text));
}

void fake_run_end(struct fake_run *run, int exit_status, int signal, int error)
{
	const struct run_end end = { exit_status, signal, error };

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
