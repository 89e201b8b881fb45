/*
 * recording.h - the answers of a real API server, from fakes/recordings/kube.
 *
 * A recording is a request, a line "----", and the response: status line,
 * headers, an empty line, the body. A watch's body is in chunks as on the wire,
 * an event in each.
 */
#ifndef PYCLOUD_TESTS_UNIT_RECORDING_H
#define PYCLOUD_TESTS_UNIT_RECORDING_H

#include "json.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

static inline char *recording_read(const char *name)
{
	g_autofree char *path =
		g_strconcat(RECORDINGS_DIR, "/", name, ".txt", NULL);
	char *text;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		fail_msg("cannot read %s", path);
	return text;
}

/* The response's status, and its body (g_free). */
static inline char *recording_body(const char *name, int *ret_code)
{
	static const char mark[] = "\n----\nHTTP/1.1 ";
	g_autofree char *text = recording_read(name);
	g_auto(GStrv) halves = g_strsplit(text, mark, 2);
	g_auto(GStrv) parts = NULL;
	g_auto(GStrv) ends = NULL;

	assert_int_equal(g_strv_length(halves), 2);
	*ret_code = atoi(halves[1]);
	parts = g_strsplit(halves[1], "\n\n", 2);
	assert_int_equal(g_strv_length(parts), 2);
	ends = g_strsplit(parts[1], "\n####", 2);
	return g_strdup(ends[0]);
}

static inline cJSON *recording_parse(char *text)
{
	cJSON *json = json_parse(text, strlen(text));

	assert_non_null(json);
	return json;
}

/* The body as JSON; cJSON_Delete. */
static inline cJSON *recording_json(const char *name)
{
	int code;
	g_autofree char *body = recording_body(name, &code);

	return recording_parse(body);
}

/* Calls `see` with the object of each event of a watch, in order; a BOOKMARK
 * has none. */
static inline void recording_watch(const char *name,
	void (*see)(const cJSON *object, void *user), void *user)
{
	int code;
	g_autofree char *body = recording_body(name, &code);
	g_auto(GStrv) lines = g_strsplit(body, "\n", -1);

	for (size_t i = 0; lines[i] != NULL; i++) {
		if (lines[i][0] != '{')
			continue;
		g_autoptr(cJSON) event = recording_parse(lines[i]);

		if (strcmp(json_string(event, "type"), "BOOKMARK") != 0)
			see(json_object(event, "object"), user);
	}
}

#endif
