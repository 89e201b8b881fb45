/* attr_cache.c - see attr_cache.h. */
#include "config.h"

#include "attr_cache.h"

#include "cancel.h"
#include "fs_limits.h"
#include "mutex.h"
#include "names.h"

#include <string.h>

/* One name of one directory. */
struct belief {
	struct entry entry; /* its name is the key in directory.names */
	bool is_absent;
	bool is_local;
	bool is_own;	 /* learnt from what we did ourselves */
	bool is_dropped; /* known, and not believed any more */
	int64_t learnt_ms;
	uint64_t changed; /* ticket number of our own last change; 0: none */
};

struct directory {
	GHashTable *names; /* name -> struct belief * */
	int64_t listed_ms; /* 0: never */
	bool is_dropped;   /* the listing: known, and not believed any more */
	bool is_own;	   /* not listed but made by us */
	int last_count;	   /* -1: never listed */
	unsigned singles;
	unsigned locals; /* names that are is_local: never make room of them */
	int64_t used_ms;
	uint64_t expired; /* as the cache's, of this directory's answers */
};

/* A directory that was removed or got another name. What was asked of its path
 * before is no answer to what the path names now. */
struct parted {
	char *path;
	uint64_t ticket;
};

struct attr_cache {
	struct mutex lock;
	/* guarded by lock */
	GHashTable *directories; /* path -> struct directory * */
	uint64_t ticket;
	uint64_t expired; /* answers to older questions are worth nothing */
	struct parted parted[PARTED_MAX]; /* a ring */
	unsigned next_parted;
	unsigned names;
	struct timespec root_time;
};

static void belief_free(gpointer p)
{
	struct belief *b = p;

	entry_clear(&b->entry);
	g_free(b);
}

static void directory_free(gpointer p)
{
	struct directory *d = p;

	g_hash_table_destroy(d->names);
	g_free(d);
}

struct attr_cache *attr_cache_new(void)
{
	struct attr_cache *c = g_new0(struct attr_cache, 1);

	mutex_init(&c->lock);
	c->directories = g_hash_table_new_full(
		g_str_hash, g_str_equal, g_free, directory_free);
	c->ticket = 1;
	(void)clock_gettime(CLOCK_REALTIME, &c->root_time);
	return c;
}

void attr_cache_free(struct attr_cache *c)
{
	if (c == NULL)
		return;
	for (unsigned i = 0; i < PARTED_MAX; i++)
		g_free(c->parted[i].path);
	g_hash_table_destroy(c->directories);
	mutex_fini(&c->lock);
	g_free(c);
}

uint64_t attr_cache_ticket(struct attr_cache *c)
{
	uint64_t ticket;

	mutex_lock(&c->lock);
	ticket = c->ticket;
	mutex_unlock(&c->lock);
	return ticket;
}

struct timespec attr_cache_root_time(struct attr_cache *c)
{
	struct timespec root_time;

	mutex_lock(&c->lock);
	root_time = c->root_time;
	mutex_unlock(&c->lock);
	return root_time;
}

static struct directory *find_locked(struct attr_cache *c, const char *dir)
	REQUIRES(c->lock)
{
	return g_hash_table_lookup(c->directories, dir);
}

static struct directory *get_locked(struct attr_cache *c, const char *dir)
	REQUIRES(c->lock)
{
	struct directory *d = find_locked(c, dir);

	if (d != NULL)
		return d;
	d = g_new0(struct directory, 1);
	d->names = g_hash_table_new_full(
		g_str_hash, g_str_equal, NULL, belief_free);
	d->last_count = -1;
	d->used_ms = clock_now_ms();
	g_hash_table_insert(c->directories, g_strdup(dir), d);
	return d;
}

/* Answers to questions of until now about `path` and all below it are void.
 * The oldest such rule makes room by becoming one for all paths. */
static void part_locked(struct attr_cache *c, const char *path)
	REQUIRES(c->lock)
{
	struct parted *p = &c->parted[c->next_parted++ % PARTED_MAX];

	c->expired = MAX(c->expired, p->ticket);
	g_free(p->path);
	p->path = g_strdup(path);
	p->ticket = c->ticket;
}

