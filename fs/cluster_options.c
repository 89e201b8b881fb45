/* cluster_options.c - see cluster_options.h. */
#include "config.h"

#include "cluster_options.h"

#include "fs_limits.h"

#include <stdio.h>
#include <string.h>

#define TIMEOUT_SECONDS 600 /* an image is pulled first */
#define TAIL_MAX	1000000000

/* Options, by groups: which command takes which. */
enum group {
	GROUP_ALL = 1 << 0,
	GROUP_SPEC = 1 << 1,
	GROUP_WAIT = 1 << 2,
	GROUP_LIMIT = 1 << 3,
	GROUP_JSON = 1 << 4,
	GROUP_DELETE = 1 << 5,
	GROUP_LOGS = 1 << 6,
	GROUPS = 7,
};

static const struct {
	const char *name;
	enum cluster_command command;
	unsigned groups;
} commands[] = {
	{ "create", CLUSTER_CREATE, GROUP_SPEC | GROUP_WAIT | GROUP_LIMIT },
	{ "list", CLUSTER_LIST, GROUP_JSON },
	{ "start", CLUSTER_START, GROUP_WAIT | GROUP_LIMIT },
	{ "stop", CLUSTER_STOP, GROUP_WAIT | GROUP_LIMIT },
	{ "delete", CLUSTER_DELETE, GROUP_DELETE | GROUP_LIMIT },
	{ "logs", CLUSTER_LOGS, GROUP_LOGS },
	{ "describe", CLUSTER_DESCRIBE, GROUP_JSON },
};

/* Where GLib puts what it finds. */
struct words {
	gboolean waits, never_waits, is_json, keeps_files, is_sure;
	gboolean is_followed, is_previous, wants_help;
	char *timeout;
	char *tail;
	char **operands;
};

static const GOptionEntry end_entry = { NULL, 0, 0, 0, NULL, NULL, NULL };

/* G_N_ELEMENTS(commands): it is none. */
static size_t find_command(const char *word)
{
	size_t i = 0;

	while (i < G_N_ELEMENTS(commands) &&
		strcmp(word, commands[i].name) != 0)
		i++;
	return i;
}

bool cluster_options_has(const char *word)
{
	return find_command(word) < G_N_ELEMENTS(commands);
}

/* --- the tables of options ------------------------------------------------ */

static GOptionEntry text(const char *name, char letter, char **to)
{
	return (GOptionEntry){ name, letter, 0, G_OPTION_ARG_STRING, to, NULL,
		NULL };
}

static GOptionEntry flag(const char *name, char letter, gboolean *to)
{
	return (GOptionEntry){ name, letter, 0, G_OPTION_ARG_NONE, to, NULL,
		NULL };
}

static void add_group(GOptionContext *context, enum group group,
	struct cluster_options *o, struct words *w)
{
	const GOptionEntry entries[GROUPS][6] = {
		{ text("context", 0, &o->context),
			text("namespace", 'n', &o->namespace),
			{ "kubeconfig", 0, 0, G_OPTION_ARG_FILENAME,
				&o->kubeconfig, NULL, NULL },
			flag("help", 'h', &w->wants_help),
			{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY,
				&w->operands, NULL, NULL },
			end_entry },
		{ text("image", 0, &o->image), text("cpu", 0, &o->cpu),
			text("memory", 0, &o->memory),
			text("storage", 0, &o->storage),
			text("storage-class", 0, &o->storage_class),
			end_entry },
		{ flag("wait", 0, &w->waits),
			flag("no-wait", 0, &w->never_waits), end_entry },
		{ text("timeout", 0, &w->timeout), end_entry },
		{ flag("json", 0, &w->is_json), end_entry },
		{ flag("keep-files", 0, &w->keeps_files),
			flag("yes", 'y', &w->is_sure), end_entry },
		{ flag("follow", 'f', &w->is_followed),
			flag("previous", 'p', &w->is_previous),
			text("tail", 0, &w->tail), end_entry },
	};

	g_option_context_add_main_entries(
		context, entries[g_bit_nth_lsf(group, -1)], NULL);
}

/* --- what they say -------------------------------------------------------- */

static bool take_numbers(
	struct cluster_options *o, const struct words *w, char **ret_why)
{
	guint64 number;

	if (w->timeout != NULL) {
		if (!g_ascii_string_to_unsigned(w->timeout, 10, 1,
			    OPTION_SECONDS_MAX, &number, NULL)) {
			*ret_why = g_strdup_printf(
				"--timeout takes seconds, from 1 to %d, not %s",
				OPTION_SECONDS_MAX, w->timeout);
			return false;
		}
		o->timeout_ms = (int)number * 1000;
	}
	if (w->tail != NULL) {
		if (!g_ascii_string_to_unsigned(
			    w->tail, 10, 0, TAIL_MAX, &number, NULL)) {
			*ret_why = g_strdup_printf(
				"--tail takes a number of lines, not %s",
				w->tail);
			return false;
		}
		o->tail = (int64_t)number;
	}
	return true;
}

