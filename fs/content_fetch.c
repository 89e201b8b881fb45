/* content_fetch.c - bringing bytes here, range by range; see content.h. */
#include "config.h"

#include "content.h"

#include "content_state.h"
#include "fs_limits.h"
#include "scratch.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

/* The kernel asks once more for the page that its read-ahead did not get: the
 * deadline has passed once, it must not pass twice. */
#define JUST_NOW_MS 500

/* --- preparing ------------------------------------------------------------ */

static void fail_locked(struct content *c, int rc) REQUIRES(c->lock)
{
	c->failures++;
	c->failure = rc;
	c->failed_ms = clock_now_ms();
}

/* Those who waited for a fetch share its failure: if each tried again, the
 * last would wait for as many deadlines as there are waiters. One that was
 * interrupted failed for itself only. */
static int shared_failure_locked(struct content *c, uint64_t failures_before)
	REQUIRES(c->lock)
{
	bool is_new = c->failures != failures_before;
	bool is_recent = c->failure == -ETIMEDOUT &&
			 clock_now_ms() - c->failed_ms < JUST_NOW_MS;

	if (c->failures == 0 || c->failure == -EINTR || c->failure == -ESTALE)
		return 0;
	return is_new || is_recent ? c->failure : 0;
}

int content_begin_prepare(struct content *c, const struct cancel *cancel)
{
	uint64_t failures;
	int rc = 0;

	mutex_lock(&c->lock);
	failures = c->failures;
	while (rc == 0 && c->state == CONTENT_PREPARING)
		rc = waitlist_wait(&c->changed, &c->lock, cancel, -1);
	if (rc == 0 && c->state == CONTENT_EMPTY) {
		rc = shared_failure_locked(c, failures);
		if (rc == 0) {
			c->state = CONTENT_PREPARING;
			rc = 1;
		}
	}
	mutex_unlock(&c->lock);
	return rc;
}

static int take_prepared_locked(struct content *c, struct cached_bytes *bytes)
	REQUIRES(c->lock)
{
	int fd = bytes->fd >= 0 ? bytes->fd : scratch_file(c->directory_fd);

	if (fd < 0)
		return fd;
	if (bytes->fd < 0 && ftruncate(fd, bytes->size) < 0) {
		int rc = -errno;

		(void)close(fd);
		return rc;
	}
	c->fd = fd;
	c->name = bytes->name;
	c->size = bytes->size;
	extents_clear(&c->present);
	c->present = bytes->present;
	c->has_source = bytes->has_source;
	c->source_total = bytes->source_total;
	c->source_modified = bytes->source_modified;
	content_set_version_locked(c, &bytes->version);
	bytes->fd = -1;
	bytes->name.id = 0;
	extents_init(&bytes->present);
	return 0;
}

void content_end_prepare(struct content *c, int rc, struct cached_bytes *bytes)
{
	mutex_lock(&c->lock);
	assert(c->state == CONTENT_PREPARING);
	if (rc == 0)
		rc = take_prepared_locked(c, bytes);
	c->state = rc == 0 ? CONTENT_READY : CONTENT_EMPTY;
	if (rc < 0)
		fail_locked(c, rc);
	waitlist_wake(&c->changed);
	mutex_unlock(&c->lock);
	cached_bytes_clear(bytes);
}

/* --- claims --------------------------------------------------------------- */

static const struct content_claim *claim_at_locked(
	struct content *c, int64_t offset) REQUIRES(c->lock)
{
	for (guint i = 0; i < c->claims->len; i++) {
		const struct content_claim *claim =
			&g_array_index(c->claims, struct content_claim, i);

		if (claim->start <= offset && offset < claim->end)
			return claim;
	}
	return NULL;
}

/* Where the next claim after `offset` begins. */
static int64_t next_claim_locked(struct content *c, int64_t offset)
	REQUIRES(c->lock)
{
	int64_t next = INT64_MAX;

	for (guint i = 0; i < c->claims->len; i++) {
		int64_t start =
			g_array_index(c->claims, struct content_claim, i).start;

		if (start > offset && start < next)
			next = start;
	}
	return next;
}