static bool is_void_locked(struct attr_cache *c, uint64_t ticket,
	const char *dir) REQUIRES(c->lock)
{
	if (ticket <= c->expired)
		return true;
	for (unsigned i = 0; i < PARTED_MAX; i++) {
		const struct parted *p = &c->parted[i];

		if (ticket <= p->ticket && path_is_below(dir, p->path))
			return true;
	}
	return false;
}

static void remove_directory_locked(struct attr_cache *c, const char *dir)
	REQUIRES(c->lock)
{
	struct directory *d = find_locked(c, dir);

	if (d == NULL)
		return;
	c->names -= g_hash_table_size(d->names);
	g_hash_table_remove(c->directories, dir);
}

/* Sets what is believed about one name. NULL: that it is not there. */
static struct belief *believe_locked(struct attr_cache *c, struct directory *d,
	const char *name, const struct entry *e) REQUIRES(c->lock)
{
	struct belief *b = g_hash_table_lookup(d->names, name);

	if (b == NULL) {
		b = g_new0(struct belief, 1);
		b->entry.name = g_strdup(name);
		g_hash_table_insert(d->names, b->entry.name, b);
		c->names++;
	}
	b->is_absent = e == NULL;
	b->is_own = false;
	if (e != NULL) {
		char *own_name = b->entry.name;

		b->entry = *e;
		b->entry.name = own_name;
	}
	b->learnt_ms = clock_now_ms();
	b->is_dropped = false;
	return b;
}

/* An age of 0 asks always, within the same millisecond too. */
static bool is_fresh(int64_t learnt_ms, bool is_dropped, int64_t max_age_ms)
{
	if (learnt_ms == 0 || max_age_ms == ATTR_ANY_AGE)
		return learnt_ms != 0;
	return !is_dropped && max_age_ms > 0 &&
	       clock_now_ms() - learnt_ms <= max_age_ms;
}

static bool is_believed(const struct belief *b, int64_t max_age_ms)
{
	return b->is_local || is_fresh(b->learnt_ms, b->is_dropped, max_age_ms);
}

static enum attr_answer answer_locked(struct attr_cache *c, struct directory *d,
	const char *name, int64_t max_age_ms, struct entry *ret_entry,
	int64_t *ret_learnt_ms) REQUIRES(c->lock)
{
	struct belief *b = g_hash_table_lookup(d->names, name);

	(void)c;
	d->used_ms = clock_now_ms();
	if (b != NULL && is_believed(b, max_age_ms)) {
		*ret_learnt_ms = b->is_local ? d->used_ms : b->learnt_ms;
		if (b->is_absent)
			return ATTR_ABSENT;
		entry_copy(&b->entry, ret_entry);
		return ATTR_PRESENT;
	}
	if (b == NULL && is_fresh(d->listed_ms, d->is_dropped, max_age_ms)) {
		*ret_learnt_ms = d->listed_ms;
		return d->is_own ? ATTR_ABSENT : ATTR_UNLISTED;
	}
	return ATTR_UNKNOWN;
}

