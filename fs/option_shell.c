/* option_shell.c - see option_shell.h. */
#include "config.h"

#include "option_shell.h"

#include "config_file.h"

#include <string.h>

static bool takes_file(const struct option_row *row)
{
	return g_strcmp0(row->value, "FILE") == 0;
}

static const char *help_of(const struct option_row *row)
{
	return row->help != NULL ? row->help : "of mount(8)";
}

/* Appends "prefix" and the word, each "=word" of a choice apart, in quotes. */
static void add_words(GString *text, const struct option_row *row,
	const char *prefix, const char *behind)
{
	g_auto(GStrv) words = row->kind == KIND_CHOICE
				      ? g_strsplit(row->value, "|", -1)
				      : NULL;

	if (row->kind != KIND_CHOICE)
		g_string_append_printf(text, "%s'%s%s'%s\n", prefix, row->name,
			row->value == NULL ? "" : "=", behind);
	for (char **word = words; word != NULL && *word != NULL; word++)
		g_string_append_printf(text, "%s'%s=%s'%s\n", prefix, row->name,
			*word, behind);
}

/* A word of an array: timeout=, prefetch=off, create. */
static void add_bash(GString *text, const struct option_row *row)
{
	add_words(text, row, "\t", "");
}

/* Of _values: 'name[help]:value:(words)'. */
static void add_zsh(GString *text, const struct option_row *row)
{
	GString *word = g_string_new(NULL);
	g_autofree char *quoted = NULL;

	g_string_append_printf(word, "%s[%s]", row->name, help_of(row));
	if (row->kind == KIND_CHOICE) {
		g_string_append_printf(word, ":%s:(%s)", row->name, row->value);
		g_strdelimit(strrchr(word->str, '('), "|", ' ');
	} else if (row->value != NULL) {
		g_string_append_printf(word, ":%s:%s", row->name,
			takes_file(row) ? "_files" : "");
	}
	quoted = g_shell_quote(word->str);
	g_string_append_printf(text, "\t%s\n", quoted);
	g_string_free(word, TRUE);
}

/* Lines of 'word' 'help' \. */
static void add_fish(GString *text, const struct option_row *row)
{
	g_autofree char *help = g_shell_quote(help_of(row));
	g_autofree char *behind = g_strdup_printf(" %s \\", help);

	add_words(text, row, "\t", behind);
}

/* The options whose values are names of files: "cacert=" for a pattern. */
static void add_files(enum option_shell shell, GString *text)
{
	static const char *const begin[SHELLS] = {
		[SHELL_BASH] = "_pycloud_mount_files=(",
		[SHELL_ZSH] = "_pycloud_mount_files=(",
		[SHELL_FISH] = "set -g __pycloud_mount_files",
	};

	g_string_append(text, begin[shell]);
	for (size_t i = 0; i < option_table_count; i++)
		if (takes_file(&option_table[i]))
			g_string_append_printf(
				text, " %s", option_table[i].name);
	g_string_append(text, shell == SHELL_FISH ? "\n" : " )\n");
}

void option_shell_add_options(enum option_shell shell, GString *text)
{
	static void (*const add[SHELLS])(
		GString *, const struct option_row *) = {
		[SHELL_BASH] = add_bash,
		[SHELL_ZSH] = add_zsh,
		[SHELL_FISH] = add_fish,
	};

	g_string_append(text, shell == SHELL_FISH
				      ? "set -g __pycloud_mount_options \\\n"
				      : "_pycloud_mount_options=(\n");
	for (size_t i = 0; i < option_table_count; i++)
		add[shell](text, &option_table[i]);
	g_string_append(text, shell == SHELL_FISH ? "\n" : ")\n");
	add_files(shell, text);
}

/* --- letters -------------------------------------------------------------- */

static void add_letter_bash(GString *text, const struct option_letter *l)
{
	if (l->letter != '\0')
		g_string_append_printf(text, "\t-%c\n", l->letter);
	g_string_append_printf(text, "\t--%s\n", l->name);
}

/* Of _arguments: '-t+[help]:TYPE: '. */
static void add_letter_zsh(GString *text, const struct option_letter *l)
{
	g_autofree char *rest =
		l->value == NULL
			? g_strdup_printf("[%s]", l->help)
			: g_strdup_printf("[%s]:%s: ", l->help, l->value);
	g_autofree char *quoted = g_shell_quote(rest);

	if (l->letter != '\0')
		g_string_append_printf(text, "\t'-%c%s'%s\n", l->letter,
			l->value == NULL ? "" : "+", quoted);
	g_string_append_printf(text, "\t'--%s%s'%s\n", l->name,
		l->value == NULL ? "" : "=", quoted);
}

static void add_letter_fish(
	GString *text, const char *program, const struct option_letter *l)
{
	g_autofree char *help = g_shell_quote(l->help);

	g_string_append_printf(text, "complete -c %s", program);
	if (l->letter != '\0')
		g_string_append_printf(text, " -s %c", l->letter);
	g_string_append_printf(text, " -l %s%s -d %s\n", l->name,
		l->value == NULL ? "" : " -x", help);
}

void option_shell_add_letters(enum option_shell shell, const char *program,
	const char *array, const struct option_letter *letters, size_t count,
	GString *text)
{
	if (shell != SHELL_FISH)
		g_string_append_printf(text, "%s=(\n", array);
	for (size_t i = 0; i < count; i++)
		if (shell == SHELL_BASH)
			add_letter_bash(text, &letters[i]);
		else if (shell == SHELL_ZSH)
			add_letter_zsh(text, &letters[i]);
		else
			add_letter_fish(text, program, &letters[i]);
	if (shell != SHELL_FISH)
		g_string_append(text, ")\n");
}

/* --- names of workspaces -------------------------------------------------- */

/* Those that need no quoting in any shell: the completions hand them on as
 * words, which bash expands. */
#define SED                                          \
	"sed -n 's/^[[:blank:]]*\\[workspace "       \
	"\"\\([[:alnum:]_][[:alnum:]._@+-]*\\)\"\\]" \
	"[[:blank:]]*$/\\1/p'"

void option_shell_add_names(enum option_shell shell, GString *text)
{
	if (shell == SHELL_FISH)
		g_string_append(text, "function __pycloud_configured\n"
				      "\tset -l files $argv\n"
				      "\tset -l base ~/.config\n"
				      "\tset -q XDG_CONFIG_HOME\n"
				      "\tand test -n \"$XDG_CONFIG_HOME\"\n"
				      "\tand set base $XDG_CONFIG_HOME\n"
				      "\tset -q files[1]\n"
				      "\tor set files " CONFIG_SYSTEM_FILE
				      " $base/pycloud/config\n"
				      "\t" SED " $files 2>/dev/null\n"
				      "end\n");
	else
		g_string_append(text,
			"_pycloud_configured() {\n"
			"\t(( $# )) || set -- " CONFIG_SYSTEM_FILE
			" \"${XDG_CONFIG_HOME:-$HOME/.config}/pycloud/config"
			"\"\n"
			"\t" SED " \"$@\" 2>/dev/null\n"
			"}\n");
}
