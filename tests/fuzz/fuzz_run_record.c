/* Any bytes as a run's record, as its reader and its follower take it: neither
 * depends on the pieces, and marks come back as they were. */
#include "config.h"

#include "fuzz.h"

#include "common_limits.h"
#include "run_follow.h"
#include "run_record.h"

#include <errno.h>
#include <string.h>

struct told {
	GByteArray *all;
	bool is_open;
	uint32_t left;
	uint8_t text[RUN_MARK_MAX + 1];
	size_t text_length;
};

static void on_begin(void *arg, enum run_frame frame, uint32_t length)
{
	struct told *t = arg;
	const uint8_t kind = (uint8_t)frame;

	if (t->is_open || length > RUN_FRAME_MAX)
		g_error("a frame of %u bytes within another", length);
	t->is_open = true;
	t->left = length;
	t->text_length = 0;
	g_byte_array_append(t->all, &kind, 1);
	g_byte_array_append(t->all, (const uint8_t *)&length, sizeof(length));
}

static void on_bytes(
	void *arg, enum run_frame frame, const uint8_t *bytes, size_t length)
{
	struct told *t = arg;
	size_t room = sizeof(t->text) - t->text_length;

	(void)frame;
	if (!t->is_open || length > t->left)
		g_error("more bytes than the frame has");
	t->left -= (uint32_t)length;
	g_byte_array_append(t->all, bytes, (guint)length);
	memcpy(t->text + t->text_length, bytes, MIN(room, length));
	t->text_length += MIN(room, length);
}

static void check_mark(const struct told *t)
{
	uint8_t frame[RUN_FRAME_HEAD + RUN_MARK_MAX];
	struct run_mark mark, again;
	size_t n;

	if (!run_mark_read(t->text, t->text_length, &mark))
		return;
	n = run_mark_frame(&mark, frame);
	if (mark.place < 0 || mark.written[0] < 0 || mark.written[1] < 0 ||
		!run_mark_read(
			frame + RUN_FRAME_HEAD, n - RUN_FRAME_HEAD, &again) ||
		memcmp(&mark, &again, sizeof(mark)) != 0)
		g_error("a mark that does not come back");
}

static void on_end(void *arg, enum run_frame frame)
{
	struct told *t = arg;

	if (!t->is_open || t->left != 0)
		g_error("an end that is none");
	t->is_open = false;
	if (frame == RUN_FRAME_MARK)
		check_mark(t);
}

static const struct run_record_events events = { on_begin, on_bytes, on_end };

static int read_record(
	const uint8_t *bytes, size_t length, size_t step, GByteArray *all)
{
	struct run_record record = { 0 };
	struct told told = { .all = all };
	int rc = 0;

	for (size_t at = 0; at < length && rc == 0; at += step) {
		size_t n = MIN(step, length - at);
		g_autofree uint8_t *piece = g_memdup2(bytes + at, n);
		int64_t rest = run_record_rest(&record, piece, n);

		if (rest > (int64_t)n || (rest < 0 && rest != -EPROTO))
			g_error("a rest of %" G_GINT64_FORMAT, rest);
		rc = run_record_read(&record, piece, n, &events, &told);
	}
	return rc;
}

/* --- following ------------------------------------------------------------ */

static ssize_t take(void *arg, const uint8_t *bytes, size_t length)
{
	(void)arg;
	(void)bytes;
	return (ssize_t)(length / 2 + 1 > length ? length : length / 2 + 1);
}

static int skip(void *arg)
{
	(void)arg;
	return 0;
}

/* Nine bytes are a message: a piece of the record, or its end. */
static void follow(const uint8_t *bytes, size_t length)
{
	static const uint8_t nothing[256];
	const struct run_sink sink = { take, skip, NULL };
	struct run_follow f;
	int64_t now = 0;

	run_follow_init(&f, 0, now);
	for (; length >= 10; bytes += 10, length -= 10) {
		struct run_piece piece = { .bytes = nothing,
			.length = bytes[8],
			.is_after_skip = bytes[9] % 2 != 0 };
		int64_t before = f.offset;
		int wait_ms = 0;

		memcpy(&piece.offset, bytes, sizeof(piece.offset));
		/* What a message can say: json_int64(). */
		piece.offset &= ((int64_t)1 << 53) - 1;
		if (bytes[9] % 4 == 3)
			(void)run_follow_end(&f, piece.offset);
		else if (run_follow_output(&f, &piece, &sink) < 0)
			g_error("a sink's error that there was not");
		if (f.offset < before)
			g_error("a follower that goes back");
		now += bytes[8] * 100;
		(void)run_follow_tick(&f, now, &wait_ms);
		if (wait_ms < 0 || wait_ms > RUN_QUIET_MAX_MS)
			g_error("a wait of %d ms", wait_ms);
	}
}

/* The first byte says how long the pieces are. */
void fuzz_run_record(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	size_t step = 1 + fuzz_take_byte(&in) % 32u;
	g_autoptr(GByteArray) whole = g_byte_array_new();
	g_autoptr(GByteArray) cut = g_byte_array_new();

	if (read_record(in.at, in.left, SIZE_MAX / 2, whole) !=
			read_record(in.at, in.left, step, cut) ||
		whole->len != cut->len ||
		(cut->len > 0 && memcmp(whole->data, cut->data, cut->len) != 0))
		g_error("a record depends on the pieces");
	follow(in.at, in.left);
}
