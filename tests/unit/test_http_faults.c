/* One exchange with a server, a source or a sink that fails. */
#include "config.h"

#include "common_limits.h"
#include "http_bench.h"
#include "test.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#define SOON_MS 5000 /* far below the limits that must not be what ended it */

static int sink_is_full(void *arg, const char *bytes, size_t length)
{
	(void)arg;
	(void)bytes;
	(void)length;
	return -ENOSPC;
}

static ssize_t read_fails(void *arg, char *buffer, size_t size)
{
	(void)arg;
	(void)buffer;
	(void)size;
	return -ENODATA;
}

/* --- what goes wrong ------------------------------------------------------ */

static void a_body_cut_short_is_a_reset(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(&b, say_once,
		SAY("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"));
	assert_int_equal(http_bench_exchange(&b), -ECONNRESET);
	assert_int_equal(b.response.status, 200);
	assert_int_equal(b.response.received, 4);
	http_bench_stop(&b);
}

static void a_chunked_body_cut_short_is_a_reset(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(&b, say_once,
		SAY("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "4\r\nhalf\r\n"));
	assert_int_equal(http_bench_exchange(&b), -ECONNRESET);
	http_bench_stop(&b);
}

static void a_reset_in_the_body_is_a_reset(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(
		&b, say_once_and_reset, SAY("HTTP/1.1 200 OK\r\n\r\nhalf"));
	assert_int_equal(http_bench_exchange(&b), -ECONNRESET);
	http_bench_stop(&b);
}

static void a_hangup_without_an_answer_is_a_reset(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(&b, say_once, SAY(""));
	assert_int_equal(http_bench_exchange(&b), -ECONNRESET);
	assert_int_equal(b.response.status, 0);
	assert_true(b.response.may_have_acted);
	assert_int_equal(http_bench_stats(&b).failures, 1);
	http_bench_stop(&b);
}

static void what_is_not_http_is_a_protocol_error(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(&b, say_once, SAY("SSH-2.0-OpenSSH_9.2\r\n"));
	assert_int_equal(http_bench_exchange(&b), -EPROTO);
	http_bench_stop(&b);
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
	http_bench_start(&b, say_once, SAY(text->str));
	assert_int_equal(http_bench_exchange(&b), -EPROTO);
	http_bench_stop(&b);
	g_string_free(text, TRUE);
}

static void a_body_above_its_maximum_is_too_big(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(&b, say,
		SAY("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
	b.request.body_max = 4;
	assert_int_equal(http_bench_exchange(&b), -EFBIG);
	b.request.body_max = 5;
	assert_int_equal(http_bench_exchange(&b), 0);
	assert_string_equal(b.response.body->str, "hello");
	http_bench_stop(&b);
}

static void a_sinks_error_ends_the_exchange(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(&b, say,
		SAY("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
	b.request.sink = sink_is_full;
	assert_int_equal(http_bench_exchange(&b), -ENOSPC);
	http_bench_stop(&b);
}

static void a_sources_error_ends_the_exchange(void **state)
{
	struct text t = { "abc", 3 };
	struct bench b;

	(void)state;
	http_bench_start(&b, say, SAY("HTTP/1.1 204 No Content\r\n\r\n"));
	http_bench_set_upload(&b, &t, 3);
	b.request.source = read_fails;
	assert_int_equal(http_bench_exchange(&b), -ENODATA);
	assert_int_equal(web_server_request_count(b.server), 0);
	http_bench_stop(&b);
}

static void a_source_with_too_little_ends_the_exchange(void **state)
{
	struct text t = { "abc", 3 };
	struct bench b;

	(void)state;
	http_bench_start(&b, say, SAY("HTTP/1.1 204 No Content\r\n\r\n"));
	http_bench_set_upload(&b, &t, 4);
	assert_int_equal(http_bench_exchange(&b), -EIO);
	assert_int_equal(web_server_request_count(b.server), 0);
	http_bench_stop(&b);
}

static void a_source_with_too_much_is_not_read_further(void **state)
{
	struct text t = { "abcdef", 6 };
	g_autofree char *seen = NULL;
	struct bench b;

	(void)state;
	http_bench_start(&b, say, SAY("HTTP/1.1 204 No Content\r\n\r\n"));
	http_bench_set_upload(&b, &t, 4);
	assert_int_equal(http_bench_exchange(&b), 0);
	seen = web_server_request(b.server, 0);
	assert_true(g_str_has_suffix(seen, "\r\n\r\nabcd"));
	http_bench_stop(&b);
}

static void nobody_listening_means_nothing_was_done(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(&b, say, SAY(""));
	http_pool_return(&b.conn);
	web_server_stop(b.server);
	assert_int_equal(http_pool_lease(b.pool, NULL, -1, &b.conn), 0);
	assert_int_equal(http_bench_exchange(&b), -ECONNREFUSED);
	assert_false(b.response.may_have_acted);
	assert_string_equal(b.response.detail, "Couldn't connect to server");
	b.server = web_server_start(say, SAY(""));
	http_bench_stop(&b);
}

static void a_name_that_does_not_exist_is_unreachable(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(&b, say, SAY(""));
	http_pool_return(&b.conn);
	http_pool_free(b.pool);
	b.pool = http_bench_pool("http://pycloud.invalid", NULL, NULL);
	assert_int_equal(http_pool_lease(b.pool, NULL, -1, &b.conn), 0);
	b.request.timeout_ms = SOON_MS;
	assert_int_equal(http_bench_exchange(&b), -EHOSTUNREACH);
	assert_false(b.response.may_have_acted);
	http_bench_stop(&b);
}

/* --- time ----------------------------------------------------------------- */

static void a_server_that_stalls_ends_the_exchange(void **state)
{
	struct bench b;
	int64_t begin;

	(void)state;
	http_bench_start(&b, say_and_stall,
		SAY("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nh"));
	b.request.stall_ms = 100;
	begin = clock_now_ms();
	assert_int_equal(http_bench_exchange(&b), -ETIMEDOUT);
	assert_in_range(clock_now_ms() - begin, 95, SOON_MS);
	assert_int_equal(b.response.received, 1);
	http_bench_stop(&b);
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
	http_bench_start(&b, stall_in_upload, NULL);
	b.request.method = "PUT";
	b.request.source = read_endlessly;
	b.request.source_bytes = 1 * GIB;
	b.request.content_type = "text/plain";
	b.request.stall_ms = 100;
	assert_int_equal(http_bench_exchange(&b), -ETIMEDOUT);
	assert_true(b.response.may_have_acted);
	http_bench_stop(&b);
}

static void trickle(struct web_connection *c, void *arg)
{
	int i;

	(void)arg;
	if (!web_read_request(c))
		return;
	web_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
	/* The pace is the fault being played. */
	for (i = 0; i < 20; i++) {
		(void)poll(NULL, 0, 20);
		web_send(c, "x");
	}
	web_wait_hangup(c);
}

static void a_slow_server_is_not_a_stalled_one(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(&b, trickle, NULL);
	b.request.stall_ms = 300;
	assert_int_equal(http_bench_exchange(&b), 0);
	assert_int_equal(b.response.received, 20);
	http_bench_stop(&b);
}

static void drip(struct web_connection *c, void *arg)
{
	int i;

	(void)arg;
	if (!web_read_request(c))
		return;
	web_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n");
	for (i = 0; i < 60; i++) {
		(void)poll(NULL, 0, 50);
		web_send(c, "x");
	}
	web_wait_hangup(c);
}

/* Twenty bytes a second for ever: an hour for a file's first window. */
static void a_byte_now_and_then_is_a_stall(void **state)
{
	struct bench b;
	int64_t begin;

	(void)state;
	http_bench_start(&b, drip, NULL);
	b.request.stall_ms = 500;
	begin = clock_now_ms();
	assert_int_equal(http_bench_exchange(&b), -ETIMEDOUT);
	assert_in_range(clock_now_ms() - begin, 495, 495 + SOON_MS);
	http_bench_stop(&b);
}

static void the_time_limit_ends_what_is_merely_slow(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(&b, trickle, NULL);
	b.request.stall_ms = 60000;
	b.request.timeout_ms = 150;
	assert_int_equal(http_bench_exchange(&b), -ETIMEDOUT);
	assert_in_range(b.response.received, 0, 19);
	http_bench_stop(&b);
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
	http_bench_start(&b, say_and_stall, SAY(""));
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
	http_bench_stop(&b);
}

static void a_fired_token_sends_nothing(void **state)
{
	struct cancel cancel;
	struct bench b;

	(void)state;
	http_bench_start(&b, say, SAY(""));
	cancel_init(&cancel, 0);
	cancel_fire(&cancel);
	assert_int_equal(
		http_exchange(b.conn, &b.request, &cancel, &b.response),
		-EINTR);
	assert_false(b.response.may_have_acted);
	assert_int_equal(web_server_connection_count(b.server), 0);
	cancel_fini(&cancel);
	http_bench_stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
		cmocka_unit_test(a_byte_now_and_then_is_a_stall),
		cmocka_unit_test(the_time_limit_ends_what_is_merely_slow),
		cmocka_unit_test(another_thread_cancels_at_once),
		cmocka_unit_test(a_fired_token_sends_nothing),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
