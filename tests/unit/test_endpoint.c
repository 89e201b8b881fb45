/* Endpoints: which URLs are one, and how they are spelt. */
#include "config.h"

#include "endpoint.h"
#include "test.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static int make(const char *url, struct endpoint **ret)
{
	const struct endpoint_params params = { .base_url = url };

	return endpoint_new(&params, ret);
}

static void a_url_has_one_spelling(void **state)
{
	static const char *const urls[][2] = {
		{ "http://127.0.0.1:8888", "http://127.0.0.1:8888" },
		{ "http://127.0.0.1:8888/", "http://127.0.0.1:8888" },
		{ "HTTPS://Hub.Example/user/Ann//",
			"https://hub.example/user/Ann" },
		{ "http://[::1]:8888/a", "http://[::1]:8888/a" },
		{ "https://h/user/a%20b/", "https://h/user/a%20b" },
		{ "http://[fe80::1%25eth0]:8888/",
			"http://[fe80::1%25eth0]:8888" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(urls); i++) {
		struct endpoint *e;

		assert_int_equal(make(urls[i][0], &e), 0);
		assert_string_equal(endpoint_base_url(e), urls[i][1]);
		endpoint_unref(e);
	}
}

static void what_is_no_plain_http_url_is_refused(void **state)
{
	static const char *const urls[] = {
		"",
		"demo",
		"/a/b",
		"http:",
		"http://",
		"http:///path",
		"ftp://host/",
		"file:///etc/passwd",
		"http://user@host/",
		"http://user:password@host/",
		"http://host/?token=T",
		"http://host/#part",
		"http://host/a b",
		"http://host/a\r\nX: y",
		"http://host:port/",
		"http://host%2fpath/",
		"http://user%40host/",
		"http://host%0d%0aX:%20y/",
		"http://host%2540/",
		"http://[0::%25eth0]:8888/x",
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(urls); i++) {
		struct endpoint *e = NULL;

		assert_int_equal(make(urls[i], &e), -EINVAL);
		assert_null(e);
	}
}

static void a_relative_url_is_joined_by_one_slash(void **state)
{
	g_autofree char *url = NULL;
	struct endpoint *e;
	struct hop *hop;

	(void)state;
	assert_int_equal(make("http://host/user/ann/", &e), 0);
	assert_int_equal(endpoint_hop(e, NULL, 0, &hop), 0);
	url = hop_url(hop, "api/contents/a%2Fb?content=0");
	assert_string_equal(
		url, "http://host/user/ann/api/contents/a%2Fb?content=0");
	hop_unref(hop);
	endpoint_unref(e);
}

static void everything_is_copied(void **state)
{
	char url[] = "https://host";
	char path[] = "/run/sock";
	char ca[] = "/ca.pem";
	struct endpoint_params params = { .base_url = url,
		.unix_socket = path,
		.token = secret_new("abc", 3),
		.ca_file = ca,
		.is_insecure = true };
	struct endpoint *e;
	struct hop *hop;

	(void)state;
	assert_int_equal(endpoint_new(&params, &e), 0);
	memset(url, 'x', strlen(url));
	memset(path, 'x', strlen(path));
	memset(ca, 'x', strlen(ca));
	secret_unref(params.token);
	assert_string_equal(endpoint_base_url(e), "https://host");
	assert_int_equal(endpoint_hop(e, NULL, 0, &hop), 0);
	assert_string_equal(hop->unix_socket, "/run/sock");
	assert_string_equal(hop->ca_file, "/ca.pem");
	assert_string_equal(secret_peek(hop->token), "abc");
	assert_true(hop->is_insecure);
	hop_unref(hop);
	assert_ptr_equal(endpoint_ref(e), e);
	endpoint_unref(e);
	endpoint_unref(e);
	endpoint_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_url_has_one_spelling),
		cmocka_unit_test(what_is_no_plain_http_url_is_refused),
		cmocka_unit_test(a_relative_url_is_joined_by_one_slash),
		cmocka_unit_test(everything_is_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
