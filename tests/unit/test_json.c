/* Reading JSON a server sent: what cJSON would refuse, cut or overrun. */
#include "config.h"

#include "common_limits.h"
#include "json.h"
#include "test.h"

#include <string.h>

/* Parses an exact-size copy, so that a sanitizer sees any read past it. */
static cJSON *parse(const char *text)
{
	size_t length = strlen(text);
	g_autofree char *copy = g_memdup2(text, length);

	return json_parse(copy, length);
}

static void assert_string(const char *text, const char *expected)
{
	g_autoptr(cJSON) json = parse(text);

	assert_non_null(json);
	assert_string_equal(json_string(json, "a"), expected);
}

static void assert_refused(const char *text)
{
	g_autoptr(cJSON) json = parse(text);

	if (json != NULL)
		fail_msg("accepted: %s", text);
}

static void unpaired_surrogates_become_replacement(void **state)
{
	(void)state;
	assert_string("{\"a\":\"caf\\udce9\"}", "caf\xef\xbf\xbd");
	assert_string("{\"a\":\"\\ud83dx\"}", "\xef\xbf\xbdx");
	assert_string("{\"a\":\"\\ud83d\\n\"}", "\xef\xbf\xbd\n");
	assert_string("{\"a\":\"\\ud83d\\ud83d\\udc80\"}",
		"\xef\xbf\xbd\xf0\x9f\x92\x80");
	assert_string("{\"a\":\"\\udc80\\ud83d\"}", "\xef\xbf\xbd\xef\xbf\xbd");
	assert_string("{\"a\":\"\\uDCE9\"}", "\xef\xbf\xbd");
}

static void paired_surrogates_stay(void **state)
{
	(void)state;
	assert_string("{\"a\":\"\\ud83d\\udc80\"}", "\xf0\x9f\x92\x80");
	assert_string("{\"a\":\"\\uD83D\\uDC80\"}", "\xf0\x9f\x92\x80");
}

static void escaped_backslash_begins_no_escape(void **state)
{
	(void)state;
	assert_string("{\"a\":\"\\\\ud83d\"}", "\\ud83d");
	assert_string("{\"a\":\"\\\\\\ud83d\"}", "\\\xef\xbf\xbd");
	assert_string("{\"a\":\"\\\\u0000\"}", "\\u0000");
	assert_string("{\"a\":\"\\\\\"}", "\\");
}

static void nul_escape_does_not_cut_the_string(void **state)
{
	(void)state;
	assert_string("{\"a\":\"x\\u0000y\"}", "x\xef\xbf\xbdy");
}

static void names_are_neutralised_too(void **state)
{
	g_autoptr(cJSON) json = parse("{\"\\udce9\":1,\"a\":\"b\"}");

	(void)state;
	assert_string_equal(json_string(json, "a"), "b");
}

static void what_is_no_json_is_refused(void **state)
{
	static const char *const texts[] = { "", " ", "<html>", "{", "[", "{]",
		"[}", "{\"a\":1,", "{\"a\":1", "{\"a\"", "{\"a\":", "\"a",
		"\"\\", "\"\\u12", "\"\\u12g4\"", "\"\\x\"", "{} x", "{}{}",
		"1 2", "}", "]", "nul", "tru", "\"a\nb\"", "[1,]", "{\"a\":1,}",
		"-", "{\"a\" 1}", "[\"\\ud83d\\u\"]" };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
		assert_refused(texts[i]);
}

static void raw_nul_is_refused(void **state)
{
	char inside[] = "{\"a\":\"x\0y\"}";
	char behind[] = "{}\0";

	(void)state;
	assert_null(json_parse(inside, sizeof(inside) - 1));
	assert_null(json_parse(behind, sizeof(behind) - 1));
}

static void white_space_around_is_fine(void **state)
{
	g_autoptr(cJSON) json = parse(" \r\n{\"a\":\"b\"}\t\n");

	(void)state;
	assert_non_null(json);
}

static cJSON *parse_nested(unsigned depth)
{
	GString *text = g_string_new(NULL);
	cJSON *json;

	for (unsigned i = 0; i < depth; i++)
		g_string_append(text, i % 2 ? "[" : "{\"a\":");
	g_string_append(text, "1");
	for (unsigned i = depth; i-- > 0;)
		g_string_append_c(text, i % 2 ? ']' : '}');
	json = parse(text->str);
	(void)g_string_free(text, TRUE);
	return json;
}

