/* login_options.c - see login_options.h. */
#include "config.h"

#include "login_options.h"

#include <stdio.h>
#include <string.h>

struct words {
	gboolean wants_help;
	gboolean token_stdin;
	gboolean password_stdin;
	gboolean is_insecure;
	char **operands;
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

static void add_entries(
	GOptionContext *context, struct login_options *o, struct words *w)
{
	const GOptionEntry both[] = {
		{ "user", 'u', 0, G_OPTION_ARG_STRING, &o->user, NULL, NULL },
		{ "config", 0, 0, G_OPTION_ARG_FILENAME, &o->config, NULL,
			NULL },
		{ "help", 'h', 0, G_OPTION_ARG_NONE, &w->wants_help, NULL,
			NULL },
		{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY,
			&w->operands, NULL, NULL },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	const GOptionEntry login[] = {
		{ "token-stdin", 0, 0, G_OPTION_ARG_NONE, &w->token_stdin, NULL,
			NULL },
		{ "password-stdin", 0, 0, G_OPTION_ARG_NONE, &w->password_stdin,
			NULL, NULL },
		{ "file", 0, 0, G_OPTION_ARG_FILENAME, &o->file, NULL, NULL },
		{ "cacert", 0, 0, G_OPTION_ARG_FILENAME, &o->ca_file, NULL,
			NULL },
		{ "insecure", 0, 0, G_OPTION_ARG_NONE, &w->is_insecure, NULL,
			NULL },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};

	g_option_context_set_help_enabled(context, FALSE);
	g_option_context_add_main_entries(context, both, NULL);
	if (!o->is_logout)
		g_option_context_add_main_entries(context, login, NULL);
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
	GOptionContext *context = g_option_context_new(NULL);
	g_autofree char **rest = g_new0(char *, (gsize)argc + 1);
	g_auto(GStrv) copies = g_new0(char *, (gsize)argc + 1);
	g_autoptr(GError) error = NULL;
	struct words w = { 0 };
	int count = 0;
	bool is_good;

	*ret = (struct login_options){ 0 };
	ret->is_logout = strcmp(argv[1], "logout") == 0;
	/* GLib takes words out of the list, and owns none. */
	for (int i = 0; i < argc; i++)
		if (i != 1) {
			copies[count] = g_strdup(argv[i]);
			rest[count] = copies[count];
			count++;
		}
	blot_operands(argc, argv);
	add_entries(context, ret, &w);
	is_good = g_option_context_parse(context, &count, &rest, &error);
	if (!is_good)
		*ret_why = g_strdup(error->message);
	is_good = is_good && take_words(ret, &w, ret_why);
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

int login_options_print_help(void)
{
	(void)puts(
		"Usage: pycloud login [OPTIONS] URL|NAME\n"
		"       pycloud logout [--user NAME] URL|NAME\n"
		"Keep a server's token where mounts find it.\n"
		"\n"
		"  login   ask for a token or a password, try it, and keep it "
		"in the keyring\n"
		"  logout  remove it from there\n"
		"\n"
		"      --token-stdin     read the token from standard input\n"
		"      --password-stdin  read the password from there\n"
		"  -u, --user NAME       of a hub: whose token or password it "
		"is\n"
		"      --file FILE       keep it in this file, for the option "
		"credentials=\n"
		"      --cacert FILE     trust this certificate authority\n"
		"      --insecure        do not verify the server's "
		"certificate\n"
		"      --config FILE     instead of the usual pycloud.conf(5)");
	return 0;
}
