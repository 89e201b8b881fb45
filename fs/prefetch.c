/* prefetch.c - see prefetch.h. */
#include "config.h"

#include "prefetch.h"

#include "attr_cache.h"
#include "cache.h"
#include "cancel.h"
#include "fs_limits.h"
#include "mutex.h"
#include "names.h"
#include "scratch.h"
#include "session.h"
#include "tree.h"
#include "walk.h"
#include "workers.h"

#include <errno.h>
#include <string.h>

struct prefetch {
	struct session *session;

	struct mutex lock;
	/* guarded by lock */
	struct walks walks;
	GHashTable *queued; /* paths of jobs that have not begun */
};

/* A walk as it is at one moment, and how far ahead of it to go. */
struct horizon {
	struct prefetch *prefetch;
	uint64_t walk;
	char *top, *position;
	bool enters;	  /* directories */
	bool reads;	  /* files */
	int64_t fresh_ms; /* an older listing is fetched again */
	/* what is left */
	unsigned directories;
	unsigned files;
	int64_t bytes;
};

struct prefetch *prefetch_new(struct session *s)
{
	struct prefetch *p = g_new0(struct prefetch, 1);

	p->session = s;
	mutex_init(&p->lock);
	walks_init(&p->walks);
	p->queued =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	return p;
}

void prefetch_free(struct prefetch *p)
{
	if (p == NULL)
		return;
	g_hash_table_destroy(p->queued);
	walks_clear(&p->walks);
	mutex_fini(&p->lock);
	g_free(p);
}

/* --- jobs ----------------------------------------------------------------- */

struct prefetch_job {
	struct prefetch *prefetch;
	uint64_t walk;
	char *path;
	int64_t fresh_ms;
};

/* False: somebody was faster (prefetch_overtaken). */
static bool job_unqueue(struct prefetch_job *job)
{
	bool was_queued;

	mutex_lock(&job->prefetch->lock);
	was_queued = g_hash_table_remove(job->prefetch->queued, job->path);
	mutex_unlock(&job->prefetch->lock);
	return was_queued;
}

void prefetch_overtaken(struct prefetch *p, const char *path)
{
	mutex_lock(&p->lock);
	(void)g_hash_table_remove(p->queued, path);
	mutex_unlock(&p->lock);
}

/* The walk goes on, and has not been there yet. */
static bool job_is_wanted(const struct prefetch_job *job)
{
	const struct walk *w;
	bool is_wanted;

	mutex_lock(&job->prefetch->lock);
	w = walks_find(&job->prefetch->walks, job->walk);
	is_wanted = w != NULL && walk_is_ahead(w, job->path);
	mutex_unlock(&job->prefetch->lock);
	return is_wanted;
}

static void job_free(struct prefetch_job *job)
{
	g_free(job->path);
	g_free(job);
}

static void job_drop(void *arg)
{
	(void)job_unqueue(arg);
	job_free(arg);
}

static void add_job(const struct horizon *h, const char *path,
	void (*run)(void *arg, const struct cancel *))
{
	struct prefetch *p = h->prefetch;
	struct prefetch_job *own;
	struct job job = { run, job_drop, NULL };
	bool is_new;

	mutex_lock(&p->lock);
	is_new = g_hash_table_add(p->queued, g_strdup(path));
	mutex_unlock(&p->lock);
	if (!is_new)
		return;
	own = g_new(struct prefetch_job, 1);
	*own = (struct prefetch_job){ p, h->walk, g_strdup(path), h->fresh_ms };
	job.arg = own;
	(void)workers_add(p->session->workers, &job);
}

/* --- files ---------------------------------------------------------------- */

static int file_sink(
	void *arg, const void *bytes, size_t length, int64_t offset)
{
	const struct cached_bytes *b = arg;

	/* A file that grew meanwhile is not the version we announced. */
	if (offset + (int64_t)length > b->size)
		return -ESTALE;
	return scratch_write(b->fd, bytes, length, offset);
}

static int fetch_file(struct session *s, const char *path,
	const struct entry *entry, const struct cancel *cancel,
	struct cached_bytes *bytes)
{
	struct remote_sink sink = { file_sink, bytes };
	struct remote_read_info info = { .total = -1 };
	int rc = scratch_file(s->cache_fd);

