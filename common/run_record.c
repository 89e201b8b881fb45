/* run_record.c - see run_record.h. */
#include "config.h"

#include "run_record.h"

#include "limits.h"

#include <errno.h>

/* The head is whole: checks it and begins its frame. */
static int begin_frame(struct run_record *r)
{
	const uint8_t *h = r->head;

	r->left = (uint32_t)h[1] << 24 | (uint32_t)h[2] << 16 |
		  (uint32_t)h[3] << 8 | h[4];
	if (h[0] < 1 || h[0] > RUN_RECORD_GAP || r->left > RUN_FRAME_MAX)
		return -EPROTO;
	if (r->left == 0)
		r->head_length = 0;
	return 0;
}

int run_record_read(struct run_record *r, const uint8_t *bytes, size_t length,
	run_record_fn take, void *arg)
{
	while (length > 0) {
		size_t n = 1;

		if (r->head_length < RUN_RECORD_HEAD) {
			r->head[r->head_length++] = bytes[0];
			if (r->head_length == RUN_RECORD_HEAD &&
				begin_frame(r) < 0)
				return -EPROTO;
		} else {
			n = r->left < length ? r->left : length;
			take(arg, r->head[0], bytes, n);
			r->left -= (uint32_t)n;
			if (r->left == 0)
				r->head_length = 0;
		}
		bytes += n;
		length -= n;
	}
	return 0;
}
