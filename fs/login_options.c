/* login_options.c - see login_options.h. */
#include "config.h"

#include "login_options.h"

#include "command_table.h"

#include <stddef.h>
#include <string.h>

/* Where GLib puts what it finds. */
struct words {
	struct login_options o;
	gboolean wants_help;
	gboolean token_stdin;
	gboolean password_stdin;
	gboolean is_insecure;
	char **operands;
};

#define AT(field) offsetof(struct words, field)

static const struct command_place places[] = {
	{ "user", AT(o.user) },
	{ "config", AT(o.config) },
	{ "file", AT(o.file) },
	{ "cacert", AT(o.ca_file) },
	{ "token-stdin", AT(token_stdin) },
	{ "password-stdin", AT(password_stdin) },
	{ "insecure", AT(is_insecure) },
	{ "help", AT(wants_help) },
};

bool login_options_has(const char *word)
{
	return strcmp(word, "login") == 0 || strcmp(word, "logout") == 0;
}

static bool take_words(
	struct login_options *o, const struct words *w, char **ret_why)
{
	guint count = w->operands == NULL ? 0 : g_strv_length(w->operands);

	o->wants_help = w->wants_help;
	o->is_insecure = w->is_insecure;
	if (w->token_stdin)
		o->from = LOGIN_FROM_TOKEN_STDIN;
	if (w->password_stdin)
		o->from = LOGIN_FROM_PASSWORD_STDIN;
	if (o->wants_help)
		return true;
	if (w->token_stdin && w->password_stdin)
		*ret_why = g_strdup("--token-stdin or --password-stdin, not "
				    "both");
	else if (count == 0)
		*ret_why = g_strdup("which server? Name its URL, or a "
				    "workspace of pycloud.conf(5)");
	else if (count > 1)
		*ret_why = g_strdup_printf(
			"there is one server too many; a token is never "
			"written here: it is asked for");
	else if (strstr(w->operands[0], "token=") != NULL)
		*ret_why = g_strdup("a token does not belong on a command "
				    "line, which everybody can read; leave it "
				    "out of the URL, it is asked for");
	else
		o->spec = g_strdup(w->operands[0]);
	return *ret_why == NULL;
}

/* Nobody needs to see them longer than it takes to say that they are wrong. */
static void blot_operands(int argc, char **argv)
{
	for (int i = 2; i < argc; i++) {
		char *token = strstr(argv[i], "token=");

		if (token != NULL)
			memset(token + 6, '*', strlen(token + 6));
	}
}

bool login_options_parse(
	int argc, char **argv, struct login_options *ret, char **ret_why)
{
	const struct command_row *row = command_table_find(argv[1]);
	GOptionContext *context = g_option_context_new(NULL);
	g_autofree GOptionEntry *entries = NULL;
	g_autofree char **rest = g_new0(char *, (gsize)argc + 1);
	g_auto(GStrv) copies = g_new0(char *, (gsize)argc + 1);
	g_autoptr(GError) error = NULL;
	struct words w = { 0 };
	int count = 0;
	bool is_good;

	w.o.is_logout = strcmp(argv[1], "logout") == 0;
	/* GLib takes words out of the list, and owns none. */
	for (int i = 0; i < argc; i++)
		if (i != 1) {
			copies[count] = g_strdup(argv[i]);
			rest[count] = copies[count];
			count++;
		}
	blot_operands(argc, argv);
	entries = command_option_entries(
		row, places, G_N_ELEMENTS(places), &w, &w.operands);
	g_option_context_set_help_enabled(context, FALSE);
	g_option_context_add_main_entries(context, entries, NULL);
	is_good = g_option_context_parse(context, &count, &rest, &error);
	if (!is_good)
		*ret_why = g_strdup(error->message);
	is_good = is_good && take_words(&w.o, &w, ret_why);
	*ret = w.o;
	g_strfreev(w.operands);
	g_option_context_free(context);
	return is_good;
}

void login_options_clear(struct login_options *o)
{
	g_clear_pointer(&o->spec, g_free);
	g_clear_pointer(&o->user, g_free);
	g_clear_pointer(&o->file, g_free);
	g_clear_pointer(&o->config, g_free);
	g_clear_pointer(&o->ca_file, g_free);
}
