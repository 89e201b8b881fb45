/*
 * kernel_msg.h - Jupyter messages as they travel over a kernel's WebSocket.
 * Pure.
 *
 * This is the default protocol, which every server speaks when no subprotocol
 * is offered: a message is a JSON object with header, parent_header, metadata,
 * content and channel, in a text frame; one that has binary buffers is a
 * binary frame instead:
 *
 *	uint32 n, uint32 offset[n], JSON, buffer 1, ..., buffer n - 1
 *
 * (big endian, offsets from the start of the frame). Parsing bounds and checks
 * everything; building never fails.
 */
#ifndef PYCLOUD_KERNEL_MSG_H
#define PYCLOUD_KERNEL_MSG_H

#include "common_limits.h"
#include "json.h"

struct kernel_buffer {
	const uint8_t *bytes;
	size_t length;
};

/* A received message. Strings are never NULL; "" where the message says
 * nothing. They, `content` and the buffers' bytes live as long as the frame
 * and the message do. */
struct kernel_msg {
	const char *channel; /* "iopub", "shell", ... */
	const char *type;    /* "execute_reply", "comm_msg", ... */
	const char *parent_id;
	const cJSON *content; /* an object */
	struct kernel_buffer buffers[KERNEL_BUFFERS_MAX];
	unsigned n_buffers;
	cJSON *json; /* owns the above */
};

/* What every message of ours begins with. */
struct kernel_msg_header {
	const char *session; /* borrowed */
	char msg_id[64];
};

/* 0 or -EPROTO. Works on the frame in place. kernel_msg_clear() on success. */
int kernel_msg_parse(
	bool is_binary, uint8_t *frame, size_t length, struct kernel_msg *ret);
void kernel_msg_clear(struct kernel_msg *);

/* Each returns a frame; the caller's. Silent: no history, no stdin. */
GByteArray *kernel_msg_execute_request(
	const struct kernel_msg_header *, const char *code);
/* `data` is borrowed; NULL means an empty object. */
GByteArray *kernel_msg_comm_open(const struct kernel_msg_header *,
	const char *comm_id, const char *target, const cJSON *data);
/* A binary frame when there is a buffer; at most one is ever needed. */
GByteArray *kernel_msg_comm_msg(const struct kernel_msg_header *,
	const char *comm_id, const cJSON *data,
	const struct kernel_buffer *buffer);
GByteArray *kernel_msg_comm_close(
	const struct kernel_msg_header *, const char *comm_id);

#endif
