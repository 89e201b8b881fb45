/* Where a command line ends: at a newline that is no part of a word. */
#include "config.h"

#include "run_line.h"
#include "test.h"

#include <glib.h>
#include <string.h>

static void assert_end(const char *begun, const char *bytes, size_t expected)
{
	size_t end = run_line_end(begun, bytes, strlen(bytes));

	if (end != expected)
		fail_msg("<%s><%s> ends at %zu, not %zu", begun, bytes, end,
			expected);
}

static void a_newline_ends_a_line(void **state)
{
	(void)state;
	assert_end("", "", 0);
	assert_end("", "\n", 0);
	assert_end("", "main.py", 7);
	assert_end("", "main.py\ninput\n", 7);
	assert_end("main.", "py\n", 2);
	assert_end("", "a 'b' \"c\"\n\n", 9);
}

static void a_newline_in_a_word_does_not(void **state)
{
	(void)state;
	assert_end("", "a 'b\nc'\nd\n", 7);
	assert_end("", "a \"b\nc\"\nd\n", 7);
	assert_end("", "a \"b\\\"\nc\"\nd\n", 9);
	assert_end("", "a b\\\nc\nd\n", 6);
	assert_end("a 'b", "\nc'\nd\n", 3);
	assert_end("a 'b\n", "c'\nd\n", 2);
	assert_end("", "a '\\'\nb\n", 5);
}

static void a_comment_hides_quotes(void **state)
{
	(void)state;
	assert_end("", "a # it's\nb's\n", 8);
	assert_end("", "a#'\nb'\nc\n", 6);
	/* Behind what is escaped, too, as GLib sees it. */
	assert_end("", "a \\\n# it's\nb\n", 10);
	assert_end("", "a\\ # it's\nb\n", 9);
}

static void without_any_other_end_it_is_the_first_newline(void **state)
{
	(void)state;
	assert_end("", "a 'b\nc\n", 4);
	assert_end("", "a \"\nb\n", 3);
	assert_end("", "a \\\n", 3);
	assert_end("", "a 'b", 4);
}

/* What g_shell_quote() makes of any word arrives as that word. */
static void quoted_words_are_one_line(void **state)
{
	static const char letters[] = "a \n\\'\"#$\t";
	GRand *random = g_rand_new_with_seed(1);

	(void)state;
	for (int turn = 0; turn < 20000; turn++) {
		char word[9] = "";
		g_autofree char *quoted = NULL;
		g_autofree char *line = NULL;
		g_auto(GStrv) words = NULL;
		int length = g_rand_int_range(random, 0, 8);
		size_t end;

		for (int i = 0; i < length; i++)
			word[i] = letters[g_rand_int_range(
				random, 0, sizeof(letters) - 1)];
		quoted = g_shell_quote(word);
		line = g_strdup_printf("x %s\nrest 'of\n it\n", quoted);
		end = run_line_end("", line, strlen(line));
		assert_int_equal(end, strlen(quoted) + 2);
		line[end] = '\0';
		assert_true(g_shell_parse_argv(line, NULL, &words, NULL));
		assert_string_equal(words[1], word);
	}
	g_rand_free(random);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_newline_ends_a_line),
		cmocka_unit_test(a_newline_in_a_word_does_not),
		cmocka_unit_test(a_comment_hides_quotes),
		cmocka_unit_test(without_any_other_end_it_is_the_first_newline),
		cmocka_unit_test(quoted_words_are_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
