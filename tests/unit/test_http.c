/* One exchange: what is asked, and which answers are taken. */
#include "config.h"

#include "common_limits.h"
#include "http_bench.h"
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* --- answers -------------------------------------------------------------- */

static void an_answer_arrives_whole(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(&b, say,
		SAY("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
		    "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
		    "content-type: TEXT/HTML; charset=UTF-8\r\n\r\nhello"));
	assert_int_equal(http_bench_exchange(&b), 0);
	assert_int_equal(b.response.status, 200);
	assert_int_equal(b.response.content_length, 5);
	assert_int_equal(b.response.received, 5);
	assert_int_equal(b.response.last_modified, 784111777);
	assert_true(b.response.is_html);
	assert_true(b.response.may_have_acted);
	assert_string_equal(b.response.body->str, "hello");
	http_bench_stop(&b);
}

static void a_body_streams_to_the_sink(void **state)
{
	GString *got = g_string_new(NULL);
	struct bench b;

	(void)state;
	http_bench_start(&b, say,
		SAY("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-4/10"
		    "\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n"
		    "0\r\n\r\n"));
	b.request.sink = append;
	b.request.sink_arg = got;
	b.request.range_first = 2;
	b.request.range_last = 4;
	assert_int_equal(http_bench_exchange(&b), 0);
	assert_string_equal(got->str, "abc");
	assert_int_equal(b.response.body->len, 0);
	assert_int_equal(b.response.received, 3);
	assert_int_equal(b.response.range_first, 2);
	assert_int_equal(b.response.range_last, 4);
	assert_int_equal(b.response.range_total, 10);
	http_bench_stop(&b);
	g_string_free(got, TRUE);
}

static void an_errors_body_does_not_reach_the_sink(void **state)
{
	GString *got = g_string_new(NULL);
	struct bench b;

	(void)state;
	http_bench_start(&b, say,
		SAY("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope"));
	b.request.sink = append;
	b.request.sink_arg = got;
	assert_int_equal(http_bench_exchange(&b), 0);
	assert_int_equal(b.response.status, 404);
	assert_int_equal(got->len, 0);
	assert_string_equal(b.response.body->str, "nope");
	http_bench_stop(&b);
	g_string_free(got, TRUE);
}

static void an_errors_body_is_cut_at_its_maximum(void **state)
{
	g_autofree char *page = g_strnfill(300000, 'e');
	g_autofree char *text = g_strconcat("HTTP/1.1 500 Oops\r\n"
					    "Content-Length: 300000\r\n\r\n",
		page, NULL);
	struct bench b;

	(void)state;
	http_bench_start(&b, say, SAY(text));
	assert_int_equal(http_bench_exchange(&b), 0);
	assert_int_equal(b.response.status, 500);
	assert_int_equal(b.response.body->len, HTTP_ERROR_BODY_MAX);
	assert_int_equal(http_bench_exchange(&b), 0);
	assert_int_equal(b.response.body->len, HTTP_ERROR_BODY_MAX);
	http_bench_stop(&b);
}

static void a_redirect_is_not_followed(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(&b, say,
		SAY("HTTP/1.1 302 Found\r\nLocation: /login?next=%2Fx\r\n"
		    "Content-Length: 0\r\n\r\n"));
	assert_int_equal(http_bench_exchange(&b), 0);
	assert_int_equal(b.response.status, 302);
	assert_string_equal(b.response.location, "/login?next=%2Fx");
	assert_int_equal(web_server_request_count(b.server), 1);
	http_bench_stop(&b);
}

static void an_interim_answer_leaves_nothing_behind(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(&b, say,
		SAY("HTTP/1.1 103 Early Hints\r\nLocation: /early\r\n\r\n"
		    "HTTP/1.1 204 No Content\r\n\r\n"));
	assert_int_equal(http_bench_exchange(&b), 0);
	assert_int_equal(b.response.status, 204);
	assert_null(b.response.location);
	http_bench_stop(&b);
}

static void a_bare_400_is_an_answer(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(&b, say_once, SAY("HTTP/1.1 400 Bad Request\r\n\r\n"));
	assert_int_equal(http_bench_exchange(&b), 0);
	assert_int_equal(b.response.status, 400);
	http_bench_stop(&b);
}

