/* option_help.c - see option_help.h. */
#include "config.h"

#include "option_help.h"

#include "option_table.h"

#include <string.h>

#define HELP_COLUMN 28

/* --- --help --------------------------------------------------------------- */

static void add_line(GString *text, const char *left, const char *help)
{
	if (strlen(left) < HELP_COLUMN)
		g_string_append_printf(text, "%-*s%s", HELP_COLUMN, left, help);
	else
		g_string_append_printf(
			text, "%s\n%*s%s", left, HELP_COLUMN, "", help);
}

static void add_option(GString *text, const struct option_row *row)
{
	g_autofree char *left =
		row->value == NULL
			? g_strdup_printf("  -o %s", row->name)
			: g_strdup_printf("  -o %s=%s", row->name, row->value);

	add_line(text, left, row->help);
	if (row->initial != NULL)
		g_string_append_printf(text, " (%s)", row->initial);
	g_string_append_c(text, '\n');
}

static void add_section(GString *text, enum option_section section)
{
	g_string_append_printf(text, "\n%s:\n", option_section_title(section));
	for (size_t i = 0; i < option_table_count; i++)
		if (option_table[i].section == section)
			add_option(text, &option_table[i]);
}

static void add_letters(GString *text)
{
	g_string_append_c(text, '\n');
	for (size_t i = 0; i < option_letter_count; i++) {
		const struct option_letter *l = &option_letters[i];
		g_autofree char *left =
			l->letter == '\0'
				? g_strdup_printf("      --%s", l->name)
				: g_strdup_printf(
					  "  -%c, --%s", l->letter, l->name);

		add_line(text, left, l->help);
		g_string_append_c(text, '\n');
	}
}

void option_help(GString *text)
{
	g_string_append(text,
		"Usage: mount.pycloud WORKSPACE DIR [-o OPTION,...]\n"
		"Mount a workspace (a Jupyter server) as a directory.\n"
		"\n"
		"WORKSPACE is a name (in the Kubernetes cluster you are "
		"configured for; without\n"
		"one, or as local:NAME, served by this computer's Jupyter) or "
		"the URL of\n"
		"any Jupyter server; / is all workspaces of the cluster, as "
		"one tree. The\n"
		"token comes from the URL's ?token=, from credentials= or "
		"token_command=,\n"
		"from $PYCLOUD_TOKEN, or from where `pycloud login` has kept "
		"it.\n");
	for (int section = 0; section < OPTION_SECTIONS; section++)
		add_section(text, (enum option_section)section);
	add_letters(text);
	g_string_append(text, "\nUnmount with: umount DIR, or fusermount3 -u "
			      "DIR\n");
}
