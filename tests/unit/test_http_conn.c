/* What becomes of a connection after an exchange, good or bad. */
#include "config.h"

#include "http_bench.h"
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static void a_connection_is_used_again(void **state)
{
	struct bench b;
	int i;

	(void)state;
	http_bench_start(
		&b, say, SAY("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"));
	for (i = 0; i < 5; i++)
		assert_int_equal(http_bench_exchange(&b), 0);
	assert_int_equal(web_server_connection_count(b.server), 1);
	assert_int_equal(http_bench_stats(&b).connects, 1);
	assert_int_equal(http_bench_stats(&b).requests, 5);
	assert_int_equal(http_bench_stats(&b).bytes_in, 5);
	assert_in_range(http_bench_stats(&b).latency_us, 1, 5000000);
	http_bench_stop(&b);
}

/* The first connection stops in the middle of its answer. */
static void stall_the_first(struct web_connection *c, void *arg)
{
	(void)arg;
	if (c->number > 1)
		say(c, SAY("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"));
	else
		say_and_stall(c, SAY("HTTP/1.1 200 OK\r\n"
				     "Content-Length: 2\r\n\r\nx"));
}

static void an_aborted_connection_is_not_used_again(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(&b, stall_the_first, NULL);
	b.request.timeout_ms = 50;
	assert_int_equal(http_bench_exchange(&b), -ETIMEDOUT);
	b.request.timeout_ms = 0;
	assert_int_equal(http_bench_exchange(&b), 0);
	assert_string_equal(b.response.body->str, "x");
	assert_int_equal(web_server_connection_count(b.server), 2);
	http_bench_stop(&b);
}

static void a_connection_closed_after_its_answer_is_replaced(void **state)
{
	struct bench b;

	(void)state;
	http_bench_start(&b, say_once,
		SAY("HTTP/1.1 200 OK\r\nConnection: close\r\n"
		    "Content-Length: 1\r\n\r\nx"));
	assert_int_equal(http_bench_exchange(&b), 0);
	assert_int_equal(http_bench_exchange(&b), 0);
	assert_int_equal(web_server_connection_count(b.server), 2);
	http_bench_stop(&b);
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
		http_bench_start(&b, die_at_the_second, NULL);
		assert_int_equal(http_bench_exchange(&b), 0);
		b.request.method = methods[i];
		assert_int_equal(http_bench_exchange(&b), -ECONNRESET);
		assert_true(b.response.may_have_acted);
		assert_int_equal(web_server_request_count(b.server), 2);
		assert_int_equal(http_bench_exchange(&b), 0);
		http_bench_stop(&b);
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

		http_bench_start(&b, die_at_the_second, NULL);
		assert_int_equal(http_bench_exchange(&b), 0);
		http_bench_set_upload(&b, &t, promises[i]);
		assert_int_equal(http_bench_exchange(&b), -ECONNRESET);
		assert_true(b.response.may_have_acted);
		assert_int_equal(web_server_request_count(b.server), 2);
		http_bench_stop(&b);
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
	pool = http_bench_pool("http://localhost", path, NULL);
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
	http_bench_start(&b, say, SAY("HTTP/1.1 204 No Content\r\n\r\n"));
	assert_int_equal(http_bench_exchange(&b), 0);
	http_bench_stop(&b);
	(void)unsetenv("http_proxy");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
