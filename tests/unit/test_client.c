/* The front end's pure parts: mountinfo, words, options, texts. */
#include "config.h"

#include "client.h"
#include "client_options.h"
#include "test.h"

#include <string.h>

/* --- mountinfo ------------------------------------------------------------ */

#define LINE(device, root, point, type)              \
	"40 25 " device " " root " " point           \
	" rw,nosuid,nodev shared:1 master:2 - " type \
	" pycloud:demo rw,user_id=0\n"
#define OURS "fuse.pycloud"

static const char mountinfo[] = LINE("8:1", "/", "/", "ext4") LINE("0:50", "/",
	"/home/ann/ws", OURS) LINE("0:51", "/", "/home/ann/ws/inner",
	"tmpfs") LINE("0:52", "/", "/home/ann/ws/inner/deep", OURS) LINE("0:53",
	"/", "/mnt/two\\040words\\134x",
	OURS) LINE("0:50", "/data/set", "/srv/part", OURS) LINE("0:60", "/only",
	"/srv/lonely", OURS) LINE("0:54", "/", "/mnt/old", OURS) LINE("0:55",
	"/", "/mnt/old", "tmpfs") LINE("0:56", "/", "/mnt/other",
	"fuse.pycloudy") "junk\n\n40 25 0:57 /\n40 25 0:58 / /mnt/cut rw\n";

static void assert_root(const char *path, const char *expected)
{
	g_autofree char *root = client_mount_root(mountinfo, path);

	if (g_strcmp0(root, expected) != 0)
		fail_msg("%s is in %s, not in %s", path, root, expected);
}

static void a_directory_is_in_the_deepest_mount(void **state)
{
	(void)state;
	assert_root("/home/ann/ws", "/home/ann/ws");
	assert_root("/home/ann/ws/a/b", "/home/ann/ws");
	assert_root("/home/ann/ws/inner", NULL);
	assert_root("/home/ann/ws/inner/x", NULL);
	assert_root("/home/ann/ws/inner/deep/x", "/home/ann/ws/inner/deep");
}

static void other_places_are_in_none(void **state)
{
	(void)state;
	assert_root("/", NULL);
	assert_root("/home/ann", NULL);
	assert_root("/home/ann/ws2", NULL);
	assert_root("/mnt/other", NULL);
	assert_root("/mnt/cut", NULL);
}

static void escapes_in_mount_points_are_read(void **state)
{
	(void)state;
	assert_root("/mnt/two words\\x/a", "/mnt/two words\\x");
}

static void the_later_of_two_on_one_place_counts(void **state)
{
	(void)state;
	assert_root("/mnt/old/x", NULL);
}

static void a_part_that_is_bound_elsewhere_has_the_whole_ones_root(void **state)
{
	(void)state;
	assert_root("/srv/part/x", "/home/ann/ws");
	assert_root("/srv/lonely", "");
}

static void nothing_is_found_in_nothing(void **state)
{
	(void)state;
	assert_null(client_mount_root("", "/a"));
	assert_null(client_mount_root("\n - \n", "/a"));
}

/* --- words ---------------------------------------------------------------- */

static void assert_line(const char *const *words, const char *expected)
{
	g_autofree char *line = client_text_line(words);

	assert_string_equal(line, expected);
}

static void words_are_quoted_where_they_must_be(void **state)
{
	const char *const plain[] = { "main.py", "--x=1,2", "-m", "ä", NULL };
	const char *const odd[] = { "a b", "", "it's", "#", "a\nb", NULL };

	(void)state;
	assert_line(plain, "main.py --x=1,2 -m ä\n");
	assert_line(odd, "'a b' '' 'it'\\''s' '#' 'a\nb'\n");
}

static void any_words_come_back(void **state)
{
	GRand *random = g_rand_new_with_seed(7);

	(void)state;
	for (int turn = 0; turn < 20000; turn++) {
		char words[3][7] = { "", "", "" };
		const char *const list[] = { words[0], words[1], words[2],
			NULL };
		g_autofree char *line = NULL;
		g_auto(GStrv) back = NULL;

		for (int i = 0; i < 3; i++)
			for (int k = g_rand_int_range(random, 0, 7); k > 0; k--)
				words[i][k - 1] = (char)g_rand_int_range(
					random, 1, turn % 2 == 0 ? 127 : 48);
		line = client_text_line(list);
		assert_true(g_shell_parse_argv(line, NULL, &back, NULL));
		assert_int_equal(g_strv_length(back), 3);
		for (int i = 0; i < 3; i++)
			assert_string_equal(back[i], words[i]);
	}
	g_rand_free(random);
}

/* --- options -------------------------------------------------------------- */

