/* cache.c - see cache.h. */
#include "config.h"

#include "cache.h"

#include "mutex.h"
#include "names.h"
#include "scratch.h"
#include "waitlist.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME_MAX 32

/* One file's bytes at rest. */
struct item {
	char *path;		   /* the key in items */
	struct cached_bytes bytes; /* fd is -1 */
	int64_t cost;		   /* present bytes */
	GList link;		   /* in by_age */
};

struct cache {
	int directory_fd; /* immutable */
	int64_t budget;

	struct mutex lock;
	/* guarded by lock */
	GHashTable *items;    /* path -> struct item * */
	GQueue by_age;	      /* oldest first */
	GHashTable *expected; /* path -> struct entry * being prefetched */
	struct waitlist changed;
	uint64_t next_id;
	int64_t total;
};

static void file_name(uint64_t id, char name[static FILE_NAME_MAX])
{
	(void)snprintf(name, FILE_NAME_MAX, "%" PRIu64, id);
}

void cache_name_clear(struct cache_name *n)
{
	char name[FILE_NAME_MAX];

	if (n->id == 0)
		return;
	file_name(n->id, name);
	(void)unlinkat(n->directory_fd, name, 0);
	n->id = 0;
}

void cached_bytes_init(struct cached_bytes *b)
{
	*b = (struct cached_bytes){ .fd = -1 };
	extents_init(&b->present);
}

void cached_bytes_clear(struct cached_bytes *b)
{
	if (b->fd >= 0)
		(void)close(b->fd);
	cache_name_clear(&b->name);
	extents_clear(&b->present);
	cached_bytes_init(b);
}

static void item_free(gpointer p)
{
	struct item *item = p;

	cached_bytes_clear(&item->bytes);
	g_free(item->path);
	g_free(item);
}

static void entry_free_func(gpointer p)
{
	entry_free(p);
}

struct cache *cache_new(int directory_fd, int64_t budget_bytes)
{
	struct cache *c = g_new0(struct cache, 1);

	c->directory_fd = directory_fd;
	c->budget = budget_bytes;
	mutex_init(&c->lock);
	c->items =
		g_hash_table_new_full(g_str_hash, g_str_equal, NULL, item_free);
	c->expected = g_hash_table_new_full(
		g_str_hash, g_str_equal, g_free, entry_free_func);
	g_queue_init(&c->by_age);
	c->next_id = 1;
	return c;
}

/* Takes the item out; its file stays. */
static void detach_locked(struct cache *c, struct item *item) REQUIRES(c->lock)
{
	c->total -= item->cost;
	g_queue_unlink(&c->by_age, &item->link);
	(void)g_hash_table_steal(c->items, item->path);
}

static void remove_locked(struct cache *c, struct item *item) REQUIRES(c->lock)
{
	detach_locked(c, item);
	item_free(item);
}

void cache_free(struct cache *c)
{
	struct item *item;

	if (c == NULL)
		return;
	mutex_lock(&c->lock);
	while ((item = g_queue_peek_head(&c->by_age)) != NULL)
		remove_locked(c, item);
	mutex_unlock(&c->lock);
	g_hash_table_destroy(c->items);
	g_hash_table_destroy(c->expected);
	mutex_fini(&c->lock);
	g_free(c);
}

static bool is_expected_locked(struct cache *c, const char *path,
	const struct entry *version) REQUIRES(c->lock)
{
	const struct entry *e = g_hash_table_lookup(c->expected, path);

	return e != NULL && entry_same_version(e, version);
}

/* Opens the item's file: it is the caller's now, name and all. */
static int take_locked(struct cache *c, struct item *item,
	struct cached_bytes *ret) REQUIRES(c->lock)
{
	char name[FILE_NAME_MAX];
	int fd;

	file_name(item->bytes.name.id, name);
	fd = openat(c->directory_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		*ret = item->bytes;
		ret->fd = fd;
		cached_bytes_init(&item->bytes);
	}
	/* Otherwise somebody cleaned up behind our back. */
	remove_locked(c, item);
	return fd >= 0;
}

int cache_take(struct cache *c, const char *path, const struct entry *version,
	const struct cancel *cancel, struct cached_bytes *ret_bytes)
{
	struct item *item;
	int rc = 0;

	mutex_lock(&c->lock);
	while (rc == 0 && is_expected_locked(c, path, version))
		rc = waitlist_wait(&c->changed, &c->lock, cancel, -1);
	item = g_hash_table_lookup(c->items, path);
	if (rc == 0 && item != NULL) {
		if (entry_same_version(&item->bytes.version, version))
			rc = take_locked(c, item, ret_bytes);
		else
			remove_locked(c, item);
	}
	mutex_unlock(&c->lock);
	return rc;
}

