/* content_spool.c - a content's base, and its journal; see content.h. */
#include "config.h"

#include "content.h"

#include "content_state.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

/* --- what a change began from --------------------------------------------- */

static void set_base_locked(struct content *c, const struct entry *or_absent)
	REQUIRES(c->lock)
{
	c->base = or_absent != NULL ? SPOOL_BASE_VERSION : SPOOL_BASE_ABSENT;
	if (or_absent != NULL)
		c->base_version = entry_bare(or_absent);
	c->base_ms = clock_now_ms();
}

void content_set_base(struct content *c, const struct entry *or_absent)
{
	mutex_lock(&c->lock);
	if (!content_is_dirty_locked(c) && !c->has_version)
		set_base_locked(c, or_absent);
	mutex_unlock(&c->lock);
}

/* Before the first change of clean bytes. */
void content_begin_change_locked(struct content *c)
{
	c->is_unfinished = false;
	if (content_is_dirty_locked(c))
		return;
	c->dirty_ms = clock_now_ms();
	delta_begin(&c->delta, c->has_version);
	if (c->has_version)
		set_base_locked(c, &c->version);
}

bool content_is_own_locked(struct content *c, const struct entry *e)
{
	struct entry listed = c->own;

	listed.size = c->listed_size;
	return c->own.mtime.tv_sec != 0 &&
	       (entry_same_version(&c->own, e) ||
		       entry_same_version(&listed, e));
}

bool content_is_own_version(struct content *c, const struct entry *e)
{
	bool is_own;

	mutex_lock(&c->lock);
	is_own = content_is_own_locked(c, e);
	mutex_unlock(&c->lock);
	return is_own;
}

enum spool_base content_base(
	struct content *c, struct entry *ret_version, int64_t *ret_age_ms)
{
	enum spool_base base;

	mutex_lock(&c->lock);
	base = c->base;
	*ret_version = c->base_version;
	*ret_age_ms = clock_now_ms() - c->base_ms;
	mutex_unlock(&c->lock);
	return base;
}

/* --- the journal ---------------------------------------------------------- */

int content_log_present_locked(struct content *c, int64_t start, int64_t end)
{
	return c->log == NULL ? 0 : spool_log_present(c->log, start, end);
}

int content_log_truncated_locked(struct content *c, int64_t size)
{
	return c->log == NULL ? 0 : spool_log_truncated(c->log, size);
}

/* Without it a replay only asks the server once more. */
void content_log_sent_locked(struct content *c)
{
	if (c->log != NULL)
		(void)spool_log_sent(c->log, c->is_unfinished);
}

/* Clean bytes are worth keeping, so their file goes on to have a name. */
void content_unlog_locked(struct content *c)
{
	struct cache_name name;
	g_autofree char *text = NULL;

	if (c->log == NULL)
		return;
	cache_name_choose(c->directory_fd, &name);
	text = cache_name_text(&name);
	if (c->name.id != 0)
		spool_remove(c->log);
	else if (spool_release(c->log, c->directory_fd, text))
		c->name = name;
	c->log = NULL;
}

int content_journal(struct content *c, struct spool *spool, const char *path)
{
	struct spool_record record = { 0 };
	int rc = 0;

	mutex_lock(&c->lock);
	if (c->log == NULL && c->state == CONTENT_READY &&
		content_is_dirty_locked(c)) {
		record.path = g_strdup(path);
		record.base = c->base;
		record.base_size = c->base_version.size;
		record.base_mtime = c->base_version.mtime;
		record.since_s = g_get_real_time() / G_USEC_PER_SEC;
		record.size = c->size;
		extents_copy(&record.present, &c->present);
		rc = spool_begin(spool, &c->fd, &record, &c->log);
		if (rc == 0 && c->tried_gen == c->dirty_gen)
			content_log_sent_locked(c);
		spool_record_clear(&record);
	}
	mutex_unlock(&c->lock);
	return rc;
}

bool content_is_journaled(struct content *c)
{
	bool is_journaled;

	mutex_lock(&c->lock);
	is_journaled = c->log != NULL;
	mutex_unlock(&c->lock);
	return is_journaled;
}

void content_unjournal(struct content *c)
{
	mutex_lock(&c->lock);
	content_unlog_locked(c);
	mutex_unlock(&c->lock);
}

int content_journal_moved(struct content *c, const char *path)
{
	int rc;

	mutex_lock(&c->lock);
	rc = c->log == NULL ? 0 : spool_log_moved(c->log, path);
	mutex_unlock(&c->lock);
	return rc;
}