static void add_claim_locked(struct content *c, int64_t start, int64_t end,
	struct content_claim *ret) REQUIRES(c->lock)
{
	*ret = (struct content_claim){
		.start = start,
		.end = MIN(end, next_claim_locked(c, start)),
		.generation = c->generation,
	};
	ret->is_whole = start == 0 && ret->end >= c->size &&
			!content_is_dirty_locked(c);
	g_array_append_val(c->claims, *ret);
}

/* Where the gap ends, and with it those behind it that little lies between: to
 * fetch that again costs less than another request. */
static int64_t bridge_locked(struct content *c, int64_t gap_end,
	int64_t wanted_end) REQUIRES(c->lock)
{
	int64_t start, end;

	while (extents_next_gap(
		       &c->present, gap_end, wanted_end, &start, &end) &&
		start - gap_end <= READ_BRIDGE)
		gap_end = end;
	return gap_end;
}

/* One look: 0 all is here, 1 claimed, 2 somebody is fetching it. */
static int look_locked(struct content *c, int64_t offset, int64_t end,
	int64_t wanted_end, struct content_claim *ret) REQUIRES(c->lock)
{
	int64_t gap_start, gap_end;

	if (c->state != CONTENT_READY)
		return -ESTALE;
	end = MIN(end, c->size);
	wanted_end = MAX(end, MIN(wanted_end, c->size));
	if (offset >= end ||
		!extents_next_gap(&c->present, offset, wanted_end, &gap_start,
			&gap_end) ||
		gap_start >= end)
		return 0;
	if (claim_at_locked(c, gap_start) != NULL)
		return 2;
	add_claim_locked(
		c, gap_start, bridge_locked(c, gap_end, wanted_end), ret);
	return 1;
}

int content_claim(struct content *c, int64_t offset, int64_t end,
	int64_t wanted_end, bool no_wait, const struct cancel *cancel,
	struct content_claim *ret_claim)
{
	uint64_t failures;
	int rc;

	mutex_lock(&c->lock);
	failures = c->failures;
	rc = look_locked(c, offset, end, wanted_end, ret_claim);
	while (rc == 2) {
		rc = no_wait ? -EAGAIN
			     : waitlist_wait(&c->changed, &c->lock, cancel, -1);
		if (rc < 0)
			break;
		rc = shared_failure_locked(c, failures);
		if (rc == 0)
			rc = look_locked(c, offset, end, wanted_end, ret_claim);
	}
	mutex_unlock(&c->lock);
	return rc;
}

static bool is_void_locked(struct content *c, const struct content_claim *claim)
	REQUIRES(c->lock)
{
	return c->state != CONTENT_READY || c->generation != claim->generation;
}

/* Writes what is still absent of [offset, end). It stays absent until the
 * whole claim has been verified. */
static int fill_gaps_locked(struct content *c, const char *bytes,
	int64_t offset, int64_t end) REQUIRES(c->lock)
{
	int64_t gap_start, gap_end;
	int64_t at = offset;

	while (at < end &&
		extents_next_gap(&c->present, at, end, &gap_start, &gap_end)) {
		int rc = scratch_write(c->fd, bytes + (gap_start - offset),
			(size_t)(gap_end - gap_start), gap_start);

		if (rc < 0)
			return rc;
		at = gap_end;
	}
	return 0;
}

/* What a link has beyond the size we know stands past the file's end until the
 * answer has been verified; nothing else does, unless somebody writes. */
static int store_locked(struct content *c, const struct content_claim *claim,
	const char *bytes, int64_t offset, int64_t end) REQUIRES(c->lock)
{
	int64_t known = MAX(offset, MIN(end, MIN(claim->end, c->size)));
	int rc = fill_gaps_locked(c, bytes, offset, known);

	if (rc == 0 && end > known && known >= claim->end &&
		!content_is_dirty_locked(c))
		rc = scratch_write(c->fd, bytes + (known - offset),
			(size_t)(end - known), known);
	return rc;
}

int content_store(struct content *c, const struct content_claim *claim,
	const void *bytes, size_t length, int64_t offset)
{
	int64_t end = offset + (int64_t)length;
	int rc = 0;

	mutex_lock(&c->lock);
	/* A file that was truncated here meanwhile ends earlier. */
	if (is_void_locked(c, claim))
		rc = -ESTALE;
	else if (offset < claim->start ||
		 (end > claim->end && !claim->is_whole))
		rc = -EIO;
	else
		rc = store_locked(c, claim, bytes, offset, end);
	mutex_unlock(&c->lock);
	return rc;
}

