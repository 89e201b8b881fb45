/* One exchange on one connection, against servers that misbehave. */
#include "config.h"

#include "http_pool.h"
#include "limits.h"
#include "test.h"
#include "web_server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOON_MS 5000 /* far below the limits that must not be what ended it */

/* What a test has at hand: a server, a pool for it, a request, an answer. */
struct bench {
	struct web_server *server;
	struct http_pool *pool;
	struct http_conn *conn;
	struct http_request request;
	struct http_response response;
};

static struct http_pool *make_pool(
	const char *url, const char *unix_socket, const char *token)
{
	struct endpoint_params params = { .base_url = url,
		.unix_socket = unix_socket };
	struct endpoint *endpoint;
	struct http_pool *pool;

	if (token != NULL)
		params.token = secret_new(token, strlen(token));
	assert_int_equal(endpoint_new(&params, &endpoint), 0);
	assert_int_equal(http_pool_new(endpoint, &pool), 0);
	secret_unref(params.token);
	endpoint_unref(endpoint);
	return pool;
}

static void start(struct bench *b, web_script script, void *arg)
{
	*b = (struct bench){ .request = HTTP_REQUEST_INIT };
	b->server = web_server_start(script, arg);
	b->pool = make_pool(web_server_url(b->server), NULL, NULL);
	b->request.method = "GET";
	b->request.target = "x";
	http_response_init(&b->response);
	assert_int_equal(http_pool_lease(b->pool, NULL, -1, &b->conn), 0);
}

static void stop(struct bench *b)
{
	http_response_clear(&b->response);
	http_pool_return(&b->conn);
	http_pool_free(b->pool);
	web_server_stop(b->server);
}

static int exchange(struct bench *b)
{
	http_response_clear(&b->response);
	return http_exchange(b->conn, &b->request, NULL, &b->response);
}

static struct http_stats stats(struct bench *b)
{
	struct http_stats s;

	http_pool_stats(b->pool, &s);
	return s;
}

/* --- sources and sinks ---------------------------------------------------- */

struct text {
	const char *bytes;
	size_t left;
};

static ssize_t read_text(void *arg, char *buffer, size_t size)
{
	struct text *t = arg;

	size = MIN(size, t->left);
	memcpy(buffer, t->bytes, size);
	t->bytes += size;
	t->left -= size;
	return (ssize_t)size;
}

static ssize_t read_endlessly(void *arg, char *buffer, size_t size)
{
	(void)arg;
	memset(buffer, 'x', size);
	return (ssize_t)size;
}

static ssize_t read_fails(void *arg, char *buffer, size_t size)
{
	(void)arg;
	(void)buffer;
	(void)size;
	return -ENODATA;
}

static int append(void *arg, const char *bytes, size_t length)
{
	g_string_append_len(arg, bytes, (gssize)length);
	return 0;
}

static int sink_is_full(void *arg, const char *bytes, size_t length)
{
	(void)arg;
	(void)bytes;
	(void)length;
	return -ENOSPC;
}

static void set_upload(struct bench *b, struct text *t, int64_t promised)
{
	b->request.method = "PUT";
	b->request.content_type = "application/json";
	b->request.source = read_text;
	b->request.source_arg = t;
	b->request.source_bytes = promised;
}

/* --- scripts -------------------------------------------------------------- */

struct saying {
	const char *text;
};

/* The argument of the scripts that say something. */
#define SAY(text_) (&(struct saying){ text_ })

static const char *text_of(const void *arg)
{
	return ((const struct saying *)arg)->text;
}

/* Sends the text for each request. */
static void say(struct web_connection *c, void *arg)
{
	while (web_read_request(c))
		web_send(c, text_of(arg));
}

/* Sends the text once and closes. */
static void say_once(struct web_connection *c, void *arg)
{
	if (web_read_request(c))
		web_send(c, text_of(arg));
}

static void say_once_and_reset(struct web_connection *c, void *arg)
{
	if (web_read_request(c))
		web_send(c, text_of(arg));
	web_reset_on_close(c);
}

/* Sends the text and then nothing. */
static void say_and_stall(struct web_connection *c, void *arg)
{
	if (web_read_request(c))
		web_send(c, text_of(arg));
	web_wait_hangup(c);
}

/* --- answers -------------------------------------------------------------- */

