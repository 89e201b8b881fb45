/* run_follow.c - see run_follow.h. */
#include "config.h"

#include "run_follow.h"

#include "common_limits.h"

void run_follow_init(struct run_follow *f, int64_t offset, int64_t now_ms)
{
	*f = (struct run_follow){
		.offset = offset,
		.acked = offset,
		.asked_offset = -1,
		.quiet_since_ms = now_ms,
		.quiet_ms = RUN_QUIET_MS,
	};
}

/* Once per offset: what was on its way when we asked is thrown away, not
 * answered with more asking. */
static enum run_follow_need ask_again(struct run_follow *f)
{
	if (f->asked_offset == f->offset)
		return RUN_FOLLOW_NOTHING;
	f->asked_offset = f->offset;
	return RUN_FOLLOW_AGAIN;
}

int run_follow_output(struct run_follow *f, const struct run_piece *piece,
	const struct run_sink *sink)
{
	int64_t known = f->offset - piece->offset;
	ssize_t taken;
	int rc = 0;

	if (known < 0 && !piece->is_after_skip)
		return (int)ask_again(f);
	if (known < 0)
		rc = sink->skip(sink->arg);
	if (rc < 0)
		return rc;
	if (known < 0) {
		f->offset = piece->offset;
		known = 0;
	}
	if (known >= (int64_t)piece->length)
		return RUN_FOLLOW_NOTHING;
	taken = sink->take(
		sink->arg, piece->bytes + known, piece->length - (size_t)known);
	if (taken < 0)
		return (int)taken;
	f->offset += taken;
	f->quiet_ms = RUN_QUIET_MS;
	if (f->offset - f->acked < RUN_ACK_BYTES)
		return RUN_FOLLOW_NOTHING;
	f->acked = f->offset;
	return RUN_FOLLOW_ACK;
}

enum run_follow_need run_follow_end(struct run_follow *f, int64_t length)
{
	return f->offset >= length ? RUN_FOLLOW_DONE : ask_again(f);
}

void run_follow_heard(struct run_follow *f, int64_t now_ms)
{
	f->quiet_since_ms = now_ms;
}

enum run_follow_need run_follow_tick(
	struct run_follow *f, int64_t now_ms, int *ret_wait_ms)
{
	int64_t left = f->quiet_since_ms + f->quiet_ms - now_ms;

	if (left > 0) {
		*ret_wait_ms = (int)left;
		return RUN_FOLLOW_NOTHING;
	}
	f->quiet_ms *= 2;
	if (f->quiet_ms > RUN_QUIET_MAX_MS)
		f->quiet_ms = RUN_QUIET_MAX_MS;
	run_follow_asked(f, now_ms);
	*ret_wait_ms = (int)f->quiet_ms;
	return RUN_FOLLOW_AGAIN;
}

void run_follow_asked(struct run_follow *f, int64_t now_ms)
{
	f->asked_offset = f->offset;
	f->acked = f->offset;
	f->quiet_since_ms = now_ms;
}