	if (rc < 0)
		return rc;
	bytes->fd = rc;
	bytes->size = entry->size;
	bytes->version = *entry;
	bytes->version.name = NULL;
	rc = remote_read(s->remote, path, 0, -1, &sink, cancel, &info);
	if (rc == 0 && (info.received != entry->size ||
			       (info.total >= 0 && info.total != entry->size)))
		rc = -ESTALE;
	if (rc < 0)
		return rc;
	bytes->has_source = info.total >= 0;
	bytes->source_total = info.total;
	bytes->source_modified = info.last_modified;
	return extents_add(&bytes->present, 0, entry->size);
}

static bool is_worth_fetching(const struct entry *entry)
{
	return entry->type == ENTRY_FILE && entry->size > 0 &&
	       entry->size <= PREFETCH_FILE_BYTES;
}

/* Announced first and unqueued then: whoever overtakes the job either finds it
 * announced and waits, or it sees that it was overtaken. */
static void fetch_into_cache(
	struct prefetch_job *job, const struct cancel *cancel)
{
	struct session *s = job->prefetch->session;
	struct entry entry = { 0 };
	struct cached_bytes bytes;

	if (tree_stat(s->tree, job->path, s->options.attr_timeout_ms, cancel,
		    &entry, NULL) < 0)
		return;
	cached_bytes_init(&bytes);
	if (is_worth_fetching(&entry) &&
		cache_expect(s->cache, job->path, &entry)) {
		if (job_unqueue(job) &&
			fetch_file(s, job->path, &entry, cancel, &bytes) == 0)
			cache_give(s->cache, job->path, &bytes);
		cache_expected(s->cache, job->path);
	}
	cached_bytes_clear(&bytes);
	entry_clear(&entry);
}

static void file_run(void *arg, const struct cancel *cancel)
{
	struct prefetch_job *job = arg;

	if (job_is_wanted(job))
		fetch_into_cache(job, cancel);
	job_drop(job);
}

/* --- looking ahead -------------------------------------------------------- */

static void extend(struct prefetch *p, uint64_t number);

/* The walk may have waited for just this listing. */
static void directory_run(void *arg, const struct cancel *cancel)
{
	struct prefetch_job *job = arg;
	GPtrArray *entries = NULL;
	int rc = -ECANCELED;

	if (job_is_wanted(job))
		rc = tree_list(job->prefetch->session->tree, job->path,
			job->fresh_ms, cancel, &entries, NULL);
	(void)job_unqueue(job);
	if (rc == 0) {
		g_ptr_array_unref(entries);
		extend(job->prefetch, job->walk);
	}
	job_free(job);
}

