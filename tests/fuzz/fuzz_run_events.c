/* Any messages of a helper about runs: records go on where they were, what is
 * skipped is skipped forwards, and the end is told once. */
#include "config.h"

#include "fuzz.h"

#include "common_limits.h"
#include "helper.h"
#include "run_remote.h"

#include <errno.h>
#include <string.h>

#define RUN "11111111-2222-3333-4444-555555555555"

/* In place of helper.c (--wrap): calls succeed, what is posted is looked at. */
struct helper;
struct helper_user *__wrap_helper_join(
	struct helper *, const struct helper_handler *);
void __wrap_helper_leave(struct helper *, struct helper_user *);
void __wrap_helper_hold(struct helper *);
void __wrap_helper_unhold(struct helper *);
int __wrap_helper_call(struct helper *, cJSON *call,
	const struct kernel_buffer *bytes, const struct cancel *,
	bool *ret_is_doubtful);
void __wrap_helper_post(struct helper *, cJSON *call);
void __wrap_helper_rouse(struct helper *);

static struct helper_handler handler;
static int holds;

struct helper_user *__wrap_helper_join(
	struct helper *helper, const struct helper_handler *h)
{
	(void)helper;
	handler = *h;
	holds = 0;
	return (struct helper_user *)(void *)&handler;
}

void __wrap_helper_leave(struct helper *h, struct helper_user *user)
{
	(void)h;
	(void)user;
	if (holds != 0)
		g_error("the helper is held %d times at its end", holds);
}

void __wrap_helper_hold(struct helper *h)
{
	(void)h;
	holds++;
}

void __wrap_helper_unhold(struct helper *h)
{
	(void)h;
	holds--;
}

static void check_call(cJSON *call)
{
	int64_t offset = 0;

	if (json_string(call, "call") == NULL ||
		json_string(call, "run") == NULL)
		g_error("a call without a verb");
	if (cJSON_HasObjectItem(call, "offset") &&
		(!json_int64(call, "offset", &offset) || offset < 0))
		g_error("a call with an offset that is none");
	cJSON_Delete(call);
}

int __wrap_helper_call(struct helper *h, cJSON *call,
	const struct kernel_buffer *bytes, const struct cancel *cancel,
	bool *ret_is_doubtful)
{
	(void)h;
	(void)bytes;
	(void)cancel;
	if (ret_is_doubtful != NULL)
		*ret_is_doubtful = false;
	check_call(call);
	return 0;
}

void __wrap_helper_post(struct helper *h, cJSON *call)
{
	(void)h;
	check_call(call);
}

void __wrap_helper_rouse(struct helper *h)
{
	(void)h;
}

/* --- the run -------------------------------------------------------------- */

struct seen {
	bool is_ended;
	size_t bytes;
	uint8_t greed; /* how much of a piece is taken; 0: nothing */
};

static ssize_t take_record(void *arg, const uint8_t *bytes, size_t length)
{
	struct seen *s = arg;
	volatile uint8_t sum = 0;

	if (s->is_ended)
		g_error("a record after its end");
	for (size_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + bytes[i]);
	if (s->greed % 8 == 7)
		return s->greed % 16 == 15 ? -EPROTO : -ENOSPC;
	length = MIN(length, 1u + s->greed);
	s->bytes += length;
	return (ssize_t)length;
}

static int take_skip(void *arg)
{
	struct seen *s = arg;

	if (s->is_ended)
		g_error("a skip after the end");
	return s->greed % 8 == 6 ? -EIO : 0;
}

static void take_reach(void *arg, int error)
{
	(void)arg;
	if (error > 0)
		g_error("a reach of %d", error);
}

static void take_end(void *arg, const struct run_end *end)
{
	struct seen *s = arg;

	if (s->is_ended)
		g_error("two ends");
	s->is_ended = true;
	if (end->error > 0 || end->exit_status < 0 || end->exit_status > 255 ||
		end->signal < 0 || end->signal > 64 || end->ago_ms < 0)
		g_error("an end that is none: %d %d %d", end->error,
			end->exit_status, end->signal);
}

/* "EVENT JSON": the buffer is the JSON's own text. */
static void tell(const char *line)
{
	size_t word = strcspn(line, " ");
	g_autofree char *event = g_strndup(line, word);
	const char *rest = line + word + strspn(line + word, " ");
	size_t length = strlen(rest);
	g_autofree char *text = g_memdup2(rest, length);
	g_autofree uint8_t *copy = g_memdup2(rest, length);
	const struct kernel_buffer buffer = { copy, length };
	g_autoptr(cJSON) data = json_parse(text, length);

	if (strcmp(event, "new") == 0)
		handler.reconnected(handler.arg);
	else if (strcmp(event, "gone") == 0)
		handler.unreachable(handler.arg, -ECONNREFUSED);
	else if (cJSON_IsObject(data))
		handler.event(handler.arg, event, data, &buffer);
	(void)handler.tick(handler.arg);
}

/* The first byte says how greedy the sink is; then a line for each message. */
void fuzz_run_events(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	struct seen seen = { .greed = fuzz_take_byte(&in) };
	const struct run_events events = { take_record, take_skip, take_reach,
		take_end, &seen };
	const struct run_place place = { .id = RUN };
	struct executor *x;
	struct executor_run *run = NULL;

	x = run_remote_new(NULL);
	if (executor_attach(x, &place, &events, &run) < 0)
		g_error("there is no run");
	while (in.left > 0) {
		g_autofree char *line = fuzz_take_line(&in);

		tell(line);
	}
	executor_run_release(run);
	executor_free(x);
}
