/* content.c - states, writing and uploading; see content.h. */
#include "config.h"

#include "content.h"

#include "common_limits.h"
#include "content_state.h"
#include "scratch.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

struct content *content_new(int directory_fd)
{
	struct content *c = g_new0(struct content, 1);

	mutex_init(&c->lock);
	c->directory_fd = directory_fd;
	c->fd = -1;
	c->epoch = 1;
	extents_init(&c->present);
	c->claims = g_array_new(FALSE, FALSE, sizeof(struct content_claim));
	return c;
}

void content_free(struct content *c)
{
	if (c == NULL)
		return;
	if (c->fd >= 0)
		(void)close(c->fd);
	spool_close(c->log); /* the next mount's */
	sent_clear(&c->sent);
	delta_clear(&c->delta);
	cache_name_clear(&c->name);
	extents_clear(&c->present);
	g_array_unref(c->claims);
	mutex_fini(&c->lock);
	g_free(c);
}

bool content_is_dirty_locked(struct content *c)
{
	assert(c->clean_gen <= c->dirty_gen);
	return c->clean_gen != c->dirty_gen;
}

/* Fetches under way see the new generation and give up. */
void content_make_empty_locked(struct content *c)
{
	content_unlog_locked(c);
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
	cache_name_clear(&c->name);
	c->size = 0;
	extents_clear(&c->present);
	extents_init(&c->present);
	g_array_set_size(c->claims, 0);
	c->generation++;
	c->state = CONTENT_EMPTY;
	c->has_version = false;
	c->has_source = false;
	c->is_mixed = false;
	waitlist_wake(&c->changed);
}

void content_set_version_locked(struct content *c, const struct entry *version)
{
	c->has_version = version != NULL;
	if (version != NULL)
		c->version = entry_bare(version);
}

void content_open(struct content *c)
{
	mutex_lock(&c->lock);
	c->opens++;
	mutex_unlock(&c->lock);
}

static bool is_idle_locked(struct content *c) REQUIRES(c->lock)
{
	return c->opens == 0 && c->state == CONTENT_READY && !c->is_uploading &&
	       !content_is_dirty_locked(c);
}

/* Clean bytes of a known version are worth keeping. */
static bool take_bytes_locked(struct content *c, struct cached_bytes *ret)
	REQUIRES(c->lock)
{
	if (c->fd < 0 || !c->has_version || extents_is_empty(&c->present))
		return false;
	*ret = (struct cached_bytes){
		.fd = c->fd,
		.name = c->name,
		.size = c->size,
		.version = c->version,
		.present = c->present,
		.has_source = c->has_source,
		.source_total = c->source_total,
		.source_modified = c->source_modified,
	};
	c->fd = -1;
	c->name.id = 0;
	extents_init(&c->present);
	return true;
}

bool content_close(struct content *c, struct cached_bytes *ret_bytes)
{
	bool has_bytes = false;

	mutex_lock(&c->lock);
	assert(c->opens > 0);
	c->opens--;
	if (is_idle_locked(c)) {
		has_bytes = take_bytes_locked(c, ret_bytes);
		content_make_empty_locked(c);
	}
	mutex_unlock(&c->lock);
	return has_bytes;
}

bool content_is_open(struct content *c)
{
	bool is_open;

	mutex_lock(&c->lock);
	is_open = c->opens > 0;
	mutex_unlock(&c->lock);
	return is_open;
}

bool content_revalidate(struct content *c, const struct entry *now)
{
	bool is_stale;

	mutex_lock(&c->lock);
	is_stale = c->state == CONTENT_READY && !c->is_uploading &&
		   !content_is_dirty_locked(c) &&
		   !(c->has_version && entry_same_version(&c->version, now));
	if (is_stale)
		content_make_empty_locked(c);
	mutex_unlock(&c->lock);
	return is_stale;
}

void content_drop(struct content *c)
{
	mutex_lock(&c->lock);
	if (c->state == CONTENT_READY && !c->is_uploading &&
		!content_is_dirty_locked(c))
		content_make_empty_locked(c);
	mutex_unlock(&c->lock);
}