static void an_answer_arrives_whole(void **state)
{
	struct bench b;

	(void)state;
	start(&b, say,
		SAY("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
		    "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
		    "content-type: TEXT/HTML; charset=UTF-8\r\n\r\nhello"));
	assert_int_equal(exchange(&b), 0);
	assert_int_equal(b.response.status, 200);
	assert_int_equal(b.response.content_length, 5);
	assert_int_equal(b.response.received, 5);
	assert_int_equal(b.response.last_modified, 784111777);
	assert_true(b.response.is_html);
	assert_true(b.response.may_have_acted);
	assert_string_equal(b.response.body->str, "hello");
	stop(&b);
}

static void a_body_streams_to_the_sink(void **state)
{
	GString *got = g_string_new(NULL);
	struct bench b;

	(void)state;
	start(&b, say,
		SAY("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-4/10"
		    "\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n"
		    "0\r\n\r\n"));
	b.request.sink = append;
	b.request.sink_arg = got;
	b.request.range_first = 2;
	b.request.range_last = 4;
	assert_int_equal(exchange(&b), 0);
	assert_string_equal(got->str, "abc");
	assert_int_equal(b.response.body->len, 0);
	assert_int_equal(b.response.received, 3);
	assert_int_equal(b.response.range_first, 2);
	assert_int_equal(b.response.range_last, 4);
	assert_int_equal(b.response.range_total, 10);
	stop(&b);
	g_string_free(got, TRUE);
}

static void an_errors_body_does_not_reach_the_sink(void **state)
{
	GString *got = g_string_new(NULL);
	struct bench b;

	(void)state;
	start(&b, say,
		SAY("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope"));
	b.request.sink = append;
	b.request.sink_arg = got;
	assert_int_equal(exchange(&b), 0);
	assert_int_equal(b.response.status, 404);
	assert_int_equal(got->len, 0);
	assert_string_equal(b.response.body->str, "nope");
	stop(&b);
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
	start(&b, say, SAY(text));
	assert_int_equal(exchange(&b), 0);
	assert_int_equal(b.response.status, 500);
	assert_int_equal(b.response.body->len, HTTP_ERROR_BODY_MAX);
	assert_int_equal(exchange(&b), 0);
	assert_int_equal(b.response.body->len, HTTP_ERROR_BODY_MAX);
	stop(&b);
}

static void a_redirect_is_not_followed(void **state)
{
	struct bench b;

	(void)state;
	start(&b, say,
		SAY("HTTP/1.1 302 Found\r\nLocation: /login?next=%2Fx\r\n"
		    "Content-Length: 0\r\n\r\n"));
	assert_int_equal(exchange(&b), 0);
	assert_int_equal(b.response.status, 302);
	assert_string_equal(b.response.location, "/login?next=%2Fx");
	assert_int_equal(web_server_request_count(b.server), 1);
	stop(&b);
}

static void an_interim_answer_leaves_nothing_behind(void **state)
{
	struct bench b;

	(void)state;
	start(&b, say,
		SAY("HTTP/1.1 103 Early Hints\r\nLocation: /early\r\n\r\n"
		    "HTTP/1.1 204 No Content\r\n\r\n"));
	assert_int_equal(exchange(&b), 0);
	assert_int_equal(b.response.status, 204);
	assert_null(b.response.location);
	stop(&b);
}

static void a_bare_400_is_an_answer(void **state)
{
	struct bench b;

	(void)state;
	start(&b, say_once, SAY("HTTP/1.1 400 Bad Request\r\n\r\n"));
	assert_int_equal(exchange(&b), 0);
	assert_int_equal(b.response.status, 400);
	stop(&b);
}

static void a_bare_400_and_a_reset_is_an_answer(void **state)
{
	struct bench b;

	(void)state;
	start(&b, say_once_and_reset, SAY("HTTP/1.1 400 Bad Request\r\n\r\n"));
	assert_int_equal(exchange(&b), 0);
	assert_int_equal(b.response.status, 400);
	stop(&b);
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
	start(&b, refuse_early, NULL);
	b.request.method = "PUT";
	b.request.source = read_endlessly;
	b.request.source_bytes = 1 * GIB;
	b.request.content_type = "text/plain";
	assert_int_equal(exchange(&b), 0);
	assert_int_equal(b.response.status, 413);
	stop(&b);
}

/* --- requests ------------------------------------------------------------- */

