/*
 * json.c - see json.h.
 *
 * One pass over the text comes before cJSON sees it. It makes sure of what
 * cJSON does not: every string is closed and free of raw control bytes, every
 * bracket has its partner of the same kind, and nesting stays below
 * JSON_DEPTH_MAX. A text with balanced brackets also never makes cJSON look for
 * more at the end of the buffer, where releases before 1.7.18 read one byte too
 * far ("{\"1\":1," without a NUL behind it).
 */
#include "config.h"

#include "json.h"

#include "common_limits.h"

#include <math.h>
#include <string.h>

struct scan {
	char *at;
	char *end;
	uint64_t is_object; /* a bit per open bracket, the innermost lowest */
	unsigned depth;
	unsigned values; /* at least as many as there are */
};

G_STATIC_ASSERT(JSON_DEPTH_MAX <= 64);

/* The value of "\uXXXX" at `at`, or -1. */
static int scan_unicode(const char *at, const char *end)
{
	int value = 0;

	if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		int digit = g_ascii_xdigit_value(at[i]);

		if (digit < 0)
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

static bool is_high_surrogate(int unit)
{
	return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low_surrogate(int unit)
{
	return unit >= 0xdc00 && unit <= 0xdfff;
}

/* Steps over one escape, `at` being its backslash. What is no character by
 * itself, or would end the C string, becomes \ufffd, which is as long. */
static bool scan_escape(struct scan *s)
{
	int unit = scan_unicode(s->at, s->end);

	if (unit < 0) {
		if (s->end - s->at < 2 || s->at[1] == 'u')
			return false;
		s->at += 2;
		return true;
	}
	if (is_high_surrogate(unit) &&
		is_low_surrogate(scan_unicode(s->at + 6, s->end))) {
		s->at += 12;
		return true;
	}
	if (unit == 0 || is_high_surrogate(unit) || is_low_surrogate(unit))
		memcpy(s->at + 2, "fffd", 4);
	s->at += 6;
	return true;
}

/* Steps over a string, `at` being its first byte after the quote. */
static bool scan_string(struct scan *s)
{
	while (s->at < s->end) {
		unsigned char byte = (unsigned char)*s->at;

		if (byte == '"') {
			s->at++;
			return true;
		}
		if (byte < 0x20)
			return false;
		if (byte != '\\')
			s->at++;
		else if (!scan_escape(s))
			return false;
	}
	return false;
}

/* A comma or a bracket may bring another value. */
static bool scan_value(struct scan *s)
{
	return ++s->values <= JSON_VALUES_MAX;
}

static bool scan_open(struct scan *s, bool is_object)
{
	if (s->depth == JSON_DEPTH_MAX || !scan_value(s))
		return false;
	s->depth++;
	s->is_object = s->is_object << 1 | is_object;
	return true;
}

static bool scan_close(struct scan *s, bool is_object)
{
	if (s->depth == 0 || (s->is_object & 1) != is_object)
		return false;
	s->depth--;
	s->is_object >>= 1;
	return true;
}

static bool scan_text(char *text, size_t length)
{
	struct scan s = { .at = text, .end = text + length };

	while (s.at < s.end) {
		char byte = *s.at++;
		bool is_fine = byte != '\0';

		if (byte == '"')
			is_fine = scan_string(&s);
		else if (byte == '{' || byte == '[')
			is_fine = scan_open(&s, byte == '{');
		else if (byte == '}' || byte == ']')
			is_fine = scan_close(&s, byte == '}');
		else if (byte == ',')
			is_fine = scan_value(&s);
		if (!is_fine)
			return false;
	}
	return s.depth == 0;
}

static bool is_blank(const char *from, const char *to)
{
	while (from < to && strchr(" \t\r\n", *from) != NULL)
		from++;
	return from >= to;
}

cJSON *json_parse(char *text, size_t length)
{
	g_autoptr(cJSON) json = NULL;
	const char *rest = NULL;

	if (length == 0 || !scan_text(text, length))
		return NULL;
	json = cJSON_ParseWithLengthOpts(text, length, &rest, false);
	if (json == NULL || !is_blank(rest, text + length))
		return NULL;
	return g_steal_pointer(&json);
}

const char *json_string(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(
		cJSON_GetObjectItemCaseSensitive(object, key));
}

bool json_int64(const cJSON *object, const char *key, int64_t *ret)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
	const double limit = 9007199254740992.0; /* 2^53 */

	if (!cJSON_IsNumber(item) || !(fabs(item->valuedouble) <= limit) ||
		trunc(item->valuedouble) != item->valuedouble)
		return false;
	*ret = (int64_t)item->valuedouble;
	return true;
}

bool json_bool(const cJSON *object, const char *key, bool fallback)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsBool(item) ? cJSON_IsTrue(item) : fallback;
}

const cJSON *json_object(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsObject(item) ? item : NULL;
}

const cJSON *json_array(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsArray(item) ? item : NULL;
}

static void quote_char(GString *out, gunichar c)
{
	if (c == '"' || c == '\\') {
		g_string_append_c(out, '\\');
		g_string_append_c(out, (char)c);
	} else if (c >= 0x20 && c < 0x7f) {
		g_string_append_c(out, (char)c);
	} else if (c < 0x10000) {
		g_string_append_printf(out, "\\u%04x", c);
	} else {
		g_string_append_printf(out, "\\u%04x\\u%04x",
			0xd800 + ((c - 0x10000) >> 10),
			0xdc00 + ((c - 0x10000) & 0x3ff));
	}
}

char *json_quote(const char *utf8)
{
	GString *out = g_string_new("\"");

	while (*utf8 != '\0') {
		gunichar c = g_utf8_get_char_validated(utf8, -1);

		if (c == (gunichar)-1 || c == (gunichar)-2) {
			quote_char(out, 0xfffd);
			utf8++;
			continue;
		}
		quote_char(out, c);
		utf8 += g_utf8_skip[(unsigned char)*utf8];
	}
	g_string_append_c(out, '"');
	return g_string_free(out, FALSE);
}

char *json_print(const cJSON *json)
{
	char *printed = cJSON_PrintUnformatted(json);
	char *copy = g_strdup(printed);

	cJSON_free(printed);
	return copy;
}
