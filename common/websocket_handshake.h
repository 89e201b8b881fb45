/*
 * websocket_handshake.h - the words of a WebSocket upgrade (RFC 6455, 4).
 * Pure, but for the random key.
 */
#ifndef PYCLOUD_WEBSOCKET_HANDSHAKE_H
#define PYCLOUD_WEBSOCKET_HANDSHAKE_H

#include <glib.h>
#include <stdbool.h>

#define WEBSOCKET_KEY_SIZE 25 /* 16 bytes in base64, and a NUL */

void websocket_make_key(char key[static WEBSOCKET_KEY_SIZE]);

/* The server has chosen the subprotocol that we offered. */
bool websocket_has_protocol(const char *header, const char *protocol);

/* The request up to and without its empty line, so that lines can be added.
 * `url` is an endpoint's, "http://host:8888/user/ann/api/...". */
GString *websocket_upgrade_request(const char *url, const char *key);

/* The answer's header, empty line included or not: 0 for an upgrade with the
 * right key; -EACCES for 401/403, -ENOENT for 404, -EPROTO for anything else. */
int websocket_check_answer(const char *header, const char *key);

#endif
