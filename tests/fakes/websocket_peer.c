/* websocket_peer.c - see websocket_peer.h. */
#include "config.h"

#include "websocket_peer.h"

#include <string.h>

bool peer_welcome(struct web_connection *c)
{
	return web_read_request(c) && peer_agree(c);
}

bool peer_agree(struct web_connection *c)
{
	g_autofree char *accept = NULL;
	g_autofree char *answer = NULL;
	g_autofree char *text = NULL;
	guint8 digest[20];
	gsize size = sizeof(digest);
	GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA1);
	const char *key = strstr(c->request->str, "Sec-WebSocket-Key: ");

	if (key == NULL) {
		g_checksum_free(sum);
		return false;
	}
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

void peer_send_header(struct web_connection *c, unsigned first, uint64_t length)
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

void peer_send(struct web_connection *c, unsigned first, const void *bytes,
	size_t length)
{
	peer_send_header(c, first, length);
	web_send_bytes(c, bytes, length);
}

void peer_send_text(struct web_connection *c, const char *text)
{
	peer_send(c, FIN | OPCODE_TEXT, text, strlen(text));
}

unsigned peer_read(struct web_connection *c, GByteArray *into)
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
