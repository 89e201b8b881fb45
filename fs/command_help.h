/*
 * command_help.h - the table of commands, as people want to read it.
 */
#ifndef PYCLOUD_COMMAND_HELP_H
#define PYCLOUD_COMMAND_HELP_H

#include <glib.h>

struct command_row;

/* Appends what `pycloud help` shows: all commands. */
void command_help_all(GString *text);
/* Appends what `pycloud COMMAND --help` shows. */
void command_help(const struct command_row *, GString *text);

/* One or the other (the name is NULL, or no command's), on stdout; 0. */
int command_print_help(const char *name);

#endif
