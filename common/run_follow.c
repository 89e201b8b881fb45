/* run_follow.c - see run_follow.h. */
#include "config.h"

#include "run_follow.h"

#include "limits.h"

void run_follow_init(struct run_follow *f, int64_t now_ms)
{
	*f = (struct run_follow){
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

int run_follow_output(struct run_follow *f, int64_t offset,
	const uint8_t *bytes, size_t length, run_record_fn take, void *arg)
{
	int64_t known = f->offset - offset;
	int rc;

	if (known < 0)
		return (int)ask_again(f);
	if (known >= (int64_t)length)
		return RUN_FOLLOW_NOTHING;
	rc = run_record_read(
		&f->record, bytes + known, length - (size_t)known, take, arg);
	if (rc < 0)
		return rc;
	f->offset = offset + (int64_t)length;
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
