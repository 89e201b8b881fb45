/*
 * websocket_peer.h - the server's side of a WebSocket, for scripts of
 * web_server.h. For tests only.
 */
#ifndef PYCLOUD_TESTS_WEBSOCKET_PEER_H
#define PYCLOUD_TESTS_WEBSOCKET_PEER_H

#include "web_server.h"

#include <stdint.h>

#define OPCODE_CONTINUE 0x0
#define OPCODE_TEXT	0x1
#define OPCODE_BINARY	0x2
#define OPCODE_CLOSE	0x8
#define OPCODE_PING	0x9
#define OPCODE_PONG	0xa
#define FIN		0x80

/* Reads an upgrade and agrees to it. */
bool peer_welcome(struct web_connection *);
/* The same for an upgrade that was read. */
bool peer_agree(struct web_connection *);
/* `first` is a frame's first byte; frames of servers are not masked. */
void peer_send_header(struct web_connection *, unsigned first, uint64_t length);
void peer_send(struct web_connection *, unsigned first, const void *bytes,
	size_t length);
void peer_send_text(struct web_connection *, const char *text);
/* A client's frame, unmasked: its first byte, or 0 at the end or when it is
 * not masked. */
unsigned peer_read(struct web_connection *, GByteArray *into);

#endif
