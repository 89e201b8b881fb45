/*
 * kernel.h - kernels of a Jupyter server: start, talk, end.
 *
 * REST starts and ends a kernel; a channel (one WebSocket) carries messages to
 * and from it. No session is made, so the kernel does not show up beside the
 * user's notebooks as one of them.
 *
 * A channel has no thread and no lock of its own: whoever opens it runs one
 * thread in kernel_channel_receive(), any thread may send. A DELETEd kernel
 * leaves its channel open and silent, so close what you end.
 */
#ifndef PYCLOUD_KERNEL_H
#define PYCLOUD_KERNEL_H

#include "cancel.h"
#include "http_pool.h"
#include "kernel_msg.h"

struct kernel_channel;

/* Starts a Python kernel in the server's root (notebook 6: wherever the server
 * was started, it ignores the path); *ret_id is the caller's.
 * -EOPNOTSUPP: no Python kernel there, no kernels API, or not allowed. */
int kernel_start(struct http_pool *, const struct cancel *, char **ret_id);
/* Does the server have it? 0, -ENOENT, or why that cannot be said (bounded by
 * KERNEL_CHECK_TIMEOUT_MS). */
int kernel_check(struct http_pool *, const char *id, const struct cancel *);
/* Ends it; one that is already gone is 0. */
int kernel_stop(struct http_pool *, const char *id, const struct cancel *);

/* Chooses from a reply of `GET api/kernelspecs`: the default if its language
 * is Python, else the first in the alphabet that is; NULL: none. g_free.
 * Pure. */
char *kernel_choose_spec(const cJSON *kernelspecs);

/* Blocks until the kernel answers the server (about a second when it is new).
 * -ENOENT: no such kernel; -ETIMEDOUT. The session is chosen here and unique. */
int kernel_channel_open(struct http_pool *, const char *id, int timeout_ms,
	const struct cancel *, struct kernel_channel **ret);
/* No call may be under way. NULL is fine. */
void kernel_channel_free(struct kernel_channel *);

/* For the next message: the msg_id is new, the session the channel's. */
struct kernel_msg_header kernel_channel_header(struct kernel_channel *);
/* Takes the frame. -EMSGSIZE above KERNEL_SEND_MAX, else as
 * websocket_send(). */
int kernel_channel_send(
	struct kernel_channel *, bool is_binary, GByteArray *frame);

/* The same as websocket_post(). */
int kernel_channel_post(struct kernel_channel *, bool is_binary,
	GByteArray *frame, const struct cancel *, int timeout_ms);
/* As websocket_break(). */
void kernel_channel_break(struct kernel_channel *);

/* The next message, whatever it is; what is no message is skipped. The frame
 * owns what the message borrows: clear the message, then unref the frame.
 * Errors as websocket_receive(). */
int kernel_channel_receive(struct kernel_channel *, const struct cancel *,
	int timeout_ms, struct kernel_msg *ret, GByteArray **ret_frame);

#endif