static void a_request_says_what_it_must_and_no_more(void **state)
{
	g_autofree char *seen = NULL;
	struct bench b;

	(void)state;
	start(&b, say, SAY("HTTP/1.1 204 No Content\r\n\r\n"));
	b.request.target = "a/%2e%2e/b?x=1";
	b.request.range_first = 5;
	assert_int_equal(exchange(&b), 0);
	seen = web_server_request(b.server, 0);
	assert_non_null(strstr(seen, "GET /a/%2e%2e/b?x=1 HTTP/1.1\r\n"));
	assert_non_null(strstr(seen, "\r\nAccept: application/json, */*\r\n"));
	assert_non_null(strstr(seen,
		"\r\nUser-Agent: " PACKAGE_NAME "/" PACKAGE_VERSION "\r\n"));
	assert_non_null(strstr(seen, "\r\nRange: bytes=5-\r\n"));
	assert_null(strstr(seen, "Expect"));
	assert_null(strstr(seen, "Content-"));
	assert_null(strstr(seen, "Authorization"));
	stop(&b);
}

static void without_a_token_an_xsrf_pair_is_sent(void **state)
{
	g_autofree char *seen = NULL;
	g_autofree char *value = NULL;
	g_autofree char *echo = NULL;
	struct bench b;

	(void)state;
	start(&b, say, SAY("HTTP/1.1 204 No Content\r\n\r\n"));
	assert_int_equal(exchange(&b), 0);
	seen = web_server_request(b.server, 0);
	assert_non_null(strstr(seen, "\r\nCookie: _xsrf="));
	value = g_strndup(strstr(seen, "_xsrf=") + 6, 48);
	echo = g_strconcat("\r\nX-XSRFToken: ", value, "\r\n", NULL);
	assert_non_null(strstr(seen, echo));
	stop(&b);
}

static void the_token_is_sent_and_no_xsrf_pair(void **state)
{
	g_autofree char *seen = NULL;
	struct bench b;

	(void)state;
	start(&b, say, SAY("HTTP/1.1 204 No Content\r\n\r\n"));
	http_pool_return(&b.conn);
	http_pool_free(b.pool);
	b.pool = make_pool(web_server_url(b.server), NULL, "s3cret");
	assert_int_equal(http_pool_lease(b.pool, NULL, -1, &b.conn), 0);
	assert_int_equal(exchange(&b), 0);
	seen = web_server_request(b.server, 0);
	assert_non_null(strstr(seen, "\r\nAuthorization: token s3cret\r\n"));
	assert_null(strstr(seen, "_xsrf"));
	stop(&b);
}

static void an_upload_says_its_length(void **state)
{
	struct text t = { "{\"a\":1}", 7 };
	g_autofree char *seen = NULL;
	struct bench b;

	(void)state;
	start(&b, say,
		SAY("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"));
	set_upload(&b, &t, 7);
	assert_int_equal(exchange(&b), 0);
	seen = web_server_request(b.server, 0);
	assert_non_null(strstr(seen, "PUT /x HTTP/1.1\r\n"));
	assert_non_null(strstr(seen, "\r\nContent-Length: 7\r\n"));
	assert_non_null(strstr(seen, "\r\nContent-Type: application/json\r\n"));
	assert_true(g_str_has_suffix(seen, "\r\n\r\n{\"a\":1}"));
	assert_null(strstr(seen, "Expect"));
	assert_int_equal(stats(&b).bytes_out, 7);
	stop(&b);
}

static void an_upload_of_unknown_length_is_chunked(void **state)
{
	struct text t = { "{\"a\":1}", 7 };
	g_autofree char *seen = NULL;
	struct bench b;

	(void)state;
	start(&b, say,
		SAY("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"));
	set_upload(&b, &t, -1);
	assert_int_equal(exchange(&b), 0);
	seen = web_server_request(b.server, 0);
	assert_true(g_str_has_suffix(seen, "7\r\n{\"a\":1}\r\n0\r\n\r\n"));
	stop(&b);
}

static void a_post_without_a_body_says_so(void **state)
{
	g_autofree char *seen = NULL;
	struct bench b;

	(void)state;
	start(&b, say, SAY("HTTP/1.1 204 No Content\r\n\r\n"));
	b.request.method = "POST";
	assert_int_equal(exchange(&b), 0);
	seen = web_server_request(b.server, 0);
	assert_non_null(strstr(seen, "POST /x HTTP/1.1\r\n"));
	assert_non_null(strstr(seen, "\r\nContent-Length: 0\r\n"));
	assert_null(strstr(seen, "Content-Type"));
	stop(&b);
}

