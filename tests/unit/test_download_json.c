/* Downloads over the fallback: the bytes, all of them, or an error. */
#include "config.h"

#include "download_json.h"
#include "memory_file.h"
#include "test.h"

/* Decodes `text` in pieces of `piece` bytes into `f`. */
static int decode(
	struct memory_file *f, const char *text, size_t length, size_t piece)
{
	const struct remote_sink sink = { memory_file_write, f };
	g_autofree struct download_json *d = g_new(struct download_json, 1);
	int rc = 0;

	download_json_init(d, &sink);
	for (size_t at = 0; at < length && rc == 0; at += piece) {
		size_t n = MIN(piece, length - at);
		/* A copy of its own, so that a sanitizer sees an overrun. */
		g_autofree char *copy = g_memdup2(text + at, n);

		rc = download_json_write(d, copy, n);
	}
	return rc != 0 ? rc : download_json_finish(d);
}

static void assert_decodes(const char *text, const char *expected)
{
	for (size_t piece = 1; piece < 10; piece++) {
		struct memory_file f = memory_file_new(0);

		if (decode(&f, text, strlen(text), piece) != 0)
			fail_msg("refused: %s", text);
		assert_int_equal(f.bytes->len, strlen(expected));
		if (f.bytes->len > 0)
			assert_memory_equal(
				f.bytes->data, expected, f.bytes->len);
		memory_file_free(&f);
	}
}

static void assert_refused(const char *text)
{
	for (size_t piece = 1; piece < 4; piece++) {
		struct memory_file f = memory_file_new(0);

		if (decode(&f, text, strlen(text), piece) != -EPROTO)
			fail_msg("accepted: %s", text);
		memory_file_free(&f);
	}
}

static void the_servers_model_is_decoded(void **state)
{
	(void)state;
	assert_decodes("{\"name\": \"a\", \"path\": \"a\", \"created\": \"x\","
		       " \"content\": \"QUJD\\n\", \"format\": \"base64\","
		       " \"size\": 3, \"writable\": true, \"type\": \"file\"}",
		"ABC");
}

static void members_come_in_any_order(void **state)
{
	(void)state;
	assert_decodes("{\"format\":\"base64\",\"content\":\"QUI=\"}", "AB");
	assert_decodes("{\"content\":\"QQ==\",\"format\":\"base64\"}", "A");
	assert_decodes("\n{ \"content\" :\t\"\" } \n", "");
}

static void other_members_are_skipped(void **state)
{
	(void)state;
	assert_decodes("{\"a\":{\"content\":\"WFhY\",\"b\":[\"}\",{}]},"
		       "\"b\":[\"content\",\"\\\"]\"],\"c\":-1.5e+3,\"d\":null,"
		       "\"content\":\"QUJD\",\"e\":\"\\\\\",\"f\":[[[]]]}",
		"ABC");
}

static void only_the_key_itself_counts(void **state)
{
	(void)state;
	assert_decodes("{\"contents\":\"WFhY\",\"conten\":\"WFhY\","
		       "\"content\\u0000\":\"x\",\"\\u00e9content\":\"x\","
		       "\"contentcontentcontent\":1,"
		       "\"con\\u0074ent\":\"QUJD\"}",
		"ABC");
}

static void escapes_inside_the_content_are_undone(void **state)
{
	(void)state;
	assert_decodes("{\"content\":\"\\u0051U\\n\\r\\nJD\"}", "ABC");
	assert_decodes("{\"content\":\"Pz8\\/\"}", "???");
}

static void what_is_not_what_was_asked_for_is_refused(void **state)
{
	static const char *const texts[] = { "", "{}", "[]", "null", "x",
		"{\"content\":null,\"format\":null}",
		"{\"content\":[],\"format\":\"json\"}",
		"{\"content\":{\"content\":\"QUJD\"}}", "{\"content\":7}",
		"{\"content\":\"QUJD\",\"format\":\"text\"}",
		"{\"format\":\"text\",\"content\":\"QUJD\"}",
		"{\"content\":\"QUJD\",\"format\":null}",
		"{\"content\":\"QUJD\",\"format\":\"base6\"}",
		"{\"content\":\"QUJD\",\"format\":\"base64base64base64\"}",
		"{\"content\":\"QUJD\",\"content\":\"QUJD\"}",
		"{\"name\":\"x\"}", "<html>" };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
		assert_refused(texts[i]);
}

