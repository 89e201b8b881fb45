/* WebSockets against a server whose every frame is the test's. */
#include "config.h"

#include "limits.h"
#include "test.h"
#include "web_server.h"
#include "websocket.h"
#include "websocket_handshake.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPCODE_CONTINUE 0x0
#define OPCODE_TEXT	0x1
#define OPCODE_BINARY	0x2
#define OPCODE_CLOSE	0x8
#define OPCODE_PING	0x9
#define OPCODE_PONG	0xa
#define FIN		0x80
#define SOON_MS		10000

/* --- the server's side ---------------------------------------------------- */

/* Answers the upgrade as a server does. */
static bool welcome(struct web_connection *c)
{
	g_autofree char *accept = NULL;
	g_autofree char *answer = NULL;
	g_autofree char *text = NULL;
	guint8 digest[20];
	gsize size = sizeof(digest);
	GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA1);
	const char *key;

	if (!web_read_request(c))
		return false;
	key = strstr(c->request->str, "Sec-WebSocket-Key: ");
	if (key == NULL)
		return false;
	text = g_strndup(key + 19, 24);
	g_checksum_update(sum, (const guchar *)text, -1);
	g_checksum_update(sum,
		(const guchar *)"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", -1);
	g_checksum_get_digest(sum, digest, &size);
	g_checksum_free(sum);
	accept = g_base64_encode(digest, size);
	answer = g_strconcat("HTTP/1.1 101 Switching Protocols\r\n"
			     "upgrade: WebSocket\r\nConnection: upgrade\r\n"
			     "Sec-WebSocket-Accept: ",
		accept, "\r\n\r\n", NULL);
	web_send(c, answer);
	return true;
}

/* A frame's header as servers send it, unmasked. */
static void send_frame_header(
	struct web_connection *c, unsigned first, uint64_t length)
{
	unsigned char header[10];
	size_t size = 2;
	size_t i;

	header[0] = (unsigned char)first;
	if (length < 126) {
		header[1] = (unsigned char)length;
	} else {
		size_t bytes = length < 65536 ? 2 : 8;

		header[1] = bytes == 2 ? 126 : 127;
		for (i = 0; i < bytes; i++)
			header[2 + i] =
				(unsigned char)(length >> 8 * (bytes - 1 - i));
		size += bytes;
	}
	web_send_bytes(c, header, size);
}

static void send_frame(struct web_connection *c, unsigned first,
	const void *bytes, size_t length)
{
	send_frame_header(c, first, length);
	web_send_bytes(c, bytes, length);
}

static void send_text(struct web_connection *c, const char *text)
{
	send_frame(c, FIN | OPCODE_TEXT, text, strlen(text));
}

/* A client's frame, unmasked into a new buffer; 0 at the end. */
static unsigned read_frame(struct web_connection *c, GByteArray *into)
{
	unsigned char head[2];
	unsigned char more[8];
	unsigned char mask[4];
	uint64_t length;
	size_t size = 0;
	size_t i;

	if (!web_read_bytes(c, head, 2) || (head[1] & 0x80) == 0)
		return 0;
	length = head[1] & 0x7f;
	if (length >= 126) {
		size = length == 126 ? 2 : 8;
		if (!web_read_bytes(c, more, size))
			return 0;
		for (length = 0, i = 0; i < size; i++)
			length = length << 8 | more[i];
	}
	g_byte_array_set_size(into, (guint)length);
	if (!web_read_bytes(c, mask, 4) ||
		!web_read_bytes(c, into->data, (size_t)length))
		return 0;
	for (i = 0; i < length; i++)
		into->data[i] ^= mask[i % 4];
	return head[0];
}

/* --- the client's side ---------------------------------------------------- */

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

static int receive(struct bench *b, bool *ret_is_binary, GByteArray **ret)
{
	return websocket_receive(b->ws, NULL, SOON_MS, ret_is_binary, ret);
}

static void expect_text(struct bench *b, const char *text)
{
	bool is_binary = true;
	GByteArray *m;

	assert_int_equal(receive(b, &is_binary, &m), 0);
	assert_false(is_binary);
	assert_int_equal(m->len, strlen(text));
	assert_memory_equal(m->data, text, m->len);
	g_byte_array_unref(m);
}

