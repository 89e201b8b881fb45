/* Connections into a pod, by the words of an API server. */
#include "config.h"

#include "common_limits.h"
#include "http_client.h"
#include "portforward.h"
#include "test.h"
#include "web_server.h"
#include "websocket_peer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SOON_MS	 10000
#define QUIET_MS 200
#define TARGET	 "api/v1/namespaces/n/pods/p/portforward?ports=8888"

struct bench {
	struct web_server *server;
	struct http_pool *pool;
	struct portforward *forward;
};

static void start(struct bench *b, web_script script, void *arg)
{
	struct endpoint_params params = { 0 };
	struct endpoint *endpoint;

	*b = (struct bench){ .server = web_server_start(script, arg) };
	params.base_url = web_server_url(b->server);
	assert_int_equal(endpoint_new(&params, &endpoint), 0);
	assert_int_equal(http_pool_new(endpoint, &b->pool), 0);
	endpoint_unref(endpoint);
	b->forward = portforward_new(b->pool);
}

static void stop(struct bench *b)
{
	portforward_free(b->forward);
	http_pool_free(b->pool);
	web_server_stop(b->server);
}

static int dial(struct bench *b, int *ret_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(address.sun_family);
	int listen_fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc;

	assert_int_equal(
		bind(listen_fd, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(listen_fd, 4), 0);
	length = sizeof(address);
	assert_int_equal(
		getsockname(listen_fd, (struct sockaddr *)&address, &length),
		0);
	rc = portforward_dial(
		b->forward, TARGET, NULL, clock_now_ms() + SOON_MS, listen_fd);
	if (rc == 0) {
		*ret_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(
			connect(*ret_fd, (struct sockaddr *)&address, length),
			0);
	}
	(void)close(listen_fd);
	return rc;
}

/* --- the API server's side ------------------------------------------------ */

/* As websocket_peer.h's, with the subprotocol. */
static bool agree(struct web_connection *c)
{
	static const char mark[] = "\r\nSec-WebSocket-Key: ";
	const char *key = strstr(c->request->str, mark);
	g_autofree char *text = NULL;
	g_autofree char *accept = NULL;
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
	guint8 digest[20];
	gsize length = sizeof(digest);

	if (key == NULL ||
		strstr(c->request->str, "\r\nSec-WebSocket-Protocol: "
					"v4.channel.k8s.io\r\n") == NULL)
		return false;
	key += strlen(mark);
	text = g_strdup_printf("%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
		(int)strcspn(key, "\r"), key);
	g_checksum_update(sum, (const guchar *)text, -1);
	g_checksum_get_digest(sum, digest, &length);
	accept = g_base64_encode(digest, length);
	web_send(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
		    "Connection: Upgrade\r\nSec-WebSocket-Protocol: "
		    "v4.channel.k8s.io\r\nSec-WebSocket-Accept: ");
	web_send(c, accept);
	web_send(c, "\r\n\r\n");
	peer_send(c, FIN | OPCODE_BINARY, "\0\xb8\x22", 3);
	peer_send(c, FIN | OPCODE_BINARY, "\1\xb8\x22", 3);
	return true;
}

/* What comes on the channel of bytes goes back with a mark. */
static void echo(struct web_connection *c, void *arg)
{
	g_autoptr(GByteArray) frame = g_byte_array_new();

	(void)arg;
	if (!web_read_request(c) || !agree(c))
		return;
	while (peer_read(c, frame) == (FIN | OPCODE_BINARY)) {
		frame->data[0] = 0;
		g_byte_array_append(frame, (const guint8 *)"!", 1);
		peer_send(c, FIN | OPCODE_BINARY, frame->data, frame->len);
		g_byte_array_set_size(frame, 0);
	}
}

static void close_at_once(struct web_connection *c, void *arg)
{
	(void)arg;
	if (web_read_request(c) && agree(c))
		peer_send(c, FIN | OPCODE_CLOSE, "\x03\xe8", 2);
	web_wait_hangup(c);
}

static void nobody_listens(struct web_connection *c, void *arg)
{
	static const char words[] = "\1dial tcp4 127.0.0.1:8888: refused";

	(void)arg;
	if (web_read_request(c) && agree(c))
		peer_send(c, FIN | OPCODE_BINARY, words, sizeof(words) - 1);
	web_wait_hangup(c);
}

static void speak_nonsense(struct web_connection *c, void *arg)
{
	(void)arg;
	if (web_read_request(c) && agree(c))
		peer_send(c, FIN | OPCODE_BINARY, "\x07what?", 6);
	web_wait_hangup(c);
}

static void take_nothing(struct web_connection *c, void *arg)
{
	(void)arg;
	if (web_read_request(c))
		(void)agree(c);
	web_wait_hangup(c);
}

static void refuse(struct web_connection *c, void *arg)
{
	if (web_read_request(c))
		web_answer(c, arg, "{}");
}

/* --- the tests ------------------------------------------------------------ */

static void bytes_go_there_and_back(void **state)
{
	g_autofree char *seen = NULL;
	char answer[16] = "";
	struct bench b;
	int fd;

	(void)state;
	start(&b, echo, NULL);
	assert_int_equal(dial(&b, &fd), 0);
	assert_int_equal(send(fd, "hello", 5, 0), 5);
	assert_int_equal(recv(fd, answer, 6, MSG_WAITALL), 6);
	assert_string_equal(answer, "hello!");
	seen = web_server_request(b.server, 0);
	assert_true(g_str_has_prefix(seen, "GET /" TARGET " HTTP/1.1\r\n"));
	(void)close(fd);
	stop(&b);
}

static void our_end_is_theirs(void **state)
{
	struct bench b;
	int fd;

	(void)state;
	start(&b, echo, NULL);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(dial(&b, &fd), 0);
		(void)close(fd);
	}
	stop(&b); /* waits for every tunnel's end */
}

