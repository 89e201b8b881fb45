/* Calls: what is asked again, what is not, and what holds it back. */
#include "config.h"

#include "common_limits.h"
#include "http_client.h"
#include "test.h"
#include "web_server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

/* What a server says to its first requests; after that "200 OK". */
struct story {
	const char *const *answers; /* NULL-terminated; hang up after "|" */
	pthread_mutex_t lock;
	unsigned next; /* guarded by lock */
};

static const char *next_answer(struct story *s)
{
	const char *answer;

	pthread_mutex_lock(&s->lock);
	answer = s->answers[s->next];
	if (answer != NULL)
		s->next++;
	pthread_mutex_unlock(&s->lock);
	return answer;
}

static void tell(struct web_connection *c, void *arg)
{
	while (web_read_request(c)) {
		const char *answer = next_answer(arg);

		if (answer == NULL) {
			web_answer(c, "200 OK", "fine");
			continue;
		}
		web_send_bytes(c, answer, strcspn(answer, "|"));
		if (strchr(answer, '|') != NULL)
			return;
	}
}

#define UNAVAILABLE \
	"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
#define UNAVAILABLE_FOR(seconds)                                    \
	"HTTP/1.1 503 Service Unavailable\r\nRetry-After: " seconds \
	"\r\nContent-Length: 0\r\n\r\n"

struct bench {
	struct story story;
	struct web_server *server;
	struct http_pool *pool;
	struct http_call call;
	struct http_response response;
};

static void start(struct bench *b, const char *const *answers)
{
	struct endpoint_params params = { 0 };
	struct endpoint *endpoint;

	*b = (struct bench){ .call = { .request = HTTP_REQUEST_INIT } };
	b->story.answers = answers;
	(void)pthread_mutex_init(&b->story.lock, NULL);
	b->server = web_server_start(tell, &b->story);
	params.base_url = web_server_url(b->server);
	assert_int_equal(endpoint_new(&params, &endpoint), 0);
	assert_int_equal(http_pool_new(endpoint, &b->pool), 0);
	endpoint_unref(endpoint);
	b->call.request.method = "GET";
	b->call.request.target = "x";
	b->call.request.timeout_ms = 20000;
	b->call.is_idempotent = true;
	http_response_init(&b->response);
}

static void stop(struct bench *b)
{
	http_response_clear(&b->response);
	http_pool_free(b->pool);
	web_server_stop(b->server);
	(void)pthread_mutex_destroy(&b->story.lock);
}

static int call(struct bench *b)
{
	return http_client_call(b->pool, &b->call, NULL, &b->response);
}

static void an_idempotent_call_is_repeated_until_it_works(void **state)
{
	static const char *const answers[] = { UNAVAILABLE, "|", UNAVAILABLE,
		NULL };
	struct bench b;

	(void)state;
	start(&b, answers);
	assert_int_equal(call(&b), 0);
	assert_int_equal(b.response.status, 200);
	assert_string_equal(b.response.body->str, "fine");
	assert_int_equal(web_server_request_count(b.server), 4);
	stop(&b);
}

static void another_call_is_made_once(void **state)
{
	static const char *const answers[] = { UNAVAILABLE, "|", NULL };
	struct bench b;

	(void)state;
	start(&b, answers);
	b.call.is_idempotent = false;
	assert_int_equal(call(&b), 0);
	assert_int_equal(b.response.status, 503);
	http_response_clear(&b.response);
	assert_int_equal(call(&b), -ECONNRESET);
	assert_int_equal(web_server_request_count(b.server), 2);
	stop(&b);
}

static void a_wait_beyond_the_time_limit_is_not_begun(void **state)
{
	static const char *const answers[] = { UNAVAILABLE_FOR("30"), NULL };
	int64_t begin = clock_now_ms();
	struct bench b;

	(void)state;
	start(&b, answers);
	assert_int_equal(call(&b), 0);
	assert_int_equal(b.response.status, 503);
	assert_int_equal(b.response.retry_after_ms, 30000);
	assert_in_range(clock_now_ms() - begin, 0, 10000);
	stop(&b);
}

static void a_transfer_does_not_wait_beyond_its_stall_limit(void **state)
{
	static const char *const answers[] = { UNAVAILABLE_FOR("30"), NULL };
	int64_t begin = clock_now_ms();
	struct bench b;

	(void)state;
	start(&b, answers);
	b.call.request.timeout_ms = 0;
	b.call.request.stall_ms = 2000;
	assert_int_equal(call(&b), 0);
	assert_int_equal(b.response.status, 503);
	assert_in_range(clock_now_ms() - begin, 0, 10000);
	stop(&b);
}

static void attempts_come_to_an_end(void **state)
{
	static const char *const answers[] = { UNAVAILABLE_FOR("0"),
		UNAVAILABLE_FOR("0"), UNAVAILABLE_FOR("0"),
		UNAVAILABLE_FOR("0"), UNAVAILABLE_FOR("0"),
		UNAVAILABLE_FOR("0"), UNAVAILABLE_FOR("0"),
		UNAVAILABLE_FOR("0"), UNAVAILABLE_FOR("0"), NULL };
	struct bench b;

	(void)state;
	start(&b, answers);
	assert_int_equal(call(&b), 0);
	assert_int_equal(b.response.status, 503);
	assert_int_equal(web_server_request_count(b.server), HTTP_RETRIES_MAX);
	stop(&b);
}

