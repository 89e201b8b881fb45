/* Models of the contents API become entries; what is no model is refused. */
#include "config.h"

#include "common_limits.h"
#include "contents_json.h"
#include "test.h"

#include <errno.h>
#include <string.h>

static int parse_entry(const char *text, struct entry *ret)
{
	size_t length = strlen(text);
	g_autofree char *copy = g_memdup2(text, length);

	return contents_parse_entry(copy, length, ret);
}

static int parse_listing(const char *text, GPtrArray **ret, unsigned *dropped)
{
	size_t length = strlen(text);
	g_autofree char *copy = g_memdup2(text, length);

	return contents_parse_listing(copy, length, ret, dropped);
}

static const struct entry *child(const GPtrArray *entries, unsigned i)
{
	return entries->pdata[i];
}

static void file_model_becomes_an_entry(void **state)
{
	struct entry e;

	(void)state;
	assert_int_equal(
		parse_entry(
			"{\"name\":\"lf.txt\",\"path\":\"d/lf.txt\","
			"\"last_modified\":\"2026-11-22T07:19:43.986676Z\","
			"\"created\":\"2026-11-22T07:19:44Z\",\"content\":null,"
			"\"format\":null,\"mimetype\":\"text/plain\",\"size\":4,"
			"\"writable\":false,\"type\":\"file\",\"hash\":null}",
			&e),
		0);
	assert_string_equal(e.name, "lf.txt");
	assert_int_equal(e.type, ENTRY_FILE);
	assert_int_equal(e.size, 4);
	assert_int_equal(e.mtime.tv_sec, 1795331983);
	assert_int_equal(e.mtime.tv_nsec, 986676000);
	assert_int_equal(e.ctime.tv_sec, 1795331984);
	assert_false(e.is_writable);
	entry_clear(&e);
}

static void notebook_is_a_file(void **state)
{
	struct entry e;

	(void)state;
	assert_int_equal(
		parse_entry("{\"name\":\"a.ipynb\",\"type\":\"notebook\","
			    "\"size\":72}",
			&e),
		0);
	assert_int_equal(e.type, ENTRY_FILE);
	assert_int_equal(e.size, 72);
	entry_clear(&e);
}

static void directory_has_no_size(void **state)
{
	struct entry e;

	(void)state;
	assert_int_equal(parse_entry("{\"name\":\"\",\"type\":\"directory\","
				     "\"size\":4096,\"writable\":true}",
				 &e),
		0);
	assert_string_equal(e.name, "");
	assert_int_equal(e.type, ENTRY_DIRECTORY);
	assert_int_equal(e.size, -1);
	entry_clear(&e);
}

static void missing_members_are_unknown(void **state)
{
	struct entry e;

	(void)state;
	assert_int_equal(
		parse_entry("{\"name\":\"a\",\"type\":\"file\",\"size\":-7,"
			    "\"last_modified\":\"yesterday\"}",
			&e),
		0);
	assert_int_equal(e.size, -1);
	assert_int_equal(e.mtime.tv_sec, 0);
	assert_int_equal(e.ctime.tv_sec, 0);
	assert_true(e.is_writable);
	entry_clear(&e);
}

static void what_is_no_model_is_refused(void **state)
{
	static const char *const texts[] = { "", "[]", "null", "{}", "\"x\"",
		"{\"name\":\"a\"}", "{\"type\":\"file\"}",
		"{\"name\":7,\"type\":\"file\"}",
		"{\"name\":\"a\",\"type\":\"fifo\"}", "<html></html>",
		"file or directory '/zz' does not exist" };
	GPtrArray *entries;
	unsigned dropped;
	struct entry e;

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		assert_int_equal(parse_entry(texts[i], &e), -EPROTO);
		assert_true(parse_listing(texts[i], &entries, &dropped) < 0);
	}
}

static void listing_is_read(void **state)
{
	g_autoptr(GPtrArray) entries = NULL;
	unsigned dropped = 7;

	(void)state;
	assert_int_equal(
		parse_listing(
			"{\"name\":\"\",\"type\":\"directory\",\"content\":["
			"{\"name\":\"b\",\"type\":\"file\",\"size\":1},"
			"{\"name\":\"a\",\"type\":\"directory\"}]}",
			&entries, &dropped),
		0);
	assert_int_equal(entries->len, 2);
	assert_int_equal(dropped, 0);
	assert_string_equal(child(entries, 0)->name, "b");
	assert_int_equal(child(entries, 0)->size, 1);
	assert_int_equal(child(entries, 1)->type, ENTRY_DIRECTORY);
}

static void bad_children_are_dropped_and_counted(void **state)
{
	g_autoptr(GPtrArray) entries = NULL;
	unsigned dropped;

	(void)state;
	assert_int_equal(
		parse_listing(
			"{\"name\":\"d\",\"type\":\"directory\",\"content\":["
			"{\"name\":\"ok\",\"type\":\"file\"},"
			"{\"name\":\"ok\",\"type\":\"directory\"},"
			"{\"name\":\"..\",\"type\":\"directory\"},"
			"{\"name\":\".\",\"type\":\"directory\"},"
			"{\"name\":\"\",\"type\":\"file\"},"
			"{\"name\":\"../etc\",\"type\":\"file\"},"
			"{\"name\":\"caf\\udce9\",\"type\":\"file\"},"
			"{\"name\":\"nul\\u0000\",\"type\":\"file\"},"
			"{\"name\":\"odd\",\"type\":\"socket\"},"
			"{\"type\":\"file\"},null,7,"
			"{\"name\":\"caf\\u00e9\",\"type\":\"file\"}]}",
			&entries, &dropped),
		0);
	assert_int_equal(entries->len, 2);
	assert_int_equal(dropped, 11);
	assert_string_equal(child(entries, 0)->name, "ok");
	assert_int_equal(child(entries, 0)->type, ENTRY_FILE);
	assert_string_equal(child(entries, 1)->name, "caf\xc3\xa9");
}