/* --- changing bytes ------------------------------------------------------- */

int content_wait_quiet_locked(struct content *c, const struct cancel *cancel)
{
	int rc = 0;

	while (rc == 0 && (c->is_uploading || c->state == CONTENT_PREPARING))
		rc = waitlist_wait(&c->changed, &c->lock, cancel, -1);
	return rc;
}

/* Neither the journal nor the server takes more: what is beyond would be found
 * out after it was answered. */
static bool is_too_large(int64_t offset, int64_t size)
{
	return offset > CONTENTS_FILE_MAX || size > CONTENTS_FILE_MAX - offset;
}

static void touch_locked(struct content *c) REQUIRES(c->lock)
{
	content_begin_change_locked(c);
	c->dirty_gen++;
	(void)clock_gettime(CLOCK_REALTIME, &c->mtime);
}

/* What lies between the old end and the new is zeroes, which are here. */
static int grow_locked(struct content *c, int64_t size) REQUIRES(c->lock)
{
	int64_t before = c->size;
	int rc;

	if (size <= c->size)
		return 0;
	if (ftruncate(c->fd, size) < 0)
		return -errno;
	rc = extents_add(&c->present, c->size, size);
	if (rc == 0)
		rc = content_log_present_locked(c, c->size, size);
	if (rc < 0)
		return rc;
	c->size = size;
	touch_locked(c);
	delta_add(&c->delta, before, size);
	return 0;
}

/* A write that failed half way changed what was here, and nothing else: no
 * range becomes present by it, and nothing stands past the end. */
static void undo_write_locked(struct content *c, struct extents *before)
	REQUIRES(c->lock)
{
	extents_copy(&c->present, before);
	scratch_cut(c->fd, c->size);
}

static int write_locked(struct content *c, const void *bytes, size_t size,
	int64_t offset) REQUIRES(c->lock)
{
	int64_t end = offset + (int64_t)size;
	struct extents before = EXTENTS_INIT;
	int rc = grow_locked(c, offset);

	if (rc < 0)
		return rc;
	extents_copy(&before, &c->present);
	/* First, because a set that cannot take the range must say so before
	 * bytes are in the file that nobody would know of. */
	rc = extents_add(&c->present, offset, end);
	if (rc == 0) {
		rc = scratch_write(c->fd, bytes, size, offset);
		touch_locked(c);
		delta_add(&c->delta, offset, end);
	}
	if (rc == 0)
		rc = content_log_present_locked(c, offset, end);
	if (rc < 0)
		undo_write_locked(c, &before);
	else if (end > c->size)
		c->size = end;
	extents_clear(&before);
	return rc;
}

ssize_t content_write(struct content *c, const void *bytes, size_t size,
	int64_t offset, uint64_t epoch, const struct cancel *cancel)
{
	int rc;

	mutex_lock(&c->lock);
	rc = content_wait_quiet_locked(c, cancel);
	if (rc == 0 && epoch != 0 && epoch != c->epoch)
		rc = -EREMCHG;
	if (rc == 0 && c->state != CONTENT_READY)
		rc = -ESTALE;
	if (offset < 0)
		offset = c->size;
	if (rc == 0 && is_too_large(offset, (int64_t)size))
		rc = -EFBIG;
	if (rc == 0)
		rc = write_locked(c, bytes, size, offset);
	mutex_unlock(&c->lock);
	return rc < 0 ? rc : (ssize_t)size;
}

static int truncate_locked(struct content *c, int64_t size) REQUIRES(c->lock)
{
	int rc;

	if (c->state == CONTENT_EMPTY) {
		rc = scratch_file(c->directory_fd);
		if (rc < 0)
			return rc;
		c->fd = rc;
		c->state = CONTENT_READY;
	}
	if (size >= c->size) {
		rc = grow_locked(c, size);
		if (rc < 0)
			return rc;
	} else {
		rc = content_log_truncated_locked(c, size);
		if (rc == 0 && ftruncate(c->fd, size) < 0)
			rc = -errno;
		if (rc < 0)
			return rc;
		extents_truncate(&c->present, size);
		c->size = size;
	}
	touch_locked(c);
	delta_cut(&c->delta, size);
	return 0;
}

