/* fake_posix.c - what POSIX has besides; see fake_remote.h. Attributes stay with
 * their path. */
#include "config.h"

#include "fake_remote_private.h"
#include "names.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

static int begin_locked(struct fake *f, enum fake_op op, unsigned capability,
	const struct cancel *cancel) REQUIRES(f->lock)
{
	int rc = fake_begin_locked(f, op, cancel);

	return rc == 0 && (f->capabilities & capability) == 0 ? -EOPNOTSUPP
							      : rc;
}

int fake_volume(struct remote *r, const struct cancel *cancel,
	struct remote_volume *ret)
{
	struct fake *f = fake_of(r);
	int rc;

	mutex_lock(&f->lock);
	rc = begin_locked(f, FAKE_VOLUME, REMOTE_CAN_VOLUME, cancel);
	if (rc == 0)
		*ret = f->volume;
	mutex_unlock(&f->lock);
	return rc;
}

void fake_remote_set_volume(struct remote *r, const struct remote_volume *v)
{
	struct fake *f = fake_of(r);

	mutex_lock(&f->lock);
	f->volume = *v;
	mutex_unlock(&f->lock);
}

/* --- names ---------------------------------------------------------------- */

static bool is_full_locked(struct fake *f, const char *path) REQUIRES(f->lock)
{
	GPtrArray *children = fake_tree_all_children(f->tree, path, true);
	bool is_full = children->len > 0;

	g_ptr_array_unref(children);
	return is_full;
}

/* As rename(2). */
static int check_move_locked(struct fake *f, const char *from, const char *to,
	enum remote_how how) REQUIRES(f->lock)
{
	const struct thing *old = fake_tree_find(f->tree, from);
	const struct thing *new = fake_tree_find(f->tree, to);
	g_autofree char *parent = path_parent(to);

	if (old == NULL || !fake_tree_is_directory(f->tree, parent) ||
		(how == REMOTE_MOVE_EXCHANGE && new == NULL))
		return -ENOENT;
	if (new == NULL || how == REMOTE_MOVE_EXCHANGE)
		return 0;
	if (how == REMOTE_MOVE_NOT_OVER)
		return -EEXIST;
	if (old->type == ENTRY_DIRECTORY)
		return new->type != ENTRY_DIRECTORY ? -ENOTDIR
		       : is_full_locked(f, to)	    ? -ENOTEMPTY
						    : 0;
	return new->type == ENTRY_DIRECTORY ? -EISDIR : 0;
}

int fake_move(struct remote *r, const char *from, const char *to,
	enum remote_how how, const struct cancel *cancel, struct entry *ret_to,
	struct entry *ret_from)
{
	static const char *const words[] = { "move", "move-new", "exchange" };
	struct fake *f = fake_of(r);
	int rc;

	mutex_lock(&f->lock);
	rc = begin_locked(f, FAKE_MOVE, REMOTE_CAN_MOVE, cancel);
	if (rc == 0)
		rc = check_move_locked(f, from, to, how);
	if (rc == 0 && how == REMOTE_MOVE_EXCHANGE) {
		fake_tree_move(f->tree, to, "//");
		fake_tree_move(f->tree, from, to);
		fake_tree_move(f->tree, "//", from);
		fake_tree_describe(f->tree, from, ret_from);
	} else if (rc == 0) {
		fake_tree_drop(f->tree, to);
		fake_tree_move(f->tree, from, to);
	}
	if (rc == 0) {
		fake_tree_describe(f->tree, to, ret_to);
		g_string_append_printf(
			f->changes, "%s %s %s;", words[how], from, to);
		rc = -f->torn_error; /* carried out, and nobody hears of it */
		f->torn_error = 0;
		if (rc < 0)
			entry_clear(ret_to);
		if (rc < 0 && how == REMOTE_MOVE_EXCHANGE)
			entry_clear(ret_from);
	}
	mutex_unlock(&f->lock);
	return rc;
}

/* Of one moment: what is written to one later is not in the other. */
int fake_link(struct remote *r, const char *from, const char *to,
	const struct cancel *cancel, struct entry *ret_to,
	struct entry *ret_from)
{
	struct fake *f = fake_of(r);
	const struct thing *old;
	struct thing *new;
	int rc;

	mutex_lock(&f->lock);
	rc = begin_locked(f, FAKE_LINK, REMOTE_CAN_LINK, cancel);
	if (rc == 0 && fake_tree_find(f->tree, to) != NULL)
		rc = -EEXIST;
	if (rc == 0)
		rc = fake_check_place_locked(f, to);
	old = fake_tree_find(f->tree, from);
	if (rc == 0 && old == NULL)
		rc = -ENOENT;
	if (rc == 0) {
		g_autofree char *text = g_strdup(old->bytes->str);

		new = fake_tree_put(f->tree, to, ENTRY_FILE);
		g_string_assign(new->bytes, text);
		new->mtime = fake_tree_find(f->tree, from)->mtime;
		fake_tree_describe(f->tree, to, ret_to);
		fake_tree_describe(f->tree, from, ret_from);
		g_string_append_printf(f->changes, "link %s %s;", from, to);
	}
	mutex_unlock(&f->lock);
	return rc;
}

