/* Any text as what is written into .run: a line ends at the first newline where
 * GLib's shell finds no quote open, else at the first newline. */
#include "config.h"

#include "fuzz.h"

#include "run_line.h"

#include <string.h>

#define NEWLINES_MAX 50

static bool is_whole(const char *text, size_t length)
{
	/* A '#' at the very end is a quote that is open, to GLib. */
	g_autofree char *line =
		length > 0 && text[length - 1] == '#'
			? g_strdup_printf("%.*s ", (int)length, text)
			: g_strndup(text, length);
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) words = NULL;

	return g_shell_parse_argv(line, NULL, &words, &error) ||
	       !g_error_matches(
		       error, G_SHELL_ERROR, G_SHELL_ERROR_BAD_QUOTING);
}

static size_t expected(const char *text, size_t length)
{
	const char *first = memchr(text, '\n', length);
	const char *at = first;
	unsigned count = 0;

	for (; at != NULL && count < NEWLINES_MAX; count++) {
		if (is_whole(text, (size_t)(at - text)))
			return (size_t)(at - text);
		at = memchr(at + 1, '\n', length - (size_t)(at + 1 - text));
	}
	if (at != NULL)
		return SIZE_MAX; /* too much to try */
	return first == NULL ? length : (size_t)(first - text);
}

void fuzz_run_line(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = fuzz_text(bytes, length);
	size_t size = strlen(text);
	size_t end = run_line_end("", text, size);
	size_t wanted = expected(text, size);

	if (wanted != SIZE_MAX && end != wanted)
		g_error("ends at %zu, not at %zu: %s", end, wanted, text);
	/* In two writes, where none of them ends in the first. */
	for (size_t cut = 1; cut < MIN(size, 20); cut++) {
		g_autofree char *begun = g_strndup(text, cut);

		if (strchr(begun, '\n') == NULL &&
			run_line_end(begun, text + cut, size - cut) !=
				end - cut)
			g_error("it depends on the pieces: %s", text);
	}
}