static void listing_of_a_file_is_enotdir(void **state)
{
	GPtrArray *entries;
	unsigned dropped;

	(void)state;
	assert_int_equal(parse_listing("{\"name\":\"a\",\"type\":\"file\","
				       "\"content\":\"x\"}",
				 &entries, &dropped),
		-ENOTDIR);
	assert_int_equal(parse_listing("{\"name\":\"a\",\"type\":\"directory\","
				       "\"content\":null}",
				 &entries, &dropped),
		-EPROTO);
}

static void too_many_children_are_an_error(void **state)
{
	GString *text = g_string_new("{\"name\":\"\",\"type\":\"directory\","
				     "\"content\":[1");
	GPtrArray *entries;
	unsigned dropped;

	(void)state;
	for (int i = 0; i < CONTENTS_ENTRIES_MAX; i++)
		g_string_append(text, ",1");
	g_string_append(text, "]}");
	assert_int_equal(contents_parse_listing(
				 text->str, text->len, &entries, &dropped),
		-EFBIG);
	(void)g_string_free(text, TRUE);
}

static void message_is_found_only_in_json(void **state)
{
	char json[] = "{\"message\":\"No such file\",\"reason\":null}";
	char text[] = "file or directory '/zz' does not exist";
	g_autofree char *message =
		contents_parse_message(json, sizeof(json) - 1);

	(void)state;
	assert_string_equal(message, "No such file");
	assert_null(contents_parse_message(text, sizeof(text) - 1));
	assert_null(contents_parse_message(text, 0));
}

static void unhandled_error_names_its_exception(void **state)
{
	char json[] = "{\"message\":\"Unhandled error\",\"traceback\":"
		      "\"Traceback:\\n  x\\nOSError: [Errno 36] Long\\n\"}";
	char empty[] = "{\"message\":\"Unhandled error\",\"traceback\":\"\"}";
	char other[] = "{\"message\":\"No\",\"traceback\":\"a\\nb\"}";
	g_autofree char *found = contents_parse_message(json, sizeof(json) - 1);
	g_autofree char *none =
		contents_parse_message(empty, sizeof(empty) - 1);
	g_autofree char *plain =
		contents_parse_message(other, sizeof(other) - 1);

	(void)state;
	assert_string_equal(found, "Unhandled error: OSError: [Errno 36] Long");
	assert_string_equal(none, "Unhandled error");
	assert_string_equal(plain, "No");
}

static void version_is_found(void **state)
{
	char json[] = "{\"version\":\"6.4.12\"}";
	char other[] = "{\"version\":6}";
	g_autofree char *version =
		contents_parse_version(json, sizeof(json) - 1);

	(void)state;
	assert_string_equal(version, "6.4.12");
	assert_null(contents_parse_version(other, sizeof(other) - 1));
}

/* It becomes a line of .pycloud/status. */
static void version_is_one_short_line(void **state)
{
	char json[] = "{\"version\":\"2.14\\nkubeconfig: k\\u001b\\u009b\"}";
	g_autofree char *much = g_strnfill(5000, '7');
	g_autofree char *longer = g_strdup_printf("{\"version\":\"%s\"}", much);
	g_autofree char *version =
		contents_parse_version(json, sizeof(json) - 1);
	g_autofree char *cut = contents_parse_version(longer, strlen(longer));

	(void)state;
	assert_string_equal(version, "2.14 kubeconfig: k   ");
	assert_int_equal(strlen(cut), CONTENTS_VERSION_MAX);
}

static void bodies_quote_their_paths(void **state)
{
	g_autofree char *body = contents_rename_body("a \"b\"/\xc3\xa9\n");
	g_autofree char *mkdir_body = contents_mkdir_body();

	(void)state;
	assert_string_equal(body, "{\"path\":\"a \\\"b\\\"/\\u00e9\\u000a\"}");
	assert_string_equal(mkdir_body, "{\"type\":\"directory\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_model_becomes_an_entry),
		cmocka_unit_test(notebook_is_a_file),
		cmocka_unit_test(directory_has_no_size),
		cmocka_unit_test(missing_members_are_unknown),
		cmocka_unit_test(what_is_no_model_is_refused),
		cmocka_unit_test(listing_is_read),
		cmocka_unit_test(bad_children_are_dropped_and_counted),
		cmocka_unit_test(listing_of_a_file_is_enotdir),
		cmocka_unit_test(too_many_children_are_an_error),
		cmocka_unit_test(message_is_found_only_in_json),
		cmocka_unit_test(unhandled_error_names_its_exception),
		cmocka_unit_test(version_is_found),
		cmocka_unit_test(version_is_one_short_line),
		cmocka_unit_test(bodies_quote_their_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
