/* attr_cache_watch.c - what is told without being asked for; see attr_cache.h. */
#include "config.h"

#include "attr_cache_private.h"

#include "cancel.h"
#include "names.h"

#include <string.h>

void attrs_unwatch_locked(
	struct attr_cache *c, struct directory *d, int64_t true_ms)
{
	if (attrs_is_live_locked(c, d))
		d->true_ms = true_ms;
	d->watch = 0;
}

void attr_cache_set_watch(struct attr_cache *c, uint64_t watch)
{
	GHashTableIter iter;
	gpointer value;

	mutex_lock(&c->lock);
	g_hash_table_iter_init(&iter, c->directories);
	while (watch != c->watch && g_hash_table_iter_next(&iter, NULL, &value))
		if (attrs_is_watched_locked(c, value))
			attrs_unwatch_locked(c, value, c->alive_ms);
	c->watch = watch;
	c->alive_ms = c->now_ms();
	mutex_unlock(&c->lock);
}

void attr_cache_set_hides_dots(struct attr_cache *c, bool hides_dots)
{
	mutex_lock(&c->lock);
	c->hides_dots = hides_dots;
	mutex_unlock(&c->lock);
}

void attr_cache_unwatched(struct attr_cache *c, uint64_t watch, const char *dir)
{
	struct directory *d;

	mutex_lock(&c->lock);
	if (watch != 0) {
		/* Its listing may be on its way. */
		d = attrs_get_locked(c, dir);
		d->unwatched = c->ticket++;
		if (d->watch == watch)
			attrs_unwatch_locked(c, d, c->now_ms());
		attrs_make_room_locked(c);
	}
	mutex_unlock(&c->lock);
}

bool attr_cache_is_watched(struct attr_cache *c, const char *dir)
{
	struct directory *d;
	bool is_watched;

	mutex_lock(&c->lock);
	d = attrs_find_locked(c, dir);
	is_watched = d != NULL && attrs_is_watched_locked(c, d);
	mutex_unlock(&c->lock);
	return is_watched;
}

unsigned attr_cache_count_watched(struct attr_cache *c)
{
	GHashTableIter iter;
	unsigned count = 0;
	gpointer value;

	mutex_lock(&c->lock);
	g_hash_table_iter_init(&iter, c->directories);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		count += attrs_is_watched_locked(c, value);
	mutex_unlock(&c->lock);
	return count;
}

bool attr_cache_take_reliance(struct attr_cache *c)
{
	return atomic_exchange(&c->is_relied_on, false);
}

/* --- doubts --------------------------------------------------------------- */

/* The root's names are asked for by a listing, which alone can tell a disk that
 * is lost from names that were removed (availability.h). */
bool attr_cache_doubts_alone(
	struct attr_cache *c, const char *dir, const char *name)
{
	const struct belief *b;
	struct directory *d;
	bool is_alone = false;

	if (dir[0] == '\0' && !name_may_be_unlisted(name, false))
		return false;
	mutex_lock(&c->lock);
	d = attrs_find_locked(c, dir);
	if (d != NULL && attrs_is_live_locked(c, d)) {
		b = g_hash_table_lookup(d->names, name);
		is_alone = b != NULL && b->known.is_dropped;
	}
	mutex_unlock(&c->lock);
	return is_alone;
}

static GPtrArray *doubted_locked(
	struct attr_cache *c, const struct directory *d) REQUIRES(c->lock)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	GHashTableIter iter;
	gpointer key, value;

	(void)c;
	g_hash_table_iter_init(&iter, d->names);
	while (g_hash_table_iter_next(&iter, &key, &value)) {
		const struct belief *b = value;

		if (b->known.is_dropped && !b->is_local)
			g_ptr_array_add(names, g_strdup(key));
	}
	return names;
}

GPtrArray *attr_cache_doubted(struct attr_cache *c, const char *dir)
{
	GPtrArray *names = NULL;
	struct directory *d;

	mutex_lock(&c->lock);
	d = attrs_find_locked(c, dir);
	if (d != NULL && attrs_is_watched_locked(c, d)) {
		names = doubted_locked(c, d);
		if (names->len > DOUBTS_MAX) {
			attrs_unwatch_locked(c, d, c->now_ms());
			g_clear_pointer(&names, g_ptr_array_unref);
		}
	}
	mutex_unlock(&c->lock);
	return names;
}

/* --- changes -------------------------------------------------------------- */

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec
				      : a->tv_nsec < b->tv_nsec;
}

static bool is_same_but_attr(
	const struct belief *b, const struct entry *or_absent)
{
	return or_absent != NULL && !b->is_absent &&
	       entry_same_version(&b->entry, or_absent) &&
	       b->entry.is_writable == or_absent->is_writable;
}

static bool is_same(const struct belief *b, const struct entry *or_absent)
{
	if (or_absent == NULL || b->is_absent)
		return or_absent == NULL && b->is_absent;
	if (!or_absent->has_attr)
		return is_same_but_attr(b, or_absent);
	return is_same_but_attr(b, or_absent) && b->entry.has_attr &&
	       b->entry.mode == or_absent->mode &&
	       b->entry.nlink == or_absent->nlink &&
	       b->entry.ctime.tv_sec == or_absent->ctime.tv_sec &&
	       b->entry.ctime.tv_nsec == or_absent->ctime.tv_nsec &&
	       g_strcmp0(b->entry.target, or_absent->target) == 0;
}

