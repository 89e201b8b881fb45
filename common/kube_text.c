/* kube_text.c - see kube_text.h. */
#include "config.h"

#include "kube_text.h"

#include "common_limits.h"

#include <glib.h>
#include <stdarg.h>
#include <string.h>

/* Also what is invisible, or turns the direction of what follows. */
static bool is_unfit(gunichar c)
{
	GUnicodeType type = g_unichar_type(c);

	return g_unichar_isspace(c) || type == G_UNICODE_CONTROL ||
	       type == G_UNICODE_FORMAT || type == G_UNICODE_LINE_SEPARATOR ||
	       type == G_UNICODE_PARAGRAPH_SEPARATOR;
}

static void append_cleaned(GString *line, const char *text)
{
	for (; *text != '\0'; text += g_utf8_skip[(unsigned char)*text]) {
		gunichar c = g_utf8_get_char(text);

		if (!is_unfit(c))
			g_string_append_unichar(line, c);
		else if (line->len > 0 && line->str[line->len - 1] != ' ')
			g_string_append_c(line, ' ');
		if (line->len > KUBE_TEXT_MAX - strlen("...") - 4) {
			g_string_append(line, "...");
			return;
		}
	}
	while (line->len > 0 && strchr(" .", line->str[line->len - 1]) != NULL)
		g_string_truncate(line, line->len - 1);
}

char *kube_text_clean(const char *text)
{
	GString *line = g_string_new(NULL);
	/* Before the costly step: what is longer is cut anyway. */
	g_autofree char *start =
		g_strndup(text == NULL ? "" : text, (gsize)KUBE_TEXT_MAX * 4);
	g_autofree char *valid = g_utf8_make_valid(start, -1);

	append_cleaned(line, valid);
	return g_string_free(line, FALSE);
}

static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (; *text != '\0'; text++)
		if (g_ascii_strncasecmp(text, word, length) == 0)
			return true;
	return false;
}

bool kube_text_has(const char *text, ...)
{
	const char *word;
	bool is_found = false;
	va_list words;

	if (text == NULL)
		return false;
	va_start(words, text);
	while (!is_found && (word = va_arg(words, const char *)) != NULL)
		is_found = has_word(text, word);
	va_end(words);
	return is_found;
}