static void make_room_locked(struct cache *c) REQUIRES(c->lock)
{
	struct item *oldest;

	while (c->total > c->budget &&
		(oldest = g_queue_peek_head(&c->by_age)) != NULL)
		remove_locked(c, oldest);
}

static void add_locked(struct cache *c, const char *path,
	struct cached_bytes *bytes) REQUIRES(c->lock)
{
	struct item *old = g_hash_table_lookup(c->items, path);
	struct item *item = g_new0(struct item, 1);

	if (old != NULL)
		remove_locked(c, old);
	item->path = g_strdup(path);
	item->bytes = *bytes;
	item->bytes.fd = -1;
	item->cost = extents_bytes(&bytes->present);
	item->link.data = item;
	g_hash_table_insert(c->items, item->path, item);
	g_queue_push_tail_link(&c->by_age, &item->link);
	c->total += item->cost;
	(void)close(bytes->fd);
	cached_bytes_init(bytes);
	make_room_locked(c);
}

static int name_locked(struct cache *c, struct cached_bytes *bytes)
	REQUIRES(c->lock)
{
	char name[FILE_NAME_MAX];
	int rc;

	if (bytes->name.id != 0)
		return 0;
	file_name(c->next_id, name);
	rc = scratch_name(bytes->fd, c->directory_fd, name);
	if (rc == 0)
		bytes->name =
			(struct cache_name){ c->directory_fd, c->next_id++ };
	return rc;
}

void cache_give(struct cache *c, const char *path, struct cached_bytes *bytes)
{
	mutex_lock(&c->lock);
	if (extents_bytes(&bytes->present) <= c->budget &&
		name_locked(c, bytes) == 0)
		add_locked(c, path, bytes);
	mutex_unlock(&c->lock);
	cached_bytes_clear(bytes);
}

static bool has_locked(struct cache *c, const char *path,
	const struct entry *version) REQUIRES(c->lock)
{
	const struct item *item = g_hash_table_lookup(c->items, path);

	return item != NULL &&
	       entry_same_version(&item->bytes.version, version);
}

bool cache_has(struct cache *c, const char *path, const struct entry *version)
{
	bool has;

	mutex_lock(&c->lock);
	has = has_locked(c, path, version);
	mutex_unlock(&c->lock);
	return has;
}

bool cache_expect(
	struct cache *c, const char *path, const struct entry *version)
{
	bool is_ours = false;

	mutex_lock(&c->lock);
	if (g_hash_table_lookup(c->expected, path) == NULL &&
		!has_locked(c, path, version)) {
		g_hash_table_insert(
			c->expected, g_strdup(path), entry_dup(version));
		is_ours = true;
	}
	mutex_unlock(&c->lock);
	return is_ours;
}

void cache_expected(struct cache *c, const char *path)
{
	mutex_lock(&c->lock);
	g_hash_table_remove(c->expected, path);
	waitlist_wake(&c->changed);
	mutex_unlock(&c->lock);
}

static GPtrArray *items_below_locked(struct cache *c, const char *top)
	REQUIRES(c->lock)
{
	GPtrArray *items = g_ptr_array_new();
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, c->items);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		if (path_is_below(((struct item *)value)->path, top))
			g_ptr_array_add(items, value);
	return items;
}

void cache_removed(struct cache *c, const char *path)
{
	GPtrArray *items;

	mutex_lock(&c->lock);
	items = items_below_locked(c, path);
	for (guint i = 0; i < items->len; i++)
		remove_locked(c, items->pdata[i]);
	g_ptr_array_unref(items);
	mutex_unlock(&c->lock);
}

void cache_moved(struct cache *c, const char *from, const char *to)
{
	GPtrArray *items;

	cache_removed(c, to);
	mutex_lock(&c->lock);
	items = items_below_locked(c, from);
	for (guint i = 0; i < items->len; i++) {
		struct item *item = items->pdata[i];
		char *path = g_strconcat(to, item->path + strlen(from), NULL);

		(void)g_hash_table_steal(c->items, item->path);
		g_free(item->path);
		item->path = path;
		g_hash_table_insert(c->items, item->path, item);
	}
	g_ptr_array_unref(items);
	mutex_unlock(&c->lock);
}

int64_t cache_bytes(struct cache *c)
{
	int64_t total;

	mutex_lock(&c->lock);
	total = c->total;
	mutex_unlock(&c->lock);
	return total;
}
