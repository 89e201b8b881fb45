/* prefetch_files.c - the small files of a walk that reads, batch by batch.
 *
 * In rounds: the files that come next, further ahead the longer the walk has
 * been reading, are asked for in some batches of PREFETCH_BATCH_BYTES. The next
 * round begins where this one ended, when the walk has come half way through
 * it, so that each file is looked at once.
 *
 * Each file of a batch is announced to the cache by itself, and comes there by
 * itself: who opens one waits for it as if it were fetched alone.
 */
#include "config.h"

#include "attr_cache.h"
#include "cache.h"
#include "horizon.h"
#include "names.h"
#include "prefetch_private.h"
#include "remote.h"
#include "session.h"
#include "workers.h"

#include <errno.h>

struct batch {
	struct prefetch *prefetch;
	uint64_t walk;
	GPtrArray *paths; /* of char * */
	int64_t bytes;
	/* while it is read */
	GPtrArray *versions; /* of struct entry *, of the same paths */
	unsigned given;	     /* of them, by the remote */
};

/* --- one batch ------------------------------------------------------------ */

static void free_entry(gpointer e)
{
	entry_free(e);
}

static struct batch *batch_new(const struct glance *g)
{
	struct batch *b = g_new0(struct batch, 1);

	b->prefetch = g->prefetch;
	b->walk = g->walk;
	b->paths = g_ptr_array_new_with_free_func(g_free);
	b->versions = g_ptr_array_new_with_free_func(free_entry);
	return b;
}

static void batch_free(struct batch *b)
{
	g_ptr_array_unref(b->paths);
	g_ptr_array_unref(b->versions);
	g_free(b);
}

/* Asked for alone from now on. */
static void spoil(struct batch *b, const char *path)
{
	struct prefetch *p = b->prefetch;
	struct ahead *a;

	mutex_lock(&p->lock);
	a = prefetch_ahead_locked(p, b->walk);
	if (a != NULL && a->spoiled == NULL)
		a->spoiled = g_hash_table_new_full(
			g_str_hash, g_str_equal, g_free, NULL);
	if (a != NULL && g_hash_table_size(a->spoiled) < PREFETCH_SPOILED_MAX)
		(void)g_hash_table_add(a->spoiled, g_strdup(path));
	mutex_unlock(&p->lock);
}

static bool is_spoiled(const struct glance *g, const char *path)
{
	struct prefetch *p = g->prefetch;
	const struct ahead *a;
	bool is;

	mutex_lock(&p->lock);
	a = prefetch_ahead_locked(p, g->walk);
	is = a != NULL && a->spoiled != NULL &&
	     g_hash_table_contains(a->spoiled, path);
	mutex_unlock(&p->lock);
	return is;
}

static void batch_end(struct batch *b, int rc)
{
	struct prefetch *p = b->prefetch;
	struct ahead *a;

	mutex_lock(&p->lock);
	a = prefetch_ahead_locked(p, b->walk);
	if (a != NULL && a->batches > 0) {
		a->batches--;
		a->is_plain = a->is_plain || rc < 0;
	}
	mutex_unlock(&p->lock);
}

/* What was read must be what we believe to be there. */
static int keep_file(struct session *s, const char *path,
	const struct entry *expected, const struct entry *version,
	const void *bytes, size_t length)
{
	struct cached_bytes kept;
	int rc;

	if (!entry_same_version(version, expected) ||
		(int64_t)length != expected->size)
		return -ESTALE;
	cached_bytes_init(&kept);
	rc = cached_bytes_fill(&kept, s->cache_fd, expected, bytes, length);
	if (rc == 0)
		cache_give(s->cache, path, &kept);
	cached_bytes_clear(&kept);
	return rc;
}

static void take_file(void *arg, unsigned index, int rc,
	const struct entry *version, const void *bytes, size_t length)
{
	struct batch *b = arg;
	struct session *s = b->prefetch->session;
	const char *path = b->paths->pdata[index];

	if (rc == 0)
		rc = keep_file(s, path, b->versions->pdata[index], version,
			bytes, length);
	if (rc < 0)
		spoil(b, path);
	cache_expected(s->cache, path);
	b->given = index + 1;
}

