/* status.c - see status.h. */
#include "config.h"

#include "status.h"

#include "handle_table.h"
#include "local.h"
#include "node_table.h"
#include "run_table.h"
#include "timefmt.h"
#include "transfer.h"

static void append_time(
	GString *text, const char *key, const struct timespec *when)
{
	char buffer[32];

	time_format_iso8601(when, buffer);
	g_string_append_printf(text, "%s: %s\n", key, buffer);
}

void status_mount(struct session *s, uint64_t run, GString *text)
{
	(void)run;
	s->describe(s->describe_arg, text);
	append_time(text, "mounted", &s->mounted_at);
	g_string_append_printf(text, "nodes: %u\n", node_table_count(s->nodes));
	g_string_append_printf(
		text, "open: %u\n", handle_table_count(s->handles));
	g_string_append_printf(
		text, "pending: %u\n", dirty_set_count(s->dirty));
	g_string_append_printf(text, "hidden: %s\n", local_hidden_text(s));
	g_string_append_printf(text, "runs: %" G_GUINT64_FORMAT "\n",
		run_table_newest(s->runs));
}

void status_run_command(struct session *s, uint64_t number, GString *text)
{
	struct run *run = run_table_get(s->runs, number);

	if (run != NULL)
		g_string_append_printf(text, "%s\n", run_command_line(run));
	run_unref(run);
}

void status_run_exit(struct session *s, uint64_t number, GString *text)
{
	struct run *run = run_table_get(s->runs, number);
	struct run_state state;
	int status;

	if (run == NULL)
		return;
	run_state(run, &state);
	run_unref(run);
	if (run_exit_status(&state, &status))
		g_string_append_printf(text, "%d\n", status);
}

static const char *state_name(const struct run_state *state)
{
	if (!state->is_ended)
		return "running";
	if (state->end.error != 0)
		return "lost";
	return state->end.signal > 0 ? "killed" : "ended";
}

void status_run(struct session *s, uint64_t number, GString *text)
{
	struct run *run = run_table_get(s->runs, number);
	struct run_state state;

	if (run == NULL)
		return;
	run_state(run, &state);
	g_string_append_printf(text, "run: %" G_GUINT64_FORMAT "\n", number);
	g_string_append_printf(text, "command: %s\n", run_command_line(run));
	run_unref(run);
	g_string_append_printf(text, "state: %s\n", state_name(&state));
	append_time(text, "started", &state.started);
	if (state.is_ended)
		append_time(text, "ended", &state.ended);
	g_string_append_printf(
		text, "output: %" G_GINT64_FORMAT "\n", state.output_bytes);
	if (!state.is_ended)
		return;
	if (state.end.error != 0)
		g_string_append_printf(
			text, "why: %s\n", g_strerror(-state.end.error));
	else if (state.end.signal > 0)
		g_string_append_printf(text, "signal: %d\n", state.end.signal);
	else
		g_string_append_printf(
			text, "exit: %d\n", state.end.exit_status);
}
