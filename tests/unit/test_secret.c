/* Secrets: what may be one, and the environment's. */
#include "config.h"

#include "secret.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void a_secret_is_a_copy(void **state)
{
	char bytes[] = "t0ken";
	struct secret *s = secret_new(bytes, 5);

	(void)state;
	secret_wipe(bytes, sizeof(bytes));
	assert_int_equal(bytes[0], 0);
	assert_string_equal(secret_peek(s), "t0ken");
	assert_ptr_equal(secret_ref(s), s);
	secret_unref(s);
	secret_unref(s);
	secret_unref(NULL);
}

static void what_could_break_out_of_a_header_is_no_secret(void **state)
{
	static const char *const bad[] = { "", "a\nb", "a\rb", "a b", "\t",
		"\x7f" };
	char long_one[SECRET_BYTES_MAX + 1];
	struct secret *s;
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(bad); i++)
		assert_null(secret_new(bad[i], strlen(bad[i])));
	assert_null(secret_new("a\0b", 3));
	memset(long_one, 'x', sizeof(long_one));
	assert_null(secret_new(long_one, sizeof(long_one)));
	s = secret_new(long_one, SECRET_BYTES_MAX);
	assert_non_null(s);
	secret_unref(s);
}

static void equal_means_the_same_bytes(void **state)
{
	struct secret *a = secret_new("abc", 3);
	struct secret *b = secret_new("abc", 3);
	struct secret *c = secret_new("abd", 3);
	struct secret *d = secret_new("abcd", 4);

	(void)state;
	assert_true(secret_equal(a, b));
	assert_false(secret_equal(a, c));
	assert_false(secret_equal(a, d));
	assert_false(secret_equal(a, NULL));
	assert_true(secret_equal(NULL, NULL));
	secret_unref(a);
	secret_unref(b);
	secret_unref(c);
	secret_unref(d);
}

static void random_secrets_differ(void **state)
{
	struct secret *a = secret_random();
	struct secret *b = secret_random();

	(void)state;
	assert_int_equal(strlen(secret_peek(a)), 48);
	assert_int_equal(strspn(secret_peek(a), "0123456789abcdef"), 48);
	assert_false(secret_equal(a, b));
	secret_unref(a);
	secret_unref(b);
}

static void a_text_has_its_secret_on_the_first_line(void **state)
{
	static const struct {
		const char *text;
		int rc;
		const char *secret;
	} rows[] = {
		{ "abc", 0, "abc" },
		{ "abc\n", 0, "abc" },
		{ " \tabc \r\nmore\n", 0, "abc" },
		{ "", -ENOENT, NULL },
		{ "\nabc", -ENOENT, NULL },
		{ "  \n", -ENOENT, NULL },
		{ "a b\n", -EINVAL, NULL },
		{ "a\tb", -EINVAL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct secret *s = NULL;

		assert_int_equal(secret_from_text(rows[i].text,
					 strlen(rows[i].text), &s),
			rows[i].rc);
		if (rows[i].rc == 0)
			assert_string_equal(secret_peek(s), rows[i].secret);
		secret_unref(s);
	}
	/* It need not end where C's strings do. */
	{
		struct secret *s = NULL;

		assert_int_equal(secret_from_text("abcdef", 3, &s), 0);
		assert_string_equal(secret_peek(s), "abc");
		secret_unref(s);
		assert_int_equal(secret_from_text("a\0b", 3, &s), -EINVAL);
	}
}

static void a_cookie_is_known_by_its_word(void **state)
{
	struct secret *cookie = secret_new_cookie("name=\"2|1\"", 10);
	struct secret *token = secret_new("t0ken", 5);

	(void)state;
	assert_string_equal(secret_peek(cookie), "cookie:name=\"2|1\"");
	assert_string_equal(secret_cookie(cookie), "name=\"2|1\"");
	assert_null(secret_cookie(token));
	assert_null(secret_cookie(NULL));
	assert_null(secret_new_cookie("a\r\nb", 4));
	secret_unref(cookie);
	secret_unref(token);
}

static void a_password_may_have_spaces(void **state)
{
	struct secret *s = secret_new_phrase(" two words ", 11);

	(void)state;
	assert_string_equal(secret_peek(s), " two words ");
	assert_null(secret_new_phrase("a\nb", 3));
	assert_null(secret_new_phrase("", 0));
	secret_unref(s);
}

static void the_environments_token_is_taken_and_kept(void **state)
{
	struct secret *s = NULL;

	(void)state;
	(void)setenv("PYCLOUD_TOKEN", "fr0m-env", 1);
	assert_int_equal(secret_from_environment(&s), 0);
	assert_string_equal(secret_peek(s), "fr0m-env");
	secret_unref(s);
	assert_null(getenv("PYCLOUD_TOKEN"));
	assert_int_equal(secret_from_environment(&s), 0);
	assert_string_equal(secret_peek(s), "fr0m-env");
	secret_unref(s);
}

static void an_impossible_token_is_not_passed_over(void **state)
{
	struct secret *s = NULL;

	(void)state;
	(void)setenv("PYCLOUD_TOKEN", "two words", 1);
	assert_int_equal(secret_from_environment(&s), -EINVAL);
	assert_null(s);
	assert_null(getenv("PYCLOUD_TOKEN"));
	(void)setenv("PYCLOUD_TOKEN", "", 1);
	assert_int_equal(secret_from_environment(&s), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_is_a_copy),
		cmocka_unit_test(what_could_break_out_of_a_header_is_no_secret),
		cmocka_unit_test(equal_means_the_same_bytes),
		cmocka_unit_test(random_secrets_differ),
		cmocka_unit_test(a_text_has_its_secret_on_the_first_line),
		cmocka_unit_test(a_cookie_is_known_by_its_word),
		cmocka_unit_test(a_password_may_have_spaces),
		cmocka_unit_test(the_environments_token_is_taken_and_kept),
		cmocka_unit_test(an_impossible_token_is_not_passed_over),
	};

	(void)unsetenv("PYCLOUD_TOKEN");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
