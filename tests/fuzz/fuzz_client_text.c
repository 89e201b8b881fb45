/* Any text as what a mount's control files say, and as words for a run: what
 * is shown cannot play with a terminal, and JSON is JSON. */
#include "config.h"

#include "fuzz.h"

#include "client.h"
#include "client_status.h"
#include "json.h"

#include <string.h>

static void check_status(char *name, char *status)
{
	const struct client_asked asked = { .name = name,
		.point = name,
		.answer = ANSWER_GIVEN,
		.status = status };
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(GString) json = g_string_new(NULL);
	g_autoptr(cJSON) parsed = NULL;

	(void)client_status_health(&asked);
	client_status_append_text(text, &asked);
	for (const char *c = text->str; *c != '\0'; c++)
		if (((unsigned char)*c < 0x20 && *c != '\n') || *c == 0x7f)
			g_error("a control character for a terminal");
	client_status_append_json(json, &asked);
	parsed = json_parse(json->str, json->len);
	if (!cJSON_IsObject(parsed))
		g_error("no JSON: %s", json->str);
}

static void check_words(const char *text)
{
	g_auto(GStrv) words = g_strsplit(text, "\n", 20);
	g_autofree char *line = client_text_line((const char *const *)words);
	g_auto(GStrv) parsed = NULL;

	if (words[0] == NULL)
		return;
	if (!g_shell_parse_argv(line, NULL, &parsed, NULL) ||
		!g_strv_equal((const char *const *)words,
			(const char *const *)parsed))
		g_error("words that do not come back: %s", line);
}

void fuzz_client_text(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	g_autofree char *words = fuzz_text(bytes, length);
	g_autofree char *name = fuzz_take_line(&in);
	g_autofree char *status = fuzz_take_text(&in);

	check_words(words);
	check_status(name, status);
}
