/* fetch.c - see fetch.h. */
#include "config.h"

#include "fetch.h"

#include "cache.h"
#include "content.h"
#include "fs_limits.h"
#include "node_table.h"
#include "notifier.h"
#include "path_gate.h"
#include "prefetch.h"
#include "session.h"
#include "transfer.h"
#include "tree.h"
#include "workers.h"

#include <errno.h>

/* How often a file may change under a reader before the read fails. */
#define VERSION_ATTEMPTS 4

/* --- preparing ------------------------------------------------------------ */

static int find_version(struct session *s, const char *path,
	const struct cancel *cancel, struct cached_bytes *bytes)
{
	struct entry entry = { 0 };
	int rc = tree_recall_stat(s->tree, path, s->options.attr_timeout_ms,
		cancel, &entry, NULL);

	if (rc < 0)
		return rc;
	prefetch_overtaken(s->prefetch, path);
	if (entry.type != ENTRY_FILE)
		rc = -EISDIR;
	else
		rc = cache_take(s->cache, path, &entry, cancel, bytes);
	if (rc == 0) {
		bytes->size = MAX(0, entry.size);
		bytes->version = entry_bare(&entry);
	}
	entry_clear(&entry);
	return MIN(rc, 0);
}

static int prepare_at(struct session *s, struct node *n, const char *path,
	const struct cancel *cancel)
{
	struct cached_bytes bytes;
	int rc = content_begin_prepare(n->content, cancel);

	if (rc <= 0)
		return rc;
	cached_bytes_init(&bytes);
	rc = find_version(s, path, cancel, &bytes);
	content_end_prepare(n->content, rc, &bytes);
	return rc;
}

/* --- one range ------------------------------------------------------------ */

struct fetching {
	struct content *content;
	const struct content_claim *claim;
};

/* Only a claim of the whole file takes more than it knows of: a link's bytes. */
static int fetch_sink(
	void *arg, const void *bytes, size_t length, int64_t offset)
{
	const struct fetching *f = arg;

	if (offset >= f->claim->end && !f->claim->is_whole)
		return 0;
	if (offset + (int64_t)length > f->claim->end && !f->claim->is_whole)
		length = (size_t)(f->claim->end - offset);
	return content_store(f->content, f->claim, bytes, length, offset);
}

/* The answer's own headers against the version we hold. When they do not fit,
 * what is there now? The same as before: they are to be trusted. 1: the file
 * is of another size than was listed. */
static int check_source(struct session *s, struct content *c, const char *path,
	const struct content_claim *claim, const struct remote_read_info *info,
	const struct cancel *cancel)
{
	struct entry now = { 0 };
	int rc;

	if (info->total < 0)
		return 0;
	rc = content_check_source(
		c, claim, info->total, info->last_modified, false);
	if (rc != -ESTALE)
		return rc;
	rc = tree_stat(s->tree, path, -1, cancel, &now, NULL);
	if (rc == 0)
		rc = !content_is_version(c, &now)
			     ? -ESTALE
			     : content_check_source(c, claim, info->total,
				       info->last_modified, true);
	entry_clear(&now);
	return rc;
}

static int check_answer(struct session *s, struct content *c, const char *path,
	const struct content_claim *claim, const struct remote_read_info *info,
	const struct cancel *cancel)
{
	int64_t end = claim->is_whole ? INT64_MAX : claim->end;
	int rc = check_source(s, c, path, claim, info, cancel);

	if (rc < 0)
		return rc;
	/* A file that was cut here meanwhile, or a link's, ends earlier. */
	end = MIN(end, content_size(c));
	if (info->total >= 0)
		end = MIN(end, info->total);
	return info->received >= end - claim->start ? rc : -EIO;
}

/* The kernel reads no further than the size it believes in, and asks again when
 * that is invalid. It must know before the bytes are answered for. Telling it
 * of attributes alone takes no lock of an inode, so waiting for it is safe
 * here. */
static void tell_kernel_of_size(struct session *s, const struct node *n)
{
	if (s->notifier == NULL)
		return;
	notifier_invalidate_attr(s->notifier, n->ino);
	(void)notifier_wait(s->notifier, NULL, NOTIFY_WAIT_MS);
}

static int fetch_claim(struct session *s, struct node *n, const char *path,
	const struct content_claim *claim, const struct cancel *cancel)
{
	struct fetching f = { n->content, claim };
	struct remote_sink sink = { fetch_sink, &f };
	struct remote_read_info info = { .total = -1 };
	int rc = remote_read(s->remote, path, claim->start,
		claim->is_whole ? -1 : claim->end - claim->start, &sink, cancel,
		&info);

	if (rc == 0)
		rc = check_answer(s, n->content, path, claim, &info, cancel);
	if (rc == 1)
		tell_kernel_of_size(s, n);
	rc = MIN(rc, 0);
	content_end_fetch(n->content, claim, rc);
	return rc;
}

/* --- what changes all the time -------------------------------------------- */

struct snapshot {
	struct session *session;
	struct cached_bytes bytes;
	int rc;
};

