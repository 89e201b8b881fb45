/* fuzz_stream.c - see fuzz_stream.h. */
#include "config.h"

#include "fuzz_stream.h"

#include "http_stream.h"
#include "mutex.h"

#include <errno.h>
#include <string.h>

#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

int __wrap_http_stream_open(struct http_stream *, struct http_pool *,
	const char *target, int64_t end_ms, const struct cancel *);
void __wrap_http_stream_close(struct http_stream *);
ssize_t __wrap_http_stream_recv(struct http_stream *, void *, size_t);
ssize_t __wrap_http_stream_send(struct http_stream *, const void *, size_t);
int __wrap_http_stream_wait(
	struct http_stream *, short, const struct cancel *, int64_t end_ms);
void __wrap_http_stream_shutdown(struct http_stream *);

/* Used under the WebSocket's lock, or by who begins and ends. */
static struct {
	struct fuzz_input *input;
	bool agrees;
	const char *protocol;
	size_t step;
	GString *request; /* so far; NULL: the answer has been made */
	GString *answer;  /* what is left of it */
	unsigned turns;
} stream;

void fuzz_stream_begin(
	struct fuzz_input *in, bool agrees, const char *protocol, size_t step)
{
	stream.input = in;
	stream.agrees = agrees;
	stream.protocol = protocol;
	stream.step = step;
	stream.request = g_string_new(NULL);
	stream.answer = g_string_new(NULL);
	stream.turns = 0;
}

void fuzz_stream_end(void)
{
	if (stream.request != NULL)
		g_string_free(stream.request, TRUE);
	g_string_free(stream.answer, TRUE);
	memset(&stream, 0, sizeof(stream));
}

int __wrap_http_stream_open(struct http_stream *s, struct http_pool *pool,
	const char *target, int64_t end_ms, const struct cancel *cancel)
{
	int rc = http_conn_init(
		&s->conn, http_pool_endpoint(pool), http_pool_xsrf(pool));

	if (rc == 0)
		rc = http_conn_prepare(&s->conn, target, cancel, end_ms);
	s->fd = -1;
	return rc;
}

void __wrap_http_stream_close(struct http_stream *s)
{
	if (s->conn.multi != NULL)
		http_conn_finish(&s->conn);
	http_conn_fini(&s->conn);
}

/* One line each, and one empty line, at its end. */
static void check_upgrade(const char *request)
{
	g_auto(GStrv) lines = g_strsplit(request, "\r\n", -1);
	guint count = g_strv_length(lines);

	if (count < 3 || *lines[count - 1] != '\0' || *lines[count - 2] != '\0')
		g_error("an upgrade without an end");
	for (guint i = 0; i < count - 2; i++)
		if (*lines[i] == '\0' || strpbrk(lines[i], "\r\n") != NULL)
			g_error("an upgrade with an end in it");
}

static char *accept_of(const char *request)
{
	static const char name[] = "Sec-WebSocket-Key: ";
	const char *key = strstr(request, name);
	g_autofree char *text = NULL;
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
	guint8 digest[20];
	gsize length = sizeof(digest);

	if (key == NULL)
		g_error("an upgrade without a key");
	key += strlen(name);
	text = g_strdup_printf(
		"%.*s" ACCEPT_GUID, (int)strcspn(key, "\r"), key);
	g_checksum_update(sum, (const guchar *)text, -1);
	g_checksum_get_digest(sum, digest, &length);
	return g_base64_encode(digest, length);
}

static void answer_upgrade(void)
{
	g_autofree char *accept = accept_of(stream.request->str);

	check_upgrade(stream.request->str);
	if (stream.agrees)
		g_string_append_printf(stream.answer,
			"HTTP/1.1 101 Switching Protocols\r\n"
			"Upgrade: websocket\r\nConnection: Upgrade\r\n"
			"Sec-WebSocket-Accept: %s\r\n%s%s%s\r\n",
			accept,
			stream.protocol == NULL ? ""
						: "Sec-WebSocket-Protocol: ",
			stream.protocol == NULL ? "" : stream.protocol,
			stream.protocol == NULL ? "" : "\r\n");
	g_string_free(stream.request, TRUE);
	stream.request = NULL;
}

ssize_t __wrap_http_stream_send(
	struct http_stream *s, const void *bytes, size_t size)
{
	(void)s;
	if (stream.request != NULL) {
		g_string_append_len(stream.request, bytes, (gssize)size);
		if (g_str_has_suffix(stream.request->str, "\r\n\r\n"))
			answer_upgrade();
		return (ssize_t)size;
	}
	if (++stream.turns % 5 == 0)
		return -EAGAIN;
	return (ssize_t)(size > 1 && stream.turns % 3 == 0 ? size / 2 : size);
}

ssize_t __wrap_http_stream_recv(struct http_stream *s, void *bytes, size_t size)
{
	size_t n = MIN(size, stream.step);

	(void)s;
	if (stream.answer->len > 0) {
		n = MIN(n, stream.answer->len);
		memcpy(bytes, stream.answer->str, n);
		g_string_erase(stream.answer, 0, (gssize)n);
		return (ssize_t)n;
	}
	if (++stream.turns % 4 == 0)
		return -EAGAIN;
	n = MIN(n, stream.input->left);
	if (n > 0)
		memcpy(bytes, stream.input->at, n);
	stream.input->at += n;
	stream.input->left -= n;
	return (ssize_t)n;
}

int __wrap_http_stream_wait(struct http_stream *s, short events,
	const struct cancel *cancel, int64_t end_ms)
{
	(void)s;
	(void)events;
	(void)end_ms;
	return cancel_check(cancel);
}

void __wrap_http_stream_shutdown(struct http_stream *s)
{
	(void)s;
}
