/* What a workspace's spec means, and where a token in it goes. */
#include "config.h"

#include "test.h"
#include "workspace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void names_choose_the_local_provider(void **state)
{
	static const struct {
		const char *spec;
		const char *name;
	} rows[] = {
		{ "demo", "demo" },
		{ "pycloud:demo", "demo" },
		{ "A1._-z", "A1._-z" },
		{ "0", "0" },
		{ "http", "http" },
		{ "123456789012345678901234567890123456789012345678901234567890"
		  "abc",
			"123456789012345678901234567890123456789012345678901234"
			"567890abc" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct workspace *w = NULL;
		char *why = NULL;

		assert_int_equal(
			workspace_parse(rows[i].spec, NULL, &w, &why), 0);
		assert_string_equal(w->name, rows[i].name);
		assert_null(why);
		workspace_free(w);
	}
}

static void what_is_neither_name_nor_url_is_refused(void **state)
{
	static const char *const specs[] = {
		"",
		"pycloud:",
		"pycloud:pycloud:demo",
		".demo",
		"-demo",
		"..",
		"a/b",
		"a b",
		"a:b",
		"d\xc3\xa9mo",
		"ftp://host/",
		"http:/host",
		"//host/",
		/* 64 of them, where 63 are the limit */
		"x123456789-x123456789-x123456789-x123456789-x123456789-x12345678",
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(specs); i++) {
		struct workspace *w = NULL;
		char *why = NULL;

		assert_int_equal(
			workspace_parse(specs[i], NULL, &w, &why), -EINVAL);
		assert_null(w);
		assert_non_null(why);
		g_free(why);
	}
}

struct url_row {
	const char *spec;
	const char *url;
	const char *token; /* NULL: none */
};

static const struct url_row url_rows[] = {
	{ "http://127.0.0.1:8888", "http://127.0.0.1:8888", NULL },
	{ "http://127.0.0.1:8888/", "http://127.0.0.1:8888", NULL },
	{ "http://h:8888/?token=abc", "http://h:8888", "abc" },
	{ "http://h:8888?token=abc", "http://h:8888", "abc" },
	{ "https://h/user/ann/", "https://h/user/ann", NULL },
	{ "https://h/user/ann/lab", "https://h/user/ann", NULL },
	{ "https://h/user/lab/lab/tree/a.py", "https://h/user/lab", NULL },
	{ "https://h/user/tree", "https://h/user/tree", NULL },
	{ "https://h/x/user/ann/gpu/lab?", "https://h/x/user/ann/gpu", NULL },
	{ "http://h/tree", "http://h", NULL },
	{ "http://h/tree/sub?token=T", "http://h", "T" },
	{ "http://h/lab/workspaces/auto-x/tree", "http://h", NULL },
	{ "http://h/notebooks/a%20b.ipynb", "http://h", NULL },
	{ "http://h/labs/treehouse", "http://h/labs/treehouse", NULL },
	{ "http://h/p//", "http://h/p", NULL },
	{ "http://h/?a=b&token=x%2By%2f&c=d", "http://h", "x+y/" },
	{ "http://h/?xtoken=no&token=yes", "http://h", "yes" },
	{ "http://h/?token=&a=b", "http://h", NULL },
	{ "http://h/?token=one&token=two", "http://h", "one" },
	{ "http://h/?token=T#frag?token=U", "http://h", "T" },
	{ "http://h/#?token=U", "http://h", NULL },
	{ "http://[::1]:8888/lab", "http://[::1]:8888", NULL },
};

static void check_url_row(const struct url_row *row)
{
	struct endpoint *endpoint = NULL;
	struct workspace *w = NULL;
	struct hop *hop;
	char *why = NULL;

	assert_int_equal(workspace_parse(row->spec, NULL, &w, &why), 0);
	assert_string_equal(w->name, row->url);
	assert_int_equal(workspace_open(w, NULL, &endpoint, &why), 0);
	assert_string_equal(endpoint_base_url(endpoint), row->url);
	assert_int_equal(endpoint_hop(endpoint, NULL, 0, &hop), 0);
	assert_null(hop->unix_socket);
	if (row->token == NULL)
		assert_null(hop->token);
	else
		assert_string_equal(secret_peek(hop->token), row->token);
	hop_unref(hop);
	endpoint_unref(endpoint);
	workspace_free(w);
}

static void urls_lose_token_page_and_slash(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(url_rows); i++)
		check_url_row(&url_rows[i]);
}

