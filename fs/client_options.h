/*
 * client_options.h - the command line of `pycloud`, by command_table.h. Pure.
 */
#ifndef PYCLOUD_CLIENT_OPTIONS_H
#define PYCLOUD_CLIENT_OPTIONS_H

#include <stdbool.h>

enum client_command {
	COMMAND_NONE,
	COMMAND_RUN,
	COMMAND_RUNS,
	COMMAND_ATTACH,
	COMMAND_KILL,
	COMMAND_STATUS,
	COMMAND_HELP,
	COMMAND_VERSION
};

/* All is borrowed from argv. */
struct client_options {
	enum client_command command;
	const char *directory;	  /* NULL: the current one */
	const char *signal_name;  /* kill */
	bool is_json;		  /* runs, status */
	bool watches;		  /* status */
	bool is_brief;		  /* attach: what there is, and no more */
	const char *const *words; /* run: what python3 is given */
	const char *number;	  /* attach, kill */
	bool wants_help;
	const char *topic; /* help: of which command; NULL: of all */
};

/* False: wrong, with a sentence in *ret_why (g_free); the command is told even
 * then. What is no option of run's is the first word of its line, so that
 * `pycloud run -m pytest -q` means what it does for python3. */
bool client_options_parse(
	int argc, char **argv, struct client_options *ret, char **ret_why);

#endif