/* "run -C d x" -> the options. */
static bool parse(
	const char *line, struct client_options *ret, char ***ret_argv)
{
	g_autofree char *why = NULL;
	bool is_right;

	assert_true(g_shell_parse_argv(line, NULL, ret_argv, NULL));
	is_right = client_options_parse(
		(int)g_strv_length(*ret_argv), *ret_argv, ret, &why);
	assert_true(is_right == (why == NULL));
	return is_right;
}

static void assert_run(
	const char *line, const char *directory, const char *words)
{
	g_auto(GStrv) argv = NULL;
	g_autofree char *joined = NULL;
	struct client_options o;

	assert_true(parse(line, &o, &argv));
	assert_int_equal(o.command, COMMAND_RUN);
	assert_int_equal(g_strcmp0(o.directory, directory), 0);
	joined = g_strjoinv("|", (char **)(uintptr_t)o.words);
	assert_string_equal(joined, words);
}

static void the_first_word_ends_runs_options(void **state)
{
	(void)state;
	assert_run("pycloud run x.py -C d", NULL, "x.py|-C|d");
	assert_run("pycloud run -C d x.py", "d", "x.py");
	assert_run("pycloud run -Cd -m x", "d", "-m|x");
	assert_run("pycloud run --directory=d -- -C x", "d", "-C|x");
	assert_run("pycloud run --directory d -- -- x", "d", "--|x");
	assert_run("pycloud run -c 'print(1)'", NULL, "-c|print(1)");
	assert_run("pycloud run -s x", NULL, "-s|x");
}

static void options_of_others_stand_anywhere(void **state)
{
	static const char *const lines[] = {
		"pycloud kill -s INT 3 -C d",
		"pycloud kill 3 -C d --signal=INT",
		"pycloud kill -Cd -sINT 3",
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
		g_auto(GStrv) argv = NULL;
		struct client_options o;

		assert_true(parse(lines[i], &o, &argv));
		assert_int_equal(o.command, COMMAND_KILL);
		assert_string_equal(o.number, "3");
		assert_string_equal(o.signal_name, "INT");
		assert_string_equal(o.directory, "d");
	}
}

static void help_is_always_to_be_had(void **state)
{
	static const char *const lines[] = { "pycloud --help", "pycloud help",
		"pycloud help run", "pycloud run -h", "pycloud runs --help x",
		"pycloud kill 1 -h" };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
		g_auto(GStrv) argv = NULL;
		struct client_options o;

		assert_true(parse(lines[i], &o, &argv));
		assert_int_equal(o.command, COMMAND_HELP);
	}
}

static void wrong_usage_is_told(void **state)
{
	static const char *const lines[] = { "pycloud", "pycloud x",
		"pycloud run", "pycloud run --", "pycloud run -C",
		"pycloud attach", "pycloud attach 1 2", "pycloud attach -s 1 1",
		"pycloud attach a/b", "pycloud attach ..", "pycloud kill",
		"pycloud kill 1 -s", "pycloud runs 1", "pycloud runs --jso" };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
		g_auto(GStrv) argv = NULL;
		struct client_options o;

		if (parse(lines[i], &o, &argv))
			fail_msg("<%s> is taken for right", lines[i]);
	}
}

/* --- texts ---------------------------------------------------------------- */

static void values_are_found_by_whole_keys(void **state)
{
	static const char text[] = "number: 3\nexit: 0\nexit_x: 1\nwhy: a: b\n";
	g_autofree char *status = client_text_value(text, "exit");
	g_autofree char *why = client_text_value(text, "why");

	(void)state;
	assert_string_equal(status, "0");
	assert_string_equal(why, "a: b");
	assert_null(client_text_value(text, "exi"));
	assert_null(client_text_value(text, "it"));
	assert_null(client_text_value("", "why"));
}

static void json_strings_are_valid(void **state)
{
	GString *out = g_string_new(NULL);

	(void)state;
	client_text_append_json(out, "a\"b\\c\n\x01ä\xff");
	assert_string_equal(
		out->str, "\"a\\\"b\\\\c\\u000a\\u0001ä\xef\xbf\xbd\"");
	g_string_free(out, TRUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_directory_is_in_the_deepest_mount),
		cmocka_unit_test(other_places_are_in_none),
		cmocka_unit_test(escapes_in_mount_points_are_read),
		cmocka_unit_test(the_later_of_two_on_one_place_counts),
		cmocka_unit_test(
			a_part_that_is_bound_elsewhere_has_the_whole_ones_root),
		cmocka_unit_test(nothing_is_found_in_nothing),
		cmocka_unit_test(words_are_quoted_where_they_must_be),
		cmocka_unit_test(any_words_come_back),
		cmocka_unit_test(the_first_word_ends_runs_options),
		cmocka_unit_test(options_of_others_stand_anywhere),
		cmocka_unit_test(help_is_always_to_be_had),
		cmocka_unit_test(wrong_usage_is_told),
		cmocka_unit_test(values_are_found_by_whole_keys),
		cmocka_unit_test(json_strings_are_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