static void expect_end(struct bench *b, int error)
{
	bool is_binary;
	GByteArray *m;

	assert_int_equal(receive(b, &is_binary, &m), error);
	assert_int_equal(receive(b, &is_binary, &m), error);
	assert_int_equal(websocket_send(b->ws, false, "x", 1, SOON_MS), -EPIPE);
}

/* --- handshakes ----------------------------------------------------------- */

static void just_welcome(struct web_connection *c, void *arg)
{
	(void)arg;
	if (welcome(c))
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

/* --- receiving ------------------------------------------------------------ */

static void send_some(struct web_connection *c, void *arg)
{
	(void)arg;
	if (!welcome(c))
		return;
	send_text(c, "first");
	send_frame(c, OPCODE_TEXT, "sec", 3);
	send_frame(c, FIN | OPCODE_PING, "p", 1);
	send_frame(c, OPCODE_CONTINUE, "on", 2);
	send_frame(c, FIN | OPCODE_CONTINUE, "d", 1);
	send_text(c, "");
	send_frame(c, FIN | OPCODE_BINARY, "\0\1\2", 3);
	web_wait_hangup(c);
}

static void messages_arrive_whole_and_in_order(void **state)
{
	bool is_binary = false;
	GByteArray *m;
	struct bench b;

	(void)state;
	assert_int_equal(start(&b, send_some, NULL), 0);
	expect_text(&b, "first");
	expect_text(&b, "second");
	expect_text(&b, "");
	assert_int_equal(receive(&b, &is_binary, &m), 0);
	assert_true(is_binary);
	assert_int_equal(m->len, 3);
	g_byte_array_unref(m);
	stop(&b);
}

/* One write: the handshake's end, and frames behind it. */
static void many_at_once(struct web_connection *c, void *arg)
{
	GString *all = g_string_new(NULL);
	int i;

	(void)arg;
	for (i = 0; i < 3000; i++)
		g_string_append_printf(
			all, "%c%c%05d", FIN | OPCODE_TEXT, 5, i);
	if (welcome(c))
		web_send_bytes(c, all->str, all->len);
	(void)g_string_free(all, TRUE);
	web_wait_hangup(c);
}

static void no_message_of_many_is_lost(void **state)
{
	struct bench b;
	int i;

	(void)state;
	assert_int_equal(start(&b, many_at_once, NULL), 0);
	for (i = 0; i < 3000; i++) {
		char text[16];

		(void)g_snprintf(text, sizeof(text), "%05d", i);
		expect_text(&b, text);
	}
	stop(&b);
}

static void answer_ping(struct web_connection *c, void *arg)
{
	GByteArray *pong = g_byte_array_new();
	unsigned first;

	(void)arg;
	if (welcome(c)) {
		send_frame(c, FIN | OPCODE_PING, "are you there", 13);
		first = read_frame(c, pong);
		send_text(c, first == (FIN | OPCODE_PONG) && pong->len == 13 &&
					     memcmp(pong->data, "are you there",
						     13) == 0
				     ? "good pong"
				     : "bad pong");
		web_wait_hangup(c);
	}
	g_byte_array_unref(pong);
}

static void a_ping_is_answered_while_waiting(void **state)
{
	struct bench b;

	(void)state;
	assert_int_equal(start(&b, answer_ping, NULL), 0);
	expect_text(&b, "good pong");
	stop(&b);
}

static void a_wait_for_a_message_ends_in_time_or_when_cancelled(void **state)
{
	struct canceller k = { .requests = 1 };
	struct bench b;
	pthread_t thread;
	bool is_binary;
	GByteArray *m;

	(void)state;
	assert_int_equal(start(&b, just_welcome, NULL), 0);
	assert_int_equal(
		websocket_receive(b.ws, NULL, 0, &is_binary, &m), -ETIMEDOUT);
	assert_int_equal(
		websocket_receive(b.ws, NULL, 20, &is_binary, &m), -ETIMEDOUT);
	k.server = b.server;
	cancel_init(&k.cancel, 0);
	assert_int_equal(
		pthread_create(&thread, NULL, cancel_once_asked, &k), 0);
	assert_int_equal(
		websocket_receive(b.ws, &k.cancel, -1, &is_binary, &m), -EINTR);
	(void)pthread_join(thread, NULL);
	cancel_fini(&k.cancel);
	stop(&b);
}

/* --- ends ----------------------------------------------------------------- */

static void say_goodbye(struct web_connection *c, void *arg)
{
	GByteArray *reply = g_byte_array_new();

	(void)arg;
	if (welcome(c)) {
		send_text(c, "last words");
		send_frame(c, FIN | OPCODE_CLOSE, "\x03\xe8", 2);
		if (read_frame(c, reply) == (FIN | OPCODE_CLOSE))
			(void)web_read_header(c);
	}
	g_byte_array_unref(reply);
}

static void a_goodbye_ends_after_the_last_message(void **state)
{
	struct bench b;

	(void)state;
	assert_int_equal(start(&b, say_goodbye, NULL), 0);
	expect_text(&b, "last words");
	expect_end(&b, -EPIPE);
	stop(&b);
}

static void cut_in_a_frame(struct web_connection *c, void *arg)
{
	(void)arg;
	if (!welcome(c))
		return;
	send_text(c, "whole");
	send_frame_header(c, FIN | OPCODE_TEXT, 1000);
	web_send(c, "half");
}

static void a_cut_in_a_message_is_an_end(void **state)
{
	struct bench b;

	(void)state;
	assert_int_equal(start(&b, cut_in_a_frame, NULL), 0);
	expect_text(&b, "whole");
	expect_end(&b, -EPIPE);
	stop(&b);
}

static void send_too_much(struct web_connection *c, void *arg)
{
	(void)arg;
	if (!welcome(c))
		return;
	send_frame_header(c, FIN | OPCODE_BINARY, KERNEL_RECV_MAX + 1);
	web_send(c, "x");
	web_wait_hangup(c);
}

static void a_message_above_the_maximum_is_refused(void **state)
{
	struct bench b;

	(void)state;
	assert_int_equal(start(&b, send_too_much, NULL), 0);
	expect_end(&b, -EPROTO);
	stop(&b);
}

static void send_nonsense(struct web_connection *c, void *arg)
{
	(void)arg;
	if (!welcome(c))
		return;
	send_frame(c, 0x70 | OPCODE_TEXT, "x", 1);
	web_wait_hangup(c);
}

static void nonsense_is_a_protocol_error(void **state)
{
	struct bench b;

	(void)state;
	assert_int_equal(start(&b, send_nonsense, NULL), 0);
	expect_end(&b, -EPROTO);
	stop(&b);
}

static void wait_for_goodbye(struct web_connection *c, void *arg)
{
	GByteArray *bytes = g_byte_array_new();

	if (welcome(c) && read_frame(c, bytes) == (FIN | OPCODE_CLOSE))
		*(bool *)arg = true;
	g_byte_array_unref(bytes);
}

static void freeing_says_goodbye(void **state)
{
	bool is_polite = false;
	struct bench b;

	(void)state;
	assert_int_equal(start(&b, wait_for_goodbye, &is_polite), 0);
	websocket_free(b.ws);
	b.ws = NULL;
	stop(&b);
	assert_true(is_polite);
}

/* --- sending -------------------------------------------------------------- */

/* Returns each message as it came. */
static void echo(struct web_connection *c, void *arg)
{
	GByteArray *bytes = g_byte_array_new();
	unsigned first;

	(void)arg;
	if (welcome(c))
		while ((first = read_frame(c, bytes)) != 0 &&
			first != (FIN | OPCODE_CLOSE))
			send_frame(c, first, bytes->data, bytes->len);
	g_byte_array_unref(bytes);
}

static void messages_of_every_size_come_back(void **state)
{
	static const size_t sizes[] = { 0, 1, 125, 126, 127, 4095, 4096, 65535,
		65536, 65537, 1000003 };
	g_autofree char *bytes = g_malloc(1000003);
	struct bench b;
	size_t i;

	(void)state;
	for (i = 0; i < 1000003; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	assert_int_equal(start(&b, echo, NULL), 0);
	for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
		bool is_binary = false;
		GByteArray *m;

		assert_int_equal(
			websocket_send(b.ws, true, bytes, sizes[i], SOON_MS),
			0);
		assert_int_equal(receive(&b, &is_binary, &m), 0);
		assert_true(is_binary);
		assert_int_equal(m->len, sizes[i]);
		if (m->len > 0)
			assert_memory_equal(m->data, bytes, m->len);
		g_byte_array_unref(m);
	}
	assert_int_equal(websocket_send(b.ws, true, bytes,
				 (size_t)KERNEL_SEND_MAX + 1, SOON_MS),
		-EMSGSIZE);
	stop(&b);
}

#define SENDERS	 8
#define MESSAGES 50

static void *send_many(void *arg)
{
	struct bench *b = arg;
	g_autofree char *text = g_strnfill(3000, 't');
	intptr_t failures = 0;
	int i;

	for (i = 0; i < MESSAGES; i++)
		failures +=
			websocket_send(b->ws, false, text, 3000, SOON_MS) != 0;
	return (void *)failures;
}

static void many_threads_send_while_one_receives(void **state)
{
	g_autofree char *text = g_strnfill(3000, 't');
	pthread_t threads[SENDERS];
	struct bench b;
	int i;

	(void)state;
	assert_int_equal(start(&b, echo, NULL), 0);
	for (i = 0; i < SENDERS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, send_many, &b), 0);
	for (i = 0; i < SENDERS * MESSAGES; i++)
		expect_text(&b, text);
	for (i = 0; i < SENDERS; i++) {
		void *failures = NULL;

		(void)pthread_join(threads[i], &failures);
		assert_null(failures);
	}
	stop(&b);
}

