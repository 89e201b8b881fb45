/* client_text.c - what control files say; see client.h. */
#include "config.h"

#include "client.h"

#include "fs_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int client_error(int status, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	(void)fprintf(stderr, "pycloud: %s\n", text);
	return status;
}

/* Their size at stat is that of another moment, so they are read to the end,
 * or as far as anybody needs. */
static ssize_t read_all(int fd, GString *text)
{
	char buffer[4096];
	ssize_t n;

	do {
		n = read(fd, buffer, sizeof(buffer));
		if (n > 0)
			g_string_append_len(text, buffer, n);
	} while ((n > 0 && text->len < CONTROL_TEXT_MAX) ||
		 (n < 0 && errno == EINTR));
	return n;
}

char *client_text_read(const char *path)
{
	GString *text;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int error;

	if (fd < 0)
		return NULL;
	text = g_string_new(NULL);
	n = read_all(fd, text);
	error = errno;
	(void)close(fd);
	if (n < 0)
		g_string_set_size(text, 0);
	errno = error;
	return g_string_free(text, n < 0);
}

char *client_text_value(const char *text, const char *key)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	size_t length = strlen(key);

	for (char **line = lines; *line != NULL; line++)
		if (strncmp(*line, key, length) == 0 &&
			g_str_has_prefix(*line + length, ": "))
			return g_strdup(*line + length + strlen(": "));
	return NULL;
}

/* Quotes only where they say something: the line is shown to people, too. */
static char *quote(const char *word)
{
	for (const char *c = word; *c != '\0'; c++)
		if (!g_ascii_isalnum(*c) && (unsigned char)*c < 0x80 &&
			strchr("-_./=:,+@%", *c) == NULL)
			return g_shell_quote(word);
	return word[0] == '\0' ? g_strdup("''") : g_strdup(word);
}

char *client_text_line(const char *const *words)
{
	GString *line = g_string_new(NULL);

	for (; *words != NULL; words++) {
		g_autofree char *quoted = quote(*words);

		g_string_append_printf(
			line, "%s%s", line->len > 0 ? " " : "", quoted);
	}
	g_string_append_c(line, '\n');
	return g_string_free(line, FALSE);
}

void client_text_append_json(GString *out, const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text, -1);

	g_string_append_c(out, '"');
	for (const char *c = valid; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			g_string_append_printf(out, "\\%c", *c);
		else if ((unsigned char)*c < 0x20 || *c == 0x7f)
			g_string_append_printf(out, "\\u%04x", (unsigned)*c);
		else
			g_string_append_c(out, *c);
	}
	g_string_append_c(out, '"');
}