enum attr_answer attr_cache_lookup(struct attr_cache *c, const char *dir,
	const char *name, int64_t max_age_ms, struct entry *ret_entry,
	int64_t *ret_age_ms)
{
	enum attr_answer answer = ATTR_UNKNOWN;
	int64_t learnt_ms = 0;
	struct directory *d;

	mutex_lock(&c->lock);
	d = find_locked(c, dir);
	if (d != NULL)
		answer = answer_locked(
			c, d, name, max_age_ms, ret_entry, &learnt_ms);
	mutex_unlock(&c->lock);
	if (ret_age_ms != NULL && answer != ATTR_UNKNOWN)
		*ret_age_ms = clock_now_ms() - learnt_ms;
	return answer;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
	const struct entry *const *x = a;
	const struct entry *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static void entry_free_func(gpointer p)
{
	entry_free(p);
}

/* Names that no listing renews are shown for as long as they are believed. */
static bool is_shown(const struct belief *b, int64_t max_age_ms)
{
	return is_believed(b, max_age_ms) ||
	       !name_may_be_unlisted(b->entry.name, false);
}

GPtrArray *attr_cache_listing(struct attr_cache *c, const char *dir,
	int64_t max_age_ms, int64_t *ret_age_ms)
{
	GPtrArray *entries = NULL;
	GHashTableIter iter;
	struct directory *d;
	gpointer value;

	mutex_lock(&c->lock);
	d = find_locked(c, dir);
	if (d != NULL && is_fresh(d->listed_ms, d->is_dropped, max_age_ms)) {
		d->used_ms = clock_now_ms();
		if (ret_age_ms != NULL)
			*ret_age_ms = d->used_ms - d->listed_ms;
		entries = g_ptr_array_new_with_free_func(entry_free_func);
		g_hash_table_iter_init(&iter, d->names);
		while (g_hash_table_iter_next(&iter, NULL, &value)) {
			const struct belief *b = value;

			if (!b->is_absent && is_shown(b, max_age_ms))
				g_ptr_array_add(entries, entry_dup(&b->entry));
		}
	}
	mutex_unlock(&c->lock);
	if (entries != NULL)
		g_ptr_array_sort(entries, compare_names);
	return entries;
}

GPtrArray *attr_cache_unlisted(struct attr_cache *c, const char *dir)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	GHashTableIter iter;
	struct directory *d;
	gpointer key, value;

	mutex_lock(&c->lock);
	d = find_locked(c, dir);
	if (d != NULL) {
		g_hash_table_iter_init(&iter, d->names);
		while (g_hash_table_iter_next(&iter, &key, &value)) {
			const struct belief *b = value;

			if (!b->is_absent && name_may_be_unlisted(key, false))
				g_ptr_array_add(names, g_strdup(key));
		}
	}
	mutex_unlock(&c->lock);
	return names;
}

int attr_cache_count_single(
	struct attr_cache *c, const char *dir, unsigned *ret_singles)
{
	struct directory *d;
	int count = -1;

	*ret_singles = 0;
	mutex_lock(&c->lock);
	d = find_locked(c, dir);
	if (d != NULL) {
		count = d->last_count;
		*ret_singles = d->singles++;
	}
	mutex_unlock(&c->lock);
	return count;
}

/* Forgets whole directories, the ones unused for longest first, until there is
 * room again. Those with local names stay. */
static void make_room_locked(struct attr_cache *c) REQUIRES(c->lock)
{
	while (c->names > ATTR_CACHE_NAMES_MAX) {
		GHashTableIter iter;
		gpointer key, value;
		const char *oldest = NULL;
		int64_t oldest_ms = INT64_MAX;

		g_hash_table_iter_init(&iter, c->directories);
		while (g_hash_table_iter_next(&iter, &key, &value)) {
			const struct directory *d = value;

			if (d->used_ms < oldest_ms && d->locals == 0) {
				oldest_ms = d->used_ms;
				oldest = key;
			}
		}
		if (oldest == NULL)
			return;
		remove_directory_locked(c, oldest);
	}
}

static bool keeps_own(const struct belief *b, uint64_t ticket)
{
	return b != NULL && (b->is_local || b->changed >= ticket);
}

/* Drops what the new listing disproves; of names that may be unlisted it
 * proves nothing. */
static void forget_unlisted_locked(struct attr_cache *c, struct directory *d,
	uint64_t ticket) REQUIRES(c->lock)
{
	GHashTableIter iter;
	gpointer key, value;

	g_hash_table_iter_init(&iter, d->names);
	while (g_hash_table_iter_next(&iter, &key, &value)) {
		if (!keeps_own(value, ticket) &&
			!name_may_be_unlisted(key, false)) {
			g_hash_table_iter_remove(&iter);
			c->names--;
		}
	}
}

/* How many of the names that are there are the listing's to disprove. */
static guint count_provable(const struct directory *d, uint64_t ticket)
{
	GHashTableIter iter;
	gpointer key, value;
	guint count = 0;

	g_hash_table_iter_init(&iter, d->names);
	while (g_hash_table_iter_next(&iter, &key, &value)) {
		const struct belief *b = value;

		count += !b->is_absent && !keeps_own(b, ticket) &&
			 !name_may_be_unlisted(key, false);
	}
	return count;
}

