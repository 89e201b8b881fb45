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
		"token comes from $PYCLOUD_TOKEN, from the URL's ?token=, or "
		"from the\n"
		"desktop's keyring.\n");
	for (int section = 0; section < OPTION_SECTIONS; section++)
		add_section(text, (enum option_section)section);
	add_letters(text);
	g_string_append(text, "\nUnmount with: umount DIR, or fusermount3 -u "
			      "DIR\n");
}

/* --- completion ----------------------------------------------------------- */

/* The words of a choice, separated by `between`; "" where it is none. */
static char *choices(const struct option_row *row, const char *between)
{
	g_auto(GStrv) words = NULL;

	if (row->kind != KIND_CHOICE)
		return g_strdup("");
	words = g_strsplit(row->value, "|", -1);
	return g_strjoinv(between, words);
}

/* "Tail of 'x'" between single quotes, for any of the three shells. */
static char *quote(const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, "'", -1);

	return g_strjoinv("'\\''", parts);
}

static bool takes_file(const struct option_row *row)
{
	return g_strcmp0(row->value, "FILE") == 0;
}

/* A word of an array: timeout=, prefetch=off, create. */
static void add_bash(GString *text, const struct option_row *row)
{
	g_autofree char *words = choices(row, "|");
	g_auto(GStrv) each = g_strsplit(words, "|", -1);

	if (row->value == NULL)
		g_string_append_printf(text, "\t%s\n", row->name);
	else if (row->kind != KIND_CHOICE)
		g_string_append_printf(text, "\t%s=\n", row->name);
	for (char **word = each; *word != NULL; word++)
		g_string_append_printf(text, "\t%s=%s\n", row->name, *word);
}

/* Of _values: 'name[help]:value:(words)'. */
static void add_zsh(GString *text, const struct option_row *row)
{
	g_autofree char *words = choices(row, " ");
	g_autofree char *help =
		quote(row->help != NULL ? row->help : "of mount(8)");

	g_string_append_printf(text, "\t'%s[%s]", row->name, help);
	if (row->kind == KIND_CHOICE)
		g_string_append_printf(text, ":%s:(%s)", row->name, words);
	else if (row->value != NULL)
		g_string_append_printf(text, ":%s:%s", row->name,
			takes_file(row) ? "_files" : "");
	g_string_append(text, "'\n");
}

/* Lines of "word<tab>help". */
static void add_fish(GString *text, const struct option_row *row)
{
	g_autofree char *words = choices(row, "|");
	g_auto(GStrv) each = g_strsplit(words, "|", -1);
	g_autofree char *help =
		quote(row->help != NULL ? row->help : "of mount(8)");

	if (row->kind != KIND_CHOICE)
		g_string_append_printf(text, "\t'%s%s' '%s' \\\n", row->name,
			row->value == NULL ? "" : "=", help);
	for (char **word = each; *word != NULL; word++)
		g_string_append_printf(
			text, "\t'%s=%s' '%s' \\\n", row->name, *word, help);
}

static void add_letter_bash(GString *text, const struct option_letter *l)
{
	if (l->letter != '\0')
		g_string_append_printf(text, "\t-%c\n", l->letter);
	g_string_append_printf(text, "\t--%s\n", l->name);
}

static void add_letter_zsh(GString *text, const struct option_letter *l)
{
	g_autofree char *help = quote(l->help);

	if (l->letter != '\0')
		g_string_append_printf(text, "\t'-%c[%s]'\n", l->letter, help);
	g_string_append_printf(text, "\t'--%s[%s]'\n", l->name, help);
}

static void add_letter_fish(GString *text, const struct option_letter *l)
{
	g_autofree char *help = quote(l->help);

	g_string_append(text, "complete -c mount.pycloud");
	if (l->letter != '\0')
		g_string_append_printf(text, " -s %c", l->letter);
	g_string_append_printf(text, " -l %s -d '%s'\n", l->name, help);
}

bool option_completion(const char *shell, GString *text)
{
	static const struct {
		const char *shell;
		/* How the arrays of the options and the letters begin; each
		 * ends with `end`. */
		const char *options, *options_end, *letters, *letters_end;
		void (*add)(GString *, const struct option_row *);
		void (*add_letter)(GString *, const struct option_letter *);
	} shells[] = {
		{ "bash", "_pycloud_mount_options=(\n", ")\n",
			"_pycloud_mount_letters=(\n", ")\n", add_bash,
			add_letter_bash },
		{ "zsh", "_pycloud_mount_options=(\n", ")\n",
			"_pycloud_mount_letters=(\n", ")\n", add_zsh,
			add_letter_zsh },
		{ "fish", "set -g __pycloud_mount_options \\\n", "\n", "", "",
			add_fish, add_letter_fish },
	};

	for (size_t s = 0; s < G_N_ELEMENTS(shells); s++) {
		if (strcmp(shells[s].shell, shell) != 0)
			continue;
		g_string_append(text, shells[s].options);
		for (size_t i = 0; i < option_table_count; i++)
			shells[s].add(text, &option_table[i]);
		g_string_append(text, shells[s].options_end);
		g_string_append(text, shells[s].letters);
		for (size_t i = 0; i < option_letter_count; i++)
			shells[s].add_letter(text, &option_letters[i]);
		g_string_append(text, shells[s].letters_end);
		return true;
	}
	return false;
}
