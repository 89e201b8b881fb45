/* Leasing connections: bounded, cancellable, by many threads at once. */
#include "config.h"

#include "common_limits.h"
#include "http_pool.h"
#include "test.h"
#include "web_server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#define THREADS 64

static void greet(struct web_connection *c, void *arg)
{
	while (web_read_request(c))
		web_answer(c, "200 OK", arg);
}

static struct http_pool *make_pool(const char *url)
{
	struct endpoint_params params = { .base_url = url };
	struct endpoint *endpoint;
	struct http_pool *pool;

	assert_int_equal(endpoint_new(&params, &endpoint), 0);
	assert_int_equal(http_pool_new(endpoint, &pool), 0);
	assert_ptr_equal(http_pool_endpoint(pool), endpoint);
	endpoint_unref(endpoint);
	return pool;
}

static void lease_all(struct http_pool *pool, struct http_conn **conns)
{
	size_t i;

	for (i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		assert_int_equal(http_pool_lease(pool, NULL, -1, &conns[i]), 0);
}

static void return_all(struct http_conn **conns)
{
	size_t i;

	for (i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
		http_pool_return(&conns[i]);
		assert_null(conns[i]);
		http_pool_return(&conns[i]);
	}
}

static void a_lease_beyond_the_last_waits_no_longer_than_told(void **state)
{
	struct http_pool *pool = make_pool("http://127.0.0.1:1");
	struct http_conn *conns[HTTP_CONNECTIONS_MAX];
	struct http_conn *more = NULL;
	struct cancel cancel;

	(void)state;
	lease_all(pool, conns);
	assert_int_equal(http_pool_lease(pool, NULL, 0, &more), -ETIMEDOUT);
	assert_int_equal(http_pool_lease(pool, NULL, 30, &more), -ETIMEDOUT);
	cancel_init(&cancel, 0);
	cancel_fire(&cancel);
	assert_int_equal(http_pool_lease(pool, &cancel, -1, &more), -EINTR);
	cancel_fini(&cancel);
	assert_null(more);
	return_all(conns);
	assert_int_equal(http_pool_lease(pool, NULL, 0, &more), 0);
	http_pool_return(&more);
	http_pool_free(pool);
}

static void *return_one(void *arg)
{
	http_pool_return(arg);
	return NULL;
}

static void a_return_wakes_a_waiting_lease(void **state)
{
	struct http_pool *pool = make_pool("http://127.0.0.1:1");
	struct http_conn *conns[HTTP_CONNECTIONS_MAX];
	struct http_conn *more;
	pthread_t thread;

	(void)state;
	lease_all(pool, conns);
	assert_int_equal(
		pthread_create(&thread, NULL, return_one, &conns[3]), 0);
	assert_int_equal(http_pool_lease(pool, NULL, -1, &more), 0);
	(void)pthread_join(thread, NULL);
	assert_null(conns[3]);
	conns[3] = more;
	return_all(conns);
	http_pool_free(pool);
}

static void *ask_often(void *arg)
{
	struct http_request q = HTTP_REQUEST_INIT;
	intptr_t failures = 0;
	int i;

	q.method = "GET";
	q.target = "x";
	for (i = 0; i < 20; i++) {
		struct http_response r;
		struct http_conn *conn;

		http_response_init(&r);
		if (http_pool_lease(arg, NULL, -1, &conn) != 0) {
			failures++;
			continue;
		}
		if (http_exchange(conn, &q, NULL, &r) != 0 ||
			g_strcmp0(r.body->str, "hello") != 0)
			failures++;
		http_pool_return(&conn);
		http_response_clear(&r);
	}
	return (void *)failures;
}

static void many_threads_share_few_connections(void **state)
{
	char greeting[] = "hello";
	struct web_server *server = web_server_start(greet, greeting);
	struct http_pool *pool = make_pool(web_server_url(server));
	pthread_t threads[THREADS];
	struct http_stats stats;
	size_t i;

	(void)state;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, ask_often, pool), 0);
	for (i = 0; i < THREADS; i++) {
		void *failures = NULL;

		(void)pthread_join(threads[i], &failures);
		assert_null(failures);
	}
	assert_in_range(
		web_server_connection_count(server), 1, HTTP_CONNECTIONS_MAX);
	http_pool_count_request(pool);
	http_pool_stats(pool, &stats);
	assert_int_equal(stats.requests, THREADS * 20 + 1);
	assert_int_equal(stats.failures, 0);
	assert_int_equal(stats.bytes_in, THREADS * 20 * 5);
	assert_int_equal(stats.connects, web_server_connection_count(server));
	http_pool_free(pool);
	web_server_stop(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_lease_beyond_the_last_waits_no_longer_than_told),
		cmocka_unit_test(a_return_wakes_a_waiting_lease),
		cmocka_unit_test(many_threads_share_few_connections),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
