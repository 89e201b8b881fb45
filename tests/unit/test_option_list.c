/* The commas of -o, and those that are none. */
#include "config.h"

#include "option_list.h"
#include "test.h"

#include <string.h>

/* The expected options, with '|' between them. */
static void assert_split(const char *list, const char *expected)
{
	g_autofree char *why = NULL;
	g_auto(GStrv) words = option_list_split(list, &why);
	g_autofree char *joined = NULL;

	if (words == NULL)
		fail_msg("%s: %s", list, why);
	joined = g_strjoinv("|", words);
	if (strcmp(joined, expected) != 0)
		fail_msg("%s is %s, not %s", list, joined, expected);
}

static void assert_open(const char *list)
{
	g_autofree char *why = NULL;
	g_auto(GStrv) words = option_list_split(list, &why);

	assert_null(words);
	assert_non_null(strstr(why, "quote"));
}

static void commas_part_options(void **state)
{
	(void)state;
	assert_split("", "");
	assert_split("ro", "ro");
	assert_split("ro,timeout=5,x-a", "ro|timeout=5|x-a");
	assert_split(",ro,,nofail,", "|ro||nofail|");
}

static void quotes_hide_commas_as_mount_8_has_it(void **state)
{
	(void)state;
	assert_split("a=\"b,c\",d", "a=b,c|d");
	assert_split("\"a=b,c\",d", "a=b,c|d");
	assert_split("a=b\",\"c", "a=b,c");
	assert_split("a=\"\",b", "a=|b");
	assert_split("a=\"b\\\"c\",d", "a=b\"c|d");
	assert_split("a=\"b\\\\\",c", "a=b\\|c");
}

static void backslashes_hide_commas_as_libfuse_has_it(void **state)
{
	(void)state;
	assert_split("a=b\\,c,d", "a=b,c|d");
	assert_split("a=b\\\\,c", "a=b\\|c");
	assert_split("a=b\\\"c,d", "a=b\"c|d");
	/* Those of a glob, or at the end, mean themselves. */
	assert_split("a=\\[b\\*,c", "a=\\[b\\*|c");
	assert_split("a=b\\", "a=b\\");
	assert_split("a=\\040", "a=\\040");
}

static void an_open_quote_is_an_error(void **state)
{
	(void)state;
	assert_open("\"");
	assert_open("a=\"b,c");
	assert_open("a=\"b\"\"");
	assert_open("a=\"b\\\"");
}

#define ROUNDS	20000
#define BYTES	12
#define CHOICES ",\"\\=a b\n\xc3\xa9,\"\\"

/* All short texts of the characters that mean something, by chance. */
static void what_is_escaped_comes_back(void **state)
{
	g_autoptr(GRand) dice = g_rand_new_with_seed(20261127);

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		char value[BYTES + 1] = "";
		g_autofree char *escaped = NULL;
		g_autofree char *list = NULL;

		for (int i = g_rand_int_range(dice, 0, BYTES + 1); i-- > 0;)
			value[i] = CHOICES[g_rand_int_range(
				dice, 0, (gint32)strlen(CHOICES))];
		escaped = option_list_escape(value);
		list = g_strconcat("ro,", escaped, ",nofail", NULL);
		{
			g_autofree char *why = NULL;
			g_auto(GStrv) words = option_list_split(list, &why);

			assert_non_null(words);
			assert_int_equal(g_strv_length(words), 3);
			assert_string_equal(words[1], value);
			assert_string_equal(words[2], "nofail");
		}
	}
}

/* Whatever is written is options, or a sentence. */
static void any_text_is_read_to_its_end(void **state)
{
	g_autoptr(GRand) dice = g_rand_new_with_seed(4711);

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		char list[BYTES + 1] = "";
		g_autofree char *why = NULL;
		g_auto(GStrv) words = NULL;

		for (int i = g_rand_int_range(dice, 0, BYTES + 1); i-- > 0;)
			list[i] = CHOICES[g_rand_int_range(
				dice, 0, (gint32)strlen(CHOICES))];
		words = option_list_split(list, &why);
		assert_true((words == NULL) == (why != NULL));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_part_options),
		cmocka_unit_test(quotes_hide_commas_as_mount_8_has_it),
		cmocka_unit_test(backslashes_hide_commas_as_libfuse_has_it),
		cmocka_unit_test(an_open_quote_is_an_error),
		cmocka_unit_test(what_is_escaped_comes_back),
		cmocka_unit_test(any_text_is_read_to_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