static void take_snapshot(void *arg, unsigned index, int rc,
	const struct entry *version, const void *bytes, size_t length)
{
	struct snapshot *shot = arg;
	struct cached_bytes *b = &shot->bytes;

	(void)index;
	if (rc == 0)
		rc = cached_bytes_fill(
			b, shot->session->cache_fd, version, bytes, length);
	b->version.is_writable = true;
	shot->rc = rc;
}

/* Bytes and version of one moment, where the remote has such: others may write
 * faster than two questions are answered. */
static int fetch_snapshot(struct session *s, struct node *n, const char *path,
	const struct cancel *cancel)
{
	struct snapshot shot = { .session = s, .rc = -EOPNOTSUPP };
	const struct remote_many_sink sink = { take_snapshot, &shot };
	int rc = content_begin_prepare(n->content, cancel);

	if (rc <= 0)
		return rc;
	cached_bytes_init(&shot.bytes);
	rc = remote_read_many(
		s->remote, &path, 1, SMALL_FILE_BYTES, &sink, cancel);
	content_end_prepare(n->content, rc < 0 ? rc : shot.rc, &shot.bytes);
	return rc < 0 ? rc : shot.rc;
}

/* The server's bytes are of another version: forget what we hold, and ask what
 * there is now. */
static int start_over(struct session *s, struct node *n, const char *path,
	int changes, const struct cancel *cancel)
{
	struct entry now = { 0 };
	int rc;

	content_drop(n->content);
	if (changes > 1 && fetch_snapshot(s, n, path, cancel) == 0)
		return 0;
	rc = tree_stat(s->tree, path, -1, cancel, &now, NULL);
	entry_clear(&now);
	return rc;
}

static int fetch_range_at(struct session *s, struct node *n, const char *path,
	int64_t offset, int64_t end, int64_t wanted_end,
	const struct cancel *cancel)
{
	int changes = 0;

	for (;;) {
		struct content_claim claim;
		int rc = prepare_at(s, n, path, cancel);

		if (rc == 0)
			rc = content_claim(n->content, offset, end, wanted_end,
				false, cancel, &claim);
		if (rc == 1)
			rc = fetch_claim(s, n, path, &claim, cancel);
		else if (rc == 0)
			return 0;
		if (rc != -ESTALE) {
			if (rc < 0)
				return rc;
			continue;
		}
		if (++changes == VERSION_ATTEMPTS)
			return content_is_dirty(n->content) ? -ESTALE : -EIO;
		rc = start_over(s, n, path, changes, cancel);
		if (rc < 0)
			return rc;
	}
}

/* Who removed the file brought its bytes here for those who have it open. */
static int unlinked(const struct node *n)
{
	return content_is_ready(n->content) ? 0 : -ESTALE;
}

static int fetch_range(struct session *s, struct node *n, int64_t offset,
	int64_t end, int64_t wanted_end, const struct cancel *cancel)
{
	struct transfer_pass pass;
	int rc = transfer_enter(s, n, cancel, &pass);

	if (rc < 0)
		return rc == -ENOENT ? unlinked(n) : rc;
	rc = fetch_range_at(s, n, pass.path, offset, end, wanted_end, cancel);
	transfer_leave(s, &pass);
	return rc;
}

int fetch_prepare(
	struct session *s, struct node *n, const struct cancel *cancel)
{
	struct transfer_pass pass;
	int rc;

	if (content_is_ready(n->content))
		return 0;
	rc = transfer_enter(s, n, cancel, &pass);
	if (rc < 0)
		return rc == -ENOENT ? unlinked(n) : rc;
	rc = prepare_at(s, n, pass.path, cancel);
	transfer_leave(s, &pass);
	return rc;
}

int fetch_whole_at(struct session *s, struct node *n, const char *path,
	const struct cancel *cancel)
{
	return fetch_range_at(s, n, path, 0, INT64_MAX, INT64_MAX, cancel);
}

int fetch_whole(struct session *s, struct node *n, const struct cancel *cancel)
{
	return fetch_range(s, n, 0, INT64_MAX, INT64_MAX, cancel);
}

/* --- reading ahead -------------------------------------------------------- */

struct readahead *readahead_new(void)
{
	struct readahead *ra = g_new0(struct readahead, 1);

	mutex_init(&ra->lock);
	ra->users = 1;
	return ra;
}

static void readahead_unuse(struct readahead *ra, bool was_sweep)
{
	bool is_last;

	mutex_lock(&ra->lock);
	if (was_sweep)
		ra->is_sweeping = false;
	is_last = --ra->users == 0;
	mutex_unlock(&ra->lock);
	if (!is_last)
		return;
	mutex_fini(&ra->lock);
	g_free(ra);
}

void readahead_free(struct readahead *ra)
{
	if (ra != NULL)
		readahead_unuse(ra, false);
}

/* What a read asks to have here (until *ret_wanted), and what to bring on a
 * worker meanwhile ([*ret_ahead, *ret_ahead_end); empty: nothing). False: it is
 * a random one. */
