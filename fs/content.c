/* content.c - see content.h. */
#include "config.h"

#include "content.h"

#include "mutex.h"
#include "scratch.h"
#include "waitlist.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#define JUST_NOW_MS 500

enum content_state {
	CONTENT_EMPTY,
	CONTENT_LOADING,
	CONTENT_READY
};

struct content {
	int directory_fd; /* immutable */
	struct mutex lock;

	/* guarded by lock */
	struct waitlist changed;
	enum content_state state;
	uint64_t loads; /* ended, and how the last one did */
	int load_error;
	int64_t loaded_ms;
	bool is_uploading;
	unsigned opens;
	int fd; /* -1 while EMPTY */
	int64_t size;
	uint64_t dirty_gen; /* INVARIANT: clean_gen <= dirty_gen */
	uint64_t clean_gen;
	uint64_t uploading_gen;
	bool has_version;
	struct entry version; /* what the clean bytes are of; name unused */
	struct timespec mtime;
};

struct content *content_new(int directory_fd)
{
	struct content *c = g_new0(struct content, 1);

	mutex_init(&c->lock);
	c->directory_fd = directory_fd;
	c->fd = -1;
	return c;
}

void content_free(struct content *c)
{
	if (c == NULL)
		return;
	if (c->fd >= 0)
		(void)close(c->fd);
	mutex_fini(&c->lock);
	g_free(c);
}

static bool is_dirty_locked(struct content *c) REQUIRES(c->lock)
{
	assert(c->clean_gen <= c->dirty_gen);
	return c->clean_gen != c->dirty_gen;
}

static void make_empty_locked(struct content *c) REQUIRES(c->lock)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
	c->size = 0;
	c->state = CONTENT_EMPTY;
	c->has_version = false;
}

void content_open(struct content *c)
{
	mutex_lock(&c->lock);
	c->opens++;
	mutex_unlock(&c->lock);
}

void content_close(struct content *c)
{
	mutex_lock(&c->lock);
	assert(c->opens > 0);
	c->opens--;
	if (c->opens == 0 && c->state == CONTENT_READY && !c->is_uploading &&
		!is_dirty_locked(c))
		make_empty_locked(c);
	mutex_unlock(&c->lock);
}

bool content_is_open(struct content *c)
{
	bool is_open;

	mutex_lock(&c->lock);
	is_open = c->opens > 0;
	mutex_unlock(&c->lock);
	return is_open;
}

static void set_version_locked(struct content *c, const struct entry *version)
	REQUIRES(c->lock)
{
	c->has_version = version != NULL;
	if (version != NULL) {
		c->version = *version;
		c->version.name = NULL;
	}
}

bool content_revalidate(struct content *c, const struct entry *now)
{
	bool is_stale;

	mutex_lock(&c->lock);
	is_stale = c->state == CONTENT_READY && !c->is_uploading &&
		   !is_dirty_locked(c) &&
		   !(c->has_version && entry_same_version(&c->version, now));
	if (is_stale)
		make_empty_locked(c);
	mutex_unlock(&c->lock);
	return is_stale;
}

/* Those who waited for a load share its failure: if each tried again, the last
 * would wait for as many deadlines as there are waiters. A loader that was
 * interrupted failed for itself only. */
static int wait_for_load_locked(struct content *c, const struct cancel *cancel)
	REQUIRES(c->lock)
{
	uint64_t loads = c->loads;
	int rc = 0;

	while (rc == 0 && c->state == CONTENT_LOADING)
		rc = waitlist_wait(&c->changed, &c->lock, cancel, -1);
	if (rc == 0 && c->loads != loads && c->state == CONTENT_EMPTY &&
		c->load_error != -EINTR)
		rc = c->load_error;
	/* The kernel asks once more for the page that its read-ahead did not
	 * get: the deadline has passed once, it must not pass twice. */
	if (rc == 0 && c->state == CONTENT_EMPTY &&
		c->load_error == -ETIMEDOUT &&
		clock_now_ms() - c->loaded_ms < JUST_NOW_MS)
		rc = -ETIMEDOUT;
	return rc;
}