/* Are there other names in it than there were? */
static bool has_other_names(
	const struct directory *d, uint64_t ticket, const GPtrArray *entries)
{
	guint known = 0;

	if (d->last_count < 0)
		return false; /* nobody knows what there was */
	for (guint i = 0; i < entries->len; i++) {
		const struct entry *e = entries->pdata[i];
		const struct belief *b = g_hash_table_lookup(d->names, e->name);

		if (keeps_own(b, ticket))
			continue;
		if (b == NULL || b->is_absent)
			return true;
		known += !name_may_be_unlisted(e->name, false);
	}
	return known < count_provable(d, ticket);
}

void attr_cache_put_listing(struct attr_cache *c, uint64_t ticket,
	const char *dir, GPtrArray *entries)
{
	struct directory *d;

	mutex_lock(&c->lock);
	if (is_void_locked(c, ticket, dir)) {
		mutex_unlock(&c->lock);
		return;
	}
	d = get_locked(c, dir);
	if (ticket <= d->expired) {
		mutex_unlock(&c->lock);
		return;
	}
	if (dir[0] == '\0' && has_other_names(d, ticket, entries))
		(void)clock_gettime(CLOCK_REALTIME, &c->root_time);
	forget_unlisted_locked(c, d, ticket);
	for (guint i = 0; i < entries->len; i++) {
		const struct entry *e = entries->pdata[i];

		if (!keeps_own(g_hash_table_lookup(d->names, e->name), ticket))
			(void)believe_locked(c, d, e->name, e);
	}
	d->listed_ms = d->used_ms = clock_now_ms();
	d->is_own = false;
	d->is_dropped = false;
	d->last_count = (int)entries->len;
	d->singles = 0;
	make_room_locked(c);
	mutex_unlock(&c->lock);
}

void attr_cache_put_answer(struct attr_cache *c, uint64_t ticket,
	const char *dir, const char *name, const struct entry *or_absent)
{
	struct directory *d;

	mutex_lock(&c->lock);
	if (is_void_locked(c, ticket, dir)) {
		mutex_unlock(&c->lock);
		return;
	}
	d = get_locked(c, dir);
	if (ticket > d->expired &&
		!keeps_own(g_hash_table_lookup(d->names, name), ticket))
		(void)believe_locked(c, d, name, or_absent);
	d->used_ms = clock_now_ms();
	make_room_locked(c);
	mutex_unlock(&c->lock);
}

/* The directory's own mtime moves when its entries do. */
static void touch_parent_locked(struct attr_cache *c, const char *dir)
	REQUIRES(c->lock)
{
	g_autofree char *parent = path_parent(dir);
	struct directory *d = dir[0] == '\0' ? NULL : find_locked(c, parent);
	struct belief *b;

	if (dir[0] == '\0')
		(void)clock_gettime(CLOCK_REALTIME, &c->root_time);
	if (d == NULL)
		return;
	b = g_hash_table_lookup(d->names, path_basename(dir));
	if (b != NULL && !b->is_absent)
		(void)clock_gettime(CLOCK_REALTIME, &b->entry.mtime);
}

void attr_cache_changed(struct attr_cache *c, const char *dir, const char *name,
	const struct entry *or_absent, bool is_local)
{
	struct directory *d;
	struct belief *b;
	bool was_there;

	mutex_lock(&c->lock);
	d = get_locked(c, dir);
	b = g_hash_table_lookup(d->names, name);
	was_there = b != NULL && !b->is_absent;
	b = believe_locked(c, d, name, or_absent);
	d->locals += (unsigned)is_local - (unsigned)b->is_local;
	b->is_local = is_local;
	b->is_own = true;
	b->changed = c->ticket++;
	if (was_there != (or_absent != NULL))
		touch_parent_locked(c, dir);
	mutex_unlock(&c->lock);
}

void attr_cache_made(struct attr_cache *c, const char *path)
{
	struct directory *d;

	mutex_lock(&c->lock);
	remove_directory_locked(c, path);
	d = get_locked(c, path);
	d->listed_ms = d->used_ms;
	d->is_own = true;
	d->last_count = 0;
	mutex_unlock(&c->lock);
}

