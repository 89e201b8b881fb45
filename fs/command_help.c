/* command_help.c - see command_help.h. */
#include "config.h"

#include "command_help.h"

#include "command_table.h"

#include <stdio.h>
#include <string.h>

#define COMMAND_COLUMN 18
#define OPTION_COLUMN  32

static void add_line(
	GString *text, const char *left, int column, const char *help)
{
	if (strlen(left) < (size_t)column)
		g_string_append_printf(text, "%-*s%s\n", column, left, help);
	else
		g_string_append_printf(
			text, "%s\n%*s%s\n", left, column, "", help);
}

static const char *operand(const struct command_row *row)
{
	return row->operand == NULL ? "" : row->operand;
}

static void add_option(GString *text, const struct command_option *o)
{
	const char letter[] = { '-', o->letter, ',', '\0' };
	g_autofree char *left = g_strdup_printf("  %3s --%s %s",
		o->letter == '\0' ? "" : letter, o->name,
		o->value == NULL ? "" : o->value);

	add_line(text, left, OPTION_COLUMN, o->help);
}

void command_help(const struct command_row *row, GString *text)
{
	const struct command_option *option;

	g_string_append_printf(
		text, "Usage: pycloud %s [OPTION]...", row->name);
	if (row->operand != NULL)
		g_string_append_printf(text, " %s", row->operand);
	g_string_append_printf(text, "\n%c%s.\n\n",
		g_ascii_toupper(row->help[0]), row->help + 1);
	for (unsigned i = 0; (option = command_option_at(row, i)) != NULL; i++)
		add_option(text, option);
	g_string_append(text, "\npycloud(1) says the rest.\n");
}

void command_help_all(GString *text)
{
	g_string_append(text,
		"Usage: pycloud COMMAND [OPTION]... [OPERAND]...\n"
		"       pycloud help COMMAND   its options\n"
		"       pycloud --version\n");
	for (int section = 0; section < COMMAND_SECTIONS; section++) {
		g_string_append_printf(text, "\n%s:\n",
			command_section_title((enum command_section)section));
		for (size_t i = 0; i < command_table_count; i++) {
			const struct command_row *row = &command_table[i];
			g_autofree char *left = g_strdup_printf(
				"  %s %s", row->name, operand(row));

			if ((int)row->section == section)
				add_line(text, left, COMMAND_COLUMN, row->help);
		}
	}
	g_string_append(text,
		"\nN is a run's number, or `last`. run and attach exit as the "
		"script does (128+N:\n"
		"signal N ended it), or with 125 when there is no such "
		"status.\n");
}

int command_print_help(const char *name)
{
	const struct command_row *row =
		name == NULL ? NULL : command_table_find(name);
	GString *text = g_string_new(NULL);

	if (row != NULL)
		command_help(row, text);
	else
		command_help_all(text);
	(void)fputs(text->str, stdout);
	g_string_free(text, TRUE);
	return 0;
}