static void bad_urls_are_refused_without_repeating_them(void **state)
{
	static const char *const specs[] = {
		"http://",
		"http:///path",
		"http://:8888/",
		"http://?token=hush",
		"http://ann:hush@host/",
		"https://hush@host/user/ann/",
		"http://host/a b?token=hush",
		"http://host/?token=hush\n",
		"http://host\\@evil/?token=hush",
		"http://host/?token=hush%00",
		"http://host/?token=hush%0a",
		"http://host/?token=hush%",
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(specs); i++) {
		struct workspace *w = NULL;
		char *why = NULL;

		assert_int_equal(
			workspace_parse(specs[i], NULL, &w, &why), -EINVAL);
		assert_null(w);
		assert_non_null(why);
		assert_null(strstr(why, "hush"));
		g_free(why);
	}
}

static void an_endless_url_is_refused(void **state)
{
	char *spec = g_strnfill(100000, 'a');
	struct workspace *w = NULL;
	char *why = NULL;

	(void)state;
	memcpy(spec, "http://h/", 9);
	assert_int_equal(workspace_parse(spec, NULL, &w, &why), -EINVAL);
	g_free(why);
	g_free(spec);
}

static void the_environment_gives_a_token_to_a_bare_url(void **state)
{
	const struct url_row bare = { "http://h/", "http://h", "from-env" };
	const struct url_row own = { "http://h/?token=T", "http://h", "T" };

	(void)state;
	assert_int_equal(setenv("PYCLOUD_TOKEN", "from-env", 1), 0);
	check_url_row(&bare);
	check_url_row(&own);
	assert_int_equal(unsetenv("PYCLOUD_TOKEN"), 0);
}

static void an_impossible_token_of_the_environment_is_named(void **state)
{
	struct endpoint *endpoint = NULL;
	struct workspace *w = NULL;
	char *why = NULL;

	(void)state;
	assert_int_equal(setenv("PYCLOUD_TOKEN", "a\r\nb", 1), 0);
	assert_int_equal(workspace_parse("http://h/", NULL, &w, &why), 0);
	assert_int_equal(workspace_open(w, NULL, &endpoint, &why), -EINVAL);
	assert_non_null(why);
	g_free(why);
	workspace_free(w);
	assert_int_equal(unsetenv("PYCLOUD_TOKEN"), 0);
}

static void tls_options_reach_the_endpoint(void **state)
{
	const struct workspace_options options = { .ca_file = "/etc/ca.pem",
		.is_insecure = true };
	struct endpoint *endpoint = NULL;
	struct workspace *w = NULL;
	struct hop *hop;
	char *why = NULL;

	(void)state;
	assert_int_equal(
		workspace_parse("https://h/?token=T", &options, &w, &why), 0);
	assert_int_equal(workspace_open(w, NULL, &endpoint, &why), 0);
	assert_int_equal(endpoint_hop(endpoint, NULL, 0, &hop), 0);
	assert_string_equal(hop->ca_file, "/etc/ca.pem");
	assert_true(hop->is_insecure);
	hop_unref(hop);
	endpoint_unref(endpoint);
	workspace_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_choose_the_local_provider),
		cmocka_unit_test(what_is_neither_name_nor_url_is_refused),
		cmocka_unit_test(urls_lose_token_page_and_slash),
		cmocka_unit_test(bad_urls_are_refused_without_repeating_them),
		cmocka_unit_test(an_endless_url_is_refused),
		cmocka_unit_test(the_environment_gives_a_token_to_a_bare_url),
		cmocka_unit_test(
			an_impossible_token_of_the_environment_is_named),
		cmocka_unit_test(tls_options_reach_the_endpoint),
	};

	/* No keyring of the person who runs the tests. */
	(void)unsetenv("PYCLOUD_TOKEN");
	(void)setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