/* --- sources and sinks that start again ----------------------------------- */

struct upload {
	size_t sent;
	unsigned rewinds;
};

static ssize_t read_abc(void *arg, char *buffer, size_t size)
{
	struct upload *u = arg;
	size_t n = MIN(size, 3 - u->sent);

	memcpy(buffer, &"abc"[u->sent], n);
	u->sent += n;
	return (ssize_t)n;
}

static int rewind_abc(void *arg)
{
	struct upload *u = arg;

	u->sent = 0;
	u->rewinds++;
	return 0;
}

static void set_upload(struct bench *b, struct upload *u)
{
	b->call.request.method = "PUT";
	b->call.request.content_type = "text/plain";
	b->call.request.source = read_abc;
	b->call.request.source_arg = u;
	b->call.request.source_bytes = 3;
}

static void an_upload_is_repeated_from_its_beginning(void **state)
{
	static const char *const answers[] = { UNAVAILABLE, "|", NULL };
	struct upload u = { 0 };
	g_autofree char *seen = NULL;
	struct bench b;

	(void)state;
	start(&b, answers);
	set_upload(&b, &u);
	b.call.rewind = rewind_abc;
	b.call.rewind_arg = &u;
	assert_int_equal(call(&b), 0);
	assert_int_equal(b.response.status, 200);
	assert_int_equal(u.rewinds, 2);
	seen = web_server_request(b.server, 2);
	assert_true(g_str_has_suffix(seen, "\r\n\r\nabc"));
	stop(&b);
}

static void an_upload_that_cannot_start_again_is_made_once(void **state)
{
	static const char *const answers[] = { UNAVAILABLE, NULL };
	struct upload u = { 0 };
	struct bench b;

	(void)state;
	start(&b, answers);
	set_upload(&b, &u);
	assert_int_equal(call(&b), 0);
	assert_int_equal(b.response.status, 503);
	assert_int_equal(web_server_request_count(b.server), 1);
	stop(&b);
}

static int append(void *arg, const char *bytes, size_t length)
{
	g_string_append_len(arg, bytes, (gssize)length);
	return 0;
}

static void a_sink_that_has_bytes_is_not_given_them_again(void **state)
{
	static const char *const answers[] = { UNAVAILABLE,
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf|", NULL };
	GString *got = g_string_new(NULL);
	struct bench b;

	(void)state;
	start(&b, answers);
	b.call.request.sink = append;
	b.call.request.sink_arg = got;
	assert_int_equal(call(&b), -ECONNRESET);
	assert_string_equal(got->str, "half");
	stop(&b);
	g_string_free(got, TRUE);
}

/* --- cancelled ------------------------------------------------------------ */

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

static void the_wait_between_attempts_is_cancellable(void **state)
{
	static const char *const answers[] = { UNAVAILABLE_FOR("50"), NULL };
	int64_t begin = clock_now_ms();
	struct canceller k;
	struct bench b;
	pthread_t thread;

	(void)state;
	start(&b, answers);
	b.call.request.timeout_ms = 0;
	k.server = b.server;
	cancel_init(&k.cancel, 0);
	assert_int_equal(
		pthread_create(&thread, NULL, cancel_once_asked, &k), 0);
	assert_int_equal(
		http_client_call(b.pool, &b.call, &k.cancel, &b.response),
		-EINTR);
	assert_int_equal(b.response.error, -EINTR);
	assert_in_range(clock_now_ms() - begin, 0, 10000);
	(void)pthread_join(thread, NULL);
	cancel_fini(&k.cancel);
	stop(&b);
}

static void the_time_limit_covers_the_wait_for_a_connection(void **state)
{
	static const char *const answers[] = { NULL };
	struct http_conn *conns[HTTP_CONNECTIONS_MAX];
	struct bench b;
	size_t i;

	(void)state;
	start(&b, answers);
	for (i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		assert_int_equal(
			http_pool_lease(b.pool, NULL, -1, &conns[i]), 0);
	b.call.request.timeout_ms = 30;
	assert_int_equal(call(&b), -ETIMEDOUT);
	assert_int_equal(b.response.error, -ETIMEDOUT);
	assert_false(b.response.may_have_acted);
	for (i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		http_pool_return(&conns[i]);
	stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idempotent_call_is_repeated_until_it_works),
		cmocka_unit_test(another_call_is_made_once),
		cmocka_unit_test(a_wait_beyond_the_time_limit_is_not_begun),
		cmocka_unit_test(
			a_transfer_does_not_wait_beyond_its_stall_limit),
		cmocka_unit_test(attempts_come_to_an_end),
		cmocka_unit_test(an_upload_is_repeated_from_its_beginning),
		cmocka_unit_test(
			an_upload_that_cannot_start_again_is_made_once),
		cmocka_unit_test(a_sink_that_has_bytes_is_not_given_them_again),
		cmocka_unit_test(the_wait_between_attempts_is_cancellable),
		cmocka_unit_test(
			the_time_limit_covers_the_wait_for_a_connection),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
