/* Hostile and broken files: an error with a line, and nothing of the file. */
#include "config.h"

#include "kubeconfig_yaml.h"

#include "common_limits.h"
#include "test.h"

#include <errno.h>
#include <string.h>

static struct config_tree *parse(const char *text)
{
	struct config_tree *tree = NULL;
	char *why = NULL;

	if (config_parse(text, strlen(text), "f", &tree, &why) != 0)
		fail_msg("%s", why);
	return tree;
}

static void refused(const char *text, size_t length, const char *words)
{
	struct config_tree *tree = NULL;
	g_autofree char *why = NULL;

	assert_int_equal(config_parse(text, length, "f", &tree, &why), -EINVAL);
	assert_null(tree);
	if (!g_str_has_prefix(why, "f:") || strstr(why, words) == NULL ||
		strstr(why, "SECRET") != NULL)
		fail_msg("it said: %s", why);
}

static void check_text(
	const struct config_node *map, const char *key, const char *expected)
{
	const char *text;
	char *why = NULL;

	assert_int_equal(config_get_text(map, key, &text, &why), 0);
	if (expected == NULL)
		assert_null(text);
	else
		assert_string_equal(text, expected);
}

static void scalars_are_texts_as_written(void **state)
{
	struct config_tree *t = parse("a: 0123\nb: 'it''s'\nc: true\nd: ~\n"
				      "e: null\nf:\ng: ''\nh: 'null'\n"
				      "i: \"x\\u00e4\"\nj: |\n  one\n  two\n");

	(void)state;
	check_text(t->root, "a", "0123");
	check_text(t->root, "b", "it's");
	check_text(t->root, "c", "true");
	check_text(t->root, "d", NULL);
	check_text(t->root, "e", NULL);
	check_text(t->root, "f", NULL);
	check_text(t->root, "g", NULL);
	check_text(t->root, "h", "null");
	check_text(t->root, "i", "x\303\244");
	check_text(t->root, "j", "one\ntwo\n");
	check_text(t->root, "none", NULL);
	assert_int_equal(config_member(t->root, "j")->line, 10);
	config_free(t);
}

static void nothing_is_a_tree_without_a_root(void **state)
{
	struct config_tree *t = parse("");

	(void)state;
	assert_null(t->root);
	check_text(t->root, "a", NULL);
	config_free(t);
	t = parse("# only this\n");
	assert_null(t->root);
	config_free(t);
}

static void an_alias_is_its_anchor(void **state)
{
	struct config_tree *t = parse("a: &x {k: v}\nb: *x\nc: &x w\nd: *x\n");

	(void)state;
	assert_ptr_equal(
		config_member(t->root, "a"), config_member(t->root, "b"));
	check_text(t->root, "d", "w");
	config_free(t);
}

static void aliases_multiply_nothing(void **state)
{
	GString *text = g_string_new("a0: &a0 [x]\n");
	struct config_tree *t;
	int i;

	(void)state;
	for (i = 1; i < 60; i++)
		g_string_append_printf(text,
			"a%d: &a%d [*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1,
			i - 1, i - 1);
	t = parse(text->str);
	assert_true(t->nodes->len < 200);
	config_free(t);
	(void)g_string_free(text, TRUE);
}

static void broken_files_are_refused_with_a_line(void **state)
{
	static const struct {
		const char *text;
		const char *words;
	} cases[] = {
		{ "a: 1\n\tb: SECRET\n",
			"f:2: the line is indented with a tab" },
		{ "a:\n  b: 1\n \tc: SECRET\n",
			"f:3: the line is indented with a tab" },
		{ "a: 1\nb: [SECRET\n", "f:3: this is no YAML: " },
		{ "a: \"SECRET\n", "this is no YAML: " },
		{ "a: SECRET: b\n", "f:1: this is no YAML: " },
		{ "a: 1\na: SECRET\n",
			"f:2: the key of this line stands here and in line 1" },
		{ "token: SECRET\nx: 1\ntoken: SECRET\n",
			"f:3: the key `token` stands here and in line 1" },
		{ "{\"user\": {\"SECRET\": 1, \"SECRET\": 2}}",
			"f:1: the key of this line" },
		{ "a: *SECRET\n", "f:1: an alias (*) stands here" },
		{ "a: &SECRET [*SECRET]\n", "f:1: an alias (*) stands here" },
		{ "a: &x {b: 1}\nc:\n  <<: *x\n", "f:3: YAML's merge key" },
		{ "? [SECRET]\n: b\n", "f:1: a key must be a word" },
		{ "\"a\\0SECRET\": b\n", "f:1: a key has a NUL" },
		{ "a: 1\n---\nb: 2\n", "f:2: a second document begins" },
		{ "a: \001\n", "f:1: this is no YAML: control characters" },
		{ "a: 1\nb: \377SECRET\n", "f:2: this is not UTF-8" },
		{ "\377\376a\n", "f:1: this is not UTF-8" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(cases); i++)
		refused(cases[i].text, strlen(cases[i].text), cases[i].words);
	refused("a: 1\nb: x\0y\n", 11, "f:2: there is a NUL byte");
}

static void what_is_too_deep_is_refused(void **state)
{
	g_autofree char *flow = g_strnfill(100000, '[');
	GString *block = g_string_new(NULL);
	int i;

	(void)state;
	refused(flow, strlen(flow), "f:1: it is nested too deeply");
	for (i = 0; i < 100; i++)
		g_string_append_printf(block, "%*sa:\n", i, "");
	refused(block->str, block->len, "f:65: it is nested too deeply");
	(void)g_string_free(block, TRUE);
}

static void what_is_too_much_is_refused(void **state)
{
	GString *text = g_string_new(NULL);
	g_autofree char *large = g_strnfill((gsize)10 * MIB, 'x');
	int i;

	(void)state;
	refused(large, (size_t)10 * MIB, "the file is too large");
	for (i = 0; i <= KUBECONFIG_NODES_MAX; i++)
		g_string_append(text, "- a\n");
	refused(text->str, text->len, "there is too much in the file");
	(void)g_string_free(text, TRUE);
}

static void the_longest_scalar_is_read(void **state)
{
	g_autofree char *word = g_strnfill((gsize)(3 * MIB), 'x');
	g_autofree char *text = g_strconcat("a: '", word, "'\n", NULL);
	struct config_tree *t = parse(text);

	(void)state;
	check_text(t->root, "a", word);
	config_free(t);
}

static void names_are_shown_in_one_line(void **state)
{
	g_autofree char *shown = config_show("a\nb\033[1m\377");
	g_autofree char *long_name = g_strnfill(500, 'n');
	g_autofree char *cut = config_show(long_name);

	(void)state;
	assert_string_equal(shown, "a?b?[1m\357\277\275");
	assert_int_equal(strlen(cut), 80);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars_are_texts_as_written),
		cmocka_unit_test(nothing_is_a_tree_without_a_root),
		cmocka_unit_test(an_alias_is_its_anchor),
		cmocka_unit_test(aliases_multiply_nothing),
		cmocka_unit_test(broken_files_are_refused_with_a_line),
		cmocka_unit_test(what_is_too_deep_is_refused),
		cmocka_unit_test(what_is_too_much_is_refused),
		cmocka_unit_test(the_longest_scalar_is_read),
		cmocka_unit_test(names_are_shown_in_one_line),
	};

	return cmocka_run_group_tests_name(
		"kubeconfig_yaml", tests, NULL, NULL);
}
