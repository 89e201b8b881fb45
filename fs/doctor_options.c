/* doctor_options.c - see doctor_options.h. */
#include "config.h"

#include "doctor_options.h"

#include "options.h"

#include <stdio.h>
#include <string.h>

static bool take_operand(
	struct doctor_options *o, char **operands, char **ret_why)
{
	if (operands == NULL)
		return true;
	if (operands[1] != NULL)
		*ret_why = g_strdup("pycloud doctor takes one workspace, URL "
				    "or directory at most");
	else if (operands[0][0] == '\0')
		*ret_why =
			g_strdup("the workspace's name is empty; leave it out "
				 "to look at this computer alone");
	else
		o->target = g_strdup(operands[0]);
	return *ret_why == NULL;
}

static void wipe_strv(char **strv)
{
	for (char **p = strv; p != NULL && *p != NULL; p++)
		explicit_bzero(*p, strlen(*p));
	g_strfreev(strv);
}

bool doctor_options_parse(
	int argc, char **argv, struct doctor_options *ret, char **ret_why)
{
	gboolean is_json = FALSE, is_quiet = FALSE, tries = FALSE, help = FALSE;
	char **operands = NULL;
	const GOptionEntry entries[] = {
		{ "json", 0, 0, G_OPTION_ARG_NONE, &is_json, NULL, NULL },
		{ "quiet", 'q', 0, G_OPTION_ARG_NONE, &is_quiet, NULL, NULL },
		{ "run", 0, 0, G_OPTION_ARG_NONE, &tries, NULL, NULL },
		{ "help", 'h', 0, G_OPTION_ARG_NONE, &help, NULL, NULL },
		{ "bundle", 0, 0, G_OPTION_ARG_FILENAME, &ret->bundle, NULL,
			NULL },
		{ "options", 'o', 0, G_OPTION_ARG_STRING_ARRAY, &ret->lists,
			NULL, NULL },
		{ G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY,
			&operands, NULL, NULL },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	GOptionContext *context = g_option_context_new(NULL);
	g_autoptr(GError) error = NULL;
	char **words = g_new0(char *, (gsize)argc + 1);
	bool is_good;

	*ret = (struct doctor_options){ 0 };
	for (int i = 0; i < argc; i++) {
		words[i] = g_strdup(argv[i]);
		options_blot(argv[i]);
	}
	g_option_context_set_help_enabled(context, FALSE);
	g_option_context_add_main_entries(context, entries, NULL);
	is_good = g_option_context_parse_strv(context, &words, &error);
	g_option_context_free(context);
	if (!is_good)
		*ret_why = g_strdup_printf("%s", error->message);
	ret->is_json = is_json;
	ret->is_quiet = is_quiet;
	ret->tries = tries;
	ret->wants_help = help;
	is_good = is_good && (help || take_operand(ret, operands, ret_why));
	wipe_strv(operands);
	wipe_strv(words);
	return is_good;
}

void doctor_options_clear(struct doctor_options *o)
{
	if (o->target != NULL)
		explicit_bzero(o->target, strlen(o->target));
	g_free(o->target);
	g_free(o->bundle);
	wipe_strv(o->lists);
}

int doctor_options_print_help(void)
{
	(void)puts(
		"Usage: pycloud doctor [--run] [--json] [--quiet] "
		"[--bundle FILE] [-o OPTIONS]\n"
		"                      [WORKSPACE|URL|DIR]\n"
		"Look at all that a mount needs, and say what to do where "
		"something is missing:\n"
		"this computer, and with a workspace the way to it.\n"
		"\n"
		"      --run          also start a kernel and upload a file; "
		"both are removed\n"
		"      --bundle FILE  write a report without secrets, to be "
		"handed to others\n"
		"  -q, --quiet        show only what is not well\n"
		"      --json         for programs\n"
		"  -o OPTIONS         as for mount.pycloud\n"
		"  -h, --help\n"
		"\n"
		"Exit status: 0, all is well, warnings included; 1, a check "
		"failed; 2, wrong\n"
		"usage; 130, interrupted.");
	return 0;
}