int content_truncate(
	struct content *c, int64_t size, const struct cancel *cancel)
{
	int rc;

	mutex_lock(&c->lock);
	rc = content_wait_quiet_locked(c, cancel);
	if (rc == 0 && size > 0 && c->state != CONTENT_READY)
		rc = -ESTALE;
	if (rc == 0 && is_too_large(0, size))
		rc = -EFBIG;
	if (rc == 0)
		rc = truncate_locked(c, size);
	mutex_unlock(&c->lock);
	return rc;
}

/* --- what is so ----------------------------------------------------------- */

bool content_is_dirty(struct content *c)
{
	bool is_dirty;

	mutex_lock(&c->lock);
	is_dirty = content_is_dirty_locked(c);
	mutex_unlock(&c->lock);
	return is_dirty;
}

bool content_has_untried(struct content *c)
{
	bool has_untried;

	mutex_lock(&c->lock);
	has_untried =
		content_is_dirty_locked(c) && c->tried_gen != c->dirty_gen;
	mutex_unlock(&c->lock);
	return has_untried;
}

bool content_was_sent(struct content *c)
{
	bool was_sent;

	mutex_lock(&c->lock);
	was_sent = c->was_sent;
	mutex_unlock(&c->lock);
	return was_sent;
}

/* The clean bytes are those of our last upload. */
static bool is_own_locked(struct content *c) REQUIRES(c->lock)
{
	return c->has_version && c->own.mtime.tv_sec != 0 &&
	       entry_same_version(&c->own, &c->version);
}

bool content_is_version(struct content *c, const struct entry *e)
{
	bool is_version;

	mutex_lock(&c->lock);
	is_version = c->state == CONTENT_READY && c->has_version &&
		     (entry_same_version(&c->version, e) ||
			     (is_own_locked(c) && content_is_own_locked(c, e)));
	mutex_unlock(&c->lock);
	return is_version;
}

static void set_time(
	struct entry *version, const struct entry *from, const struct entry *to)
{
	if (entry_same_version(version, from))
		*version = entry_bare(to);
}

void content_set_time(
	struct content *c, const struct entry *from, const struct entry *to)
{
	mutex_lock(&c->lock);
	if (c->has_version && entry_same_version(&c->version, from))
		c->has_source = false; /* it told of the time before */
	set_time(&c->version, from, to);
	set_time(&c->own, from, to);
	if (c->base == SPOOL_BASE_VERSION)
		set_time(&c->base_version, from, to);
	mutex_unlock(&c->lock);
}

void content_touch(struct content *c)
{
	mutex_lock(&c->lock);
	if (c->state == CONTENT_READY) {
		touch_locked(c);
		c->base = SPOOL_BASE_UNKNOWN;
	}
	mutex_unlock(&c->lock);
}

bool content_is_ready(struct content *c)
{
	bool is_ready;

	mutex_lock(&c->lock);
	is_ready = c->state == CONTENT_READY;
	mutex_unlock(&c->lock);
	return is_ready;
}

int64_t content_size(struct content *c)
{
	int64_t size;

	mutex_lock(&c->lock);
	size = c->size;
	mutex_unlock(&c->lock);
	return size;
}

void content_stat(struct content *c, struct content_stat *ret)
{
	mutex_lock(&c->lock);
	ret->is_dirty = content_is_dirty_locked(c);
	ret->has_real_size =
		c->state == CONTENT_READY && c->has_version &&
		((c->has_source && c->source_total == c->size) ||
			(is_own_locked(c) && c->listed_size != c->size));
	ret->size = c->size;
	ret->mtime = c->mtime;
	mutex_unlock(&c->lock);
}

/* --- uploading ------------------------------------------------------------ */

static int check_upload_locked(struct content *c, bool force) REQUIRES(c->lock)
{
	if (!force && !content_is_dirty_locked(c))
		return 0;
	if (c->state != CONTENT_READY ||
		!extents_contains(&c->present, 0, c->size))
		return -ESTALE;
	return 1;
}

