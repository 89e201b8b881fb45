/* Any bytes as a frame of a kernel's channel: what it says lies within it. */
#include "config.h"

#include "fuzz.h"

#include "kernel_msg.h"

#include <glib.h>
#include <string.h>

static void check_message(
	const struct kernel_msg *m, const uint8_t *frame, size_t length)
{
	volatile uint8_t sum = 0;

	if (m->channel == NULL || m->type == NULL || m->parent_id == NULL ||
		!cJSON_IsObject(m->content))
		g_error("a message lacks what it must have");
	for (unsigned i = 0; i < m->n_buffers; i++) {
		const struct kernel_buffer *b = &m->buffers[i];

		if (b->length > 0 &&
			(b->bytes < frame ||
				b->bytes + b->length > frame + length))
			g_error("a buffer is not of the frame");
		for (size_t at = 0; at < b->length; at++)
			sum = (uint8_t)(sum + b->bytes[at]);
	}
}

/* The first byte says whether it is a binary frame. */
void fuzz_kernel_msg(const uint8_t *bytes, size_t length)
{
	g_autofree uint8_t *frame = NULL;
	struct kernel_msg message;

	if (length == 0)
		return;
	frame = g_malloc(length);
	memcpy(frame, bytes + 1, length - 1);
	if (kernel_msg_parse(bytes[0] % 2 == 0, frame, length - 1, &message) ==
		0) {
		check_message(&message, frame, length - 1);
		kernel_msg_clear(&message);
	}
}