static void a_server_that_does_not_read_ends_the_websocket(void **state)
{
	g_autofree char *bytes = g_malloc0((size_t)KERNEL_SEND_MAX);
	struct bench b;
	int rc = 0;
	int i;

	(void)state;
	assert_int_equal(start(&b, just_welcome, NULL), 0);
	/* As many as the sockets' buffers may take. */
	for (i = 0; rc == 0 && i < 20; i++)
		rc = websocket_send(
			b.ws, true, bytes, (size_t)KERNEL_SEND_MAX, 100);
	assert_int_equal(rc, -ETIMEDOUT);
	expect_end(&b, -EPIPE);
	stop(&b);
}

static void a_unix_socket_works_like_a_port(void **state)
{
	char folder[] = "/tmp/pycloud-test-XXXXXX";
	g_autofree char *path = NULL;
	struct bench b;

	(void)state;
	assert_non_null(mkdtemp(folder));
	path = g_build_filename(folder, "sock", NULL);
	b.server = web_server_start_unix(path, echo, NULL);
	b.pool = make_pool("http://localhost/base", path);
	assert_int_equal(websocket_open(b.pool, "ch", SOON_MS, NULL, &b.ws), 0);
	assert_int_equal(websocket_send(b.ws, false, "hello", 5, SOON_MS), 0);
	expect_text(&b, "hello");
	stop(&b);
	(void)unlink(path);
	(void)rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_upgrade_is_asked_for_properly),
		cmocka_unit_test(a_refusal_says_why),
		cmocka_unit_test(the_accept_key_is_the_standards),
		cmocka_unit_test(an_answers_header_is_bounded),
		cmocka_unit_test(opening_ends_in_time_or_when_cancelled),
		cmocka_unit_test(messages_arrive_whole_and_in_order),
		cmocka_unit_test(no_message_of_many_is_lost),
		cmocka_unit_test(a_ping_is_answered_while_waiting),
		cmocka_unit_test(
			a_wait_for_a_message_ends_in_time_or_when_cancelled),
		cmocka_unit_test(a_goodbye_ends_after_the_last_message),
		cmocka_unit_test(a_cut_in_a_message_is_an_end),
		cmocka_unit_test(a_message_above_the_maximum_is_refused),
		cmocka_unit_test(nonsense_is_a_protocol_error),
		cmocka_unit_test(freeing_says_goodbye),
		cmocka_unit_test(messages_of_every_size_come_back),
		cmocka_unit_test(many_threads_send_while_one_receives),
		cmocka_unit_test(
			a_server_that_does_not_read_ends_the_websocket),
		cmocka_unit_test(a_unix_socket_works_like_a_port),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