static bool take_flags(
	struct cluster_options *o, const struct words *w, char **ret_why)
{
	o->waits = !w->never_waits;
	o->is_json = w->is_json;
	o->keeps_files = w->keeps_files;
	o->is_sure = w->is_sure;
	o->is_followed = w->is_followed;
	o->is_previous = w->is_previous;
	o->wants_help = w->wants_help;
	if (w->waits && w->never_waits)
		*ret_why = g_strdup("--wait or --no-wait, not both");
	return *ret_why == NULL;
}

static bool take_operands(
	struct cluster_options *o, const struct words *w, char **ret_why)
{
	guint count = w->operands == NULL ? 0 : g_strv_length(w->operands);
	guint wanted = o->command == CLUSTER_LIST ? 0 : 1;
	const char *name;

	if (count < wanted)
		*ret_why = g_strdup("which workspace? `pycloud list` shows "
				    "those that are");
	else if (count > wanted)
		*ret_why =
			g_strdup_printf("%s is too much", w->operands[wanted]);
	if (*ret_why != NULL || wanted == 0)
		return *ret_why == NULL;
	/* As mount.pycloud would be told it. */
	name = w->operands[0];
	if (g_str_has_prefix(name, "kube:"))
		name += strlen("kube:");
	o->name = g_strdup(name);
	return true;
}

static void words_clear(struct words *w)
{
	g_free(w->timeout);
	g_free(w->tail);
	g_strfreev(w->operands);
}

bool cluster_options_parse(
	int argc, char **argv, struct cluster_options *ret, char **ret_why)
{
	GOptionContext *context = g_option_context_new(NULL);
	g_autoptr(GError) error = NULL;
	struct words w = { 0 };
	size_t command = find_command(argv[1]);
	char **rest; /* GLib takes words out of it, and owns none */
	bool is_good;

	*ret = (struct cluster_options){ .timeout_ms = TIMEOUT_SECONDS * 1000,
		.tail = -1 };
	g_return_val_if_fail(command < G_N_ELEMENTS(commands), false);
	ret->command = commands[command].command;
	g_option_context_set_help_enabled(context, FALSE);
	for (unsigned i = 0; i < GROUPS; i++)
		if (((commands[command].groups | GROUP_ALL) & (1U << i)) != 0)
			add_group(context, 1U << i, ret, &w);
	rest = g_memdup2(argv + 1, (gsize)argc * sizeof(*argv));
	argc--;
	is_good = g_option_context_parse(context, &argc, &rest, &error);
	g_option_context_free(context);
	g_free(rest);
	if (!is_good)
		*ret_why = g_strdup(error->message);
	else
		is_good = take_flags(ret, &w, ret_why) &&
			  (ret->wants_help ||
				  (take_numbers(ret, &w, ret_why) &&
					  take_operands(ret, &w, ret_why)));
	words_clear(&w);
	return is_good;
}

void cluster_options_clear(struct cluster_options *o)
{
	g_free(o->name);
	g_free(o->context);
	g_free(o->namespace);
	g_free(o->kubeconfig);
	g_free(o->image);
	g_free(o->cpu);
	g_free(o->memory);
	g_free(o->storage);
	g_free(o->storage_class);
}

int cluster_options_print_help(void)
{
	(void)puts(
		"\n"
		"Usage: pycloud create NAME [--image I] [--cpu C] [--memory M] "
		"[--storage S]\n"
		"               [--storage-class K] [--no-wait] [--timeout "
		"SECONDS]\n"
		"       pycloud list [--json]\n"
		"       pycloud start NAME [--no-wait] [--timeout SECONDS]\n"
		"       pycloud stop NAME [--no-wait] [--timeout SECONDS]\n"
		"       pycloud delete NAME [--keep-files] [--yes] [--timeout "
		"SECONDS]\n"
		"       pycloud logs NAME [--follow] [--tail N] [--previous]\n"
		"       pycloud describe NAME [--json]\n"
		"Workspaces in a Kubernetes cluster.\n"
		"\n"
		"  create    make one, or change it, and wait until it is "
		"ready\n"
		"  list      show all of a namespace\n"
		"  start     start one that was stopped; mounting it does "
		"that, too\n"
		"  stop      end its pod, and keep its files\n"
		"  delete    remove it; with --keep-files all but its files\n"
		"  logs      show what its server wrote\n"
		"  describe  say how it is, and why it is not ready\n"
		"\n"
		"      --context C, -n, --namespace N, --kubeconfig F  as for "
		"kubectl\n"
		"  -y, --yes            ask nothing\n"
		"  -f, --follow         until the server ends\n"
		"  -h, --help   -V, --version");
	return 0;
}