static void what_is_cut_short_is_refused(void **state)
{
	const char *whole = "{\"a\":[1],\"content\":\"QUJD\\n\",\"b\":\"c\"}";

	(void)state;
	for (size_t n = 0; n < strlen(whole); n++) {
		g_autofree char *cut = g_strndup(whole, n);

		assert_refused(cut);
	}
	assert_refused("{\"content\":\"QUJD\"}x");
	assert_refused("{\"content\":\"QUJD\"},");
}

static void bad_base64_is_refused(void **state)
{
	static const char *const contents[] = { "Q", "QU", "QUJ",
		"QUI=QUI=", "QUI=\\n=", "=QUJ", "Q=JD", "QU=D", "QU==JD",
		"Q===", "====", "QUJ*", "QUJ D", "QUJ\\u00e9", "QUJ\\\\",
		"QUJ\\t", "QUJ\n", "QUJ\\u00", "QUJ\\q", "Q-_=" };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(contents); i++) {
		g_autofree char *text =
			g_strdup_printf("{\"content\":\"%s\"}", contents[i]);

		assert_refused(text);
	}
}

static void long_content_survives_any_piece_size(void **state)
{
	static const size_t pieces[] = { 1, 2, 3, 77, 4096, 1 << 20 };
	struct memory_file f = memory_file_new(3 * DOWNLOAD_PIECE_BYTES + 1);
	g_autofree char *base64 = g_base64_encode(f.bytes->data, f.bytes->len);
	g_autofree char *text = g_strdup_printf(
		"{\"content\":\"%s\\n\",\"format\":\"base64\"}", base64);

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(pieces); i++) {
		struct memory_file got = memory_file_new(0);

		assert_int_equal(
			decode(&got, text, strlen(text), pieces[i]), 0);
		assert_int_equal(got.bytes->len, f.bytes->len);
		assert_memory_equal(
			got.bytes->data, f.bytes->data, f.bytes->len);
		memory_file_free(&got);
	}
	memory_file_free(&f);
}

static void what_is_skipped_is_bounded(void **state)
{
	g_autofree char *junk = g_strnfill(CONTENTS_MODEL_MAX, ' ');
	g_autofree char *text =
		g_strdup_printf("{%s\"content\":\"QUJD\"}", junk);
	struct memory_file f = memory_file_new(0);

	(void)state;
	assert_int_equal(decode(&f, text, strlen(text), 4096), -EFBIG);
	memory_file_free(&f);
}

static void depth_is_bounded(void **state)
{
	g_autofree char *open = g_strnfill(JSON_DEPTH_MAX + 1, '[');
	g_autofree char *text = g_strdup_printf("{\"a\":%s", open);

	(void)state;
	assert_refused(text);
}

static void the_sinks_error_is_final(void **state)
{
	struct memory_file f = memory_file_new(0);
	const char *text = "{\"content\":\"QUJD\"}";

	(void)state;
	f.error = -ENOSPC;
	assert_int_equal(decode(&f, text, strlen(text), 3), -ENOSPC);
	memory_file_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_servers_model_is_decoded),
		cmocka_unit_test(members_come_in_any_order),
		cmocka_unit_test(other_members_are_skipped),
		cmocka_unit_test(only_the_key_itself_counts),
		cmocka_unit_test(escapes_inside_the_content_are_undone),
		cmocka_unit_test(what_is_not_what_was_asked_for_is_refused),
		cmocka_unit_test(what_is_cut_short_is_refused),
		cmocka_unit_test(bad_base64_is_refused),
		cmocka_unit_test(long_content_survives_any_piece_size),
		cmocka_unit_test(what_is_skipped_is_bounded),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(the_sinks_error_is_final),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
