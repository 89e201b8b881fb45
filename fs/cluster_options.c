/* cluster_options.c - see cluster_options.h. */
#include "config.h"

#include "cluster_options.h"

#include "command_table.h"
#include "fs_limits.h"

#include <stddef.h>
#include <string.h>

#define TIMEOUT_SECONDS 600 /* an image is pulled first */
#define TAIL_MAX	1000000000

static const struct {
	const char *name;
	enum cluster_command command;
} commands[] = {
	{ "create", CLUSTER_CREATE },
	{ "list", CLUSTER_LIST },
	{ "start", CLUSTER_START },
	{ "stop", CLUSTER_STOP },
	{ "delete", CLUSTER_DELETE },
	{ "logs", CLUSTER_LOGS },
	{ "describe", CLUSTER_DESCRIBE },
};

/* Where GLib puts what it finds. */
struct words {
	struct cluster_options o;
	gboolean waits, never_waits, is_json, keeps_files, is_sure;
	gboolean is_followed, is_previous, wants_help;
	char *timeout;
	char *tail;
	char **operands;
};

#define AT(field) offsetof(struct words, field)

static const struct command_place places[] = {
	{ "context", AT(o.context) },
	{ "namespace", AT(o.namespace) },
	{ "kubeconfig", AT(o.kubeconfig) },
	{ "image", AT(o.image) },
	{ "cpu", AT(o.cpu) },
	{ "memory", AT(o.memory) },
	{ "storage", AT(o.storage) },
	{ "storage-class", AT(o.storage_class) },
	{ "wait", AT(waits) },
	{ "no-wait", AT(never_waits) },
	{ "timeout", AT(timeout) },
	{ "json", AT(is_json) },
	{ "keep-files", AT(keeps_files) },
	{ "yes", AT(is_sure) },
	{ "follow", AT(is_followed) },
	{ "previous", AT(is_previous) },
	{ "tail", AT(tail) },
	{ "help", AT(wants_help) },
};

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

/* What GLib makes of them. */
static bool take_words(const char *command, int argc, char **argv,
	struct words *w, char **ret_why)
{
	GOptionContext *context = g_option_context_new(NULL);
	g_autofree GOptionEntry *entries =
		command_option_entries(command_table_find(command), places,
			G_N_ELEMENTS(places), w, &w->operands);
	/* GLib takes words out of it, and owns none. */
	g_autofree char **rest = g_memdup2(argv, (gsize)argc * sizeof(*argv));
	g_autoptr(GError) error = NULL;
	bool is_good;

	g_option_context_set_help_enabled(context, FALSE);
	g_option_context_add_main_entries(context, entries, NULL);
	is_good = g_option_context_parse(context, &argc, &rest, &error);
	g_option_context_free(context);
	if (!is_good)
		*ret_why = g_strdup(error->message);
	return is_good;
}

bool cluster_options_parse(
	int argc, char **argv, struct cluster_options *ret, char **ret_why)
{
	size_t command = find_command(argv[1]);
	struct words w = { 0 };
	bool is_good;

	*ret = (struct cluster_options){ 0 };
	g_return_val_if_fail(command < G_N_ELEMENTS(commands), false);
	/* The command takes the place of the program's name. */
	is_good = take_words(argv[1], argc - 1, argv + 1, &w, ret_why);
	*ret = w.o;
	ret->command = commands[command].command;
	ret->timeout_ms = TIMEOUT_SECONDS * 1000;
	ret->tail = -1;
	is_good = is_good && take_flags(ret, &w, ret_why) &&
		  (ret->wants_help || (take_numbers(ret, &w, ret_why) &&
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
