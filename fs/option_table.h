/*
 * option_table.h - every option that mount.pycloud takes, once.
 *
 * The parser (options.c) and the configuration files (config_file.c) go by it;
 * --help and the shells' completions are printed from it (option_help.c,
 * option_shell.c), and a test holds mount.pycloud(8) against it. A new option is one row, its field
 * in struct options, and its paragraph in the manual.
 *
 * The table is constant; any thread may read it.
 */
#ifndef PYCLOUD_OPTION_TABLE_H
#define PYCLOUD_OPTION_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum option_kind {
	KIND_SECONDS, /* int64_t of milliseconds */
	KIND_LIMIT,   /* the same, and never none */
	KIND_UID,     /* uid_t, and has_uid; a name or a number */
	KIND_GID,     /* gid_t, and has_gid */
	KIND_MASK,    /* mode_t, octal */
	KIND_UMASK,   /* both masks */
	KIND_SIZE,    /* int64_t of bytes: 100M, 2G */
	KIND_OUTPUT,  /* the same, at least RUN_OUTPUT_LEAST */
	KIND_RUNS,    /* unsigned, 1 to RUNS_KEEP_MAX */
	KIND_CHOICE,  /* bool; the row's value is "false's word|true's word" */
	KIND_FLAG,    /* bool, set by its presence */
	KIND_STRING,
	KIND_READ_ONLY, /* KIND_FLAG and KIND_PASS in one */
	KIND_PASS,	/* handed to libfuse as it is */
	KIND_IGNORE,	/* of mount(8)'s own, or the default anyway */
};

/* Under which heading --help shows it. */
enum option_section {
	SECTION_TIME,
	SECTION_FILES,
	SECTION_RUNS,
	SECTION_CLUSTER,
	SECTION_SERVER,
	SECTION_MOUNT,
	SECTION_SILENT, /* not shown */
	OPTION_SECTIONS = SECTION_SILENT,
};

struct option_row {
	const char *name;
	enum option_kind kind;
	size_t offset; /* in struct options */
	enum option_section section;
	/* What stands after the '=' in manuals: SECONDS, "off|on". NULL: takes
	 * no value. FILE is completed with names of files. */
	const char *value;
	const char *initial; /* the default, for people; NULL: none to show */
	const char *help;    /* one line; NULL in SECTION_SILENT */
};

extern const struct option_row option_table[];
extern const size_t option_table_count;

/* NULL: there is none. */
const struct option_row *option_table_find(const char *name);
const char *option_section_title(enum option_section);

/* What stands on the command line by itself: -v, --foreground. */
struct option_letter {
	const char *name;  /* without the dashes */
	char letter;	   /* '\0': none */
	const char *value; /* what follows; NULL: nothing */
	size_t offset;	   /* of a bool in struct options */
	const char *help;
};

extern const struct option_letter option_letters[];
extern const size_t option_letter_count;

#endif