static void a_delete_after_an_upload_has_no_body(void **state)
{
	struct text t = { "abc", 3 };
	g_autofree char *seen = NULL;
	struct bench b;

	(void)state;
	start(&b, say, SAY("HTTP/1.1 204 No Content\r\n\r\n"));
	set_upload(&b, &t, 3);
	assert_int_equal(exchange(&b), 0);
	b.request = (struct http_request)HTTP_REQUEST_INIT;
	b.request.method = "DELETE";
	b.request.target = "y";
	assert_int_equal(exchange(&b), 0);
	seen = web_server_request(b.server, 1);
	assert_non_null(strstr(seen, "DELETE /y HTTP/1.1\r\n"));
	assert_null(strstr(seen, "Content-"));
	assert_null(strstr(seen, "Transfer-"));
	stop(&b);
}

static void a_target_above_the_maximum_is_refused(void **state)
{
	g_autofree char *target = g_strnfill((gsize)HTTP_URL_MAX, 'a');
	struct bench b;

	(void)state;
	start(&b, say, SAY(""));
	b.request.target = target;
	assert_int_equal(exchange(&b), -ENAMETOOLONG);
	assert_int_equal(b.response.error, -ENAMETOOLONG);
	assert_false(b.response.may_have_acted);
	stop(&b);
}

/* --- what goes wrong ------------------------------------------------------ */

static void a_body_cut_short_is_a_reset(void **state)
{
	struct bench b;

	(void)state;
	start(&b, say_once,
		SAY("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"));
	assert_int_equal(exchange(&b), -ECONNRESET);
	assert_int_equal(b.response.status, 200);
	assert_int_equal(b.response.received, 4);
	stop(&b);
}