/* Whatever stands at a name, its time of change goes forward, unless two
 * changes are too close for it. Without it the time of the bytes has to do, but
 * for a directory's, which we guess at times. */
static bool is_newer(const struct entry *told, const struct entry *known)
{
	if (told->ctime.tv_sec != 0 && known->ctime.tv_sec != 0)
		return is_before(&known->ctime, &told->ctime);
	return known->type == ENTRY_DIRECTORY ||
	       !is_before(&told->mtime, &known->mtime);
}

/* It was looked at over there before it came here: it may be what was there
 * before our own change, or before an answer that has overtaken it. */
static bool may_be_old_locked(struct attr_cache *c, const struct belief *b,
	const struct entry *or_absent) REQUIRES(c->lock)
{
	if (b->own_ms != 0 && c->now_ms() - b->own_ms <= REVALIDATE_MS)
		return true;
	return or_absent != NULL && !b->is_absent &&
	       !is_newer(or_absent, &b->entry);
}

/* An answer that is on its way may be older. */
static enum attr_news doubt_locked(struct attr_cache *c, struct directory *d,
	const char *name) REQUIRES(c->lock)
{
	struct belief *b = g_hash_table_lookup(d->names, name);

	if (b == NULL)
		b = attrs_believe_locked(c, d, name, NULL);
	b->known.is_dropped = true;
	b->changed = c->ticket++;
	d->listed.is_told = true;
	return ATTR_NEWS_DOUBT;
}

static enum attr_news kind_of_news(const struct directory *d,
	const struct belief *or_unknown, const struct entry *or_absent)
{
	const struct belief *b = or_unknown;
	bool was_there = b != NULL && !b->is_absent;

	if (or_absent == NULL)
		return was_there ? ATTR_NEWS_WENT : ATTR_NEWS_NONE;
	if (b == NULL && d->listed.learnt_ms == 0)
		return ATTR_NEWS_CHANGED; /* nobody knows what there was */
	return was_there && b->entry.type == or_absent->type ? ATTR_NEWS_CHANGED
							     : ATTR_NEWS_CAME;
}

static enum attr_news adopt_locked(struct attr_cache *c, struct directory *d,
	const char *dir, const char *name, const struct entry *or_absent)
	REQUIRES(c->lock)
{
	struct belief *b = g_hash_table_lookup(d->names, name);
	enum attr_news news = kind_of_news(d, b, or_absent);
	bool was_directory =
		b != NULL && !b->is_absent && b->entry.type == ENTRY_DIRECTORY;

	b = attrs_believe_locked(c, d, name, or_absent);
	b->known.is_told = true;
	b->changed = c->ticket++;
	d->listed.is_told = true;
	if (news == ATTR_NEWS_CAME || news == ATTR_NEWS_WENT)
		attrs_touch_parent_locked(c, dir);
	if (was_directory && news != ATTR_NEWS_CHANGED) {
		g_autofree char *path = path_join(dir, name);

		attrs_remove_locked(c, path);
	}
	return news;
}

/* Nothing but its change time, mode and the like: what is older is known to be
 * so, and nobody's bytes are others. */
static enum attr_news adopt_attr_locked(struct attr_cache *c,
	struct directory *d, const char *name, struct belief *b,
	const struct entry *entry) REQUIRES(c->lock)
{
	struct knowledge known = b->known;
	bool is_own = b->is_own;

	if (is_before(&entry->ctime, &b->entry.ctime))
		return ATTR_NEWS_NONE;
	b = attrs_believe_locked(c, d, name, entry);
	b->is_own = is_own;
	b->known = known; /* it proves no more than before */
	b->known.is_dropped = false;
	b->changed = c->ticket++;
	return ATTR_NEWS_ATTR;
}

static enum attr_news told_locked(struct attr_cache *c, const char *dir,
	const char *name, enum remote_told told, const struct entry *entry)
	REQUIRES(c->lock)
{
	const struct entry *or_absent =
		told == REMOTE_TOLD_ENTRY ? entry : NULL;
	struct directory *d;
	struct belief *b;

	if (c->hides_dots && name[0] == '.')
		return ATTR_NEWS_NONE;
	d = attrs_get_locked(c, dir);
	b = g_hash_table_lookup(d->names, name);
	if (b != NULL && b->is_local)
		return ATTR_NEWS_NONE;
	if (told == REMOTE_TOLD_CHANGE)
		return doubt_locked(c, d, name);
	if (b != NULL && is_same(b, or_absent)) {
		/* Kept from answers that are on their way, too. */
		b->known.is_dropped = false;
		b->changed = c->ticket++;
		return ATTR_NEWS_NONE;
	}
	if (b != NULL && is_same_but_attr(b, or_absent))
		return adopt_attr_locked(c, d, name, b, entry);
	if (b != NULL && (may_be_old_locked(c, b, or_absent) ||
				 (dir[0] == '\0' && or_absent == NULL)))
		return doubt_locked(c, d, name);
	return adopt_locked(c, d, dir, name, or_absent);
}

enum attr_news attr_cache_told(struct attr_cache *c, uint64_t watch,
	const char *dir, const char *name, enum remote_told told,
	const struct entry *entry)
{
	enum attr_news news = ATTR_NEWS_NONE;

	mutex_lock(&c->lock);
	if (watch != 0 && watch == c->watch) {
		c->alive_ms = c->now_ms();
		news = told_locked(c, dir, name, told, entry);
		attrs_make_room_locked(c);
	}
	mutex_unlock(&c->lock);
	return news;
}