/* Clean bytes may be forgotten to make room in the set: they are fetched once
 * more. */
static int add_present_locked(struct content *c, int64_t start, int64_t end)
	REQUIRES(c->lock)
{
	int rc = extents_add(&c->present, start, end);

	if (rc == -E2BIG && !content_is_dirty_locked(c)) {
		extents_forget_small(&c->present);
		rc = extents_add(&c->present, start, end);
	}
	return rc == 0 ? content_log_present_locked(c, start, end) : rc;
}

/* Nothing may be left past the file's end, where it would come to light when
 * the file grows. */
static int end_claim_locked(struct content *c,
	const struct content_claim *claim, int rc) REQUIRES(c->lock)
{
	int64_t end = claim->is_whole && !content_is_dirty_locked(c)
			      ? c->size
			      : MIN(claim->end, c->size);

	if (claim->is_whole && ftruncate(c->fd, c->size) < 0 && rc == 0)
		rc = -errno;
	return rc < 0 ? rc : add_present_locked(c, claim->start, end);
}

void content_end_fetch(
	struct content *c, const struct content_claim *claim, int rc)
{
	mutex_lock(&c->lock);
	for (guint i = 0; i < c->claims->len; i++) {
		const struct content_claim *own =
			&g_array_index(c->claims, struct content_claim, i);

		if (own->start == claim->start &&
			own->generation == claim->generation) {
			g_array_remove_index_fast(c->claims, i);
			break;
		}
	}
	if (!is_void_locked(c, claim))
		rc = end_claim_locked(c, claim, rc);
	if (rc < 0)
		fail_locked(c, rc);
	waitlist_wake(&c->changed);
	mutex_unlock(&c->lock);
}

/* The version's time in the bytes' own header, which has whole seconds. The
 * listing's microseconds are rounded, so that the second may be the next. */
static bool fits_version_locked(struct content *c, int64_t total,
	time_t last_modified) REQUIRES(c->lock)
{
	time_t seconds = c->version.mtime.tv_sec;

	return total == c->version.size &&
	       (last_modified == 0 || last_modified == seconds ||
		       (last_modified == seconds - 1 &&
			       c->version.mtime.tv_nsec == 0));
}

/* The first answer of a version says how long the bytes really are: a symbolic
 * link in the pod is listed with its own length. */
static int adopt_source_locked(struct content *c, int64_t total,
	time_t last_modified, bool is_trusted) REQUIRES(c->lock)
{
	int rc = 0;

	if (!is_trusted && !fits_version_locked(c, total, last_modified))
		return -ESTALE;
	if (total != c->size && !content_is_dirty_locked(c)) {
		if (ftruncate(c->fd, total) < 0)
			return -errno;
		extents_truncate(&c->present, total);
		c->size = total;
		rc = 1;
	}
	c->has_source = true;
	c->source_total = total;
	c->source_modified = last_modified;
	return rc;
}

int content_check_source(struct content *c, const struct content_claim *claim,
	int64_t total, time_t last_modified, bool is_trusted)
{
	int rc = 0;

	mutex_lock(&c->lock);
	if (is_void_locked(c, claim))
		rc = -ESTALE;
	else if (!c->has_source)
		rc = adopt_source_locked(c, total, last_modified, is_trusted);
	else if (c->source_total != total ||
		 c->source_modified != last_modified)
		rc = -ESTALE;
	mutex_unlock(&c->lock);
	return rc;
}

ssize_t content_read(
	struct content *c, void *buffer, size_t size, int64_t offset)
{
	char *p = buffer;
	size_t done = 0;
	ssize_t n = 0;

	mutex_lock(&c->lock);
	if (offset >= c->size || offset < 0)
		size = 0;
	else if ((int64_t)size > c->size - offset)
		size = (size_t)(c->size - offset);
	if (c->state != CONTENT_READY ||
		!extents_contains(&c->present, offset, offset + (int64_t)size))
		n = -ESTALE;
	while (n >= 0 && done < size) {
		n = pread(c->fd, p + done, size - done, offset + (int64_t)done);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			n = -EIO; /* a short file is never a short read */
		else
			done += (size_t)n;
	}
	mutex_unlock(&c->lock);
	return n < 0 ? n : (ssize_t)done;
}