static int start_load_locked(struct content *c) REQUIRES(c->lock)
{
	int fd = scratch_file(c->directory_fd);

	if (fd < 0)
		return fd;
	c->fd = fd;
	c->size = 0;
	c->state = CONTENT_LOADING;
	return 1;
}

int content_begin_load(struct content *c, const struct cancel *cancel)
{
	int rc;

	mutex_lock(&c->lock);
	rc = wait_for_load_locked(c, cancel);
	if (rc == 0 && c->state == CONTENT_EMPTY)
		rc = start_load_locked(c);
	mutex_unlock(&c->lock);
	return rc;
}

/* Only the loader calls this, between begin and end; until then nobody else
 * touches the file, so the lock is not needed around the write. */
int content_load_bytes(
	struct content *c, const void *bytes, size_t length, int64_t offset)
{
	int fd;

	mutex_lock(&c->lock);
	assert(c->state == CONTENT_LOADING);
	fd = c->fd;
	mutex_unlock(&c->lock);
	return scratch_write(fd, bytes, length, offset);
}

void content_end_load(
	struct content *c, int rc, int64_t size, const struct entry *version)
{
	mutex_lock(&c->lock);
	/* An answer that was read again may have been longer before. */
	if (rc >= 0 && ftruncate(c->fd, size) < 0)
		rc = -errno;
	c->loads++;
	c->load_error = rc;
	c->loaded_ms = clock_now_ms();
	if (rc < 0) {
		make_empty_locked(c);
	} else {
		c->state = CONTENT_READY;
		c->size = size;
		set_version_locked(c, version);
	}
	waitlist_wake(&c->changed);
	mutex_unlock(&c->lock);
}

ssize_t content_read(
	struct content *c, void *buffer, size_t size, int64_t offset)
{
	char *p = buffer;
	size_t done = 0;
	int fd;

	mutex_lock(&c->lock);
	if (c->state != CONTENT_READY) {
		mutex_unlock(&c->lock);
		return -ESTALE;
	}
	if (offset >= c->size || offset < 0)
		size = 0;
	else if ((int64_t)size > c->size - offset)
		size = (size_t)(c->size - offset);
	/* A copy keeps the bytes while others may give them up. */
	fd = size > 0 ? dup(c->fd) : -1;
	mutex_unlock(&c->lock);
	if (size == 0)
		return 0;
	if (fd < 0)
		return -EMFILE;

	while (done < size) {
		ssize_t n = pread(
			fd, p + done, size - done, offset + (int64_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			(void)close(fd);
			return -EIO;
		}
		if (n == 0)
			break;
		done += (size_t)n;
	}
	(void)close(fd);
	return (ssize_t)done;
}

/* Changing bytes waits until an upload of them is done. */
static int wait_for_upload_locked(
	struct content *c, const struct cancel *cancel) REQUIRES(c->lock)
{
	int rc = 0;