/* --- extended attributes -------------------------------------------------- */

static GHashTable *attributes_locked(struct fake *f, const char *path)
	REQUIRES(f->lock)
{
	GHashTable *own;

	if (f->attributes == NULL)
		f->attributes = g_hash_table_new_full(g_str_hash, g_str_equal,
			g_free, (GDestroyNotify)g_hash_table_unref);
	own = g_hash_table_lookup(f->attributes, path);
	if (own == NULL) {
		own = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
			(GDestroyNotify)g_bytes_unref);
		g_hash_table_insert(f->attributes, g_strdup(path), own);
	}
	return own;
}

static GBytes *names_locked(struct fake *f, const char *path) REQUIRES(f->lock)
{
	GByteArray *names = g_byte_array_new();
	GHashTableIter iter;
	gpointer name;

	g_hash_table_iter_init(&iter, attributes_locked(f, path));
	while (g_hash_table_iter_next(&iter, &name, NULL))
		g_byte_array_append(names, name, (guint)strlen(name) + 1);
	return g_byte_array_free_to_bytes(names);
}

static void list_locked(struct fake *f, const char *directory, GHashTable *all)
	REQUIRES(f->lock)
{
	GPtrArray *children = fake_tree_all_children(f->tree, directory, true);

	for (guint i = 0; i <= children->len; i++) {
		const struct entry *e =
			i < children->len ? children->pdata[i] : NULL;
		g_autofree char *path = e == NULL
						? g_strdup(directory)
						: path_join(directory, e->name);
		GBytes *names = names_locked(f, path);

		if (g_bytes_get_size(names) > 0)
			g_hash_table_insert(
				all, g_strdup(e == NULL ? "" : e->name), names);
		else
			g_bytes_unref(names);
	}
	g_ptr_array_unref(children);
}

int fake_xattrs(struct remote *r, const char *directory,
	const struct cancel *cancel, GHashTable **ret, bool *ret_is_all)
{
	struct fake *f = fake_of(r);
	int rc;

	mutex_lock(&f->lock);
	rc = begin_locked(f, FAKE_XATTRS, REMOTE_CAN_XATTR, cancel);
	if (rc == 0 && !fake_tree_is_directory(f->tree, directory))
		rc = -ENOENT;
	if (rc == 0) {
		*ret = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
			(GDestroyNotify)g_bytes_unref);
		*ret_is_all = true;
		list_locked(f, directory, *ret);
	}
	mutex_unlock(&f->lock);
	return rc;
}

int fake_getxattr(struct remote *r, const char *path, const char *name,
	const struct cancel *cancel, GBytes **ret)
{
	struct fake *f = fake_of(r);
	GBytes *value;
	int rc;

	mutex_lock(&f->lock);
	rc = begin_locked(f, FAKE_GETXATTR, REMOTE_CAN_XATTR, cancel);
	if (rc == 0) {
		value = g_hash_table_lookup(attributes_locked(f, path), name);
		rc = value == NULL ? -ENODATA : 0;
	}
	if (rc == 0)
		*ret = g_bytes_ref(value);
	mutex_unlock(&f->lock);
	return rc;
}

int fake_setxattr(struct remote *r, const char *path, const char *name,
	GBytes *value, int flags, const struct cancel *cancel)
{
	struct fake *f = fake_of(r);
	GHashTable *own;
	bool is_there;
	int rc;

	mutex_lock(&f->lock);
	rc = begin_locked(f, FAKE_SETXATTR, REMOTE_CAN_XATTR, cancel);
	if (rc == 0 && *path != '\0' && fake_tree_find(f->tree, path) == NULL)
		rc = -ENOENT;
	if (rc == 0) {
		own = attributes_locked(f, path);
		is_there = g_hash_table_contains(own, name);
		if (is_there && flags == XATTR_CREATE)
			rc = -EEXIST;
		else if (!is_there && (flags == XATTR_REPLACE || value == NULL))
			rc = -ENODATA;
		else if (value == NULL)
			(void)g_hash_table_remove(own, name);
		else
			g_hash_table_insert(
				own, g_strdup(name), g_bytes_ref(value));
	}
	if (rc == 0)
		g_string_append_printf(f->changes, "%s %s %s;",
			value == NULL ? "removexattr" : "setxattr", path, name);
	mutex_unlock(&f->lock);
	return rc;
}
