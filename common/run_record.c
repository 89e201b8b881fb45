/* run_record.c - see run_record.h. */
#include "config.h"

#include "run_record.h"

#include "common_limits.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

static uint32_t head_bytes(const uint8_t *h)
{
	return (uint32_t)h[1] << 24 | (uint32_t)h[2] << 16 |
	       (uint32_t)h[3] << 8 | h[4];
}

static bool is_head(const uint8_t *h)
{
	return h[0] >= RUN_FRAME_STDOUT && h[0] <= RUN_FRAME_FIGURE &&
	       head_bytes(h) <= RUN_FRAME_MAX;
}

static void end_frame(
	struct run_record *r, const struct run_record_events *events, void *arg)
{
	r->head_length = 0;
	events->end(arg, (enum run_frame)r->head[0]);
}

/* The head is whole: checks it and begins its frame. */
static int begin_frame(
	struct run_record *r, const struct run_record_events *events, void *arg)
{
	if (!is_head(r->head))
		return -EPROTO;
	r->left = head_bytes(r->head);
	events->begin(arg, (enum run_frame)r->head[0], r->left);
	if (r->left == 0)
		end_frame(r, events, arg);
	return 0;
}

int run_record_read(struct run_record *r, const uint8_t *bytes, size_t length,
	const struct run_record_events *events, void *arg)
{
	while (length > 0) {
		size_t n = 1;

		if (r->head_length < RUN_FRAME_HEAD) {
			r->head[r->head_length++] = bytes[0];
			if (r->head_length == RUN_FRAME_HEAD &&
				begin_frame(r, events, arg) < 0)
				return -EPROTO;
		} else {
			n = r->left < length ? r->left : length;
			events->bytes(
				arg, (enum run_frame)r->head[0], bytes, n);
			r->left -= (uint32_t)n;
			if (r->left == 0)
				end_frame(r, events, arg);
		}
		bytes += n;
		length -= n;
	}
	return 0;
}

int64_t run_record_rest(
	const struct run_record *r, const uint8_t *bytes, size_t length)
{
	uint8_t head[RUN_FRAME_HEAD];
	size_t missing = RUN_FRAME_HEAD - r->head_length;
	uint64_t rest = r->left;

	if (r->head_length == 0)
		return 0;
	if (missing > length)
		return (int64_t)length;
	if (missing > 0) {
		memcpy(head, r->head, r->head_length);
		memcpy(head + r->head_length, bytes, missing);
		if (!is_head(head))
			return -EPROTO;
		rest = missing + head_bytes(head);
	}
	return (int64_t)(rest < length ? rest : length);
}

bool run_mark_read(const uint8_t *text, size_t length, struct run_mark *ret)
{
	g_autofree char *copy = g_strndup((const char *)text, length);
	int64_t *const values[] = { &ret->place, &ret->written[0],
		&ret->written[1] };
	g_auto(GStrv) words = g_strsplit(copy, " ", 4);
	size_t i;

	if (g_strv_length(words) != G_N_ELEMENTS(values))
		return false;
	for (i = 0; i < G_N_ELEMENTS(values); i++) {
		guint64 value;

		if (!g_ascii_string_to_unsigned(
			    words[i], 10, 0, RUN_RECORD_MAX, &value, NULL))
			return false;
		*values[i] = (int64_t)value;
	}
	return true;
}

size_t run_mark_frame(const struct run_mark *mark, uint8_t *frame)
{
	int n = g_snprintf((char *)frame + RUN_FRAME_HEAD, RUN_MARK_MAX,
		"%" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT,
		mark->place, mark->written[0], mark->written[1]);

	frame[0] = RUN_FRAME_MARK;
	frame[1] = frame[2] = frame[3] = 0;
	frame[4] = (uint8_t)n;
	return RUN_FRAME_HEAD + (size_t)n;
}
