/* Names beside a file that somebody else saved. */
#include "config.h"

#include "conflict.h"

#include "names.h"
#include "test.h"

#include <string.h>

#define WHEN ((time_t)1769903999) /* 2026-01-31T23:59:59 */
#define MARK ".conflict-host-20260131T235959"

static void assert_name(const char *path, unsigned number, const char *expected)
{
	g_autofree char *name = conflict_name(path, "host", WHEN, number);

	assert_string_equal(name, expected);
}

static void the_extension_stays_at_the_end(void **state)
{
	(void)state;
	assert_name("a/main.py", 1, "a/main" MARK ".py");
	assert_name("main.tar.gz", 1, "main.tar" MARK ".gz");
	assert_name("a.b/Makefile", 1, "a.b/Makefile" MARK);
	assert_name(".bashrc", 1, ".bashrc" MARK);
	assert_name(".vim.rc", 1, ".vim" MARK ".rc");
	assert_name("name.", 1, "name" MARK ".");
	assert_name("a.this is no extension but a sentence", 1,
		"a.this is no extension but a sentence" MARK);
}

static void a_second_copy_has_a_number(void **state)
{
	(void)state;
	assert_name("a.py", 2, "a" MARK "-2.py");
	assert_name("a.py", 9, "a" MARK "-9.py");
}

/* Whole characters of one to four bytes, up to the longest names. */
static void long_names_are_cut_between_characters(void **state)
{
	const char *const characters[] = { "x", "\xc3\xa9", "\xe2\x82\xac",
		"\xf0\x9f\x90\x8d" };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(characters); i++) {
		for (size_t length = 1; length <= 255 / strlen(characters[i]);
			length++) {
			GString *path = g_string_new("d/");
			g_autofree char *name = NULL;

			for (size_t at = 0; at < length; at++)
				g_string_append(path, characters[i]);
			name = conflict_name(path->str, "host", WHEN, 3);
			assert_true(strlen(path_basename(name)) <= 245);
			assert_true(g_utf8_validate(name, -1, NULL));
			assert_true(g_str_has_suffix(name, MARK "-3"));
			g_string_free(path, TRUE);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_extension_stays_at_the_end),
		cmocka_unit_test(a_second_copy_has_a_number),
		cmocka_unit_test(long_names_are_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
