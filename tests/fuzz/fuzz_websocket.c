/* Any bytes as what a WebSocket's server says: messages come whole, within
 * their limit, and the end is said once and for all. */
#include "config.h"

#include "fuzz_http.h"
#include "fuzz_stream.h"

#include "common_limits.h"
#include "websocket.h"

#include <errno.h>

static void check_end(struct websocket *ws, int rc)
{
	GByteArray *message;
	bool is_binary;

	if (rc != -EPIPE && rc != -EPROTO)
		g_error("a WebSocket that ends with %d", rc);
	if (websocket_receive(ws, NULL, 0, &is_binary, &message) == 0)
		g_error("a message after the end");
	if (websocket_send(ws, NULL, false, "x", 1, 0) == 0)
		g_error("something was sent after the end");
}

static void receive_all(struct websocket *ws, size_t length)
{
	GByteArray *message;
	size_t total = 0;
	bool is_binary;
	int rc;

	while ((rc = websocket_receive(ws, NULL, -1, &is_binary, &message)) ==
		0) {
		total += message->len;
		if (total > length)
			g_error("messages of more bytes than came");
		g_byte_array_unref(message);
		(void)websocket_send(ws, NULL, is_binary, "answer", 6, 0);
	}
	check_end(ws, rc);
}

/* The first byte says whether the upgrade is agreed to, and the pieces. */
void fuzz_websocket(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	uint8_t how = fuzz_take_byte(&in);
	struct websocket *ws = NULL;

	fuzz_stream_begin(&in, how % 4 != 0, NULL, 1 + how);
	if (websocket_open(fuzz_http_pool(), "api/kernels/x/channels", 1000,
		    NULL, &ws) == 0)
		receive_all(ws, in.left + WEBSOCKET_BUFFER);
	websocket_free(ws);
	fuzz_stream_end();
}
