/* overlay.c - see overlay.h. */
#include "config.h"

#include "overlay.h"

#include "mutex.h"
#include "names.h"

#include <string.h>

struct record {
	struct overlay_attr attr;
	bool has_version;
	struct entry version; /* what mtime was set for; name unused */
};

struct overlay {
	struct mutex lock;
	GHashTable *records; /* path -> struct record *; guarded by lock */
};

struct overlay *overlay_new(void)
{
	struct overlay *o = g_new0(struct overlay, 1);

	mutex_init(&o->lock);
	o->records =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	return o;
}

void overlay_free(struct overlay *o)
{
	if (o == NULL)
		return;
	g_hash_table_destroy(o->records);
	mutex_fini(&o->lock);
	g_free(o);
}

static struct record *get_locked(struct overlay *o, const char *path)
	REQUIRES(o->lock)
{
	struct record *r = g_hash_table_lookup(o->records, path);

	if (r == NULL) {
		r = g_new0(struct record, 1);
		g_hash_table_insert(o->records, g_strdup(path), r);
	}
	return r;
}

bool overlay_get(struct overlay *o, const char *path, const struct entry *now,
	struct overlay_attr *ret)
{
	struct record *r;

	mutex_lock(&o->lock);
	r = g_hash_table_lookup(o->records, path);
	if (r != NULL)
		*ret = r->attr;
	/* Not erased: `now` may be what was believed before our own upload. */
	if (r != NULL && r->has_version && now != NULL &&
		!entry_same_version(&r->version, now))
		ret->has_mtime = false;
	mutex_unlock(&o->lock);
	return r != NULL;
}

void overlay_set_mode(struct overlay *o, const char *path, mode_t mode)
{
	struct record *r;

	mutex_lock(&o->lock);
	r = get_locked(o, path);
	r->attr.has_mode = true;
	r->attr.mode = mode & 07777;
	mutex_unlock(&o->lock);
}

static void set_version(struct record *r, const struct entry *version)
{
	r->has_version = version != NULL;
	if (version != NULL) {
		r->version = *version;
		r->version.name = NULL;
	}
}

void overlay_set_mtime(struct overlay *o, const char *path,
	const struct timespec *mtime, const struct entry *version)
{
	struct record *r;

	mutex_lock(&o->lock);
	r = get_locked(o, path);
	r->attr.has_mtime = true;
	r->attr.mtime = *mtime;
	set_version(r, version);
	mutex_unlock(&o->lock);
}

void overlay_drop_mtime(struct overlay *o, const char *path)
{
	struct record *r;

	mutex_lock(&o->lock);
	r = g_hash_table_lookup(o->records, path);
	if (r != NULL)
		r->attr.has_mtime = false;
	mutex_unlock(&o->lock);
}

void overlay_uploaded(
	struct overlay *o, const char *path, const struct entry *version)
{
	struct record *r;

	mutex_lock(&o->lock);
	r = g_hash_table_lookup(o->records, path);
	if (r != NULL && r->attr.has_mtime)
		set_version(r, version);
	mutex_unlock(&o->lock);
}

static GPtrArray *below_locked(struct overlay *o, const char *top)
	REQUIRES(o->lock)
{
	GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
	GHashTableIter iter;
	gpointer key;

	g_hash_table_iter_init(&iter, o->records);
	while (g_hash_table_iter_next(&iter, &key, NULL))
		if (path_is_below(key, top))
			g_ptr_array_add(paths, g_strdup(key));
	return paths;
}

static void remove_below_locked(struct overlay *o, const char *top)
	REQUIRES(o->lock)
{
	GPtrArray *paths = below_locked(o, top);

	for (guint i = 0; i < paths->len; i++)
		g_hash_table_remove(o->records, paths->pdata[i]);
	g_ptr_array_unref(paths);
}

void overlay_moved(struct overlay *o, const char *from, const char *to)
{
	GPtrArray *paths;

	mutex_lock(&o->lock);
	remove_below_locked(o, to);
	paths = below_locked(o, from);
	for (guint i = 0; i < paths->len; i++) {
		const char *old = paths->pdata[i];
		gpointer key, value;

		if (g_hash_table_steal_extended(
			    o->records, old, &key, &value)) {
			g_hash_table_insert(o->records,
				g_strconcat(to, old + strlen(from), NULL),
				value);
			g_free(key);
		}
	}
	g_ptr_array_unref(paths);
	mutex_unlock(&o->lock);
}

void overlay_removed(struct overlay *o, const char *path)
{
	mutex_lock(&o->lock);
	remove_below_locked(o, path);
	mutex_unlock(&o->lock);
}