void content_journal_flushed(struct content *c)
{
	mutex_lock(&c->lock);
	content_log_sent_locked(c);
	c->tried_gen = c->dirty_gen;
	mutex_unlock(&c->lock);
}

int content_sync(struct content *c)
{
	struct spool_sync sync;
	uint64_t generation;
	int rc = 1;

	mutex_lock(&c->lock);
	generation = c->dirty_gen;
	if (c->log != NULL && c->synced_gen != generation)
		rc = spool_sync_begin(c->log, c->fd, &sync);
	mutex_unlock(&c->lock);
	if (rc == 1)
		return 0;
	if (rc == 0)
		rc = spool_sync_end(&sync);
	if (rc == 0) {
		mutex_lock(&c->lock);
		c->synced_gen = MAX(c->synced_gen, generation);
		mutex_unlock(&c->lock);
	}
	return rc;
}

char *content_spool_file(struct content *c)
{
	char *name;

	mutex_lock(&c->lock);
	name = c->log == NULL ? NULL : g_strdup(spool_log_file(c->log));
	mutex_unlock(&c->lock);
	return name;
}

/* --- what an earlier mount left ------------------------------------------- */

static void adopt_locked(struct content *c, struct spool_record *r, int fd,
	struct spool_log *log) REQUIRES(c->lock)
{
	c->fd = fd;
	c->log = log;
	c->size = r->size;
	c->state = CONTENT_READY;
	extents_clear(&c->present);
	c->present = r->present;
	extents_init(&r->present);
	delta_resume(&c->delta, &c->present);
	c->base = r->base;
	c->base_version = (struct entry){
		.type = ENTRY_FILE, .size = r->base_size, .mtime = r->base_mtime
	};
	c->base_ms = 0;
	/* What is missing is fetched of the version that the change is of. */
	if (r->base == SPOOL_BASE_VERSION)
		content_set_version_locked(c, &c->base_version);
	c->dirty_gen++;
	c->tried_gen = c->dirty_gen; /* it may be uploaded by anybody */
	c->was_sent = r->was_sent;
	c->is_unfinished = r->is_unfinished;
	c->dirty_ms = clock_now_ms();
	c->mtime.tv_sec = r->since_s;
	c->mtime.tv_nsec = 0;
}

int content_adopt(struct content *c, struct spool_record *record, int fd,
	struct spool_log *log)
{
	int rc = -EBUSY;

	mutex_lock(&c->lock);
	if (c->state == CONTENT_EMPTY && !content_is_dirty_locked(c)) {
		adopt_locked(c, record, fd, log);
		rc = 0;
	}
	mutex_unlock(&c->lock);
	spool_record_clear(record);
	return rc;
}

bool content_is_unfinished(struct content *c)
{
	bool is_unfinished;

	mutex_lock(&c->lock);
	is_unfinished = c->is_unfinished;
	mutex_unlock(&c->lock);
	return is_unfinished;
}

void content_set_mixed(struct content *c)
{
	mutex_lock(&c->lock);
	c->is_mixed = true;
	mutex_unlock(&c->lock);
}

bool content_is_mixed(struct content *c)
{
	bool is_mixed;

	mutex_lock(&c->lock);
	is_mixed = c->is_mixed;
	mutex_unlock(&c->lock);
	return is_mixed;
}

/* --- who writes ----------------------------------------------------------- */

void content_add_writer(struct content *c)
{
	mutex_lock(&c->lock);
	c->writers++;
	mutex_unlock(&c->lock);
}

void content_remove_writer(struct content *c)
{
	mutex_lock(&c->lock);
	assert(c->writers > 0);
	c->writers--;
	mutex_unlock(&c->lock);
}

bool content_may_upload_late(struct content *c)
{
	bool may;

	mutex_lock(&c->lock);
	may = content_is_dirty_locked(c) &&
	      (c->writers == 0 || c->tried_gen == c->dirty_gen);
	mutex_unlock(&c->lock);
	return may;
}

uint64_t content_epoch(struct content *c)
{
	uint64_t epoch;

	mutex_lock(&c->lock);
	epoch = c->epoch;
	mutex_unlock(&c->lock);
	return epoch;
}

void content_end_conflict(struct content *c)
{
	mutex_lock(&c->lock);
	assert(c->is_uploading);
	c->is_uploading = false;
	c->clean_gen = c->dirty_gen;
	c->epoch++;
	c->was_sent = false;
	sent_clear(&c->sent);
	content_make_empty_locked(c);
	mutex_unlock(&c->lock);
}