static void a_bare_400_and_a_reset_is_an_answer(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(&b, say_once_and_reset,
		SAY("HTTP/1.1 400 Bad Request\r\n\r\n"));
	assert_int_equal(http_bench_exchange(&b), 0);
	assert_int_equal(b.response.status, 400);
	http_bench_stop(&b);
}

static void refuse_early(struct web_connection *c, void *arg)
{
	(void)arg;
	if (web_read_header(c))
		web_send(c, "HTTP/1.1 413 Too Large\r\nConnection: close\r\n"
			    "Content-Length: 0\r\n\r\n");
	web_wait_hangup(c);
}

static void an_answer_before_the_uploads_end_is_taken(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(&b, refuse_early, NULL);
	b.request.method = "PUT";
	b.request.source = read_endlessly;
	b.request.source_bytes = 1 * GIB;
	b.request.content_type = "text/plain";
	assert_int_equal(http_bench_exchange(&b), 0);
	assert_int_equal(b.response.status, 413);
	http_bench_stop(&b);
}

/* --- requests ------------------------------------------------------------- */

static void a_request_says_what_it_must_and_no_more(void **state)
{
	g_autofree char *seen = NULL;
	struct bench b;

	(void)state;
	http_bench_start(&b, say, SAY("HTTP/1.1 204 No Content\r\n\r\n"));
	b.request.target = "a/%2e%2e/b?x=1";
	b.request.range_first = 5;
	assert_int_equal(http_bench_exchange(&b), 0);
	seen = web_server_request(b.server, 0);
	assert_non_null(strstr(seen, "GET /a/%2e%2e/b?x=1 HTTP/1.1\r\n"));
	assert_non_null(strstr(seen, "\r\nAccept: application/json, */*\r\n"));
	assert_non_null(strstr(seen,
		"\r\nUser-Agent: " PACKAGE_NAME "/" PACKAGE_VERSION "\r\n"));
	assert_non_null(strstr(seen, "\r\nRange: bytes=5-\r\n"));
	assert_null(strstr(seen, "Expect"));
	assert_null(strstr(seen, "Content-"));
	assert_null(strstr(seen, "Authorization"));
	http_bench_stop(&b);
}

static void without_a_token_an_xsrf_pair_is_sent(void **state)
{
	g_autofree char *seen = NULL;
	g_autofree char *value = NULL;
	g_autofree char *echo = NULL;
	struct bench b;

	(void)state;
	http_bench_start(&b, say, SAY("HTTP/1.1 204 No Content\r\n\r\n"));
	assert_int_equal(http_bench_exchange(&b), 0);
	seen = web_server_request(b.server, 0);
	assert_non_null(strstr(seen, "\r\nCookie: _xsrf="));
	value = g_strndup(strstr(seen, "_xsrf=") + 6, 48);
	echo = g_strconcat("\r\nX-XSRFToken: ", value, "\r\n", NULL);
	assert_non_null(strstr(seen, echo));
	http_bench_stop(&b);
}

static void the_token_is_sent_and_no_xsrf_pair(void **state)
{
	g_autofree char *seen = NULL;
	struct bench b;

	(void)state;
	http_bench_start(&b, say, SAY("HTTP/1.1 204 No Content\r\n\r\n"));
	http_pool_return(&b.conn);
	http_pool_free(b.pool);
	b.pool = http_bench_pool(web_server_url(b.server), NULL, "s3cret");
	assert_int_equal(http_pool_lease(b.pool, NULL, -1, &b.conn), 0);
	assert_int_equal(http_bench_exchange(&b), 0);
	seen = web_server_request(b.server, 0);
	assert_non_null(strstr(seen, "\r\nAuthorization: token s3cret\r\n"));
	assert_null(strstr(seen, "_xsrf"));
	http_bench_stop(&b);
}

static void an_upload_says_its_length(void **state)
{
	struct text t = { "{\"a\":1}", 7 };
	g_autofree char *seen = NULL;
	struct bench b;

	(void)state;
	http_bench_start(&b, say,
		SAY("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"));
	http_bench_set_upload(&b, &t, 7);
	assert_int_equal(http_bench_exchange(&b), 0);
	seen = web_server_request(b.server, 0);
	assert_non_null(strstr(seen, "PUT /x HTTP/1.1\r\n"));
	assert_non_null(strstr(seen, "\r\nContent-Length: 7\r\n"));
	assert_non_null(strstr(seen, "\r\nContent-Type: application/json\r\n"));
	assert_true(g_str_has_suffix(seen, "\r\n\r\n{\"a\":1}"));
	assert_null(strstr(seen, "Expect"));
	assert_int_equal(http_bench_stats(&b).bytes_out, 7);
	http_bench_stop(&b);
}

