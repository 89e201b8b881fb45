/* option_list.c - see option_list.h. */
#include "config.h"

#include "option_list.h"

#include <stdbool.h>
#include <string.h>

#define SPECIAL ",\"\\"

/* strchr() would find the end of the string, too. */
static bool is_special(char c)
{
	return c != '\0' && strchr(SPECIAL, c) != NULL;
}

/* Reads one option, and leaves *at on the comma behind it, or the end. False: a
 * quote is left open. */
static bool take_word(const char **at, GString *word)
{
	bool is_quoted = false;
	const char *p = *at;

	for (; *p != '\0' && (is_quoted || *p != ','); p++) {
		if (*p == '"')
			is_quoted = !is_quoted;
		else if (*p == '\\' && is_special(p[1]))
			g_string_append_c(word, *++p);
		else
			g_string_append_c(word, *p);
	}
	*at = p;
	return !is_quoted;
}

GStrv option_list_split(const char *list, char **ret_why)
{
	g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
	bool is_good;

	do {
		GString *word = g_string_new(NULL);

		is_good = take_word(&list, word);
		g_ptr_array_add(words, g_string_free(word, FALSE));
	} while (is_good && *list++ == ',');
	if (!is_good) {
		*ret_why = g_strdup("a double quote is left open in the "
				    "options of -o; write \\\" for one that is "
				    "part of a value");
		return NULL;
	}
	g_ptr_array_add(words, NULL);
	return (GStrv)g_ptr_array_steal(words, NULL);
}

char *option_list_escape(const char *value)
{
	GString *text = g_string_new(NULL);

	for (; *value != '\0'; value++) {
		if (is_special(*value))
			g_string_append_c(text, '\\');
		g_string_append_c(text, *value);
	}
	return g_string_free(text, FALSE);
}
