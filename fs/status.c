/* status.c - see status.h. */
#include "config.h"

#include "status.h"

#include "conflict.h"
#include "content.h"
#include "dirty_set.h"
#include "handle_table.h"
#include "local.h"
#include "names.h"
#include "node_table.h"
#include "run_table.h"
#include "timefmt.h"

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
	g_string_append_printf(
		text, "conflicts: %u\n", conflicts_count(s->conflicts));
	g_string_append_printf(text, "hidden: %s\n", local_hidden_text(s));
	g_string_append_printf(text, "runs: %" G_GUINT64_FORMAT "\n",
		run_table_newest(s->runs));
}

static void append_pending(struct session *s, struct node *n, GString *text)
{
	g_autofree char *path = node_table_last_path(s->nodes, n);
	g_autofree char *name = name_escape(path);
	g_autofree char *file = content_spool_file(n->content);
	struct dirty_info info = { 0 };

	if (node_table_was_removed(s->nodes, n) ||
		!dirty_set_info(s->dirty, n, &info))
		return;
	g_string_append_printf(text, "%s\t%" G_GINT64_FORMAT "\t%u\t%s\t%s\n",
		name, content_size(n->content), info.attempts,
		info.last_error != 0 ? g_strerror(-info.last_error) : "-",
		file != NULL ? file : "-");
}

void status_pending(struct session *s, uint64_t run, GString *text)
{
	GPtrArray *nodes = dirty_set_nodes(s->dirty);

	(void)run;
	for (guint i = 0; i < nodes->len; i++) {
		append_pending(s, nodes->pdata[i], text);
		node_table_unref(s->nodes, nodes->pdata[i]);
	}
	g_ptr_array_unref(nodes);
}

void status_conflicts(struct session *s, uint64_t run, GString *text)
{
	(void)run;
	conflicts_list(s->conflicts, text);
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