/* As what is it known? Nobody is asked. */
static bool is_believed(
	struct session *s, const char *path, struct entry *ret_entry)
{
	g_autofree char *dir = path_parent(path);

	return attr_cache_lookup(s->attrs, dir, path_basename(path),
		       s->options.attr_timeout_ms, ret_entry,
		       NULL) == ATTR_PRESENT;
}

/* Announced first and unqueued then: whoever overtakes it either finds it
 * announced and waits, or it is seen that it was overtaken. */
static bool announce(struct batch *b, const char *path)
{
	struct session *s = b->prefetch->session;
	struct entry entry = { 0 };
	bool is_ours = prefetch_is_wanted(b->prefetch, b->walk, path) &&
		       is_believed(s, path, &entry) && horizon_shows(&entry) &&
		       cache_expect(s->cache, path, &entry);

	if (!prefetch_unqueue(b->prefetch, path) && is_ours) {
		cache_expected(s->cache, path);
		is_ours = false;
	}
	if (is_ours)
		g_ptr_array_add(b->versions, entry_dup(&entry));
	entry_clear(&entry);
	return is_ours;
}

static void batch_run(void *arg, const struct cancel *cancel)
{
	struct batch *b = arg;
	struct prefetch *p = b->prefetch;
	const struct remote_many_sink sink = { take_file, b };
	guint kept = 0;
	int rc = 0;

	for (guint i = 0; i < b->paths->len; i++) {
		char *path = b->paths->pdata[i];

		if (!announce(b, path))
			continue;
		b->paths->pdata[i] = b->paths->pdata[kept];
		b->paths->pdata[kept++] = path;
	}
	g_ptr_array_set_size(b->paths, (gint)kept);
	if (kept > 0)
		rc = remote_read_many(p->session->remote,
			(const char *const *)b->paths->pdata, kept,
			PREFETCH_BATCH_BYTES + PREFETCH_FILE_BYTES, &sink,
			cancel);
	for (guint i = b->given; i < kept; i++)
		cache_expected(p->session->cache, b->paths->pdata[i]);
	batch_end(b, rc);
	prefetch_extend(p, b->walk);
	batch_free(b);
}

static void batch_drop(void *arg)
{
	struct batch *b = arg;

	for (guint i = 0; i < b->paths->len; i++)
		(void)prefetch_unqueue(b->prefetch, b->paths->pdata[i]);
	batch_end(b, 0);
	batch_free(b);
}

/* --- one round ------------------------------------------------------------ */

struct round {
	const struct glance *glance;
	struct batch *batch; /* that is being filled; NULL: none */
	GPtrArray *batches;  /* of struct batch *, full ones */
	GPtrArray *shown;    /* all files: of char * */
	char *looked;
	bool is_cut_short;
};

static void round_close_batch(struct round *r)
{
	if (r->batch != NULL)
		g_ptr_array_add(r->batches, g_steal_pointer(&r->batch));
}

static void round_add(struct round *r, const char *path, const struct entry *e)
{
	if (r->batch != NULL &&
		(r->batch->bytes + e->size > PREFETCH_BATCH_BYTES ||
			r->batch->paths->len == PREFETCH_BATCH_FILES))
		round_close_batch(r);
	if (r->batch == NULL)
		r->batch = batch_new(r->glance);
	g_ptr_array_add(r->batch->paths, g_strdup(path));
	r->batch->bytes += e->size;
}

static void round_note(struct round *r, const char *path)
{
	g_free(r->looked);
	r->looked = g_strdup(path);
}

static void round_file(
	struct horizon *h, const char *path, const struct entry *e)
{
	struct round *r = h->arg;
	struct cache *cache = h->session->cache;

