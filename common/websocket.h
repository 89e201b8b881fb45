/*
 * websocket.h - one WebSocket (RFC 6455) to the endpoint.
 *
 * libcurl makes the connection (CURLOPT_CONNECT_ONLY: Debian 12's has no
 * ws:// of its own) and keeps TLS and proxies; the upgrade request is ours,
 * the frames are wslay's. One thread receives; any thread may send. TCP_QUICKACK
 * is re-armed after every receive: Jupyter answers in several small frames
 * without TCP_NODELAY, and our delayed ACK would cost 40 ms each.
 *
 * Locking: one internal lock around the frame state; it is not held while
 * waiting for the network.
 */
#ifndef PYCLOUD_WEBSOCKET_H
#define PYCLOUD_WEBSOCKET_H

#include "cancel.h"
#include "http_pool.h"

#include <glib.h>

struct websocket;

/* target as in http.h. -EACCES for 401/403, -ENOENT for 404, -EPROTO for an
 * answer that is no upgrade, else a transport error. */
int websocket_open(struct http_pool *, const char *target, int timeout_ms,
	const struct cancel *, struct websocket **ret);

/* The same, offering a subprotocol; a server that does not choose it is
 * -EPROTO. */
int websocket_open_protocol(struct http_pool *, const char *target,
	const char *protocol, int timeout_ms, const struct cancel *,
	struct websocket **ret);

/* Sends one message of at most KERNEL_SEND_MAX bytes (else -EMSGSIZE) and
 * returns when all of it is written. -EPIPE once closed. -ETIMEDOUT (negative
 * timeout_ms: never) and -EINTR end the WebSocket: half a message cannot be
 * taken back. */
int websocket_send(struct websocket *, const struct cancel *, bool is_binary,
	const void *bytes, size_t length, int timeout_ms);

/* The same for who may give up: -ETIMEDOUT and -EINTR end nothing, and what is
 * not written yet is by whoever receives (who must be woken, to see that there
 * is something) or sends next. -EBUSY: so much is not written yet that nothing
 * was added to it in that time. Who finds that nothing at all was written for
 * KERNEL_SEND_MS ends the WebSocket. */
int websocket_post(struct websocket *, const struct cancel *, bool is_binary,
	const void *bytes, size_t length, int timeout_ms);

/* Ends it: who sends or receives now, or later, is told -EPIPE. */
void websocket_break(struct websocket *);

/* Waits for the next whole message (at most KERNEL_RECV_MAX bytes; pings are
 * answered inside), which the caller unrefs. -EPIPE at the end; -EPROTO when the
 * server broke the protocol or the limit, which also is the end; -ETIMEDOUT
 * after timeout_ms (negative: none); -EINTR. One thread at a time. */
int websocket_receive(struct websocket *, const struct cancel *, int timeout_ms,
	bool *ret_is_binary, GByteArray **ret_message);

/* Says goodbye without waiting and frees. No other call may be under way. */
void websocket_free(struct websocket *);

#endif
