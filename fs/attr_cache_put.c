/* attr_cache_put.c - the server's answers; see attr_cache.h. */
#include "config.h"

#include "attr_cache_private.h"

#include "cancel.h"
#include "names.h"

static bool keeps_own(const struct belief *b, uint64_t ticket)
{
	return b != NULL && (b->is_local || b->changed >= ticket);
}

/* Does a listing without the name say that it is not there? */
static bool proves_absence(
	const struct directory *d, const char *name, bool is_complete)
{
	return is_complete ? !attrs_hides_locked(d, name)
			   : !name_may_be_unlisted(name, false);
}

/* We removed it just now: of what is told, some may be of before. */
static bool is_removed_by_us_locked(
	struct attr_cache *c, const struct belief *b) REQUIRES(c->lock)
{
	return b->is_absent && b->own_ms != 0 &&
	       c->now_ms() - b->own_ms <= REVALIDATE_MS;
}

/* Of struct entry *. */
static GHashTable *names_of(const GPtrArray *entries)
{
	GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);

	for (guint i = 0; i < entries->len; i++)
		g_hash_table_add(
			names, ((struct entry *)entries->pdata[i])->name);
	return names;
}

/* Drops what the new listing disproves. Of what it shows more may be known than
 * it tells. */
static void forget_unlisted_locked(struct attr_cache *c, struct directory *d,
	uint64_t ticket, const GPtrArray *entries, bool is_complete)
	REQUIRES(c->lock)
{
	g_autoptr(GHashTable) listed = names_of(entries);
	GHashTableIter iter;
	gpointer key, value;

	g_hash_table_iter_init(&iter, d->names);
	while (g_hash_table_iter_next(&iter, &key, &value)) {
		struct belief *b = value;

		if (keeps_own(b, ticket) ||
			g_hash_table_contains(listed, key) ||
			!proves_absence(d, key, is_complete))
			continue;
		if (is_removed_by_us_locked(c, b)) {
			b->known =
				(struct knowledge){ .learnt_ms = c->now_ms() };
			b->is_own = false;
		} else {
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

static void put_names_locked(struct attr_cache *c, struct directory *d,
	uint64_t ticket, const GPtrArray *entries, bool is_complete)
	REQUIRES(c->lock)
{
	forget_unlisted_locked(c, d, ticket, entries, is_complete);
	for (guint i = 0; i < entries->len; i++) {
		const struct entry *e = entries->pdata[i];

		if (!keeps_own(g_hash_table_lookup(d->names, e->name), ticket))
			(void)attrs_believe_locked(c, d, e->name, e);
	}
	d->used_ms = c->now_ms();
	d->listed = (struct knowledge){ .learnt_ms = d->used_ms };
	d->is_own = false;
	d->last_count = (int)entries->len;
	d->singles = 0;
}

/* NULL: it came too late to be worth anything. */
static struct directory *put_listing_locked(struct attr_cache *c,
	uint64_t ticket, const char *dir, const GPtrArray *entries,
	bool is_complete, bool has_dots) REQUIRES(c->lock)
{
	struct directory *d;

	if (attrs_is_void_locked(c, ticket, dir))
		return NULL;
	d = attrs_get_locked(c, dir);
	if (ticket <= d->expired)
		return NULL;
	if (dir[0] == '\0' && has_other_names(d, ticket, entries))
		(void)clock_gettime(CLOCK_REALTIME, &c->root_time);
	if (is_complete)
		d->hides_dots = c->hides_dots || !has_dots;
	put_names_locked(c, d, ticket, entries, is_complete);
	return d;
}

void attr_cache_put_listing(struct attr_cache *c, uint64_t ticket,
	const char *dir, GPtrArray *entries)
{
	mutex_lock(&c->lock);
	(void)put_listing_locked(c, ticket, dir, entries, false, false);
	attrs_make_room_locked(c);
	mutex_unlock(&c->lock);
}

/* What was told since the question is in the names already, and stays
 * (keeps_own), so the watch counts from before it. */
void attr_cache_put_watched(struct attr_cache *c, uint64_t ticket,
	bool has_dots, const char *dir, GPtrArray *entries, uint64_t watch)
{
	struct directory *d;

	mutex_lock(&c->lock);
	d = put_listing_locked(c, ticket, dir, entries, true, has_dots);
	if (d != NULL) {
		d->watch = ticket > d->unwatched ? watch : 0;
		if (attrs_is_watched_locked(c, d))
			c->alive_ms = c->now_ms();
	}
	attrs_make_room_locked(c);
	mutex_unlock(&c->lock);
}

void attr_cache_put_answer(struct attr_cache *c, uint64_t ticket,
	const char *dir, const char *name, const struct entry *or_absent)
{
	struct directory *d;

	mutex_lock(&c->lock);
	if (attrs_is_void_locked(c, ticket, dir)) {
		mutex_unlock(&c->lock);
		return;
	}
	d = attrs_get_locked(c, dir);
	if (ticket > d->expired &&
		!keeps_own(g_hash_table_lookup(d->names, name), ticket))
		(void)attrs_believe_locked(c, d, name, or_absent);
	d->used_ms = c->now_ms();
	attrs_make_room_locked(c);
	mutex_unlock(&c->lock);
}
