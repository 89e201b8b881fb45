/* status.c - see status.h. */
#include "config.h"

#include "status.h"

#include "attr_send.h"
#include "cache.h"
#include "conflict.h"
#include "content.h"
#include "dirty_set.h"
#include "handle_table.h"
#include "local.h"
#include "names.h"
#include "node_table.h"
#include "run_table.h"
#include "timefmt.h"
#include "watch.h"

#include <errno.h>

static void append_time(
	GString *text, const char *key, const struct timespec *when)
{
	char buffer[32];

	time_format_iso8601(when, buffer);
	g_string_append_printf(text, "%s: %s\n", key, buffer);
}

static void append_pending_sums(struct session *s, GString *text)
{
	unsigned files;
	int64_t bytes;

	session_left(s, &files, &bytes);
	g_string_append_printf(text,
		"pending: %u\npending_bytes: %" G_GINT64_FORMAT "\n",
		dirty_set_count(s->dirty), bytes);
}

void status_mount(struct session *s, uint64_t run, GString *text)
{
	(void)run;
	s->describe(s->describe_arg, text);
	append_time(text, "mounted", &s->mounted_at);
	g_string_append_printf(text, "nodes: %u\n", node_table_count(s->nodes));
	g_string_append_printf(
		text, "open: %u\n", handle_table_count(s->handles));
	append_pending_sums(s, text);
	g_string_append_printf(
		text, "conflicts: %u\n", conflicts_count(s->conflicts));
	g_string_append_printf(text, "cache_bytes: %" G_GINT64_FORMAT "\n",
		cache_bytes(s->cache));
	g_string_append_printf(text, "hidden: %s\n", local_hidden_text(s));
	watch_describe(s->watch, text);
	attr_send_describe(s, text);
	g_string_append_printf(text, "runs: %" G_GUINT64_FORMAT "\n",
		run_table_newest(s->runs));
	g_string_append_printf(
		text, "runs_active: %u\n", run_table_active(s->runs));
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

char *status_uploads(unsigned files, int64_t bytes)
{
	g_autofree char *size = g_format_size((guint64)bytes);

	if (files == 0)
		return g_strdup("nothing is left to upload");
	return g_strdup_printf("uploading %u %s, %s", files,
		files == 1 ? "file" : "files", size);
}

void status_conflicts(struct session *s, uint64_t run, GString *text)
{
	(void)run;
	conflicts_list(s->conflicts, text);
}

/* --- runs ----------------------------------------------------------------- */

/* False: there is no such run any more. */
static bool look_at(struct session *s, uint64_t number, struct run **ret_run,
	struct run_state *ret)
{
	*ret_run = run_table_get(s->runs, number);
	if (*ret_run == NULL)
		return false;
	run_state(*ret_run, ret);
	return true;
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
	struct run_state state;
	struct run *run;
	int status;

	if (!look_at(s, number, &run, &state))
		return;
	run_unref(run);
	if (run_exit_status(&state, &status))
		g_string_append_printf(text, "%d\n", status);
}

static void append_bare_time(GString *text, const struct timespec *when)
{
	char buffer[32];

	time_format_iso8601(when, buffer);
	g_string_append_printf(text, "%s\n", buffer);
}

void status_run_started(struct session *s, uint64_t number, GString *text)
{
	struct run_state state;
	struct run *run;

	if (!look_at(s, number, &run, &state))
		return;
	run_unref(run);
	append_bare_time(text, &state.started);
}

void status_run_ended(struct session *s, uint64_t number, GString *text)
{
	struct run_state state;
	struct run *run;

	if (!look_at(s, number, &run, &state))
		return;
	run_unref(run);
	if (state.is_ended)
		append_bare_time(text, &state.ended);
}

static const char *state_name(const struct run_state *state)
{
	if (state->is_ended)
		return state->end.error != 0 ? "lost" : "ended";
	return state->reach != 0 ? "unreachable" : "running";
}

static void append_why(GString *text, const struct run_state *state)
{
	if (state->is_ended && state->end.error == -EPROTO)
		g_string_append(text, "why: what the workspace sent is no "
				      "record of a run\n");
	else if (state->is_ended && state->end.error != 0)
		g_string_append(text,
			"why: the workspace does not know it any more; its "
			"pod was restarted, or the run was killed with "
			"whatever kept its record\n");
	else if (state->reach != 0)
		g_string_append_printf(text,
			"why: %s; the run goes on in the workspace, and is "
			"followed again as soon as that can be reached\n",
			g_strerror(-state->reach));
	if (state->error != 0)
		g_string_append_printf(text,
			"note: its output cannot be kept on this computer: "
			"%s\n",
			g_strerror(-state->error));
	if (state->output.error != 0)
		g_string_append_printf(text,
			"note: its output cannot be read on this computer: "
			"%s\n",
			g_strerror(-state->output.error));
}

static void append_sizes(GString *text, const struct run_log_sizes *output)
{
	g_string_append_printf(text,
		"output_bytes: %" G_GINT64_FORMAT
		"\nstdout_bytes: %" G_GINT64_FORMAT
		"\nstderr_bytes: %" G_GINT64_FORMAT "\n",
		output->written[0] + output->written[1], output->written[0],
		output->written[1]);
	if (output->start[RUN_VIEW_OUTPUT] + output->missing > 0)
		g_string_append_printf(text,
			"missing_bytes: %" G_GINT64_FORMAT "\n",
			output->start[RUN_VIEW_OUTPUT] + output->missing);
}

void status_run(struct session *s, uint64_t number, GString *text)
{
	g_autofree char *command = NULL;
	g_autofree char *directory = NULL;
	struct run_state state;
	struct run *run;
	int status;

	if (!look_at(s, number, &run, &state))
		return;
	command = name_escape(run_command_line(run));
	directory = name_escape(run_directory(run));
	run_unref(run);
	g_string_append_printf(text,
		"number: %" G_GUINT64_FORMAT "\nstate: %s\ncommand: %s\n"
		"directory: /%s\n",
		number, state_name(&state), command, directory);
	append_time(text, "started", &state.started);
	if (state.is_ended)
		append_time(text, "ended", &state.ended);
	if (run_exit_status(&state, &status))
		g_string_append_printf(text, "exit: %d\n", status);
	if (state.is_ended && state.end.signal > 0)
		g_string_append_printf(text, "signal: %d\n", state.end.signal);
	append_sizes(text, &state.output);
	append_why(text, &state);
}
