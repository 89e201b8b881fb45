/* fuzz_secret.c - see fuzz_secret.h. */
#include "config.h"

#include "fuzz_secret.h"

#include <string.h>

/* Shorter ones are parts of what we say ourselves. */
#define KNOWN_AGAIN 32

char *fuzz_secret_word(const uint8_t *bytes, size_t length)
{
	g_autofree char *line =
		length == 0 ? g_strdup("")
			    : g_strndup((const char *)bytes, length);

	line[strcspn(line, "\n")] = '\0';
	return g_strdup(g_strstrip(line));
}

void fuzz_secret_check(const struct secret *secret, const char *word)
{
	const char *text;

	if (secret == NULL)
		g_error("a success without a secret");
	text = secret_peek(secret);
	if (*text == '\0' || strlen(text) > SECRET_BYTES_MAX)
		g_error("a secret of %zu bytes", strlen(text));
	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			g_error("a secret that ends a header");
	if (word != NULL && strcmp(text, word) != 0)
		g_error("another secret than '%s'", word);
}

void fuzz_secret_hidden(const char *word, const char *sentence)
{
	if (strlen(word) >= KNOWN_AGAIN && strstr(sentence, word) != NULL)
		g_error("a secret is shown: %s", sentence);
}