static bool plan(struct readahead *ra, int64_t offset, int64_t end,
	int64_t *ret_wanted, int64_t *ret_ahead, int64_t *ret_ahead_end)
{
	int64_t distance;

	mutex_lock(&ra->lock);
	distance = offset - ra->next;
	*ret_ahead = *ret_ahead_end = 0;
	/* The kernel's own read-ahead asks a little out of order. */
	if (distance > READ_SLACK || distance < -READ_SLACK) {
		ra->window = 0;
		ra->ahead = ra->next = end;
		*ret_wanted = (end + READ_BLOCK - 1) / READ_BLOCK * READ_BLOCK;
		mutex_unlock(&ra->lock);
		return false;
	}
	ra->next = MAX(ra->next, end);
	if (ra->window == 0) {
		ra->window = READ_WINDOW_MIN;
		ra->ahead = MAX(end, offset + READ_WINDOW_MIN);
	}
	*ret_wanted = MAX(end, MIN(ra->ahead, offset + READ_WINDOW_MIN));
	if (offset > 0 && ra->next + ra->window / 2 >= ra->ahead) {
		ra->window = MIN(ra->window * 2, READ_WINDOW_MAX);
		*ret_ahead = MAX(ra->ahead, *ret_wanted);
		*ret_ahead_end = *ret_ahead + ra->window;
		ra->ahead = *ret_ahead_end;
	}
	mutex_unlock(&ra->lock);
	return true;
}

struct ahead_job {
	struct session *session;
	struct node *node;
	int64_t start, end;
	struct readahead *sweep; /* whose; NULL: of none */
};

static void ahead_drop(void *arg)
{
	struct ahead_job *job = arg;

	if (job->sweep != NULL)
		readahead_unuse(job->sweep, true);
	transfer_close(job->session, job->node);
	node_table_unref(job->session->nodes, job->node);
	g_free(job);
}

/* A failure here is nobody's: the reader will meet it himself. */
static void ahead_run(void *arg, const struct cancel *cancel)
{
	struct ahead_job *job = arg;

	(void)fetch_range(job->session, job->node, job->start, job->end,
		job->end, cancel);
	ahead_drop(job);
}

static void add_ahead(struct session *s, struct node *n, int64_t start,
	int64_t end, struct readahead *sweep)
{
	struct ahead_job *own = g_new(struct ahead_job, 1);
	struct job job = { ahead_run, ahead_drop, NULL };

	*own = (struct ahead_job){ s, n, start, end, sweep };
	node_table_ref(s->nodes, n);
	content_open(n->content);
	job.arg = own;
	(void)workers_add(s->workers, &job);
}

static void start_ahead(
	struct session *s, struct node *n, int64_t start, int64_t end)
{
	if (start < end && start < content_size(n->content))
		add_ahead(s, n, start, end, NULL);
}

/* A random read has been waited for. */
static void sweep_on(struct session *s, struct node *n, struct readahead *ra,
	int64_t took_us)
{
	int64_t size = content_size(n->content);
	int64_t start = 0;
	int64_t end = 0;
	bool goes_on;

	mutex_lock(&ra->lock);
	ra->waited_us += took_us;
	goes_on = s->options.has_prefetch && !ra->is_sweeping &&
		  ra->waited_us >= RANDOM_PATIENCE_US && ra->swept < size &&
		  size <= MIN(RANDOM_FILE_BYTES, s->options.cache_bytes);
	if (goes_on) {
		start = ra->swept;
		ra->sweep_window = CLAMP(
			ra->sweep_window * 2, READ_WINDOW_MIN, READ_WINDOW_MAX);
		end = ra->swept += ra->sweep_window;
		ra->is_sweeping = true;
		ra->users++;
	}
	mutex_unlock(&ra->lock);
	if (goes_on)
		add_ahead(s, n, start, end, ra);
}

void fetch_ahead(struct session *s, struct node *n, struct readahead *ra,
	int64_t offset, int64_t size)
{
	int64_t wanted, ahead, ahead_end;

	if (content_size(n->content) <= SMALL_FILE_BYTES)
		return;
	(void)plan(ra, offset, offset + size, &wanted, &ahead, &ahead_end);
	start_ahead(s, n, ahead, ahead_end);
}

int fetch_for_read(struct session *s, struct node *n, struct readahead *ra,
	int64_t offset, int64_t size, const struct cancel *cancel)
{
	int64_t end = offset + size;
	int64_t began_us = g_get_monotonic_time();
	int64_t wanted, ahead, ahead_end, took_us;
	bool is_sequential;
	int rc = fetch_prepare(s, n, cancel);

	if (rc < 0)
		return rc;
	if (content_size(n->content) <= SMALL_FILE_BYTES)
		return fetch_range(s, n, 0, INT64_MAX, INT64_MAX, cancel);
	is_sequential = plan(ra, offset, end, &wanted, &ahead, &ahead_end);
	start_ahead(s, n, ahead, ahead_end);
	rc = fetch_range(s, n, offset, end, wanted, cancel);
	took_us = g_get_monotonic_time() - began_us;
	if (rc == 0 && !is_sequential && took_us > RANDOM_AT_ONCE_US)
		sweep_on(s, n, ra, took_us);
	return rc;
}