static void a_chunked_body_cut_short_is_a_reset(void **state)
{
	struct bench b;

	(void)state;
	start(&b, say_once,
		SAY("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "4\r\nhalf\r\n"));
	assert_int_equal(exchange(&b), -ECONNRESET);
	stop(&b);
}

static void a_reset_in_the_body_is_a_reset(void **state)
{
	struct bench b;

	(void)state;
	start(&b, say_once_and_reset, SAY("HTTP/1.1 200 OK\r\n\r\nhalf"));
	assert_int_equal(exchange(&b), -ECONNRESET);
	stop(&b);
}

static void a_hangup_without_an_answer_is_a_reset(void **state)
{
	struct bench b;

	(void)state;
	start(&b, say_once, SAY(""));
	assert_int_equal(exchange(&b), -ECONNRESET);
	assert_int_equal(b.response.status, 0);
	assert_true(b.response.may_have_acted);
	assert_int_equal(stats(&b).failures, 1);
	stop(&b);
}

static void what_is_not_http_is_a_protocol_error(void **state)
{
	struct bench b;

	(void)state;
	start(&b, say_once, SAY("SSH-2.0-OpenSSH_9.2\r\n"));
	assert_int_equal(exchange(&b), -EPROTO);
	stop(&b);
}

static void headers_above_the_maximum_are_a_protocol_error(void **state)
{
	GString *text = g_string_new("HTTP/1.1 200 OK\r\n");
	g_autofree char *filler = g_strnfill(900, 'h');
	struct bench b;
	int i;

	(void)state;
	for (i = 0; i < 80; i++)
		g_string_append_printf(text, "X-%d: %s\r\n", i, filler);
	g_string_append(text, "Content-Length: 0\r\n\r\n");
	start(&b, say_once, SAY(text->str));
	assert_int_equal(exchange(&b), -EPROTO);
	stop(&b);
	g_string_free(text, TRUE);
}

static void a_body_above_its_maximum_is_too_big(void **state)
{
	struct bench b;

	(void)state;
	start(&b, say,
		SAY("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
	b.request.body_max = 4;
	assert_int_equal(exchange(&b), -EFBIG);
	b.request.body_max = 5;
	assert_int_equal(exchange(&b), 0);
	assert_string_equal(b.response.body->str, "hello");
	stop(&b);
}

static void a_sinks_error_ends_the_exchange(void **state)
{
	struct bench b;

	(void)state;
	start(&b, say,
		SAY("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
	b.request.sink = sink_is_full;
	assert_int_equal(exchange(&b), -ENOSPC);
	stop(&b);
}

static void a_sources_error_ends_the_exchange(void **state)
{
	struct text t = { "abc", 3 };
	struct bench b;

	(void)state;
	start(&b, say, SAY("HTTP/1.1 204 No Content\r\n\r\n"));
	set_upload(&b, &t, 3);
	b.request.source = read_fails;
	assert_int_equal(exchange(&b), -ENODATA);
	assert_int_equal(web_server_request_count(b.server), 0);
	stop(&b);
}

static void a_source_with_too_little_ends_the_exchange(void **state)
{
	struct text t = { "abc", 3 };
	struct bench b;

	(void)state;
	start(&b, say, SAY("HTTP/1.1 204 No Content\r\n\r\n"));
	set_upload(&b, &t, 4);
	assert_int_equal(exchange(&b), -EIO);
	assert_int_equal(web_server_request_count(b.server), 0);
	stop(&b);
}

static void a_source_with_too_much_is_not_read_further(void **state)
{
	struct text t = { "abcdef", 6 };
	g_autofree char *seen = NULL;
	struct bench b;

	(void)state;
	start(&b, say, SAY("HTTP/1.1 204 No Content\r\n\r\n"));
	set_upload(&b, &t, 4);
	assert_int_equal(exchange(&b), 0);
	seen = web_server_request(b.server, 0);
	assert_true(g_str_has_suffix(seen, "\r\n\r\nabcd"));
	stop(&b);
}

static void nobody_listening_means_nothing_was_done(void **state)
{
	struct bench b;

	(void)state;
	start(&b, say, SAY(""));
	http_pool_return(&b.conn);
	web_server_stop(b.server);
	assert_int_equal(http_pool_lease(b.pool, NULL, -1, &b.conn), 0);
	assert_int_equal(exchange(&b), -ECONNREFUSED);
	assert_false(b.response.may_have_acted);
	b.server = web_server_start(say, SAY(""));
	stop(&b);
}

static void a_name_that_does_not_exist_is_unreachable(void **state)
{
	struct bench b;

	(void)state;
	start(&b, say, SAY(""));
	http_pool_return(&b.conn);
	http_pool_free(b.pool);
	b.pool = make_pool("http://pycloud.invalid", NULL, NULL);
	assert_int_equal(http_pool_lease(b.pool, NULL, -1, &b.conn), 0);
	b.request.timeout_ms = SOON_MS;
	assert_int_equal(exchange(&b), -EHOSTUNREACH);
	assert_false(b.response.may_have_acted);
	stop(&b);
}

/* --- time ----------------------------------------------------------------- */

static void a_server_that_stalls_ends_the_exchange(void **state)
{
	struct bench b;
	int64_t begin;

	(void)state;
	start(&b, say_and_stall,
		SAY("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nh"));
	b.request.stall_ms = 100;
	begin = clock_now_ms();
	assert_int_equal(exchange(&b), -ETIMEDOUT);
	assert_in_range(clock_now_ms() - begin, 95, SOON_MS);
	assert_int_equal(b.response.received, 1);
	stop(&b);
}

static void stall_in_upload(struct web_connection *c, void *arg)
{
	(void)arg;
	(void)web_read_header(c);
	web_wait_hangup(c);
}

static void a_server_that_stops_reading_ends_the_exchange(void **state)
{
	struct bench b;

	(void)state;
	start(&b, stall_in_upload, NULL);
	b.request.method = "PUT";
	b.request.source = read_endlessly;
	b.request.source_bytes = 1 * GIB;
	b.request.content_type = "text/plain";
	b.request.stall_ms = 100;
	assert_int_equal(exchange(&b), -ETIMEDOUT);
	assert_true(b.response.may_have_acted);
	stop(&b);
}

static void trickle(struct web_connection *c, void *arg)
{
	int i;

	if (!web_read_request(c))
		return;
	web_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
	/* The pace is the fault being played. */
	for (i = 0; i < 20; i++) {
		(void)poll(NULL, 0, 20);
		web_send(c, text_of(arg));
	}
	web_wait_hangup(c);
}

static void a_slow_server_is_not_a_stalled_one(void **state)
{
	struct bench b;

	(void)state;
	start(&b, trickle, SAY("x"));
	b.request.stall_ms = 300;
	assert_int_equal(exchange(&b), 0);
	assert_int_equal(b.response.received, 20);
	stop(&b);
}

static void the_time_limit_ends_what_is_merely_slow(void **state)
{
	struct bench b;

	(void)state;
	start(&b, trickle, SAY("x"));
	b.request.stall_ms = 60000;
	b.request.timeout_ms = 150;
	assert_int_equal(exchange(&b), -ETIMEDOUT);
	assert_in_range(b.response.received, 0, 19);
	stop(&b);
}

struct canceller {
	struct web_server *server;
	struct cancel cancel;
};

static void *cancel_once_asked(void *arg)
{
	struct canceller *k = arg;

	web_server_wait_requests(k->server, 1);
	cancel_fire(&k->cancel);
	return NULL;
}

static void another_thread_cancels_at_once(void **state)
{
	struct canceller k;
	struct bench b;
	pthread_t thread;
	int64_t begin;

	(void)state;
	start(&b, say_and_stall, SAY(""));
	k.server = b.server;
	cancel_init(&k.cancel, 0);
	b.request.timeout_ms = 60000;
	begin = clock_now_ms();
	assert_int_equal(
		pthread_create(&thread, NULL, cancel_once_asked, &k), 0);
	assert_int_equal(
		http_exchange(b.conn, &b.request, &k.cancel, &b.response),
		-EINTR);
	assert_in_range(clock_now_ms() - begin, 0, HTTP_TICK_MS - 1);
	assert_true(b.response.may_have_acted);
	(void)pthread_join(thread, NULL);
	cancel_fini(&k.cancel);
	stop(&b);
}

static void a_fired_token_sends_nothing(void **state)
{
	struct cancel cancel;
	struct bench b;

	(void)state;
	start(&b, say, SAY(""));
	cancel_init(&cancel, 0);
	cancel_fire(&cancel);
	assert_int_equal(
		http_exchange(b.conn, &b.request, &cancel, &b.response),
		-EINTR);
	assert_false(b.response.may_have_acted);
	assert_int_equal(web_server_connection_count(b.server), 0);
	cancel_fini(&cancel);
	stop(&b);
}

/* --- connections ---------------------------------------------------------- */

static void a_connection_is_used_again(void **state)
{
	struct bench b;
	int i;

	(void)state;
	start(&b, say, SAY("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"));
	for (i = 0; i < 5; i++)
		assert_int_equal(exchange(&b), 0);
	assert_int_equal(web_server_connection_count(b.server), 1);
	assert_int_equal(stats(&b).connects, 1);
	assert_int_equal(stats(&b).requests, 5);
	assert_int_equal(stats(&b).bytes_in, 5);
	assert_in_range(stats(&b).latency_us, 1, 5000000);
	stop(&b);
}

static void an_aborted_connection_is_not_used_again(void **state)
{
	struct bench b;

	(void)state;
	start(&b, trickle, SAY("x"));
	b.request.timeout_ms = 50;
	assert_int_equal(exchange(&b), -ETIMEDOUT);
	b.request.timeout_ms = 0;
	assert_int_equal(exchange(&b), 0);
	assert_int_equal(b.response.received, 20);
	assert_int_equal(web_server_connection_count(b.server), 2);
	stop(&b);
}

static void a_connection_closed_after_its_answer_is_replaced(void **state)
{
	struct bench b;

	(void)state;
	start(&b, say_once,
		SAY("HTTP/1.1 200 OK\r\nConnection: close\r\n"
		    "Content-Length: 1\r\n\r\nx"));
	assert_int_equal(exchange(&b), 0);
	assert_int_equal(exchange(&b), 0);
	assert_int_equal(web_server_connection_count(b.server), 2);
	stop(&b);
}

/* The first connection answers once, reads a second request, and dies. */
static void die_at_the_second(struct web_connection *c, void *arg)
{
	(void)arg;
	if (web_read_request(c))
		web_answer(c, "200 OK", "x");
	if (c->number == 1) {
		(void)web_read_request(c);
		return;
	}
	say(c, SAY("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"));
}

static void a_request_is_never_sent_twice(void **state)
{
	static const char *const methods[] = { "GET", "POST", "DELETE" };
	struct bench b;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		start(&b, die_at_the_second, NULL);
		assert_int_equal(exchange(&b), 0);
		b.request.method = methods[i];
		assert_int_equal(exchange(&b), -ECONNRESET);
		assert_true(b.response.may_have_acted);
		assert_int_equal(web_server_request_count(b.server), 2);
		assert_int_equal(exchange(&b), 0);
		stop(&b);
	}
}

static void an_upload_is_never_sent_twice(void **state)
{
	static const int64_t promises[] = { 3, -1 };
	struct bench b;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct text t = { "abc", 3 };

		start(&b, die_at_the_second, NULL);
		assert_int_equal(exchange(&b), 0);
		set_upload(&b, &t, promises[i]);
		assert_int_equal(exchange(&b), -ECONNRESET);
		assert_true(b.response.may_have_acted);
		assert_int_equal(web_server_request_count(b.server), 2);
		stop(&b);
	}
}

static void a_unix_socket_works_like_a_port(void **state)
{
	char folder[] = "/tmp/pycloud-test-XXXXXX";
	struct http_response r;
	struct http_request q = HTTP_REQUEST_INIT;
	struct web_server *server;
	struct http_pool *pool;
	struct http_conn *conn;
	g_autofree char *path = NULL;

	(void)state;
	assert_non_null(mkdtemp(folder));
	path = g_build_filename(folder, "sock", NULL);
	server = web_server_start_unix(path, say,
		SAY("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"));
	pool = make_pool("http://localhost", path, NULL);
	http_response_init(&r);
	q.method = "GET";
	q.target = "x";
	assert_int_equal(http_pool_lease(pool, NULL, -1, &conn), 0);
	assert_int_equal(http_exchange(conn, &q, NULL, &r), 0);
	assert_int_equal(r.status, 200);
	web_server_stop(server);
	assert_int_equal(unlink(path), 0);
	http_response_clear(&r);
	assert_int_equal(http_exchange(conn, &q, NULL, &r), -ECONNREFUSED);
	assert_false(r.may_have_acted);
	http_response_clear(&r);
	http_pool_return(&conn);
	http_pool_free(pool);
	assert_int_equal(rmdir(folder), 0);
}

static void a_proxy_of_the_environment_does_not_get_the_loopback(void **state)
{
	struct bench b;

	(void)state;
	(void)setenv("http_proxy", "http://127.0.0.1:1", 1);
	start(&b, say, SAY("HTTP/1.1 204 No Content\r\n\r\n"));
	assert_int_equal(exchange(&b), 0);
	stop(&b);
	(void)unsetenv("http_proxy");
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
		cmocka_unit_test(a_body_cut_short_is_a_reset),
		cmocka_unit_test(a_chunked_body_cut_short_is_a_reset),
		cmocka_unit_test(a_reset_in_the_body_is_a_reset),
		cmocka_unit_test(a_hangup_without_an_answer_is_a_reset),
		cmocka_unit_test(what_is_not_http_is_a_protocol_error),
		cmocka_unit_test(
			headers_above_the_maximum_are_a_protocol_error),
		cmocka_unit_test(a_body_above_its_maximum_is_too_big),
		cmocka_unit_test(a_sinks_error_ends_the_exchange),
		cmocka_unit_test(a_sources_error_ends_the_exchange),
		cmocka_unit_test(a_source_with_too_little_ends_the_exchange),
		cmocka_unit_test(a_source_with_too_much_is_not_read_further),
		cmocka_unit_test(nobody_listening_means_nothing_was_done),
		cmocka_unit_test(a_name_that_does_not_exist_is_unreachable),
		cmocka_unit_test(a_server_that_stalls_ends_the_exchange),
		cmocka_unit_test(a_server_that_stops_reading_ends_the_exchange),
		cmocka_unit_test(a_slow_server_is_not_a_stalled_one),
		cmocka_unit_test(the_time_limit_ends_what_is_merely_slow),
		cmocka_unit_test(another_thread_cancels_at_once),
		cmocka_unit_test(a_fired_token_sends_nothing),
		cmocka_unit_test(a_connection_is_used_again),
		cmocka_unit_test(an_aborted_connection_is_not_used_again),
		cmocka_unit_test(
			a_connection_closed_after_its_answer_is_replaced),
		cmocka_unit_test(a_request_is_never_sent_twice),
		cmocka_unit_test(an_upload_is_never_sent_twice),
		cmocka_unit_test(a_unix_socket_works_like_a_port),
		cmocka_unit_test(
			a_proxy_of_the_environment_does_not_get_the_loopback),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
