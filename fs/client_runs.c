/* client_runs.c - the table of runs; see client.h. */
#include "config.h"

#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct row {
	guint64 number;
	char *status;  /* the text of the file */
	char *command; /* as it was given */
};

static void row_free(void *arg)
{
	struct row *r = arg;

	g_free(r->status);
	g_free(r->command);
	g_free(r);
}

static char *value(const struct row *r, const char *key)
{
	return client_text_value(r->status, key);
}

/* --- reading -------------------------------------------------------------- */

/* NULL: it is not there any more. */
static struct row *read_row(const struct client_mount *m, const char *name)
{
	g_autofree char *status_path = client_mount_path(m, name, "status");
	g_autofree char *command_path = client_mount_path(m, name, "command");
	g_autofree char *status = client_text_read(status_path);
	g_autofree char *command = client_text_read(command_path);
	struct row *r;
	guint64 number;

	if (status == NULL || command == NULL ||
		!g_ascii_string_to_unsigned(
			name, 10, 1, G_MAXUINT64, &number, NULL))
		return NULL;
	if (g_str_has_suffix(command, "\n"))
		command[strlen(command) - 1] = '\0';
	r = g_new(struct row, 1);
	*r = (struct row){ number, g_steal_pointer(&status),
		g_steal_pointer(&command) };
	return r;
}

static int by_number(const void *a, const void *b)
{
	const struct row *x = *(const struct row *const *)a;
	const struct row *y = *(const struct row *const *)b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static GPtrArray *read_rows(const struct client_mount *m, char **ret_why)
{
	g_autofree char *path = client_mount_path(m, NULL, NULL);
	g_autoptr(GError) error = NULL;
	GDir *dir = g_dir_open(path, 0, &error);
	GPtrArray *rows;
	const char *name;

	if (dir == NULL) {
		*ret_why = g_strdup(error->message);
		return NULL;
	}
	rows = g_ptr_array_new_with_free_func(row_free);
	while ((name = g_dir_read_name(dir)) != NULL) {
		struct row *r = read_row(m, name);

		if (r != NULL)
			g_ptr_array_add(rows, r);
	}
	g_dir_close(dir);
	g_ptr_array_sort(rows, by_number);
	return rows;
}

/* --- times ---------------------------------------------------------------- */

static GDateTime *time_of(const struct row *r, const char *key)
{
	g_autofree char *text = value(r, key);
	g_autoptr(GTimeZone) utc = g_time_zone_new_utc();

	return text == NULL ? NULL : g_date_time_new_from_iso8601(text, utc);
}

/* In seconds, so far; -1: unknown. */
static double duration(const struct row *r)
{
	g_autoptr(GDateTime) started = time_of(r, "started");
	g_autoptr(GDateTime) ended = time_of(r, "ended");

	if (ended == NULL)
		ended = g_date_time_new_now_utc();
	if (started == NULL)
		return -1.0;
	return (double)g_date_time_difference(ended, started) /
	       (double)G_TIME_SPAN_SECOND;
}

static char *local_time(const struct row *r)
{
	g_autoptr(GDateTime) started = time_of(r, "started");
	g_autoptr(GDateTime) local = NULL;

	if (started == NULL)
		return g_strdup("-");
	local = g_date_time_to_local(started);
	return g_date_time_format(local, "%Y-%m-%d %H:%M:%S");
}

static char *duration_text(double seconds)
{
	int64_t whole = (int64_t)seconds;

	if (seconds < 0)
		return g_strdup("-");
	if (whole < 60)
		return g_strdup_printf("%.1fs", seconds);
	if (whole < 3600)
		return g_strdup_printf(
			"%dm%02ds", (int)(whole / 60), (int)(whole % 60));
	return g_strdup_printf(
		"%dh%02dm", (int)(whole / 3600), (int)(whole / 60 % 60));
}

/* --- showing -------------------------------------------------------------- */

static char *state_text(const struct row *r)
{
	g_autofree char *state = value(r, "state");
	g_autofree char *exit_status = value(r, "exit");
	g_autofree char *signal = value(r, "signal");

	if (signal != NULL)
		return g_strdup_printf("signal %s", signal);
	if (exit_status != NULL)
		return g_strdup_printf("exit %s", exit_status);
	return g_strdup(state != NULL ? state : "?");
}

static void print_table(const GPtrArray *rows)
{
	if (rows->len > 0)
		(void)printf("%5s  %-11s  %-19s  %7s  %s\n", "RUN", "STATE",
			"STARTED", "TOOK", "COMMAND");
	for (guint i = 0; i < rows->len; i++) {
		const struct row *r = rows->pdata[i];
		g_autofree char *state = state_text(r);
		g_autofree char *started = local_time(r);
		g_autofree char *took = duration_text(duration(r));
		/* What could play with a terminal is escaped in there. */
		g_autofree char *command = value(r, "command");

		(void)printf("%5" G_GUINT64_FORMAT "  %-11s  %-19s  %7s  %s\n",
			r->number, state, started, took,
			command != NULL ? command : "");
	}
}

static void append_text(GString *out, const struct row *r, const char *key)
{
	g_autofree char *text = value(r, key);

	g_string_append_printf(out, ", \"%s\": ", key);
	if (text == NULL)
		g_string_append(out, "null");
	else
		client_text_append_json(out, text);
}

static void append_number(GString *out, const struct row *r, const char *key)
{
	g_autofree char *text = value(r, key);
	gint64 number;

	g_string_append_printf(out, ", \"%s\": ", key);
	if (text == NULL || !g_ascii_string_to_signed(
				    text, 10, 0, G_MAXINT64, &number, NULL))
		g_string_append(out, "null");
	else
		g_string_append_printf(out, "%" G_GINT64_FORMAT, number);
}

static void append_row(GString *out, const struct row *r)
{
	static const char *const texts[] = { "state", "started", "ended",
		"directory", "why" };
	static const char *const numbers[] = { "exit", "signal", "output_bytes",
		"stdout_bytes", "stderr_bytes" };
	char seconds[G_ASCII_DTOSTR_BUF_SIZE];

	g_string_append_printf(
		out, "{\"number\": %" G_GUINT64_FORMAT, r->number);
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
		append_text(out, r, texts[i]);
	for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
		append_number(out, r, numbers[i]);
	(void)g_ascii_formatd(seconds, sizeof(seconds), "%.3f", duration(r));
	g_string_append_printf(
		out, ", \"seconds\": %s, \"command\": ", seconds);
	client_text_append_json(out, r->command);
	g_string_append_c(out, '}');
}

static void print_json(const GPtrArray *rows)
{
	GString *out = g_string_new("[");

	for (guint i = 0; i < rows->len; i++) {
		g_string_append(out, i > 0 ? ",\n " : "");
		append_row(out, rows->pdata[i]);
	}
	(void)printf("%s]\n", out->str);
	g_string_free(out, TRUE);
}

int client_runs(const struct client_mount *m, bool is_json)
{
	g_autofree char *why = NULL;
	GPtrArray *rows = read_rows(m, &why);

	if (rows == NULL)
		return client_error(
			CLIENT_REFUSED, "cannot list the runs: %s", why);
	if (is_json)
		print_json(rows);
	else
		print_table(rows);
	g_ptr_array_unref(rows);
	if (fflush(stdout) != 0)
		return client_error(
			CLIENT_REFUSED, "cannot write: %s", g_strerror(errno));
	return 0;
}
