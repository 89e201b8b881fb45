/* Any text as what the doctor found: one line of it stays one line, JSON is
 * JSON, and what is a secret does not come out. */
#include "config.h"

#include "fuzz.h"

#include "doctor_text.h"
#include "json.h"

#include <string.h>

#define SECRET "0123456789abcdef0123456789abcdef"

static void check_secret(const char *shown)
{
	if (strstr(shown, SECRET) != NULL)
		g_error("a secret came through: %s", shown);
}

static void check_blot(const char *text)
{
	const struct doctor_privacy privacy = {
		.home = "/home/ann", .user = "ann", .host = "box"
	};
	g_autofree char *query = g_strconcat("token=" SECRET "\n", text, NULL);
	g_autofree char *word = g_strconcat(text, " " SECRET " ", text, NULL);
	g_autofree char *plain = doctor_text_blot(query, FALSE);
	g_autofree char *strict = doctor_text_blot(word, TRUE);
	g_autofree char *anonymous = doctor_text_anonymous(word, &privacy);

	/* Where it stands for no secret it is none, but in the strict ones. */
	if (strstr(text, SECRET) == NULL)
		check_secret(plain);
	check_secret(strict);
	check_secret(anonymous);
}

static void check_json(const char *text)
{
	g_autoptr(GPtrArray) findings = g_ptr_array_new();
	struct doctor_finding f = { .state = DOCTOR_WARN,
		.what = g_strdup(text),
		.found = g_strdup(text),
		.advice = g_strdup(text) };
	g_autofree char *json = NULL;
	g_autoptr(cJSON) parsed = NULL;

	g_ptr_array_add(findings, &f);
	json = doctor_text_json("1", text, findings);
	parsed = json_parse(json, strlen(json));
	if (!cJSON_IsObject(parsed))
		g_error("no JSON: %s", json);
	g_free(f.what);
	g_free(f.found);
	g_free(f.advice);
}

void fuzz_doctor_text(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = fuzz_text(bytes, length);

	check_blot(text);
	check_json(text);
}
