/*
 * option_help.h - the table of options, as people and shells want to read it.
 *
 * Pure: text is appended, nothing is read but option_table.h's tables.
 */
#ifndef PYCLOUD_OPTION_HELP_H
#define PYCLOUD_OPTION_HELP_H

#include <glib.h>
#include <stdbool.h>

/* What mount.pycloud --help shows. */
void option_help(GString *text);

/* The lines that a completion for bash, zsh or fish has of the table (see
 * packaging/completion). False: no such shell. */
bool option_completion(const char *shell, GString *text);

#endif
