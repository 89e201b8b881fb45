/* fake_tree.c - see fake_tree.h. */
#include "config.h"

#include "fake_tree.h"

#include "names.h"
#include "walk.h"

#include <string.h>

#define FIRST_SECOND 1700000000
#define LINK_BYTES   9

static void thing_free(gpointer p)
{
	struct thing *thing = p;

	g_string_free(thing->bytes, TRUE);
	g_free(thing);
}

struct thing *fake_tree_find(struct fake_tree *t, const char *path)
{
	return g_hash_table_lookup(t->things, path);
}

bool fake_tree_is_directory(struct fake_tree *t, const char *path)
{
	const struct thing *thing = fake_tree_find(t, path);

	return *path == '\0' ||
	       (thing != NULL && thing->type == ENTRY_DIRECTORY);
}

struct thing *fake_tree_put(
	struct fake_tree *t, const char *path, enum entry_type type)
{
	struct thing *thing = fake_tree_find(t, path);

	if (thing == NULL) {
		thing = g_new0(struct thing, 1);
		thing->bytes = g_string_new(NULL);
		thing->mode = type == ENTRY_FILE ? 0644 : 0755;
		g_hash_table_insert(t->things, g_strdup(path), thing);
	}
	thing->type = type;
	thing->is_link = false;
	thing->mtime = thing->ctime = (struct timespec){ t->now++, 0 };
	return thing;
}

struct thing *fake_tree_write(struct fake_tree *t, const char *path)
{
	struct thing *thing = fake_tree_find(t, path);

	return thing != NULL && thing->is_link
		       ? thing
		       : fake_tree_put(t, path, ENTRY_FILE);
}

void fake_tree_put_parents(struct fake_tree *t, const char *path)
{
	g_autofree char *parent = path_parent(path);

	if (fake_tree_is_directory(t, parent))
		return;
	fake_tree_put_parents(t, parent);
	(void)fake_tree_put(t, parent, ENTRY_DIRECTORY);
}

void fake_tree_describe(
	struct fake_tree *t, const char *path, struct entry *ret)
{
	const struct thing *thing = fake_tree_find(t, path);
	struct timespec none = { FIRST_SECOND, 0 };

	*ret = (struct entry){
		.name = g_strdup(path_basename(path)),
		.type = thing == NULL ? ENTRY_DIRECTORY : thing->type,
		.size = thing == NULL || thing->type == ENTRY_DIRECTORY
				? -1
				: (int64_t)thing->bytes->len,
		.mtime = thing == NULL ? none : thing->mtime,
		.ctime = thing == NULL ? none : thing->ctime,
		.is_writable = true,
	};
	/* The contents API rounds to microseconds. */
	ret->mtime.tv_nsec -= ret->mtime.tv_nsec % 1000;
	if (thing != NULL && thing->is_link)
		ret->size = LINK_BYTES;
}

void fake_tree_describe_all(
	struct fake_tree *t, const char *path, struct entry *ret)
{
	const struct thing *thing = fake_tree_find(t, path);

	fake_tree_describe(t, path, ret);
	if (thing == NULL)
		return;
	ret->has_attr = true;
	ret->mode = thing->mode;
	ret->nlink = 1;
	ret->exact = thing->mtime;
}

static GPtrArray *below(struct fake_tree *t, const char *top)
{
	GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
	GHashTableIter iter;
	gpointer path;

	g_hash_table_iter_init(&iter, t->things);
	while (g_hash_table_iter_next(&iter, &path, NULL))
		if (path_is_below(path, top))
			g_ptr_array_add(paths, g_strdup(path));
	return paths;
}

void fake_tree_drop(struct fake_tree *t, const char *path)
{
	GPtrArray *paths = below(t, path);

	for (guint i = 0; i < paths->len; i++)
		g_hash_table_remove(t->things, paths->pdata[i]);
	g_ptr_array_unref(paths);
}

void fake_tree_move(struct fake_tree *t, const char *from, const char *to)
{
	GPtrArray *paths = below(t, from);

	for (guint i = 0; i < paths->len; i++) {
		const char *old = paths->pdata[i];
		gpointer key, value;

		(void)g_hash_table_steal_extended(t->things, old, &key, &value);
		g_hash_table_insert(t->things,
			g_strconcat(to, old + strlen(from), NULL), value);
		g_free(key);
	}
	g_ptr_array_unref(paths);
}

static void free_entry(gpointer p)
{
	entry_free(p);
}

static gint compare_paths(gconstpointer a, gconstpointer b)
{
	return walk_compare(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *fake_tree_directories(struct fake_tree *t, const char *top)
{
	GPtrArray *paths = below(t, top);

	for (guint i = paths->len; i > 0; i--)
		if (!fake_tree_is_directory(t, paths->pdata[i - 1]))
			g_ptr_array_remove_index_fast(paths, i - 1);
	if (*top == '\0')
		g_ptr_array_add(paths, g_strdup(top));
	g_ptr_array_sort(paths, compare_paths);
	return paths;
}

static bool is_in(const char *path, const char *dir)
{
	const char *name = path_basename(path);
	size_t length = strlen(dir);

	return length == 0 ? name == path
			   : (size_t)(name - path) == length + 1 &&
				     strncmp(path, dir, length) == 0;
}

GPtrArray *fake_tree_all_children(
	struct fake_tree *t, const char *path, bool with_dot_names)
{
	GPtrArray *entries = g_ptr_array_new_with_free_func(free_entry);
	GHashTableIter iter;
	gpointer key;

	g_hash_table_iter_init(&iter, t->things);
	while (g_hash_table_iter_next(&iter, &key, NULL)) {
		struct entry entry;

		if (!is_in(key, path) ||
			(!with_dot_names && path_basename(key)[0] == '.'))
			continue;
		fake_tree_describe(t, key, &entry);
		g_ptr_array_add(entries, entry_dup(&entry));
		entry_clear(&entry);
	}
	return entries;
}

GPtrArray *fake_tree_children(
	struct fake_tree *t, const char *path, bool lists_hidden)
{
	GPtrArray *entries = fake_tree_all_children(t, path, true);

	for (guint i = entries->len; i > 0; i--) {
		const struct entry *e = entries->pdata[i - 1];

		if (name_may_be_unlisted(e->name, lists_hidden))
			g_ptr_array_remove_index_fast(entries, i - 1);
	}
	return entries;
}

struct fake_tree *fake_tree_new(void)
{
	struct fake_tree *t = g_new0(struct fake_tree, 1);

	t->things = g_hash_table_new_full(
		g_str_hash, g_str_equal, g_free, thing_free);
	t->now = FIRST_SECOND + 1;
	return t;
}

void fake_tree_free(struct fake_tree *t)
{
	g_hash_table_destroy(t->things);
	g_free(t);
}
