/*
 * command_table.h - every command of `pycloud`, and every option of them, once.
 *
 * The parsers (client_options.c, cluster_options.c) go by it; --help and the
 * shells' completions are printed from it (command_help.c, command_shell.c),
 * and a test holds pycloud(1) and the parsers against it. A new command is one
 * row, and a row for each option that no other command has; what its parser
 * makes of them, and its paragraph in the manual.
 *
 * What a word may be (`completes`) is one or more of these, for the shells:
 * run, workspace (of a cluster), configured (a workspace that pycloud.conf(5)
 * names), directory, file, program; or words with '|' between them. NULL: nothing
 * is known.
 *
 * The tables are constant; any thread may read them.
 */
#ifndef PYCLOUD_COMMAND_TABLE_H
#define PYCLOUD_COMMAND_TABLE_H

#include <glib.h>
#include <stdbool.h>

/* Under which heading --help shows it. */
enum command_section {
	COMMANDS_OF_RUNS,
	COMMANDS_OF_CLUSTERS,
	COMMANDS_OF_COMPUTER,
	COMMAND_SECTIONS,
};

struct command_row {
	const char *name;
	/* In PKGLIBEXECDIR, started with pycloud's own arguments; NULL: pycloud
	 * does it itself. */
	const char *program;
	enum command_section section;
	/* As manuals have it: "N", "[DIR]", "LINE..."; NULL: takes none. */
	const char *operand;
	const char *completes;
	/* Names of option_rows with blanks between them; --help, which every
	 * command has, is not among them. */
	const char *options;
	const char *help; /* one line */
};

struct command_option {
	const char *name;  /* without the dashes */
	char letter;	   /* '\0': none */
	const char *value; /* as manuals have it: "DIR"; NULL: takes none */
	const char *completes;
	const char *help; /* one line */
};

extern const struct command_row command_table[];
extern const size_t command_table_count;

/* NULL: there is none. */
const struct command_row *command_table_find(const char *name);
const char *command_section_title(enum command_section);

/* The command's options in the row's order, --help last: those of index 0, 1,
 * ... until NULL. */
const struct command_option *command_option_at(
	const struct command_row *, unsigned index);

/* Where GLib's parser puts the value of an option: the offset of a gboolean, or
 * of a char * for what takes a value. */
struct command_place {
	const char *option;
	size_t offset;
};

/* GLib's entries for all options of the command, in the struct at `base`, and
 * for its operands if `operands` is not NULL; g_free. An option without a place
 * is a bug. */
GOptionEntry *command_option_entries(const struct command_row *,
	const struct command_place *places, size_t count, void *base,
	char ***operands);

#endif