	while (rc == 0 && (c->is_uploading || c->state == CONTENT_LOADING))
		rc = waitlist_wait(&c->changed, &c->lock, cancel, -1);
	return rc;
}

static void touch_locked(struct content *c) REQUIRES(c->lock)
{
	c->dirty_gen++;
	(void)clock_gettime(CLOCK_REALTIME, &c->mtime);
}

/* Part of a write that failed may have arrived: that counts as a change, and
 * nothing of it may stand past the end, where a later extension would show
 * it. */
static int write_locked(struct content *c, const void *bytes, size_t size,
	int64_t offset) REQUIRES(c->lock)
{
	int rc = scratch_write(c->fd, bytes, size, offset);

	if (rc == 0)
		c->size = MAX(c->size, offset + (int64_t)size);
	else if (ftruncate(c->fd, c->size) < 0)
		rc = -EIO;
	touch_locked(c);
	return rc;
}

ssize_t content_write(struct content *c, const void *bytes, size_t size,
	int64_t offset, const struct cancel *cancel)
{
	int rc;

	mutex_lock(&c->lock);
	rc = wait_for_upload_locked(c, cancel);
	if (rc == 0 && c->state != CONTENT_READY)
		rc = -ESTALE;
	if (rc == 0) {
		if (offset < 0)
			offset = c->size;
		rc = write_locked(c, bytes, size, offset);
	}
	mutex_unlock(&c->lock);
	return rc < 0 ? rc : (ssize_t)size;
}

static int truncate_locked(struct content *c, int64_t size) REQUIRES(c->lock)
{
	int rc = 0;

	if (c->state == CONTENT_EMPTY) {
		rc = scratch_file(c->directory_fd);
		if (rc < 0)
			return rc;
		c->fd = rc;
		c->state = CONTENT_READY;
		c->size = 0;
	}
	if (ftruncate(c->fd, size) < 0)
		return -errno;
	c->size = size;
	touch_locked(c);
	return 0;
}

int content_truncate(
	struct content *c, int64_t size, const struct cancel *cancel)
{
	int rc;

	mutex_lock(&c->lock);
	rc = wait_for_upload_locked(c, cancel);
	if (rc == 0 && size > 0 && c->state != CONTENT_READY)
		rc = -ESTALE;
	if (rc == 0)
		rc = truncate_locked(c, size);
	mutex_unlock(&c->lock);
	return rc;
}

bool content_is_dirty(struct content *c)
{
	bool is_dirty;

	mutex_lock(&c->lock);
	is_dirty = is_dirty_locked(c);
	mutex_unlock(&c->lock);
	return is_dirty;
}

bool content_is_ready(struct content *c)
{
	bool is_ready;

	mutex_lock(&c->lock);
	is_ready = c->state == CONTENT_READY;
	mutex_unlock(&c->lock);
	return is_ready;
}

void content_stat(struct content *c, struct content_stat *ret)
{
	mutex_lock(&c->lock);
	ret->is_dirty = is_dirty_locked(c);
	ret->size = c->size;
	ret->mtime = c->mtime;
	mutex_unlock(&c->lock);
}

int content_begin_upload(struct content *c, bool force,
	const struct cancel *cancel, int64_t *ret_size)
{
	int rc;

	mutex_lock(&c->lock);
	rc = wait_for_upload_locked(c, cancel);
	if (rc == 0 && c->state != CONTENT_READY && force)
		rc = -ESTALE;
	if (rc == 0 && (force || is_dirty_locked(c))) {
		c->is_uploading = true;
		c->uploading_gen = c->dirty_gen;
		*ret_size = c->size;
		rc = 1;
	}
	mutex_unlock(&c->lock);
	return rc;
}

void content_end_upload(struct content *c, int rc, const struct entry *version)
{
	mutex_lock(&c->lock);
	assert(c->is_uploading);
	c->is_uploading = false;
	if (rc >= 0) {
		c->clean_gen = c->uploading_gen;
		set_version_locked(c, version);
		if (c->opens == 0 && !is_dirty_locked(c))
			make_empty_locked(c);
	}
	waitlist_wake(&c->changed);
	mutex_unlock(&c->lock);
}

void content_abandon(struct content *c)
{
	mutex_lock(&c->lock);
	c->clean_gen = c->dirty_gen;
	if (c->opens == 0 && c->state == CONTENT_READY && !c->is_uploading)
		make_empty_locked(c);
	mutex_unlock(&c->lock);
}

int content_link(struct content *c, int directory_fd, const char *name)
{
	int rc;

	mutex_lock(&c->lock);
	rc = c->state != CONTENT_READY
		     ? -ESTALE
		     : scratch_keep(c->fd, c->size, directory_fd, name);
	mutex_unlock(&c->lock);
	return rc;
}
