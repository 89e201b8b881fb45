/* prefetch.c - see prefetch.h. */
#include "config.h"

#include "prefetch.h"

#include "cache.h"
#include "horizon.h"
#include "prefetch_private.h"
#include "scratch.h"
#include "session.h"
#include "tree.h"
#include "workers.h"

#include <errno.h>
#include <string.h>

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
	for (unsigned i = 0; i < WALKS_MAX; i++)
		prefetch_ahead_clear(&p->ahead[i]);
	walks_clear(&p->walks);
	mutex_fini(&p->lock);
	g_free(p);
}

void prefetch_ahead_clear(struct ahead *a)
{
	g_free(a->top);
	g_free(a->middle);
	g_free(a->last);
	g_free(a->looked);
	g_free(a->look_at);
	if (a->spoiled != NULL)
		g_hash_table_destroy(a->spoiled);
	*a = (struct ahead){ 0 };
}

struct ahead *prefetch_ahead_locked(struct prefetch *p, uint64_t walk)
{
	const struct walk *w = walks_find(&p->walks, walk);
	struct ahead *a;

	if (w == NULL)
		return NULL;
	a = &p->ahead[w - p->walks.walks];
	if (a->walk != walk) {
		prefetch_ahead_clear(a);
		a->walk = walk;
	}
	return a;
}

/* --- jobs ----------------------------------------------------------------- */

struct prefetch_job {
	struct prefetch *prefetch;
	uint64_t walk;
	char *path;
	int64_t fresh_ms;
};

bool prefetch_queue(struct prefetch *p, const char *path)
{
	bool is_new;

	mutex_lock(&p->lock);
	is_new = g_hash_table_add(p->queued, g_strdup(path));
	mutex_unlock(&p->lock);
	return is_new;
}

bool prefetch_unqueue(struct prefetch *p, const char *path)
{
	bool was_queued;

	mutex_lock(&p->lock);
	was_queued = g_hash_table_remove(p->queued, path);
	mutex_unlock(&p->lock);
	return was_queued;
}

void prefetch_overtaken(struct prefetch *p, const char *path)
{
	(void)prefetch_unqueue(p, path);
}

bool prefetch_is_wanted(struct prefetch *p, uint64_t walk, const char *path)
{
	const struct walk *w;
	bool is_wanted;

	mutex_lock(&p->lock);
	w = walks_find(&p->walks, walk);
	is_wanted = w != NULL && walk_is_ahead(w, path);
	mutex_unlock(&p->lock);
	return is_wanted;
}

static bool job_is_wanted(const struct prefetch_job *job)
{
	return prefetch_is_wanted(job->prefetch, job->walk, job->path);
}

