/* umount_options.c - see umount_options.h. */
#include "config.h"

#include "umount_options.h"

#include <getopt.h>
#include <glib.h>
#include <stdio.h>

#define HELP_COLUMN 28
#define AT(field)   offsetof(struct umount_options, field)

/* clang-format off */
const struct option_letter umount_letters[] = {
	{ "force", 'f', NULL, AT(is_forced),
		"wait for a few seconds only" },
	{ "lazy", 'l', NULL, AT(is_lazy),
		"detach now, do not wait" },
	{ "no-mtab", 'n', NULL, AT(is_ignored),
		"accepted and ignored" },
	{ "read-only", 'r', NULL, AT(is_ignored),
		"accepted and ignored" },
	{ "verbose", 'v', NULL, AT(is_ignored),
		"accepted and ignored" },
	{ "types", 't', "TYPE", AT(is_ignored),
		"accepted and ignored" },
	{ "namespace", 'N', "NAMESPACE", AT(is_elsewhere),
		"refused; nsenter(1) does it" },
	{ "help", 'h', NULL, AT(wants_help),
		"show this" },
	{ "version", 'V', NULL, AT(wants_version),
		"show the version" },
};
/* clang-format on */

const size_t umount_letter_count = G_N_ELEMENTS(umount_letters);

#define LETTERS G_N_ELEMENTS(umount_letters)

/* The table as getopt_long(3) wants it. */
struct getopt_table {
	char letters[2 * LETTERS + 1];
	struct option longs[LETTERS + 1];
};

static void fill(struct getopt_table *t)
{
	char *at = t->letters;

	*t = (struct getopt_table){ 0 };
	for (size_t i = 0; i < LETTERS; i++) {
		const struct option_letter *l = &umount_letters[i];

		*at++ = l->letter;
		if (l->value != NULL)
			*at++ = ':';
		t->longs[i] = (struct option){
			.name = l->name,
			.has_arg = l->value == NULL ? no_argument
						    : required_argument,
			.val = l->letter,
		};
	}
}

static void set(struct umount_options *o, int letter)
{
	for (size_t i = 0; i < LETTERS; i++)
		if (umount_letters[i].letter == letter)
			*(bool *)((char *)o + umount_letters[i].offset) = true;
}

bool umount_options_parse(
	int argc, char **argv, struct umount_options *ret, char **ret_why)
{
	struct getopt_table table;
	int letter;

	*ret = (struct umount_options){ 0 };
	fill(&table);
	opterr = 0;
	while ((letter = getopt_long(
			argc, argv, table.letters, table.longs, NULL)) != -1) {
		set(ret, letter);
		if (ret->wants_help || ret->wants_version)
			return true;
		if (ret->is_elsewhere)
			*ret_why = g_strdup_printf(
				"cannot unmount in another namespace; run: "
				"nsenter --mount=%s umount DIR",
				optarg);
		else if (letter == '?')
			*ret_why = g_strdup_printf(
				"unknown option %s; umount.pycloud --help "
				"lists them",
				argv[optind - 1]);
		if (*ret_why != NULL)
			return false;
	}
	if (argc - optind == 1)
		ret->what = argv[optind];
	else
		*ret_why = g_strdup("umount.pycloud takes one directory or "
				    "workspace: umount.pycloud ~/ws");
	return *ret_why == NULL;
}

void umount_options_print_help(void)
{
	(void)puts("Usage: umount.pycloud DIR|WORKSPACE [OPTION]...\n"
		   "Unmount a workspace, and wait until what was written is "
		   "on its server.\n");
	for (size_t i = 0; i < LETTERS; i++) {
		const struct option_letter *l = &umount_letters[i];
		g_autofree char *left = g_strdup_printf("  -%c, --%s %s",
			l->letter, l->name, l->value == NULL ? "" : l->value);

		(void)printf("%-*s%s\n", HELP_COLUMN, left, l->help);
	}
	(void)puts("\nWhat cannot be uploaded is kept, and uploaded by the "
		   "next mount.");
}
