/* Any text as the answer to an upgrade: agreed to only by 101 and the right
 * key. */
#include "config.h"

#include "fuzz.h"

#include "websocket_handshake.h"

#include <string.h>

/* Of RFC 6455. */
#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

void fuzz_websocket_handshake(const uint8_t *bytes, size_t length)
{
	g_autofree char *header = fuzz_text(bytes, length);
	int rc = websocket_check_answer(header, KEY);

	if (rc > 0)
		g_error("an answer of %d", rc);
	if (rc == 0 && (!g_str_has_prefix(header, "HTTP/1.") ||
			       !g_str_has_prefix(header + 8, " 101")))
		g_error("an upgrade without a 101");
	if (rc == 0 && strstr(header, ACCEPT) == NULL)
		g_error("an upgrade with another key");
	if (websocket_has_protocol(header, "v4.channel.k8s.io") &&
		strstr(header, "v4.channel.k8s.io") == NULL)
		g_error("a protocol that was not chosen");
}
