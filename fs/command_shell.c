/* command_shell.c - see command_shell.h. */
#include "config.h"

#include "command_shell.h"

#include "command_table.h"

#include <string.h>

/* Calls for every option of the command. */
static void for_options(GString *text, const struct command_row *row,
	void (*add)(GString *, const struct command_row *,
		const struct command_option *))
{
	const struct command_option *option;

	for (unsigned i = 0; (option = command_option_at(row, i)) != NULL; i++)
		add(text, row, option);
}

/* --- bash ----------------------------------------------------------------- */

static void add_option_bash(GString *text, const struct command_row *row,
	const struct command_option *o)
{
	g_autofree char *kinds = g_strdup(o->completes != NULL ? o->completes
					  : o->value != NULL   ? "-"
							       : "");

	g_strdelimit(kinds, " ", ',');
	g_string_append_printf(
		text, "\t'%s --%s %s'\n", row->name, o->name, kinds);
	if (o->letter != '\0')
		g_string_append_printf(
			text, "\t'%s -%c %s'\n", row->name, o->letter, kinds);
}

static void add_bash(GString *text)
{
	g_string_append(text, "_pycloud_commands=(");
	for (size_t i = 0; i < command_table_count; i++)
		g_string_append_printf(text, " %s", command_table[i].name);
	g_string_append(text, " )\n_pycloud_options=(\n");
	for (size_t i = 0; i < command_table_count; i++)
		for_options(text, &command_table[i], add_option_bash);
	g_string_append(text, ")\n_pycloud_operands=(\n");
	for (size_t i = 0; i < command_table_count; i++) {
		g_autofree char *kinds = g_strdup(command_table[i].completes);

		if (kinds != NULL)
			g_string_append_printf(text, "\t'%s %s'\n",
				command_table[i].name,
				g_strdelimit(kinds, " ", ','));
	}
	g_string_append(text, ")\n");
}

/* --- zsh ------------------------------------------------------------------ */

/* ":DIR: _pycloud_kinds directory", ":SIGNAL:(INT TERM)", or "" without a
 * value. */
static char *zsh_value(const char *value, const char *completes)
{
	g_autofree char *words = g_strdup(completes);

	if (value == NULL)
		return g_strdup("");
	if (completes == NULL)
		return g_strdup_printf(":%s: ", value);
	if (strchr(completes, '|') == NULL)
		return g_strdup_printf(
			":%s: _pycloud_kinds %s", value, completes);
	return g_strdup_printf(
		":%s:(%s)", value, g_strdelimit(words, "|", ' '));
}

static void add_spec(GString *text, const char *name, const char *rest)
{
	g_autofree char *all = g_strconcat(name, rest, NULL);
	g_autofree char *quoted = g_shell_quote(all);

	g_string_append_printf(text, "\t\t%s\n", quoted);
}

static void add_option_zsh(GString *text, const struct command_row *row,
	const struct command_option *o)
{
	const char letter[] = { '-', o->letter, '\0' };
	g_autofree char *value = zsh_value(o->value, o->completes);
	g_autofree char *rest = g_strdup_printf("[%s]%s", o->help, value);
	g_autofree char *except = g_strdup_printf(
		"(%s --%s)", o->letter == '\0' ? "" : letter, o->name);
	g_autofree char *name = g_strdup_printf(
		"%s--%s%s", except, o->name, o->value == NULL ? "" : "=");
	g_autofree char *brief = g_strdup_printf(
		"%s%s%s", except, letter, o->value == NULL ? "" : "+");

	(void)row;
	add_spec(text, name, rest);
	if (o->letter != '\0')
		add_spec(text, brief, rest);
}

static void add_zsh(GString *text)
{
	g_string_append(text, "_pycloud_commands=(\n");
	for (size_t i = 0; i < command_table_count; i++) {
		g_autofree char *line = g_strdup_printf(
			"%s:%s", command_table[i].name, command_table[i].help);
		g_autofree char *quoted = g_shell_quote(line);

		g_string_append_printf(text, "\t%s\n", quoted);
	}
	g_string_append(text, ")\n_pycloud_specs() {\n\tcase $1 in\n");
	for (size_t i = 0; i < command_table_count; i++) {
		const struct command_row *row = &command_table[i];
		g_autofree char *operand =
			zsh_value(row->operand, row->completes);

		g_string_append_printf(text, "\t(%s) specs=(\n", row->name);
		for_options(text, row, add_option_zsh);
		if (row->operand != NULL)
			add_spec(text,
				g_str_has_suffix(row->operand, "...") ? "*"
								      : "1",
				operand);
		g_string_append(text, "\t\t) ;;\n");
	}
	g_string_append(text, "\tesac\n}\n");
}

/* --- fish ----------------------------------------------------------------- */

/* " -x -a '(__pycloud_kinds directory)'" */
static void add_kinds_fish(GString *text, const char *completes)
{
	g_autofree char *quoted = NULL;

	if (completes == NULL)
		return;
	if (strchr(completes, '|') != NULL) {
		quoted = g_shell_quote(completes);
		g_strdelimit(quoted, "|", ' ');
		g_string_append_printf(text, " -a %s", quoted);
		return;
	}
	g_string_append_printf(text, " -a '(__pycloud_kinds %s)'", completes);
}

static void add_option_fish(GString *text, const struct command_row *row,
	const struct command_option *o)
{
	g_autofree char *help = g_shell_quote(o->help);

	g_string_append_printf(text,
		"complete -c pycloud -n '__pycloud_command_is %s' -l %s",
		row->name, o->name);
	if (o->letter != '\0')
		g_string_append_printf(text, " -s %c", o->letter);
	if (o->value != NULL)
		g_string_append(text, " -x");
	add_kinds_fish(text, o->completes);
	g_string_append_printf(text, " -d %s\n", help);
}

static void add_fish(GString *text)
{
	for (size_t i = 0; i < command_table_count; i++) {
		const struct command_row *row = &command_table[i];
		g_autofree char *help = g_shell_quote(row->help);

		g_string_append_printf(text,
			"complete -c pycloud -n '__pycloud_needs_command; or "
			"__pycloud_command_is help' -f -a %s -d %s\n",
			row->name, help);
		g_string_append_printf(text,
			"complete -c pycloud -n '__pycloud_command_is %s' -f",
			row->name);
		add_kinds_fish(text, row->completes);
		g_string_append_c(text, '\n');
		for_options(text, row, add_option_fish);
	}
}

void command_shell_add(enum option_shell shell, GString *text)
{
	static void (*const add[SHELLS])(GString *) = {
		[SHELL_BASH] = add_bash,
		[SHELL_ZSH] = add_zsh,
		[SHELL_FISH] = add_fish,
	};

	add[shell](text);
}
