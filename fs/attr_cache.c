/* attr_cache.c - see attr_cache.h. */
#include "config.h"

#include "attr_cache.h"

#include "attr_cache_private.h"

#include "cancel.h"
#include "names.h"

#include <string.h>

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
	c->now_ms = clock_now_ms;
	(void)clock_gettime(CLOCK_REALTIME, &c->root_time);
	return c;
}

void attr_cache_set_clock(struct attr_cache *c, int64_t (*now_ms)(void))
{
	mutex_lock(&c->lock);
	c->now_ms = now_ms;
	mutex_unlock(&c->lock);
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

struct directory *attrs_find_locked(struct attr_cache *c, const char *dir)
	REQUIRES(c->lock)
{
	return g_hash_table_lookup(c->directories, dir);
}

struct directory *attrs_get_locked(struct attr_cache *c, const char *dir)
	REQUIRES(c->lock)
{
	struct directory *d = attrs_find_locked(c, dir);

	if (d != NULL)
		return d;
	d = g_new0(struct directory, 1);
	d->names = g_hash_table_new_full(
		g_str_hash, g_str_equal, NULL, belief_free);
	d->last_count = -1;
	d->used_ms = c->now_ms();
	g_hash_table_insert(c->directories, g_strdup(dir), d);
	return d;
}

static void clear_rule(struct parted *p)
{
	g_free(p->path);
	*p = (struct parted){ NULL, 0 };
}

/* The rules at `top` and below it become one, for all of that. How many they
 * were. */
static unsigned merge_locked(struct attr_cache *c, const char *top,
	struct parted *into) REQUIRES(c->lock)
{
	char *path = g_strdup(top);
	uint64_t ticket = 0;
	unsigned count = 0;

	for (unsigned i = 0; i < PARTED_MAX; i++) {
		struct parted *p = &c->parted[i];

		if (p->path == NULL || !path_is_below(p->path, path))
			continue;
		ticket = MAX(ticket, p->ticket);
		clear_rule(p);
		count++;
	}
	*into = (struct parted){ path, ticket };
	return count;
}

/* The oldest rule takes in what is below it, or else becomes one for its parent:
 * in the end one for all paths. */
static void widen_locked(struct attr_cache *c) REQUIRES(c->lock)
{
	struct parted *oldest = &c->parted[0];
	g_autofree char *parent = NULL;

	for (unsigned i = 1; i < PARTED_MAX; i++)
		if (c->parted[i].ticket < oldest->ticket)
			oldest = &c->parted[i];
	if (merge_locked(c, oldest->path, oldest) > 1)
		return;
	parent = path_parent(oldest->path);
	if (parent[0] != '\0') {
		(void)merge_locked(c, parent, oldest);
		return;
	}
	c->expired = MAX(c->expired, oldest->ticket);
	clear_rule(oldest);
}

static struct parted *find_place_locked(struct attr_cache *c) REQUIRES(c->lock)
{
	for (unsigned i = 0; i < PARTED_MAX; i++)
		if (c->parted[i].path == NULL)
			return &c->parted[i];
	return NULL;
}

/* Answers to questions of until now about `path` and all below it are void. */
static void part_locked(struct attr_cache *c, const char *path)
	REQUIRES(c->lock)
{
	struct parted *place;

	for (unsigned i = 0; i < PARTED_MAX; i++) {
		struct parted *p = &c->parted[i];

		if (p->path != NULL && path_is_below(p->path, path))
			clear_rule(p);
	}
	while ((place = find_place_locked(c)) == NULL)
		widen_locked(c);
	*place = (struct parted){ g_strdup(path), c->ticket };
}

bool attrs_is_void_locked(struct attr_cache *c, uint64_t ticket,
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
	struct directory *d = attrs_find_locked(c, dir);

	if (d == NULL)
		return;
	c->names -= g_hash_table_size(d->names);
	g_hash_table_remove(c->directories, dir);
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* What an answer of the contents API does not tell is what it was as long as
 * the change time is: whatever changes it moves that. Of another version of a
 * file that is there it is the best guess. Of what was a link it says nothing. */
static void take_entry(
	struct entry *known, const struct entry *e, bool is_there)
{
	bool is_same = e->ctime.tv_sec != 0 && entry_same_version(known, e) &&
		       is_same_time(&known->ctime, &e->ctime);
	struct entry now;

	entry_copy(e, &now);
	if (is_same ||
		(is_there && known->type == e->type && known->target == NULL))
		entry_inherit(&now, known);
	g_free(now.name);
	now.name = g_steal_pointer(&known->name); /* the table's key */
	entry_clear(known);
	*known = now;
}

struct belief *attrs_believe_locked(struct attr_cache *c, struct directory *d,
	const char *name, const struct entry *e) REQUIRES(c->lock)
{
	struct belief *b = g_hash_table_lookup(d->names, name);
	bool is_there = b != NULL && !b->is_absent;

	if (b == NULL) {
		b = g_new0(struct belief, 1);
		b->entry.name = g_strdup(name);
		g_hash_table_insert(d->names, b->entry.name, b);
		c->names++;
	}
	b->is_absent = e == NULL;
	b->is_own = false;
	if (e != NULL)
		take_entry(&b->entry, e, is_there);
	b->known = (struct knowledge){ .learnt_ms = c->now_ms() };
	return b;
}

/* --- how old it is -------------------------------------------------------- */

/* A watch vouches for it, if it goes on; but not for ever, so that one that
 * should have told and did not does no lasting harm. */
static bool is_vouched_locked(struct attr_cache *c, const struct directory *d,
	const struct knowledge *k) REQUIRES(c->lock)
{
	return attrs_is_watched_locked(c, d) && !k->is_dropped &&
	       c->now_ms() - k->learnt_ms <= WATCH_BELIEVED_MS;
}

bool attrs_is_live_locked(struct attr_cache *c, const struct directory *d)
{
	return d->listed.learnt_ms != 0 && is_vouched_locked(c, d, &d->listed);
}

/* When it was known to be so. */
static int64_t true_ms_locked(struct attr_cache *c, const struct directory *d,
	const struct knowledge *k) REQUIRES(c->lock)
{
	if (k->is_dropped)
		return k->learnt_ms;
	return is_vouched_locked(c, d, k) ? c->now_ms()
					  : MAX(k->learnt_ms, d->true_ms);
}

/* Only what was asked for. An age of 0 asks always, within the same millisecond
 * too. */
static bool is_recent_locked(struct attr_cache *c, const struct knowledge *k,
	int64_t max_age_ms) REQUIRES(c->lock)
{
	return k->learnt_ms != 0 && !k->is_dropped && !k->is_told &&
	       max_age_ms > 0 && c->now_ms() - k->learnt_ms <= max_age_ms;
}

/* `name` NULL: of the listing. *ret_age_ms is set where it is true. */
static bool is_fresh_locked(struct attr_cache *c, const struct directory *d,
	const char *name, const struct knowledge *k, int64_t max_age_ms,
	int64_t *ret_age_ms) REQUIRES(c->lock)
{
	bool can_be_told = name == NULL || !attrs_hides_locked(d, name);
	int64_t now_ms = c->now_ms();

	*ret_age_ms =
		now_ms - (can_be_told ? true_ms_locked(c, d, k) : k->learnt_ms);
	if (k->learnt_ms == 0 || max_age_ms == ATTR_ANY_AGE)
		return k->learnt_ms != 0;
	if (is_recent_locked(c, k, max_age_ms)) {
		*ret_age_ms = MIN(*ret_age_ms, now_ms - k->learnt_ms);
		return true;
	}
	if (k->is_dropped || max_age_ms < REVALIDATE_MS ||
		*ret_age_ms > max_age_ms)
		return false;
	atomic_store(&c->is_relied_on, true);
	return true;
}

static bool is_believed_locked(struct attr_cache *c, const struct directory *d,
	const struct belief *b, int64_t max_age_ms, int64_t *ret_age_ms)
	REQUIRES(c->lock)
{
	if (!b->is_local)
		return is_fresh_locked(
			c, d, b->entry.name, &b->known, max_age_ms, ret_age_ms);
	*ret_age_ms = 0;
	return true;
}

/* --- asking --------------------------------------------------------------- */

/* Nothing is known of the name; what does the listing say? Where each change is
 * told it had the names too that others do not show. */
static enum attr_answer answer_unnamed_locked(struct attr_cache *c,
	const struct directory *d, const char *name, int64_t max_age_ms,
	int64_t *ret_age_ms) REQUIRES(c->lock)
{
	bool is_all = attrs_is_live_locked(c, d) && max_age_ms >= REVALIDATE_MS;

	if (!is_fresh_locked(c, d, NULL, &d->listed, max_age_ms, ret_age_ms))
		return ATTR_UNKNOWN;
	if (d->is_own || (is_all && !attrs_hides_locked(d, name)))
		return ATTR_ABSENT;
	return ATTR_UNLISTED;
}

static enum attr_answer answer_locked(struct attr_cache *c, struct directory *d,
	const char *name, int64_t max_age_ms, struct entry *ret_entry,
	int64_t *ret_age_ms) REQUIRES(c->lock)
{
	struct belief *b = g_hash_table_lookup(d->names, name);

	d->used_ms = c->now_ms();
	if (b == NULL)
		return answer_unnamed_locked(
			c, d, name, max_age_ms, ret_age_ms);
	if (!is_believed_locked(c, d, b, max_age_ms, ret_age_ms))
		return ATTR_UNKNOWN;
	if (b->is_absent)
		return ATTR_ABSENT;
	entry_copy(&b->entry, ret_entry);
	return ATTR_PRESENT;
}

enum attr_answer attr_cache_lookup(struct attr_cache *c, const char *dir,
	const char *name, int64_t max_age_ms, struct entry *ret_entry,
	int64_t *ret_age_ms)
{
	enum attr_answer answer = ATTR_UNKNOWN;
	int64_t age_ms = 0;
	struct directory *d;

	mutex_lock(&c->lock);
	d = attrs_find_locked(c, dir);
	if (d != NULL)
		answer = answer_locked(
			c, d, name, max_age_ms, ret_entry, &age_ms);
	mutex_unlock(&c->lock);
	if (ret_age_ms != NULL && answer != ATTR_UNKNOWN)
		*ret_age_ms = age_ms;
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
static bool is_shown_locked(struct attr_cache *c, const struct directory *d,
	const struct belief *b, int64_t max_age_ms) REQUIRES(c->lock)
{
	int64_t age_ms;

	return !b->is_absent &&
	       (is_believed_locked(c, d, b, max_age_ms, &age_ms) ||
		       !name_may_be_unlisted(b->entry.name, false));
}

/* Is there a name in it that must be asked for before all are known? Not when
 * all were asked for, and nothing was told since. */
static bool has_doubts_locked(struct attr_cache *c, const struct directory *d,
	int64_t max_age_ms) REQUIRES(c->lock)
{
	GHashTableIter iter;
	gpointer value;

	if (!attrs_is_watched_locked(c, d) || max_age_ms == ATTR_ANY_AGE ||
		is_recent_locked(c, &d->listed, max_age_ms))
		return false;
	g_hash_table_iter_init(&iter, d->names);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct belief *b = value;

		if (b->known.is_dropped && !b->is_local)
			return true;
	}
	return false;
}

static GPtrArray *shown_locked(struct attr_cache *c, const struct directory *d,
	int64_t max_age_ms) REQUIRES(c->lock)
{
	GPtrArray *entries = g_ptr_array_new_with_free_func(entry_free_func);
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, d->names);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct belief *b = value;

		if (is_shown_locked(c, d, b, max_age_ms))
			g_ptr_array_add(entries, entry_dup(&b->entry));
	}
	return entries;
}

