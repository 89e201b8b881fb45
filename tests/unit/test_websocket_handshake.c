/* Asking for a WebSocket: what is said, and which answers are believed. */
#include "config.h"

#include "test.h"
#include "websocket.h"
#include "websocket_handshake.h"
#include "websocket_peer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#define SOON_MS 10000

struct bench {
	struct web_server *server;
	struct http_pool *pool;
	struct websocket *ws;
};

static struct http_pool *make_pool(const char *url, const char *unix_socket)
{
	struct endpoint_params params = { .base_url = url,
		.unix_socket = unix_socket,
		.token = secret_new("s3cret", 6) };
	struct endpoint *endpoint;
	struct http_pool *pool;

	assert_int_equal(endpoint_new(&params, &endpoint), 0);
	assert_int_equal(http_pool_new(endpoint, &pool), 0);
	endpoint_unref(endpoint);
	secret_unref(params.token);
	return pool;
}

static int start(struct bench *b, web_script script, void *arg)
{
	*b = (struct bench){ .server = web_server_start(script, arg) };
	b->pool = make_pool(web_server_url(b->server), NULL);
	return websocket_open(b->pool, "api/kernels/k/channels?session_id=s",
		SOON_MS, NULL, &b->ws);
}

static void stop(struct bench *b)
{
	websocket_free(b->ws);
	http_pool_free(b->pool);
	web_server_stop(b->server);
}

static void just_welcome(struct web_connection *c, void *arg)
{
	(void)arg;
	if (peer_welcome(c))
		web_wait_hangup(c);
}

static void an_upgrade_is_asked_for_properly(void **state)
{
	g_autofree char *seen = NULL;
	g_autofree char *host = NULL;
	struct http_stats stats;
	struct bench b;

	(void)state;
	assert_int_equal(start(&b, just_welcome, NULL), 0);
	seen = web_server_request(b.server, 0);
	host = g_strdup_printf(
		"\r\nHost: %s\r\n", web_server_url(b.server) + 7);
	assert_true(g_str_has_prefix(
		seen, "GET /api/kernels/k/channels?session_id=s HTTP/1.1\r\n"));
	assert_non_null(strstr(seen, host));
	assert_non_null(strstr(seen, "\r\nUpgrade: websocket\r\n"));
	assert_non_null(strstr(seen, "\r\nConnection: Upgrade\r\n"));
	assert_non_null(strstr(seen, "\r\nSec-WebSocket-Version: 13\r\n"));
	assert_non_null(strstr(seen, "\r\nAuthorization: token s3cret\r\n"));
	http_pool_stats(b.pool, &stats);
	assert_int_equal(stats.requests, 1);
	stop(&b);
}

static void say_once(struct web_connection *c, void *arg)
{
	if (web_read_request(c))
		web_send(c, arg);
}

static void a_refusal_says_why(void **state)
{
	static const struct {
		const char *answer;
		int error;
	} refusals[] = {
		{ "HTTP/1.1 401 No\r\n\r\n", -EACCES },
		{ "HTTP/1.1 403 Forbidden\r\n\r\n", -EACCES },
		{ "HTTP/1.1 404 Not Found\r\n\r\n", -ENOENT },
		{ "HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", -EPROTO },
		{ "HTTP/1.1 200 OK\r\n\r\n", -EPROTO },
		{ "HTTP/1.1 503 Down\r\n\r\n", -EPROTO },
		{ "SSH-2.0-OpenSSH\r\n\r\n", -EPROTO },
		{ "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		  "Connection: Upgrade\r\n\r\n",
			-EPROTO },
		{ "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		  "Connection: Upgrade\r\nSec-WebSocket-Accept: "
		  "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
			-EPROTO },
		{ "HTTP/1.1 101 Swi", -ECONNRESET },
		{ "", -ECONNRESET },
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(refusals); i++) {
		g_autofree char *answer = g_strdup(refusals[i].answer);
		struct bench b;

		assert_int_equal(
			start(&b, say_once, answer), refusals[i].error);
		assert_null(b.ws);
		stop(&b);
	}
}

static void the_accept_key_is_the_standards(void **state)
{
	static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
	char fresh[WEBSOCKET_KEY_SIZE];

	(void)state;
	assert_int_equal(websocket_check_answer(
				 "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n"
				 "Connection: keep-alive, Upgrade\r\n"
				 "Sec-WebSocket-Accept: "
				 "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
				 key),
		0);
	assert_int_equal(websocket_check_answer(
				 "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n"
				 "Connection: Upgrade\r\n"
				 "Sec-WebSocket-Extensions: x\r\n"
				 "Sec-WebSocket-Accept: "
				 "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
				 key),
		-EPROTO);
	websocket_make_key(fresh);
	assert_int_equal(strlen(fresh), WEBSOCKET_KEY_SIZE - 1);
}

static void send_endless_header(struct web_connection *c, void *arg)
{
	int i;

	(void)arg;
	if (!web_read_request(c))
		return;
	web_send(c, "HTTP/1.1 101 Switching Protocols\r\n");
	for (i = 0; i < 20000; i++)
		web_send(c, "X-Filler: filler\r\n");
}

static void an_answers_header_is_bounded(void **state)
{
	struct bench b;

	(void)state;
	assert_int_equal(start(&b, send_endless_header, NULL), -EPROTO);
	stop(&b);
}

static void read_and_stall(struct web_connection *c, void *arg)
{
	(void)arg;
	(void)web_read_request(c);
	web_wait_hangup(c);
}

struct canceller {
	struct web_server *server;
	unsigned requests;
	struct cancel cancel;
};

static void *cancel_once_asked(void *arg)
{
	struct canceller *k = arg;

	web_server_wait_requests(k->server, k->requests);
	cancel_fire(&k->cancel);
	return NULL;
}

static void opening_ends_in_time_or_when_cancelled(void **state)
{
	struct canceller k = { .requests = 2 };
	struct bench b;
	pthread_t thread;

	(void)state;
	b = (struct bench){ .server = web_server_start(read_and_stall, NULL) };
	b.pool = make_pool(web_server_url(b.server), NULL);
	assert_int_equal(
		websocket_open(b.pool, "x", 50, NULL, &b.ws), -ETIMEDOUT);
	k.server = b.server;
	cancel_init(&k.cancel, 0);
	assert_int_equal(
		pthread_create(&thread, NULL, cancel_once_asked, &k), 0);
	assert_int_equal(
		websocket_open(b.pool, "x", 60000, &k.cancel, &b.ws), -EINTR);
	(void)pthread_join(thread, NULL);
	cancel_fini(&k.cancel);
	stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_upgrade_is_asked_for_properly),
		cmocka_unit_test(a_refusal_says_why),
		cmocka_unit_test(the_accept_key_is_the_standards),
		cmocka_unit_test(an_answers_header_is_bounded),
		cmocka_unit_test(opening_ends_in_time_or_when_cancelled),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