void content_start_upload_locked(struct content *c)
{
	c->is_uploading = true;
	c->uploading_gen = c->tried_gen = c->dirty_gen;
	c->was_sent = true;
	content_log_sent_locked(c);
}

int content_begin_upload(struct content *c, bool force,
	const struct cancel *cancel, int64_t *ret_size)
{
	int rc;

	mutex_lock(&c->lock);
	rc = content_wait_quiet_locked(c, cancel);
	if (rc == 0)
		rc = check_upload_locked(c, force);
	if (rc == 1) {
		content_start_upload_locked(c);
		*ret_size = c->size;
	}
	mutex_unlock(&c->lock);
	return rc;
}

/* Their answers are of the version before, which may be of another size. */
static void void_fetches_locked(struct content *c) REQUIRES(c->lock)
{
	if (c->claims->len == 0)
		return;
	g_array_set_size(c->claims, 0);
	c->generation++;
}

void content_note_listed_size(struct content *c, int64_t size)
{
	mutex_lock(&c->lock);
	c->listed_size = size;
	mutex_unlock(&c->lock);
}

void content_end_upload(struct content *c, int rc, const struct entry *version)
{
	mutex_lock(&c->lock);
	assert(c->is_uploading);
	c->is_uploading = false;
	if (rc >= 0) {
		c->clean_gen = c->uploading_gen;
		c->was_sent = false;
		sent_clear(&c->sent);
		c->has_source = false;
		content_set_version_locked(c, version);
		c->own = c->version;
		void_fetches_locked(c);
	}
	if (!content_is_dirty_locked(c))
		content_unlog_locked(c);
	else if (rc >= 0) /* it is of another base than it began from */
		delta_begin(&c->delta, false);
	waitlist_wake(&c->changed);
	mutex_unlock(&c->lock);
}

static ssize_t read_own(void *arg, void *buffer, size_t size, int64_t offset)
{
	return content_read(arg, buffer, size, offset);
}

static struct sent take_sent(struct content *c) EXCLUDES(c->lock)
{
	struct sent sent;

	mutex_lock(&c->lock);
	sent = c->sent;
	c->sent = (struct sent){ 0 };
	mutex_unlock(&c->lock);
	return sent;
}

static void put_sent(struct content *c, struct sent sent) EXCLUDES(c->lock)
{
	mutex_lock(&c->lock);
	sent_clear(&c->sent);
	c->sent = sent;
	mutex_unlock(&c->lock);
}

/* Nobody writes while an upload runs, so the bytes are still those. */
void content_remember_sent(struct content *c, int64_t size)
{
	struct sent sent = take_sent(c);

	sent_add(&sent, read_own, c, size);
	put_sent(c, sent);
}

void content_remember_sent_ranges(
	struct content *c, int64_t size, const GArray *ranges)
{
	struct sent sent = take_sent(c);

	sent_add_ranges(&sent, read_own, c, size, ranges);
	put_sent(c, sent);
}

GPtrArray *content_sent_ranges(struct content *c)
{
	GPtrArray *ranges;

	mutex_lock(&c->lock);
	ranges = sent_list_ranges(&c->sent);
	mutex_unlock(&c->lock);
	return ranges;
}

void content_inherit_sent(struct content *c, struct content *from)
{
	struct sent sent = { 0 };

	mutex_lock(&from->lock);
	sent_copy(&from->sent, &sent);
	mutex_unlock(&from->lock);
	mutex_lock(&c->lock);
	sent_clear(&c->sent);
	c->sent = sent;
	c->was_sent = true;
	mutex_unlock(&c->lock);
}

bool content_has_sent(struct content *c, GChecksum *sum, int64_t length)
{
	bool has_sent;

	mutex_lock(&c->lock);
	has_sent = sent_matches(&c->sent, sum, length);
	mutex_unlock(&c->lock);
	return has_sent;
}

void content_abandon(struct content *c)
{
	mutex_lock(&c->lock);
	c->clean_gen = c->dirty_gen;
	content_unlog_locked(c);
	if (is_idle_locked(c))
		content_make_empty_locked(c);
	mutex_unlock(&c->lock);
}
