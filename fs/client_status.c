/* client_status.c - see client_status.h. */
#include "config.h"

#include "client_status.h"

#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MOUNTINFO "/proc/self/mountinfo"
#define WATCH_MS  1000
/* To the upper left, and nothing below. */
#define TERMINAL_CLEAR "\033[H\033[2J"

struct view {
	const char *root; /* NULL: all mounts */
	bool is_json;
	enum client_health health; /* of what was seen last */
};

/* --- a mount -------------------------------------------------------------- */

static gint64 number_of(const struct client_asked *a, const char *key)
{
	g_autofree char *text = client_text_value(a->status, key);
	gint64 number;

	if (text == NULL || !g_ascii_string_to_signed(
				    text, 10, 0, G_MAXINT64, &number, NULL))
		return -1;
	return number;
}

/* A tree of workspaces says no state of its own. */
static const char *state_of(const struct client_asked *a)
{
	g_autofree char *state = client_text_value(a->status, "state");

	if (a->answer == ANSWER_STALE)
		return "stale";
	if (a->answer == ANSWER_NONE)
		return "silent";
	if (a->answer == ANSWER_NOT_OURS)
		return "unknown";
	return g_strcmp0(state, "offline") == 0 ? "offline" : "online";
}

enum client_health client_status_health(const struct client_asked *a)
{
	if (a->answer != ANSWER_GIVEN)
		return HEALTH_DEAD;
	if (strcmp(state_of(a), "offline") == 0)
		return HEALTH_OFFLINE;
	return number_of(a, "pending") > 0 || number_of(a, "conflicts") > 0
		       ? HEALTH_PENDING
		       : HEALTH_FINE;
}

/* g_free; NULL: nothing is wrong. */
static char *advice(const struct client_asked *a)
{
	switch (a->answer) {
	case ANSWER_STALE:
		return g_strdup("its daemon is dead; what was not uploaded is "
				"kept. Unmount it (fusermount3 -u, or as root "
				"umount -l) and mount it again");
	case ANSWER_NONE:
		return g_strdup("it does not answer; its daemon may be stopped "
				"or hang. Look at its log, or end it and mount "
				"the workspace again");
	case ANSWER_NOT_OURS:
		return g_strdup("it cannot be read: it is another user's, or "
				"something else is mounted over it");
	case ANSWER_GIVEN:
		break;
	}
	return client_text_value(a->status, "why");
}

/* --- for people ----------------------------------------------------------- */

static void append_line(GString *out, const char *label, const char *text)
{
	g_string_append_printf(out, "  %-10s ", label);
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			g_string_append_printf(
				out, "\\%03o", (unsigned char)*c);
		else
			g_string_append_c(out, *c);
	g_string_append_c(out, '\n');
}

static void append_value(GString *out, const struct client_asked *a,
	const char *label, const char *key)
{
	g_autofree char *text = client_text_value(a->status, key);

	if (text != NULL)
		append_line(out, label, text);
}

/* "3 files, 1.2 MB" */
static void append_pending(GString *out, const struct client_asked *a)
{
	gint64 files = number_of(a, "pending");
	gint64 bytes = number_of(a, "pending_bytes");
	g_autofree char *size = g_format_size((guint64)MAX(bytes, 0));
	g_autofree char *text = NULL;

	if (files < 0)
		return;
	text = files == 0 ? g_strdup("nothing")
			  : g_strdup_printf("%" G_GINT64_FORMAT " file%s, %s",
				    files, files == 1 ? "" : "s", size);
	append_line(out, "pending", text);
}

static void append_measures(GString *out, const struct client_asked *a)
{
	gint64 cache = number_of(a, "cache_bytes");
	gint64 latency = number_of(a, "latency_us");
	g_autofree char *size = g_format_size((guint64)MAX(cache, 0));
	g_autofree char *time =
		g_strdup_printf("%.1f ms", (double)MAX(latency, 0) / 1000.0);

	if (cache >= 0)
		append_line(out, "cache", size);
	if (latency > 0)
		append_line(out, "latency", time);
}

static void append_state(GString *out, const struct client_asked *a)
{
	g_autofree char *since = client_text_value(a->status, "since");
	g_autofree char *text = since == NULL ? g_strdup(state_of(a))
					      : g_strdup_printf("%s since %s",
							state_of(a), since);
	g_autofree char *why = advice(a);

	append_line(out, "state", text);
	if (why != NULL)
		append_line(out, "why", why);
}

void client_status_append_text(GString *out, const struct client_asked *a)
{
	append_line(out, "mount", a->point);
	append_line(out, "workspace", a->name);
	append_state(out, a);
	append_value(out, a, "endpoint", "endpoint");
	append_value(out, a, "server", "server");
	append_pending(out, a);
	append_value(out, a, "conflicts", "conflicts");
	append_measures(out, a);
	append_value(out, a, "requests", "requests");
	append_value(out, a, "runs", "runs_active");
	append_value(out, a, "note", "note");
}