static void depth_is_bounded(void **state)
{
	g_autoptr(cJSON) deepest = parse_nested(JSON_DEPTH_MAX);

	(void)state;
	assert_non_null(deepest);
	assert_null(parse_nested(JSON_DEPTH_MAX + 1));
	assert_null(parse_nested(200000));
}

static void wrong_type_is_absent(void **state)
{
	g_autoptr(cJSON) json =
		parse("{\"s\":\"x\",\"n\":7,\"b\":true,\"o\":{},\"l\":[],"
		      "\"z\":null}");
	int64_t n = -1;

	(void)state;
	assert_null(json_string(json, "n"));
	assert_null(json_string(json, "gone"));
	assert_null(json_string(NULL, "s"));
	assert_false(json_int64(json, "s", &n));
	assert_int_equal(n, -1);
	assert_true(json_bool(json, "b", false));
	assert_true(json_bool(json, "n", true));
	assert_false(json_bool(json, "z", false));
	assert_non_null(json_object(json, "o"));
	assert_null(json_object(json, "l"));
	assert_non_null(json_array(json, "l"));
	assert_null(json_array(json, "o"));
}

static void integers_are_whole_and_exact(void **state)
{
	g_autoptr(cJSON) json =
		parse("{\"a\":9007199254740992,\"b\":-3,\"c\":1.5,"
		      "\"d\":9007199254740994,\"e\":1e400,\"f\":4e3}");
	int64_t n;

	(void)state;
	assert_true(json_int64(json, "a", &n));
	assert_true(n == INT64_C(9007199254740992));
	assert_true(json_int64(json, "b", &n));
	assert_int_equal(n, -3);
	assert_false(json_int64(json, "c", &n));
	assert_false(json_int64(json, "d", &n));
	assert_false(json_int64(json, "e", &n));
	assert_true(json_int64(json, "f", &n));
	assert_int_equal(n, 4000);
}

static void quoting_gives_ascii_that_reads_back(void **state)
{
	const char *text = "a\"b\\c\n\x01\x7f \xc3\xa9 \xf0\x9f\x92\x80";
	g_autofree char *quoted = json_quote(text);
	g_autofree char *object = g_strdup_printf("{\"a\":%s}", quoted);

	(void)state;
	for (const char *c = quoted; *c != '\0'; c++)
		assert_in_range(*c, 0x20, 0x7e);
	assert_string(object, text);
}

static void quoting_replaces_what_is_not_utf8(void **state)
{
	g_autofree char *quoted = json_quote("a\xff\xc3");

	(void)state;
	assert_string_equal(quoted, "\"a\\ufffd\\ufffd\"");
}

static void printing_is_compact(void **state)
{
	g_autoptr(cJSON) json = parse("{ \"a\" : [ 1, \"b\" ] }");
	g_autofree char *text = json_print(json);

	(void)state;
	assert_string_equal(text, "{\"a\":[1,\"b\"]}");
}

/* "[1,1,...]" */
static cJSON *parse_ones(size_t count)
{
	size_t length = 2 * count + 1;
	g_autofree char *text = g_malloc(length);

	memset(text, '1', length);
	for (size_t i = 2; i < length - 1; i += 2)
		text[i] = ',';
	text[0] = '[';
	text[length - 1] = ']';
	return json_parse(text, length);
}

/* Two bytes become a value of 64: 128 MiB of them would be 4 GiB. */
static void values_are_bounded(void **state)
{
	g_autoptr(cJSON) few = parse_ones(1000);
	g_autoptr(cJSON) many = parse_ones(JSON_VALUES_MAX + 1);

	(void)state;
	assert_int_equal(cJSON_GetArraySize(few), 1000);
	assert_null(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unpaired_surrogates_become_replacement),
		cmocka_unit_test(paired_surrogates_stay),
		cmocka_unit_test(escaped_backslash_begins_no_escape),
		cmocka_unit_test(nul_escape_does_not_cut_the_string),
		cmocka_unit_test(names_are_neutralised_too),
		cmocka_unit_test(what_is_no_json_is_refused),
		cmocka_unit_test(raw_nul_is_refused),
		cmocka_unit_test(white_space_around_is_fine),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(values_are_bounded),
		cmocka_unit_test(wrong_type_is_absent),
		cmocka_unit_test(integers_are_whole_and_exact),
		cmocka_unit_test(quoting_gives_ascii_that_reads_back),
		cmocka_unit_test(quoting_replaces_what_is_not_utf8),
		cmocka_unit_test(printing_is_compact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