static bool job_unqueue(const struct prefetch_job *job)
{
	return prefetch_unqueue(job->prefetch, job->path);
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

static void add_job(const struct glance *g, const char *path,
	void (*run)(void *arg, const struct cancel *))
{
	struct prefetch *p = g->prefetch;
	struct prefetch_job *own;
	struct job job = { run, job_drop, NULL };

	if (!prefetch_queue(p, path))
		return;
	own = g_new(struct prefetch_job, 1);
	*own = (struct prefetch_job){ p, g->walk, g_strdup(path), g->fresh_ms };
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
	bytes->version = entry_bare(entry);
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
	if (horizon_shows(&entry) &&
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

void prefetch_add_file(const struct glance *g, const char *path)
{
	add_job(g, path, file_run);
}

/* --- looking ahead -------------------------------------------------------- */

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
		prefetch_extend(job->prefetch, job->walk);
	}
	job_free(job);
}

static void ask_for_directory(
	struct horizon *h, const char *path, bool is_known, bool is_fresh)
{
	if (!is_known || !is_fresh)
		add_job(h->arg, path, directory_run);
}

static void ask_for_file(
	struct horizon *h, const char *path, const struct entry *e)
{
	if (!cache_has(h->session->cache, path, e))
		add_job(h->arg, path, file_run);
}

/* One by one: further the longer it has been a walk. */
static void look_plainly(struct glance *g)
{
	unsigned doublings = MIN(g->files_read, PREFETCH_DOUBLINGS);
	struct horizon h = {
		.session = g->prefetch->session,
		.top = g->top,
		.position = g->position,
		.enters = g->enters,
		.reads = g->reads,
		.fresh_ms = g->fresh_ms,
		.directories = MIN(g->steps * 4, PREFETCH_DIRECTORIES),
		.files = PREFETCH_FILES >> (PREFETCH_DOUBLINGS - doublings),
		.bytes = PREFETCH_BYTES >> (PREFETCH_DOUBLINGS - doublings),
		.at_directory = ask_for_directory,
		.at_file = ask_for_file,
		.arg = g,
	};

	horizon_look(&h);
}

/* Looking takes time, so not at every file. */
static bool is_time_to_look(const struct walk *w)
{
	return w->reads <= PREFETCH_DOUBLINGS ||
	       w->reads % (PREFETCH_FILES / 8) == 0;
}

/* False: nothing is to be asked for ahead of it. One that only reads stays in
 * its directory. */
static bool make_glance(struct prefetch *p, const struct walk *w,
	struct glance *ret) REQUIRES(p->lock)
{
	bool is_walk = w->steps >= WALK_CERTAIN;
	bool reads =
		w->reads > 0 && clock_now_ms() - w->read_ms < PREFETCH_PAUSE_MS;
	int64_t believed_ms = p->session->options.attr_timeout_ms;

	if (!is_walk && !reads)
		return false;
	*ret = (struct glance){
		.prefetch = p,
		.walk = w->number,
		.top = g_strdup(is_walk ? w->top : w->directory),
		.position = g_strdup(walk_position(w)),
		.enters = is_walk,
		.reads = reads,
		.steps = w->steps,
		.files_read = w->reads,
		.is_rare = true,
		.fresh_ms = (reads ? MIN(believed_ms, REVALIDATE_MS)
				   : believed_ms) /
			    2,
	};
	return true;
}

static void look(struct glance *g)
{
	if (prefetch_tree_serves(g)) {
		prefetch_tree_look(g);
		prefetch_files_look(g);
	} else if (g->is_rare) {
		look_plainly(g);
	}
	g_free(g->top);
	g_free(g->position);
}

void prefetch_extend(struct prefetch *p, uint64_t number)
{
	const struct walk *w;
	struct glance g;
	bool goes_on;

	mutex_lock(&p->lock);
	w = walks_find(&p->walks, number);
	goes_on = w != NULL && make_glance(p, w, &g);
	mutex_unlock(&p->lock);
	if (goes_on)
		look(&g);
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
	struct glance g;
	bool goes_on, has_moved;
	struct walk *w;

	if (!is_on(p))
		return;
	mutex_lock(&p->lock);
	w = walks_open_directory(&p->walks, path, clock_now_ms(), &has_moved);
	goes_on = w->steps > 0 && make_glance(p, w, &g);
	mutex_unlock(&p->lock);
	if (goes_on)
		look(&g);
}

void prefetch_lookup(struct prefetch *p, const char *directory)
{
	struct glance g;
	bool goes_on, has_moved;
	struct walk *w;

	if (!is_on(p))
		return;
	mutex_lock(&p->lock);
	w = walks_look_up(&p->walks, directory, clock_now_ms(), &has_moved);
	goes_on = has_moved && make_glance(p, w, &g);
	mutex_unlock(&p->lock);
	if (goes_on)
		look(&g);
}

void prefetch_file(struct prefetch *p, const char *path)
{
	struct glance g;
	bool goes_on, has_moved;
	struct walk *w;

	if (!is_on(p))
		return;
	mutex_lock(&p->lock);
	w = walks_open_file(&p->walks, path, clock_now_ms(), &has_moved);
	goes_on = has_moved && make_glance(p, w, &g);
	if (goes_on)
		g.is_rare = is_time_to_look(w);
	mutex_unlock(&p->lock);
	if (goes_on)
		look(&g);
}