/* --- for programs --------------------------------------------------------- */

static void append_json_text(GString *out, const char *key, const char *text)
{
	g_string_append_printf(out,
		"%s\"%s\": ", out->str[out->len - 1] == '{' ? "" : ", ", key);
	if (text == NULL)
		g_string_append(out, "null");
	else
		client_text_append_json(out, text);
}

static void append_json_number(GString *out, const char *key, gint64 number)
{
	if (number < 0)
		g_string_append_printf(out, ", \"%s\": null", key);
	else
		g_string_append_printf(
			out, ", \"%s\": %" G_GINT64_FORMAT, key, number);
}

void client_status_append_json(GString *out, const struct client_asked *a)
{
	static const char *const texts[] = { "since", "endpoint", "server",
		"context", "namespace", "mounted", "note" };
	static const char *const numbers[] = { "pending", "pending_bytes",
		"conflicts", "cache_bytes", "latency_us", "requests",
		"failures", "runs_active" };
	g_autofree char *why = advice(a);

	g_string_append_c(out, '{');
	append_json_text(out, "mount", a->point);
	append_json_text(out, "workspace", a->name);
	append_json_text(out, "state", state_of(a));
	append_json_text(out, "why", why);
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autofree char *text = client_text_value(a->status, texts[i]);

		append_json_text(out, texts[i], text);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++)
		append_json_number(out, numbers[i], number_of(a, numbers[i]));
	g_string_append_c(out, '}');
}

/* --- all of them ---------------------------------------------------------- */

/* How they are now, as text; g_free. */
static char *look(struct view *v)
{
	GPtrArray *mounts = client_ask_mounts(v->root);
	GString *out = g_string_new(v->is_json ? "[" : NULL);

	v->health = HEALTH_FINE;
	for (guint i = 0; i < mounts->len; i++) {
		const struct client_asked *a = mounts->pdata[i];

		if (v->root == NULL && a->answer == ANSWER_NOT_OURS)
			continue;
		v->health = MAX(v->health, client_status_health(a));
		if (out->len > 1)
			g_string_append(out, v->is_json ? ", " : "\n");
		if (v->is_json)
			client_status_append_json(out, a);
		else
			client_status_append_text(out, a);
	}
	g_ptr_array_unref(mounts);
	if (v->is_json)
		g_string_append(out, "]\n");
	else if (out->len == 0)
		g_string_append(out, "No workspace is mounted.\n");
	return g_string_free(out, FALSE);
}

static int print(const char *text)
{
	if (fputs(text, stdout) < 0 || fflush(stdout) != 0)
		return client_error(
			CLIENT_REFUSED, "cannot write: %s", g_strerror(errno));
	return 0;
}

/* Until the next look: a while, or something was mounted or unmounted. False:
 * nobody reads what we write. */
static bool wait_for_more(int table_fd)
{
	struct pollfd fds[] = { { STDOUT_FILENO, 0, 0 },
		{ table_fd, POLLPRI, 0 } };

	if (poll(fds, G_N_ELEMENTS(fds), WATCH_MS) < 0)
		return errno == EINTR;
	return (fds[0].revents & (POLLERR | POLLHUP)) == 0;
}

static int watch(struct view *v)
{
	bool is_terminal = isatty(STDOUT_FILENO) && !v->is_json;
	int table_fd = open(MOUNTINFO, O_RDONLY | O_CLOEXEC);
	g_autofree char *shown = NULL;
	int status = 0;

	do {
		g_autofree char *now = look(v);

		if (g_strcmp0(now, shown) == 0)
			continue;
		if (is_terminal)
			(void)fputs(TERMINAL_CLEAR, stdout);
		else if (shown != NULL && !v->is_json)
			(void)fputs("\n", stdout);
		status = print(now);
		g_free(shown);
		shown = g_steal_pointer(&now);
	} while (status == 0 && wait_for_more(table_fd));
	if (table_fd >= 0)
		(void)close(table_fd);
	return status != 0 ? status : (int)v->health;
}

static int show(struct view *v)
{
	g_autofree char *text = look(v);
	int status = print(text);

	return status != 0 ? status : (int)v->health;
}

int client_status(const char *directory, bool is_json, bool watches)
{
	g_autofree char *why = NULL;
	g_autofree char *root =
		client_ask_root(directory == NULL ? "." : directory, &why);
	struct view v = { .root = root, .is_json = is_json };

	if (root == NULL && directory != NULL)
		return client_error(CLIENT_REFUSED, "%s", why);
	return watches ? watch(&v) : show(&v);
}