static void an_upload_of_unknown_length_is_chunked(void **state)
{
	struct text t = { "{\"a\":1}", 7 };
	g_autofree char *seen = NULL;
	struct bench b;

	(void)state;
	http_bench_start(&b, say,
		SAY("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"));
	http_bench_set_upload(&b, &t, -1);
	assert_int_equal(http_bench_exchange(&b), 0);
	seen = web_server_request(b.server, 0);
	assert_true(g_str_has_suffix(seen, "7\r\n{\"a\":1}\r\n0\r\n\r\n"));
	http_bench_stop(&b);
}

static void a_post_without_a_body_says_so(void **state)
{
	g_autofree char *seen = NULL;
	struct bench b;

	(void)state;
	http_bench_start(&b, say, SAY("HTTP/1.1 204 No Content\r\n\r\n"));
	b.request.method = "POST";
	assert_int_equal(http_bench_exchange(&b), 0);
	seen = web_server_request(b.server, 0);
	assert_non_null(strstr(seen, "POST /x HTTP/1.1\r\n"));
	assert_non_null(strstr(seen, "\r\nContent-Length: 0\r\n"));
	assert_null(strstr(seen, "Content-Type"));
	http_bench_stop(&b);
}

static void a_delete_after_an_upload_has_no_body(void **state)
{
	struct text t = { "abc", 3 };
	g_autofree char *seen = NULL;
	struct bench b;

	(void)state;
	http_bench_start(&b, say, SAY("HTTP/1.1 204 No Content\r\n\r\n"));
	http_bench_set_upload(&b, &t, 3);
	assert_int_equal(http_bench_exchange(&b), 0);
	b.request = (struct http_request)HTTP_REQUEST_INIT;
	b.request.method = "DELETE";
	b.request.target = "y";
	assert_int_equal(http_bench_exchange(&b), 0);
	seen = web_server_request(b.server, 1);
	assert_non_null(strstr(seen, "DELETE /y HTTP/1.1\r\n"));
	assert_null(strstr(seen, "Content-"));
	assert_null(strstr(seen, "Transfer-"));
	http_bench_stop(&b);
}

static void a_target_above_the_maximum_is_refused(void **state)
{
	g_autofree char *target = g_strnfill((gsize)HTTP_URL_MAX, 'a');
	struct bench b;

	(void)state;
	http_bench_start(&b, say, SAY(""));
	b.request.target = target;
	assert_int_equal(http_bench_exchange(&b), -ENAMETOOLONG);
	assert_int_equal(b.response.error, -ENAMETOOLONG);
	assert_false(b.response.may_have_acted);
	http_bench_stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_arrives_whole),
		cmocka_unit_test(a_body_streams_to_the_sink),
		cmocka_unit_test(an_errors_body_does_not_reach_the_sink),
		cmocka_unit_test(an_errors_body_is_cut_at_its_maximum),
		cmocka_unit_test(a_redirect_is_not_followed),
		cmocka_unit_test(an_interim_answer_leaves_nothing_behind),
		cmocka_unit_test(a_bare_400_is_an_answer),
		cmocka_unit_test(a_bare_400_and_a_reset_is_an_answer),
		cmocka_unit_test(an_answer_before_the_uploads_end_is_taken),
		cmocka_unit_test(a_request_says_what_it_must_and_no_more),
		cmocka_unit_test(without_a_token_an_xsrf_pair_is_sent),
		cmocka_unit_test(the_token_is_sent_and_no_xsrf_pair),
		cmocka_unit_test(an_upload_says_its_length),
		cmocka_unit_test(an_upload_of_unknown_length_is_chunked),
		cmocka_unit_test(a_post_without_a_body_says_so),
		cmocka_unit_test(a_delete_after_an_upload_has_no_body),
		cmocka_unit_test(a_target_above_the_maximum_is_refused),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
