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
#include "workers.h"

#include <errno.h>
#include <string.h>

struct prefetch {
	struct session *session;

	struct mutex lock;
	/* guarded by lock */
	char *last_directory; /* opened last; NULL: none */
	int64_t directory_ms;
	unsigned steps; /* of the walk so far */
	char *last_file;
	int64_t file_ms;
	unsigned reads;	    /* files in order so far */
	GHashTable *queued; /* paths of jobs that have not begun */
};

struct prefetch *prefetch_new(struct session *s)
{
	struct prefetch *p = g_new0(struct prefetch, 1);

	p->session = s;
	mutex_init(&p->lock);
	p->queued =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	return p;
}

void prefetch_free(struct prefetch *p)
{
	if (p == NULL)
		return;
	g_hash_table_destroy(p->queued);
	g_free(p->last_directory);
	g_free(p->last_file);
	mutex_fini(&p->lock);
	g_free(p);
}

/* --- jobs ----------------------------------------------------------------- */

struct prefetch_job {
	struct prefetch *prefetch;
	char *path;
	bool with_files; /* of a directory: its small files too */
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

static void add_job(struct prefetch *p, const char *path, bool with_files,
	void (*run)(void *arg, const struct cancel *))
{
	struct prefetch_job *own;
	struct job job = { run, job_drop, NULL };
	bool is_new;

	mutex_lock(&p->lock);
	is_new = g_hash_table_add(p->queued, g_strdup(path));
	mutex_unlock(&p->lock);
	if (!is_new)
		return;
	own = g_new(struct prefetch_job, 1);
	*own = (struct prefetch_job){ p, g_strdup(path), with_files };
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

static void fetch_into_cache(
	struct session *s, const char *path, const struct cancel *cancel)
{
	struct entry entry = { 0 };
	struct cached_bytes bytes;

	cached_bytes_init(&bytes);
	if (tree_stat(s->tree, path, s->options.attr_timeout_ms, cancel, &entry,
		    NULL) == 0 &&
		is_worth_fetching(&entry) &&
		cache_expect(s->cache, path, &entry)) {
		if (fetch_file(s, path, &entry, cancel, &bytes) == 0)
			cache_give(s->cache, path, &bytes);
		cache_expected(s->cache, path);
	}
	cached_bytes_clear(&bytes);
	entry_clear(&entry);
}

static void file_run(void *arg, const struct cancel *cancel)
{
	struct prefetch_job *job = arg;

	if (job_unqueue(job))
		fetch_into_cache(job->prefetch->session, job->path, cancel);
	job_free(job);
}

/* The small files of a listing, from `first` on. */
static void add_files(struct prefetch *p, const char *directory,
	const GPtrArray *entries, guint first)
{
	unsigned count = 0;

	for (guint i = first; i < entries->len && count < PREFETCH_FILES; i++) {
		const struct entry *e = entries->pdata[i];
		g_autofree char *path = NULL;

		if (!is_worth_fetching(e))
			continue;
		path = path_join(directory, e->name);
		add_job(p, path, false, file_run);
		count++;
	}
}

/* --- directories ---------------------------------------------------------- */

static void directory_run(void *arg, const struct cancel *cancel)
{
	struct prefetch_job *job = arg;
	struct session *s = job->prefetch->session;
	GPtrArray *entries = NULL;
	int rc = tree_list(s->tree, job->path, s->options.attr_timeout_ms,
		cancel, &entries, NULL);

	(void)job_unqueue(job);
	if (rc == 0 && job->with_files)
		add_files(job->prefetch, job->path, entries, 0);
	if (entries != NULL)
		g_ptr_array_unref(entries);
	job_free(job);
}

/* Where `name` stands in a listing, or would stand. */
static guint position(const GPtrArray *entries, const char *name)
{
	guint low = 0;
	guint high = entries->len;

	while (low < high) {
		guint middle = low + (high - low) / 2;
		const struct entry *e = entries->pdata[middle];

		if (strcmp(e->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void add_directories(struct prefetch *p, const char *parent,
	const GPtrArray *entries, guint first, bool with_files)
{
	struct session *s = p->session;
	unsigned count = 0;

	for (guint i = first; i < entries->len && count < PREFETCH_DIRECTORIES;
		i++) {
		const struct entry *e = entries->pdata[i];
		g_autofree char *path = NULL;
		GPtrArray *known;

		if (e->type != ENTRY_DIRECTORY)
			continue;
		count++;
		path = path_join(parent, e->name);
		known = attr_cache_listing(
			s->attrs, path, s->options.attr_timeout_ms / 2, NULL);
		if (known != NULL)
			g_ptr_array_unref(known);
		else
			add_job(p, path, with_files, directory_run);
	}
}

/* The directories that come after this one among its siblings. */
static void add_siblings(struct prefetch *p, const char *path, bool with_files)
{
	struct session *s = p->session;
	g_autofree char *parent = NULL;
	GPtrArray *entries;

	if (path[0] == '\0')
		return;
	parent = path_parent(path);
	entries = attr_cache_listing(
		s->attrs, parent, s->options.attr_timeout_ms * 4, NULL);
	if (entries == NULL)
		return;
	add_directories(p, parent, entries,
		position(entries, path_basename(path)) + 1, with_files);
	g_ptr_array_unref(entries);
}

/* --- seeing a walk -------------------------------------------------------- */

static bool same_parent(const char *a, const char *b)
{
	g_autofree char *x = path_parent(a);
	g_autofree char *y = path_parent(b);

	return strcmp(x, y) == 0;
}

/* A child of the last, a later sibling of it, or of a directory above it. */
static bool continues(const char *last, const char *path)
{
	g_autofree char *above = NULL;

	if (strcmp(last, path) == 0 || path[0] == '\0')
		return false;
	if (path_is_below(path, last))
		return true;
	above = g_strdup(last);
	while (above[0] != '\0') {
		char *next;

		if (same_parent(above, path))
			return strcmp(above, path) < 0;
		next = path_parent(above);
		g_free(above);
		above = next;
	}
	return false;
}

/* Remembers the step; how many the walk has had, and whether it reads. */
static unsigned take_step(
	struct prefetch *p, const char *path, bool *ret_reads, bool *ret_turned)
{
	int64_t now = clock_now_ms();
	unsigned steps;

	mutex_lock(&p->lock);
	*ret_turned = false;
	if (p->last_directory != NULL &&
		now - p->directory_ms < PREFETCH_PAUSE_MS &&
		continues(p->last_directory, path)) {
		p->steps++;
	} else if (p->last_directory == NULL ||
		   strcmp(p->last_directory, path) != 0) {
		*ret_turned = p->steps > 0;
		p->steps = 0;
	}
	steps = p->steps;
	*ret_reads = p->reads > 1 && now - p->file_ms < PREFETCH_PAUSE_MS;
	g_free(p->last_directory);
	p->last_directory = g_strdup(path);
	p->directory_ms = now;
	mutex_unlock(&p->lock);
	return steps;
}

void prefetch_directory(
	struct prefetch *p, const char *path, const GPtrArray *entries)
{
	bool reads, has_turned;
	unsigned steps;

	if (!p->session->options.has_prefetch)
		return;
	steps = take_step(p, path, &reads, &has_turned);
	if (has_turned)
		workers_drop(p->session->workers);
	if (steps == 0)
		return;
	if (reads)
		add_files(p, path, entries, 0);
	add_directories(p, path, entries, 0, reads);
	add_siblings(p, path, reads);
}

void prefetch_file(struct prefetch *p, const char *path)
{
	struct session *s = p->session;
	int64_t now = clock_now_ms();
	g_autofree char *dir = path_parent(path);
	GPtrArray *entries;
	unsigned reads;

	if (!s->options.has_prefetch)
		return;
	mutex_lock(&p->lock);
	if (p->last_file != NULL && now - p->file_ms < PREFETCH_PAUSE_MS &&
		strcmp(p->last_file, path) < 0)
		p->reads++;
	else if (p->last_file == NULL || strcmp(p->last_file, path) != 0)
		p->reads = 0;
	reads = p->reads;
	g_free(p->last_file);
	p->last_file = g_strdup(path);
	p->file_ms = now;
	mutex_unlock(&p->lock);
	if (reads == 0)
		return;
	entries = attr_cache_listing(
		s->attrs, dir, s->options.attr_timeout_ms * 4, NULL);
	if (entries == NULL)
		return;
	add_files(p, dir, entries, position(entries, path_basename(path)) + 1);
	g_ptr_array_unref(entries);
}
