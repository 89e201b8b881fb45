/* WebSockets against a server whose every frame is the test's. */
#include "config.h"

#include "common_limits.h"
#include "test.h"
#include "websocket.h"
#include "websocket_peer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
	assert_int_equal(
		websocket_send(b->ws, NULL, false, "x", 1, SOON_MS), -EPIPE);
}

static void just_welcome(struct web_connection *c, void *arg)
{
	(void)arg;
	if (peer_welcome(c))
		web_wait_hangup(c);
}

/* --- receiving ------------------------------------------------------------ */

static void send_some(struct web_connection *c, void *arg)
{
	(void)arg;
	if (!peer_welcome(c))
		return;
	peer_send_text(c, "first");
	peer_send(c, OPCODE_TEXT, "sec", 3);
	peer_send(c, FIN | OPCODE_PING, "p", 1);
	peer_send(c, OPCODE_CONTINUE, "on", 2);
	peer_send(c, FIN | OPCODE_CONTINUE, "d", 1);
	peer_send_text(c, "");
	peer_send(c, FIN | OPCODE_BINARY, "\0\1\2", 3);
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
	if (peer_welcome(c))
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
	if (peer_welcome(c)) {
		peer_send(c, FIN | OPCODE_PING, "are you there", 13);
		first = peer_read(c, pong);
		peer_send_text(
			c, first == (FIN | OPCODE_PONG) && pong->len == 13 &&
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
	if (peer_welcome(c)) {
		peer_send_text(c, "last words");
		peer_send(c, FIN | OPCODE_CLOSE, "\x03\xe8", 2);
		if (peer_read(c, reply) == (FIN | OPCODE_CLOSE))
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
	if (!peer_welcome(c))
		return;
	peer_send_text(c, "whole");
	peer_send_header(c, FIN | OPCODE_TEXT, 1000);
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
	if (!peer_welcome(c))
		return;
	peer_send_header(c, FIN | OPCODE_BINARY, KERNEL_RECV_MAX + 1);
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

/* 36 MiB of them, and none of the answers is taken: more than sockets hold. */
static void send_pings(struct web_connection *c, void *arg)
{
	char pings[1000][127] = { { 0 } };
	int i;

	(void)arg;
	for (i = 0; i < 1000; i++) {
		pings[i][0] = (char)(FIN | OPCODE_PING);
		pings[i][1] = 125;
	}
	if (!peer_welcome(c))
		return;
	for (i = 0; i < 300; i++)
		web_send_bytes(c, pings, sizeof(pings));
	web_wait_hangup(c);
}

static void pings_without_end_fill_no_memory(void **state)
{
	struct bench b;
	bool is_binary;
	GByteArray *m;

	(void)state;
	assert_int_equal(start(&b, send_pings, NULL), 0);
	assert_int_equal(receive(&b, &is_binary, &m), -EPROTO);
	stop(&b);
}

static void send_empty_fragments(struct web_connection *c, void *arg)
{
	static const char fragments[65536];
	int i;

	(void)arg;
	if (!peer_welcome(c))
		return;
	peer_send(c, OPCODE_TEXT, "x", 1);
	for (i = 0; i < 1000; i++)
		web_send_bytes(c, fragments, sizeof(fragments));
	web_wait_hangup(c);
}

/* There is always something to read, and never a message. */
static void fragments_without_end_hold_nobody_up(void **state)
{
	struct bench b;
	bool is_binary;
	GByteArray *m;

	(void)state;
	assert_int_equal(start(&b, send_empty_fragments, NULL), 0);
	assert_int_equal(
		websocket_receive(b.ws, NULL, 50, &is_binary, &m), -ETIMEDOUT);
	stop(&b);
}

static void send_nonsense(struct web_connection *c, void *arg)
{
	(void)arg;
	if (!peer_welcome(c))
		return;
	peer_send(c, 0x70 | OPCODE_TEXT, "x", 1);
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

	if (peer_welcome(c) && peer_read(c, bytes) == (FIN | OPCODE_CLOSE))
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
	if (peer_welcome(c))
		while ((first = peer_read(c, bytes)) != 0 &&
			first != (FIN | OPCODE_CLOSE))
			peer_send(c, first, bytes->data, bytes->len);
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

		assert_int_equal(websocket_send(b.ws, NULL, true, bytes,
					 sizes[i], SOON_MS),
			0);
		assert_int_equal(receive(&b, &is_binary, &m), 0);
		assert_true(is_binary);
		assert_int_equal(m->len, sizes[i]);
		if (m->len > 0)
			assert_memory_equal(m->data, bytes, m->len);
		g_byte_array_unref(m);
	}
	assert_int_equal(websocket_send(b.ws, NULL, true, bytes,
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
		failures += websocket_send(b->ws, NULL, false, text, 3000,
				    SOON_MS) != 0;
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
			b.ws, NULL, true, bytes, (size_t)KERNEL_SEND_MAX, 100);
	assert_int_equal(rc, -ETIMEDOUT);
	expect_end(&b, -EPIPE);
	stop(&b);
}

static void a_sender_that_gives_up_ends_the_websocket(void **state)
{
	g_autofree char *bytes = g_malloc0((size_t)KERNEL_SEND_MAX);
	struct cancel cancel;
	struct bench b;
	int rc = 0;
	int i;

	(void)state;
	assert_int_equal(start(&b, just_welcome, NULL), 0);
	cancel_init(&cancel, 0);
	cancel_fire(&cancel);
	/* What need not wait is sent all the same. */
	for (i = 0; rc == 0 && i < 20; i++)
		rc = websocket_send(b.ws, &cancel, true, bytes,
			(size_t)KERNEL_SEND_MAX, -1);
	assert_int_equal(rc, -EINTR);
	expect_end(&b, -EPIPE);
	cancel_fini(&cancel);
	stop(&b);
}

static void *receive_one(void *arg)
{
	struct bench *b = arg;
	GByteArray *m = NULL;
	bool is_binary;

	return GINT_TO_POINTER(
		websocket_receive(b->ws, NULL, -1, &is_binary, &m));
}

/* Whoever else is there writes the rest; and there is an end to it. */
static void one_that_posts_ends_nothing(void **state)
{
	g_autofree char *bytes = g_malloc0((size_t)KERNEL_SEND_MAX);
	struct cancel cancel;
	struct bench b;
	pthread_t receiver;
	void *result;
	int rc = 0;
	int i;

	(void)state;
	assert_int_equal(start(&b, just_welcome, NULL), 0);
	cancel_init(&cancel, 0);
	cancel_fire(&cancel);
	for (i = 0; rc == 0 && i < 20; i++)
		rc = websocket_post(b.ws, &cancel, true, bytes,
			(size_t)KERNEL_SEND_MAX, -1);
	assert_int_equal(rc, -EINTR);
	for (i = 0; rc != -EBUSY && i < 3; i++)
		rc = websocket_post(
			b.ws, NULL, true, bytes, (size_t)KERNEL_SEND_MAX, 1);
	assert_int_equal(rc, -EBUSY);
	assert_int_equal(pthread_create(&receiver, NULL, receive_one, &b), 0);
	websocket_break(b.ws);
	(void)pthread_join(receiver, &result);
	assert_int_equal(GPOINTER_TO_INT(result), -EPIPE);
	assert_int_equal(
		websocket_post(b.ws, NULL, true, bytes, 1, -1), -EPIPE);
	cancel_fini(&cancel);
	stop(&b);
}

static void what_who_posts_leaves_behind_arrives(void **state)
{
	g_autofree char *bytes = g_malloc((size_t)KERNEL_SEND_MAX + 1);
	struct cancel cancel;
	struct bench b;
	int i, rc = 0;

	(void)state;
	assert_int_equal(start(&b, echo, NULL), 0);
	memset(bytes, 'x', (size_t)KERNEL_SEND_MAX);
	bytes[KERNEL_SEND_MAX] = '\0';
	cancel_init(&cancel, 0);
	cancel_fire(&cancel);
	for (i = 0; rc == 0 && i < 20; i++)
		rc = websocket_post(b.ws, &cancel, false, bytes,
			(size_t)KERNEL_SEND_MAX, -1);
	assert_int_equal(rc, -EINTR);
	while (i-- > 0)
		expect_text(&b, bytes);
	cancel_fini(&cancel);
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
	assert_int_equal(
		websocket_send(b.ws, NULL, false, "hello", 5, SOON_MS), 0);
	expect_text(&b, "hello");
	stop(&b);
	(void)unlink(path);
	(void)rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_arrive_whole_and_in_order),
		cmocka_unit_test(no_message_of_many_is_lost),
		cmocka_unit_test(a_ping_is_answered_while_waiting),
		cmocka_unit_test(
			a_wait_for_a_message_ends_in_time_or_when_cancelled),
		cmocka_unit_test(a_goodbye_ends_after_the_last_message),
		cmocka_unit_test(a_cut_in_a_message_is_an_end),
		cmocka_unit_test(a_message_above_the_maximum_is_refused),
		cmocka_unit_test(pings_without_end_fill_no_memory),
		cmocka_unit_test(fragments_without_end_hold_nobody_up),
		cmocka_unit_test(nonsense_is_a_protocol_error),
		cmocka_unit_test(freeing_says_goodbye),
		cmocka_unit_test(messages_of_every_size_come_back),
		cmocka_unit_test(many_threads_send_while_one_receives),
		cmocka_unit_test(
			a_server_that_does_not_read_ends_the_websocket),
		cmocka_unit_test(a_sender_that_gives_up_ends_the_websocket),
		cmocka_unit_test(one_that_posts_ends_nothing),
		cmocka_unit_test(what_who_posts_leaves_behind_arrives),
		cmocka_unit_test(a_unix_socket_works_like_a_port),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
