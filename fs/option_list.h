/*
 * option_list.h - what stands between the commas of -o.
 *
 * A comma that belongs to a value is hidden in one of the two ways that are in
 * use: within double quotes, as mount(8) understands them (overlay="a,b"), or
 * behind a backslash, as libfuse does (overlay=a\,b). A backslash means itself
 * unless a comma, a double quote or a backslash follows it. Pure.
 */
#ifndef PYCLOUD_OPTION_LIST_H
#define PYCLOUD_OPTION_LIST_H

#include <glib.h>

/* The options, without what hid their commas (g_strfreev); "" where there is
 * nothing between two commas. NULL with a sentence in *ret_why (g_free): a
 * quote is left open. */
GStrv option_list_split(const char *list, char **ret_why);

/* A value as it has to stand in a list, for libfuse and option_list_split()
 * alike; g_free. */
char *option_list_escape(const char *value);

#endif