bool attr_cache_owns_absence(struct attr_cache *c, const char *dir,
	const char *name, int64_t max_age_ms)
{
	struct directory *d;
	struct belief *b;
	bool owns = false;

	mutex_lock(&c->lock);
	d = find_locked(c, dir);
	b = d == NULL ? NULL : g_hash_table_lookup(d->names, name);
	if (b != NULL)
		owns = b->is_absent && b->is_own &&
		       is_fresh(b->learnt_ms, b->is_dropped,
			       MIN(max_age_ms, REVALIDATE_MS));
	else if (d != NULL)
		owns = d->is_own &&
		       is_fresh(d->listed_ms, d->is_dropped, max_age_ms);
	mutex_unlock(&c->lock);
	return owns;
}

void attr_cache_doubt(struct attr_cache *c, const char *dir, const char *name)
{
	struct directory *d;
	struct belief *b;

	mutex_lock(&c->lock);
	d = get_locked(c, dir);
	b = g_hash_table_lookup(d->names, name);
	if (b != NULL)
		b->is_dropped = true;
	/* The listing too: it does not show a name that it need not prove and
	 * that is not believed. */
	d->is_dropped = true;
	d->expired = c->ticket++;
	mutex_unlock(&c->lock);
}

bool attr_cache_is_local(
	struct attr_cache *c, const char *dir, const char *name)
{
	struct directory *d;
	struct belief *b;
	bool is_local;

	mutex_lock(&c->lock);
	d = find_locked(c, dir);
	b = d == NULL ? NULL : g_hash_table_lookup(d->names, name);
	is_local = b != NULL && b->is_local;
	mutex_unlock(&c->lock);
	return is_local;
}

/* The paths of all known directories at or below `top`. */
static GPtrArray *below_locked(struct attr_cache *c, const char *top)
	REQUIRES(c->lock)
{
	GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
	GHashTableIter iter;
	gpointer key;

	g_hash_table_iter_init(&iter, c->directories);
	while (g_hash_table_iter_next(&iter, &key, NULL))
		if (path_is_below(key, top))
			g_ptr_array_add(paths, g_strdup(key));
	return paths;
}

void attr_cache_moved(struct attr_cache *c, const char *from, const char *to)
{
	GPtrArray *paths;

	mutex_lock(&c->lock);
	paths = below_locked(c, to);
	for (guint i = 0; i < paths->len; i++)
		remove_directory_locked(c, paths->pdata[i]);
	g_ptr_array_unref(paths);

	paths = below_locked(c, from);
	for (guint i = 0; i < paths->len; i++) {
		const char *old = paths->pdata[i];
		gpointer key, value;

		if (g_hash_table_steal_extended(
			    c->directories, old, &key, &value)) {
			g_hash_table_insert(c->directories,
				g_strconcat(to, old + strlen(from), NULL),
				value);
			g_free(key);
		}
	}
	g_ptr_array_unref(paths);
	part_locked(c, from);
	part_locked(c, to);
	c->ticket++;
	mutex_unlock(&c->lock);
}

void attr_cache_removed(struct attr_cache *c, const char *path)
{
	GPtrArray *paths;

	mutex_lock(&c->lock);
	paths = below_locked(c, path);
	for (guint i = 0; i < paths->len; i++)
		remove_directory_locked(c, paths->pdata[i]);
	g_ptr_array_unref(paths);
	part_locked(c, path);
	c->ticket++;
	mutex_unlock(&c->lock);
}

static void expire_locked(struct attr_cache *c, struct directory *d)
	REQUIRES(c->lock)
{
	GHashTableIter iter;
	gpointer value;

	(void)c;
	d->is_dropped = true;
	g_hash_table_iter_init(&iter, d->names);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct belief *b = value;

		b->is_dropped = true;
	}
}

void attr_cache_expire(struct attr_cache *c)
{
	GHashTableIter iter;
	gpointer value;

	mutex_lock(&c->lock);
	c->expired = c->ticket++;
	g_hash_table_iter_init(&iter, c->directories);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		expire_locked(c, value);
	mutex_unlock(&c->lock);
}

void attr_cache_expire_dir(struct attr_cache *c, const char *dir)
{
	struct directory *d;

	mutex_lock(&c->lock);
	d = get_locked(c, dir);
	d->expired = c->ticket++;
	expire_locked(c, d);
	mutex_unlock(&c->lock);
}
