/* cache.c - see cache.h. */
#include "config.h"

#include "cache.h"

#include "log.h"
#include "mutex.h"
#include "names.h"
#include "scratch.h"
#include "state.h"
#include "waitlist.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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
	struct state *state;

	struct mutex lock;
	/* guarded by lock */
	GHashTable *items;    /* path -> struct item * */
	GQueue by_age;	      /* oldest first */
	GHashTable *expected; /* path -> struct entry * being prefetched */
	struct waitlist changed;
	int64_t total;
};

static void file_name(uint64_t id, char name[static FILE_NAME_MAX])
{
	(void)snprintf(name, FILE_NAME_MAX, "%" PRIu64, id);
}

void cache_name_choose(int directory_fd, struct cache_name *ret)
{
	uint64_t high = g_random_int();

	ret->directory_fd = directory_fd;
	ret->id = MAX(1, ((high << 32) | g_random_int()) & INT64_MAX);
}

char *cache_name_text(const struct cache_name *n)
{
	return g_strdup_printf("%" PRIu64, n->id);
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

int cached_bytes_fill(struct cached_bytes *b, int directory_fd,
	const struct entry *version, const void *bytes, size_t length)
{
	int rc = scratch_file(directory_fd);

	if (rc < 0)
		return rc;
	b->fd = rc;
	b->size = (int64_t)length;
	b->version = entry_bare(version);
	rc = scratch_write(b->fd, bytes, length, 0);
	return rc < 0 ? rc : extents_add(&b->present, 0, b->size);
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
	struct cache_name chosen;
	int rc;

	if (bytes->name.id != 0)
		return 0;
	cache_name_choose(c->directory_fd, &chosen);
	file_name(chosen.id, name);
	rc = scratch_name(bytes->fd, c->directory_fd, name);
	if (rc == 0)
		bytes->name = chosen;
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

bool cache_expects(
	struct cache *c, const char *path, const struct entry *version)
{
	bool is_expected;

	mutex_lock(&c->lock);
	is_expected = is_expected_locked(c, path, version);
	mutex_unlock(&c->lock);
	return is_expected;
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

static void remove_below_locked(struct cache *c, const char *top)
	REQUIRES(c->lock)
{
	GPtrArray *items = items_below_locked(c, top);

	for (guint i = 0; i < items->len; i++)
		remove_locked(c, items->pdata[i]);
	g_ptr_array_unref(items);
}

void cache_removed(struct cache *c, const char *path)
{
	mutex_lock(&c->lock);
	remove_below_locked(c, path);
	mutex_unlock(&c->lock);
}

void cache_moved(struct cache *c, const char *from, const char *to)
{
	GPtrArray *items;

	mutex_lock(&c->lock);
	/* A late cache_give() must not come between: two items of one path. */
	remove_below_locked(c, to);
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

/* --- between mounts ------------------------------------------------------- */

static struct cache *new_cache(int directory_fd, int64_t budget_bytes)
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
	return c;
}

/* False: what the index says cannot be so. */
static bool is_there(struct cache *c, const char *name, int64_t size)
{
	struct stat st;

	return fstatat(c->directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && st.st_size == size;
}

static void load_one_locked(struct cache *c, const struct state_cache *r)
	REQUIRES(c->lock)
{
	struct item *item;
	guint64 id;

	if (!g_ascii_string_to_unsigned(r->file, 10, 1, INT64_MAX, &id, NULL) ||
		g_hash_table_lookup(c->items, r->path) != NULL ||
		!is_there(c, r->file, r->version.size))
		return;
	item = g_new0(struct item, 1);
	cached_bytes_init(&item->bytes);
	if (extents_parse(r->present, &item->bytes.present) < 0 ||
		extents_end(&item->bytes.present) > r->version.size) {
		item_free(item);
		return;
	}
	item->path = g_strdup(r->path);
	item->bytes.name = (struct cache_name){ c->directory_fd, id };
	item->bytes.size = r->version.size;
	item->bytes.version = (struct entry){ .type = ENTRY_FILE,
		.size = r->version.size,
		.mtime = r->version.mtime };
	item->cost = extents_bytes(&item->bytes.present);
	item->link.data = item;
	g_hash_table_insert(c->items, item->path, item);
	g_queue_push_tail_link(&c->by_age, &item->link);
	c->total += item->cost;
}

/* What the index does not speak of was in use when a mount was killed. */
static void remove_unknown_locked(struct cache *c) REQUIRES(c->lock)
{
	g_autoptr(GHashTable) known =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	int fd = openat(
		c->directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	for (GList *l = c->by_age.head; l != NULL; l = l->next) {
		const struct item *item = l->data;
		char name[FILE_NAME_MAX];

		file_name(item->bytes.name.id, name);
		(void)g_hash_table_add(known, g_strdup(name));
	}
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (!g_hash_table_contains(known, entry->d_name))
			(void)unlinkat(c->directory_fd, entry->d_name, 0);
	if (dir != NULL)
		(void)closedir(dir);
}

static void load(struct cache *c)
{
	GPtrArray *records = NULL;
	struct item *item;
	int rc = state_cache_list(c->state, &records);

	mutex_lock(&c->lock);
	for (guint i = 0; rc == 0 && i < records->len; i++)
		load_one_locked(c, records->pdata[i]);
	mutex_unlock(&c->lock);
	if (records != NULL)
		g_ptr_array_unref(records);
	/* From here on only what is in memory is true. */
	if (rc == 0)
		rc = state_cache_replace(c->state, NULL);
	if (rc < 0)
		log_warning("the cache of earlier mounts cannot be used: %s",
			g_strerror(-rc));
	mutex_lock(&c->lock);
	while (rc < 0 && (item = g_queue_peek_head(&c->by_age)) != NULL)
		remove_locked(c, item);
	make_room_locked(c);
	remove_unknown_locked(c);
	mutex_unlock(&c->lock);
}

struct cache *cache_new(
	int directory_fd, int64_t budget_bytes, struct state *or_null)
{
	struct cache *c = new_cache(directory_fd, budget_bytes);

	c->state = or_null;
	if (c->state != NULL)
		load(c);
	return c;
}

static void free_record(void *r)
{
	state_cache_free(r);
}

/* A link's bytes are longer than its version says, and are fetched anew. */
static void add_record(GPtrArray *records, const struct item *item)
{
	struct state_cache *r;
	char name[FILE_NAME_MAX];

	if (item->bytes.size != item->bytes.version.size)
		return;
	file_name(item->bytes.name.id, name);
	r = g_new0(struct state_cache, 1);
	r->path = g_strdup(item->path);
	r->version.size = item->bytes.version.size;
	r->version.mtime = item->bytes.version.mtime;
	r->file = g_strdup(name);
	r->present = extents_to_text(&item->bytes.present);
	g_ptr_array_add(records, r);
}

/* True: the files stay. The bytes are on the disk before anything says so. */
static bool save_locked(struct cache *c) REQUIRES(c->lock)
{
	g_autoptr(GPtrArray) records =
		g_ptr_array_new_with_free_func(free_record);
	int rc;

	if (c->state == NULL || c->items == NULL ||
		g_queue_is_empty(&c->by_age))
		return false;
	for (GList *l = c->by_age.head; l != NULL; l = l->next)
		add_record(records, l->data);
	rc = syncfs(c->directory_fd) < 0 ? -errno : 0;
	if (rc == 0)
		rc = state_cache_replace(c->state, records);
	if (rc < 0)
		log_warning("the cache could not be kept: %s", g_strerror(-rc));
	return rc == 0;
}

void cache_free(struct cache *c)
{
	struct item *item;
	bool stays;

	if (c == NULL)
		return;
	mutex_lock(&c->lock);
	stays = save_locked(c);
	while ((item = g_queue_peek_head(&c->by_age)) != NULL) {
		if (stays)
			item->bytes.name.id = 0; /* its name is the index's */
		remove_locked(c, item);
	}
	mutex_unlock(&c->lock);
	g_hash_table_destroy(c->items);
	g_hash_table_destroy(c->expected);
	mutex_fini(&c->lock);
	g_free(c);
}
