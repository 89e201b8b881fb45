/* websocket_handshake.c - see websocket_handshake.h. */
#include "config.h"

#include "websocket_handshake.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* What the standard wants hashed with the key. */
#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

void websocket_make_key(char key[static WEBSOCKET_KEY_SIZE])
{
	unsigned char random[16];
	g_autofree char *text = NULL;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort();
	text = g_base64_encode(random, sizeof(random));
	(void)g_strlcpy(key, text, WEBSOCKET_KEY_SIZE);
}

GString *websocket_upgrade_request(const char *url, const char *key)
{
	const char *host = strstr(url, "://") + 3;
	size_t host_length = strcspn(host, "/");
	const char *path = host + host_length;
	GString *request = g_string_new(NULL);

	g_string_append_printf(request, "GET %s HTTP/1.1\r\nHost: %.*s\r\n",
		*path != '\0' ? path : "/", (int)host_length, host);
	g_string_append_printf(request,
		"Upgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
		"User-Agent: " PACKAGE_NAME "/" PACKAGE_VERSION "\r\n"
		"Accept: application/json, */*\r\n",
		key);
	return request;
}

static char *expected_accept(const char *key)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
	guint8 digest[20];
	gsize length = sizeof(digest);

	g_checksum_update(sum, (const guchar *)key, (gssize)strlen(key));
	g_checksum_update(sum, (const guchar *)ACCEPT_GUID, -1);
	g_checksum_get_digest(sum, digest, &length);
	return g_base64_encode(digest, length);
}

/* The value of the first header of this name, stripped; NULL: not there. */
static char *find_field(char *const *lines, const char *name)
{
	size_t length = strlen(name);

	for (; *lines != NULL; lines++)
		if (g_ascii_strncasecmp(*lines, name, length) == 0 &&
			(*lines)[length] == ':')
			return g_strstrip(g_strdup(*lines + length + 1));
	return NULL;
}

/* `word` is one of the comma-separated words of `list`. */
static bool has_token(const char *list, const char *word)
{
	g_auto(GStrv) words = g_strsplit(list, ",", -1);
	size_t i;

	for (i = 0; words[i] != NULL; i++)
		if (g_ascii_strcasecmp(g_strstrip(words[i]), word) == 0)
			return true;
	return false;
}

static int check_status(const char *line)
{
	static const char begins[] = "HTTP/1.";
	const char *p = line + strlen(begins);

	/* "HTTP/1.1 101 ...", and nothing that only looks like it. */
	if (!g_str_has_prefix(line, begins) || !g_ascii_isdigit(p[0]) ||
		p[1] != ' ' || !g_ascii_isdigit(p[2]) ||
		!g_ascii_isdigit(p[3]) || !g_ascii_isdigit(p[4]) ||
		g_ascii_isdigit(p[5]))
		return -EPROTO;
	switch (atoi(p + 2)) {
	case 101:
		return 0;
	case 401:
	case 403:
		return -EACCES;
	case 404:
		return -ENOENT;
	default:
		return -EPROTO;
	}
}

int websocket_check_answer(const char *header, const char *key)
{
	g_auto(GStrv) lines = g_strsplit(header, "\r\n", -1);
	g_autofree char *upgrade = find_field(lines, "Upgrade");
	g_autofree char *connection = find_field(lines, "Connection");
	g_autofree char *accept = find_field(lines, "Sec-WebSocket-Accept");
	g_autofree char *expected = expected_accept(key);
	int rc = check_status(header);

	if (rc < 0)
		return rc;
	if (upgrade == NULL || !has_token(upgrade, "websocket"))
		return -EPROTO;
	if (connection == NULL || !has_token(connection, "upgrade"))
		return -EPROTO;
	if (accept == NULL || strcmp(accept, expected) != 0)
		return -EPROTO;
	/* We offered no extension. */
	g_free(upgrade);
	upgrade = find_field(lines, "Sec-WebSocket-Extensions");
	return upgrade == NULL ? 0 : -EPROTO;
}

bool websocket_has_protocol(const char *header, const char *protocol)
{
	g_auto(GStrv) lines = g_strsplit(header, "\r\n", -1);
	g_autofree char *chosen = find_field(lines, "Sec-WebSocket-Protocol");

	return chosen != NULL && strcmp(chosen, protocol) == 0;
}