	round_note(r, path);
	g_ptr_array_add(r->shown, g_strdup(path));
	if (cache_has(cache, path, e) || cache_expects(cache, path, e))
		return;
	if (is_spoiled(r->glance, path))
		prefetch_add_file(r->glance, path);
	else if (prefetch_queue(r->glance->prefetch, path))
		round_add(r, path, e);
}

/* What is behind a directory whose names are missing is not next. */
static void round_directory(
	struct horizon *h, const char *path, bool is_known, bool is_fresh)
{
	struct round *r = h->arg;

	(void)is_fresh;
	if (is_known) {
		round_note(r, path);
	} else {
		r->is_cut_short = true;
		h->is_done = true;
	}
}

static void round_look(
	struct round *r, const char *start, unsigned batches_left)
{
	const struct glance *g = r->glance;
	int64_t bytes = MIN(g->files_read, batches_left) * PREFETCH_BATCH_BYTES;
	struct horizon h = {
		.session = g->prefetch->session,
		.top = g->top,
		.position = start,
		.enters = g->enters,
		.reads = true,
		.fresh_ms = g->fresh_ms,
		.directories = PREFETCH_AHEAD_FILES,
		.files = MIN(g->files_read,
				 PREFETCH_AHEAD_FILES / PREFETCH_AHEAD_TIMES) *
			 PREFETCH_AHEAD_TIMES,
		.bytes = bytes,
		.at_directory = round_directory,
		.at_file = round_file,
		.arg = r,
	};

	horizon_look(&h);
	round_close_batch(r);
	if (!horizon_is_reached(&h))
		r->is_cut_short = true;
}

/* NULL: it is not the time for it. g_free. */
static char *begin_round(const struct glance *g, unsigned *ret_batches_left)
{
	struct prefetch *p = g->prefetch;
	char *start = NULL;
	struct ahead *a;

	mutex_lock(&p->lock);
	a = prefetch_ahead_locked(p, g->walk);
	if (a != NULL && !a->is_looking && a->batches < PREFETCH_BATCHES &&
		(a->looked == NULL ||
			(a->is_cut_short ? g->is_rare
					 : walk_compare(g->position,
						   a->look_at) >= 0))) {
		a->is_looking = true;
		*ret_batches_left = PREFETCH_BATCHES - a->batches;
		start = g_strdup(a->looked != NULL && walk_compare(a->looked,
							      g->position) > 0
					 ? a->looked
					 : g->position);
	}
	mutex_unlock(&p->lock);
	return start;
}

static void end_round(struct round *r, const char *start)
{
	struct prefetch *p = r->glance->prefetch;
	struct ahead *a;

	mutex_lock(&p->lock);
	a = prefetch_ahead_locked(p, r->glance->walk);
	if (a != NULL) {
		a->is_looking = false;
		a->is_cut_short = r->is_cut_short;
		g_free(a->looked);
		a->looked = g_strdup(r->looked != NULL ? r->looked : start);
		g_free(a->look_at);
		a->look_at = g_strdup(
			r->shown->len > 0 ? r->shown->pdata[r->shown->len / 2]
					  : a->looked);
		a->batches += r->batches->len;
	}
	mutex_unlock(&p->lock);
}

void prefetch_files_look(const struct glance *g)
{
	struct round r = { .glance = g };
	struct job job = { batch_run, batch_drop, NULL };
	g_autofree char *start = NULL;
	unsigned batches_left;

	if (!g->reads)
		return;
	start = begin_round(g, &batches_left);
	if (start == NULL)
		return;
	r.batches = g_ptr_array_new();
	r.shown = g_ptr_array_new_with_free_func(g_free);
	round_look(&r, start, batches_left);
	end_round(&r, start);
	for (guint i = 0; i < r.batches->len; i++) {
		job.arg = r.batches->pdata[i];
		(void)workers_add(g->prefetch->session->workers, &job);
	}
	g_ptr_array_unref(r.batches);
	g_ptr_array_unref(r.shown);
	g_free(r.looked);
}
