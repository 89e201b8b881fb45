/* Names and paths: what is legal, what is trusted, what goes into a URL. */
#include "config.h"

#include "common_limits.h"
#include "names.h"
#include "test.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static void local_names_are_checked(void **state)
{
	char longest[NAME_BYTES_MAX + 2];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[NAME_BYTES_MAX] = '\0';
	assert_int_equal(name_check_local(longest), 0);
	longest[NAME_BYTES_MAX] = 'x';
	longest[NAME_BYTES_MAX + 1] = '\0';
	assert_int_equal(name_check_local(longest), -ENAMETOOLONG);
	assert_int_equal(name_check_local(""), -EINVAL);
	assert_int_equal(name_check_local("."), -EINVAL);
	assert_int_equal(name_check_local(".."), -EINVAL);
	assert_int_equal(name_check_local("a/b"), -EINVAL);
	assert_int_equal(name_check_local("caf\xe9"), -EILSEQ);
	assert_int_equal(name_check_local("..."), 0);
	assert_int_equal(name_check_local("a\nb\\ %#?\x01"), 0);
}

static void replaced_names_are_not_trusted(void **state)
{
	(void)state;
	assert_true(name_is_trusted("caf\xc3\xa9"));
	assert_false(name_is_trusted("caf\xef\xbf\xbd"));
	assert_false(name_is_trusted(".."));
	assert_false(name_is_trusted(""));
	assert_false(name_is_trusted("../x"));
}

static void unlisted_names_are_known(void **state)
{
	static const char *const always[] = { "__pycache__", "a.pyc", "a.pyo",
		"a~", "~", ".DS_Store", "x.so", "x.dylib" };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(always); i++) {
		assert_true(name_may_be_unlisted(always[i], true));
		assert_true(name_may_be_unlisted(always[i], false));
	}
	assert_true(name_may_be_unlisted(".git", false));
	assert_false(name_may_be_unlisted(".git", true));
	assert_false(name_may_be_unlisted("a.py", false));
	assert_false(name_may_be_unlisted("so", false));
	assert_false(name_may_be_unlisted("a~b", false));
}

static void assert_owned_string(char *text, const char *expected)
{
	assert_string_equal(text, expected);
	g_free(text);
}

static void paths_are_joined_and_split(void **state)
{
	(void)state;
	assert_owned_string(path_join("", "a"), "a");
	assert_owned_string(path_join("a/b", "c"), "a/b/c");
	assert_owned_string(path_parent("a/b/c"), "a/b");
	assert_owned_string(path_parent("a"), "");
	assert_owned_string(path_parent(""), "");
	assert_string_equal(path_basename("a/b"), "b");
	assert_string_equal(path_basename("a"), "a");
	assert_string_equal(path_basename(""), "");
}

static void below_means_whole_components(void **state)
{
	(void)state;
	assert_true(path_is_below("a/b", "a"));
	assert_true(path_is_below("a", "a"));
	assert_true(path_is_below("a", ""));
	assert_true(path_is_below("", ""));
	assert_false(path_is_below("ab", "a"));
	assert_false(path_is_below("a", "a/b"));
	assert_false(path_is_below("", "a"));
}

static void every_byte_outside_the_unreserved_is_encoded(void **state)
{
	(void)state;
	assert_owned_string(path_encode(""), "");
	assert_owned_string(
		path_encode("a b/%41/#?.txt"), "a%20b/%2541/%23%3F.txt");
	assert_owned_string(path_encode("\xc3\xa9+&=;'\"\\\n~-_."),
		"%C3%A9%2B%26%3D%3B%27%22%5C%0A~-_.");
	assert_owned_string(query_encode("a/b c"), "a%2Fb%20c");
}

static void api_routes_are_hidden_from_the_router(void **state)
{
	(void)state;
	assert_owned_string(path_encode("checkpoints"), "%63heckpoints");
	assert_owned_string(path_encode("a/trust/b"), "a/%74rust/b");
	assert_owned_string(
		path_encode("checkpoints/trust"), "%63heckpoints/%74rust");
	assert_owned_string(path_encode("checkpoint/trusty/xtrust"),
		"checkpoint/trusty/xtrust");
}

static void every_byte_survives_decoding(void **state)
{
	char all[128];
	g_autofree char *encoded = NULL;
	g_autofree char *decoded = NULL;

	(void)state;
	for (int i = 1; i < 128; i++)
		all[i - 1] = (char)i;
	all[127] = '\0';
	encoded = path_encode(all);
	decoded = g_uri_unescape_string(encoded, NULL);
	assert_string_equal(decoded, all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_names_are_checked),
		cmocka_unit_test(replaced_names_are_not_trusted),
		cmocka_unit_test(unlisted_names_are_known),
		cmocka_unit_test(paths_are_joined_and_split),
		cmocka_unit_test(below_means_whole_components),
		cmocka_unit_test(every_byte_outside_the_unreserved_is_encoded),
		cmocka_unit_test(api_routes_are_hidden_from_the_router),
		cmocka_unit_test(every_byte_survives_decoding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