GPtrArray *attr_cache_listing(struct attr_cache *c, const char *dir,
	int64_t max_age_ms, int64_t *ret_age_ms)
{
	GPtrArray *entries = NULL;
	struct directory *d;
	int64_t age_ms;

	mutex_lock(&c->lock);
	d = attrs_find_locked(c, dir);
	if (d != NULL &&
		is_fresh_locked(c, d, NULL, &d->listed, max_age_ms, &age_ms) &&
		!has_doubts_locked(c, d, max_age_ms)) {
		d->used_ms = c->now_ms();
		if (ret_age_ms != NULL)
			*ret_age_ms = age_ms;
		entries = shown_locked(c, d, max_age_ms);
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
	d = attrs_find_locked(c, dir);
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
	d = attrs_find_locked(c, dir);
	if (d != NULL) {
		count = d->last_count;
		*ret_singles = d->singles++;
	}
	mutex_unlock(&c->lock);
	return count;
}

/* Forgets whole directories, the ones unused for longest first, until there is
 * room again. Those with local names stay. */
void attrs_make_room_locked(struct attr_cache *c) REQUIRES(c->lock)
{
	while (c->names > ATTR_CACHE_NAMES_MAX ||
		g_hash_table_size(c->directories) > ATTR_CACHE_NAMES_MAX) {
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

void attrs_touch_parent_locked(struct attr_cache *c, const char *dir)
	REQUIRES(c->lock)
{
	g_autofree char *parent = path_parent(dir);
	struct directory *d =
		dir[0] == '\0' ? NULL : attrs_find_locked(c, parent);
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
	d = attrs_get_locked(c, dir);
	b = g_hash_table_lookup(d->names, name);
	was_there = b != NULL && !b->is_absent;
	b = attrs_believe_locked(c, d, name, or_absent);
	d->locals += (unsigned)is_local - (unsigned)b->is_local;
	b->is_local = is_local;
	b->is_own = true;
	b->own_ms = b->known.learnt_ms;
	b->changed = c->ticket++;
	if (was_there != (or_absent != NULL))
		attrs_touch_parent_locked(c, dir);
	mutex_unlock(&c->lock);
}

void attr_cache_made(struct attr_cache *c, const char *path)
{
	struct directory *d;

	mutex_lock(&c->lock);
	remove_directory_locked(c, path);
	d = attrs_get_locked(c, path);
	d->listed.learnt_ms = d->used_ms;
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
	d = attrs_find_locked(c, dir);
	b = d == NULL ? NULL : g_hash_table_lookup(d->names, name);
	if (b != NULL)
		owns = b->is_absent && b->is_own &&
		       is_recent_locked(
			       c, &b->known, MIN(max_age_ms, REVALIDATE_MS));
	else if (d != NULL)
		owns = d->is_own && is_recent_locked(c, &d->listed, max_age_ms);
	mutex_unlock(&c->lock);
	return owns;
}

void attr_cache_doubt(struct attr_cache *c, const char *dir, const char *name)
{
	struct directory *d;
	struct belief *b;

	mutex_lock(&c->lock);
	d = attrs_get_locked(c, dir);
	b = g_hash_table_lookup(d->names, name);
	if (b != NULL)
		b->known.is_dropped = true;
	/* The listing too: it does not show a name that it need not prove and
	 * that is not believed. */
	d->listed.is_dropped = true;
	d->expired = c->ticket++;
	attrs_make_room_locked(c);
	mutex_unlock(&c->lock);
}

bool attr_cache_is_local(
	struct attr_cache *c, const char *dir, const char *name)
{
	struct directory *d;
	struct belief *b;
	bool is_local;

	mutex_lock(&c->lock);
	d = attrs_find_locked(c, dir);
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
			/* What is told is told of the old path. */
			attrs_unwatch_locked(c, value, c->now_ms());
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

void attrs_remove_locked(struct attr_cache *c, const char *path)
{
	GPtrArray *paths = below_locked(c, path);

	for (guint i = 0; i < paths->len; i++)
		remove_directory_locked(c, paths->pdata[i]);
	g_ptr_array_unref(paths);
	part_locked(c, path);
	c->ticket++;
}

void attr_cache_removed(struct attr_cache *c, const char *path)
{
	mutex_lock(&c->lock);
	attrs_remove_locked(c, path);
	mutex_unlock(&c->lock);
}

static void expire_locked(struct attr_cache *c, struct directory *d)
	REQUIRES(c->lock)
{
	GHashTableIter iter;
	gpointer value;

	(void)c;
	d->listed.is_dropped = true;
	g_hash_table_iter_init(&iter, d->names);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct belief *b = value;

		b->known.is_dropped = true;
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
	d = attrs_get_locked(c, dir);
	d->expired = c->ticket++;
	expire_locked(c, d);
	attrs_make_room_locked(c);
	mutex_unlock(&c->lock);
}
