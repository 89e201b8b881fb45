/*
 * option_help.h - the table of options, as people want to read it.
 *
 * Pure: text is appended, nothing is read but option_table.h's tables.
 */
#ifndef PYCLOUD_OPTION_HELP_H
#define PYCLOUD_OPTION_HELP_H

#include <glib.h>

/* What mount.pycloud --help shows. */
void option_help(GString *text);

#endif