/* Where the first name after `name` stands in a listing. */
static guint index_after(const GPtrArray *entries, const char *name)
{
	guint low = 0;
	guint high = entries->len;

	while (low < high) {
		guint middle = low + (high - low) / 2;
		const struct entry *e = entries->pdata[middle];

		if (strcmp(e->name, name) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_reached(const struct horizon *h)
{
	return (h->enters && h->directories == 0) ||
	       (h->reads && (h->files == 0 || h->bytes == 0));
}

static void look_at_file(
	struct horizon *h, const char *path, const struct entry *e)
{
	struct session *s = h->prefetch->session;

	if (!h->reads || !is_worth_fetching(e))
		return;
	h->files--;
	h->bytes -= MIN(h->bytes, e->size);
	if (!cache_has(s->cache, path, e))
		add_job(h, path, file_run);
}

static void look_into(struct horizon *h, const char *directory, guint first,
	const GPtrArray *entries);

static void look_at_directory(struct horizon *h, const char *path)
{
	struct session *s = h->prefetch->session;
	int64_t age_ms;
	GPtrArray *entries = attr_cache_listing(
		s->attrs, path, s->options.attr_timeout_ms, &age_ms);

	h->directories--;
	if (entries == NULL || age_ms > h->fresh_ms)
		add_job(h, path, directory_run);
	if (entries == NULL)
		return;
	look_into(h, path, 0, entries);
	g_ptr_array_unref(entries);
}

/* In the order of the walk. As deep as the horizon has directories. */
static void look_into(struct horizon *h, const char *directory, guint first,
	const GPtrArray *entries)
{
	for (guint i = first; i < entries->len && !is_reached(h); i++) {
		const struct entry *e = entries->pdata[i];
		g_autofree char *path = path_join(directory, e->name);

		if (e->type != ENTRY_DIRECTORY)
			look_at_file(h, path, e);
		else if (h->enters)
			look_at_directory(h, path);
	}
}

/* What is known of a directory, be it old: the order of its names is enough. */
static GPtrArray *known_names(struct session *s, const char *directory)
{
	return attr_cache_listing(s->attrs, directory,
		s->options.attr_timeout_ms * PREFETCH_NAMES_AGE, NULL);
}

/* Below where the walk is, then what comes after that in the directories above
 * it, up to its top. */
static void look_ahead(struct horizon *h)
{
	g_autofree char *path = g_strdup(h->position);
	GPtrArray *entries = known_names(h->prefetch->session, path);

	if (entries != NULL) {
		look_into(h, path, 0, entries);
		g_ptr_array_unref(entries);
	}
	while (!is_reached(h) && path[0] != '\0' && strcmp(path, h->top) != 0) {
		g_autofree char *parent = path_parent(path);

		entries = known_names(h->prefetch->session, parent);
		if (entries != NULL) {
			look_into(h, parent,
				index_after(entries, path_basename(path)),
				entries);
			g_ptr_array_unref(entries);
		}
		g_free(path);
		path = g_steal_pointer(&parent);
	}
}

/* How far to look ahead of a walk: further the longer it has been one. One that
 * only reads stays in its directory. False: not at all. */
static bool make_horizon(struct prefetch *p, const struct walk *w,
	struct horizon *ret) REQUIRES(p->lock)
{
	unsigned doublings = MIN(w->reads, PREFETCH_DOUBLINGS);
	bool is_walk = w->steps >= WALK_CERTAIN;
	bool reads =
		w->reads > 0 && clock_now_ms() - w->read_ms < PREFETCH_PAUSE_MS;
	int64_t believed_ms = p->session->options.attr_timeout_ms;

	if (!is_walk && !reads)
		return false;
	*ret = (struct horizon){
		.prefetch = p,
		.walk = w->number,
		.top = g_strdup(is_walk ? w->top : w->directory),
		.position = g_strdup(walk_position(w)),
		.enters = is_walk,
		.reads = reads,
		.fresh_ms = (reads ? MIN(believed_ms, REVALIDATE_MS)
				   : believed_ms) /
			    2,
		.directories = MIN(w->steps * 4, PREFETCH_DIRECTORIES),
		.files = PREFETCH_FILES >> (PREFETCH_DOUBLINGS - doublings),
		.bytes = PREFETCH_BYTES >> (PREFETCH_DOUBLINGS - doublings),
	};
	return true;
}

static void horizon_look(struct horizon *h)
{
	look_ahead(h);
	g_free(h->top);
	g_free(h->position);
}

static void extend(struct prefetch *p, uint64_t number)
{
	const struct walk *w;
	struct horizon h;
	bool goes_on;

	mutex_lock(&p->lock);
	w = walks_find(&p->walks, number);
	goes_on = w != NULL && make_horizon(p, w, &h);
	mutex_unlock(&p->lock);
	if (goes_on)
		horizon_look(&h);
}

/* --- seeing a walk -------------------------------------------------------- */

static bool is_on(const struct prefetch *p)
{
	/* What is believed by nobody is of no use to anybody. */
	return p->session->options.has_prefetch &&
	       p->session->options.attr_timeout_ms > 0;
}

void prefetch_directory(struct prefetch *p, const char *path)
{
	struct horizon h;
	bool goes_on, has_moved;
	struct walk *w;

	if (!is_on(p))
		return;
	mutex_lock(&p->lock);
	w = walks_open_directory(&p->walks, path, clock_now_ms(), &has_moved);
	goes_on = w->steps > 0 && make_horizon(p, w, &h);
	mutex_unlock(&p->lock);
	if (goes_on)
		horizon_look(&h);
}

void prefetch_lookup(struct prefetch *p, const char *directory)
{
	struct horizon h;
	bool goes_on, has_moved;
	struct walk *w;

	if (!is_on(p))
		return;
	mutex_lock(&p->lock);
	w = walks_look_up(&p->walks, directory, clock_now_ms(), &has_moved);
	goes_on = has_moved && make_horizon(p, w, &h);
	mutex_unlock(&p->lock);
	if (goes_on)
		horizon_look(&h);
}

/* Looking takes time, so not at every file. */
static bool is_time_to_look(const struct walk *w)
{
	return w->reads <= PREFETCH_DOUBLINGS ||
	       w->reads % (PREFETCH_FILES / 8) == 0;
}

void prefetch_file(struct prefetch *p, const char *path)
{
	struct horizon h;
	bool goes_on, has_moved;
	struct walk *w;

	if (!is_on(p))
		return;
	mutex_lock(&p->lock);
	w = walks_open_file(&p->walks, path, clock_now_ms(), &has_moved);
	goes_on = has_moved && is_time_to_look(w) && make_horizon(p, w, &h);
	mutex_unlock(&p->lock);
	if (goes_on)
		horizon_look(&h);
}