static void each_end_of_theirs_is_ours(void **state)
{
	static const web_script scripts[] = { close_at_once, nobody_listens,
		speak_nonsense };
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(scripts); i++) {
		struct bench b;
		char byte;
		int fd;

		start(&b, scripts[i], NULL);
		assert_int_equal(dial(&b, &fd), 0);
		assert_int_equal(recv(fd, &byte, 1, 0), 0);
		(void)close(fd);
		stop(&b);
	}
}

static void refusals_are_told_apart(void **state)
{
	static const struct {
		const char *status;
		int error;
	} rows[] = {
		{ "403 Forbidden", -EACCES },
		{ "404 Not Found", -EHOSTUNREACH },
		{ "500 Internal Server Error", -EHOSTUNREACH },
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *status = g_strdup(rows[i].status);
		struct bench b;
		int fd = -1;

		start(&b, refuse, status);
		assert_int_equal(dial(&b, &fd), rows[i].error);
		assert_int_equal(fd, -1);
		stop(&b);
	}
}

static void the_end_of_all_ends_open_tunnels(void **state)
{
	struct bench b;
	char byte;
	int fd;

	(void)state;
	start(&b, echo, NULL);
	assert_int_equal(dial(&b, &fd), 0);
	portforward_free(b.forward);
	b.forward = NULL;
	assert_true(recv(fd, &byte, 1, 0) <= 0);
	(void)close(fd);
	stop(&b);
}

/* Until nobody on the way has room for more. */
static void fill(int fd)
{
	g_autofree char *piece = g_malloc0(65536);
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	while (poll(&p, 1, QUIET_MS) == 1)
		(void)send(fd, piece, 65536, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void the_end_does_not_wait_for_who_takes_nothing(void **state)
{
	int64_t began_ms;
	struct bench b;
	int fd;

	(void)state;
	start(&b, take_nothing, NULL);
	assert_int_equal(dial(&b, &fd), 0);
	fill(fd);
	began_ms = clock_now_ms();
	portforward_free(b.forward);
	b.forward = NULL;
	assert_true(
		clock_now_ms() - began_ms < PORTFORWARD_SEND_TIMEOUT_MS / 2);
	(void)close(fd);
	stop(&b);
}

#define MUCH (8 * 1024 * 1024)

/* More than any buffer on the way holds. */
static void much_goes_through_whole(void **state)
{
	g_autofree guint8 *out = g_malloc(MUCH);
	g_autoptr(GByteArray) in = g_byte_array_new();
	guint8 piece[65536];
	size_t sent = 0;
	size_t marks = 0;
	size_t at = 0;
	struct bench b;
	int fd;

	(void)state;
	for (size_t i = 0; i < MUCH; i++)
		out[i] = (guint8)(i * 7 % 31); /* never '!' (33) */
	start(&b, echo, NULL);
	assert_int_equal(dial(&b, &fd), 0);
	while (in->len - marks < MUCH) {
		ssize_t n = sent == MUCH ? 0
					 : send(fd, out + sent,
						   MIN(MUCH - sent, 100000),
						   MSG_DONTWAIT);

		if (n > 0)
			sent += (size_t)n;
		n = recv(fd, piece, sizeof(piece), n > 0 ? MSG_DONTWAIT : 0);
		if (n > 0)
			g_byte_array_append(in, piece, (guint)n);
		for (; at < in->len; at++)
			marks += in->data[at] == '!';
	}
	at = 0;
	for (size_t i = 0; i < in->len; i++)
		if (in->data[i] != '!')
			assert_int_equal(in->data[i], out[at++]);
	assert_int_equal(at, MUCH);
	(void)close(fd);
	stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_there_and_back),
		cmocka_unit_test(our_end_is_theirs),
		cmocka_unit_test(each_end_of_theirs_is_ours),
		cmocka_unit_test(refusals_are_told_apart),
		cmocka_unit_test(the_end_of_all_ends_open_tunnels),
		cmocka_unit_test(the_end_does_not_wait_for_who_takes_nothing),
		cmocka_unit_test(much_goes_through_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
