/* xattr.c - see xattr.h. */
#include "config.h"

#include "xattr.h"

#include "attr_cache.h"
#include "fs_limits.h"
#include "mutex.h"
#include "names.h"
#include "node_table.h"
#include "remote.h"
#include "session.h"
#include "transfer.h"

#include <errno.h>
#include <string.h>

/* Of a directory. */
struct known {
	GHashTable *names; /* name -> GBytes * of its attributes' names */
	bool is_all;
	int64_t asked_ms;
};

struct xattrs {
	struct mutex lock;
	/* guarded by lock */
	GHashTable *directories; /* path -> struct known * */
	unsigned generation;	 /* raised by each change of ours */
};

static void known_free(void *arg)
{
	struct known *k = arg;

	g_hash_table_unref(k->names);
	g_free(k);
}

struct xattrs *xattrs_new(void)
{
	struct xattrs *x = g_new0(struct xattrs, 1);

	mutex_init(&x->lock);
	x->directories = g_hash_table_new_full(
		g_str_hash, g_str_equal, g_free, known_free);
	return x;
}

void xattrs_free(struct xattrs *x)
{
	if (x == NULL)
		return;
	g_hash_table_unref(x->directories);
	mutex_fini(&x->lock);
	g_free(x);
}

void xattrs_forget(struct xattrs *x)
{
	mutex_lock(&x->lock);
	x->generation++;
	g_hash_table_remove_all(x->directories);
	mutex_unlock(&x->lock);
}

/* What is known of a file goes along with it. */
static void move_locked(struct known *from, const char *name, struct known *to,
	const char *to_name)
{
	GBytes *names = g_hash_table_lookup(from->names, name);

	if (to != NULL && names != NULL)
		g_hash_table_replace(
			to->names, g_strdup(to_name), g_bytes_ref(names));
	else if (to != NULL)
		(void)g_hash_table_remove(to->names, to_name);
	(void)g_hash_table_remove(from->names, name);
}

void xattrs_moved(struct xattrs *x, const char *dir, const char *name,
	const char *to_dir, const char *to_name)
{
	struct known *from, *to;

	mutex_lock(&x->lock);
	x->generation++;
	from = g_hash_table_lookup(x->directories, dir);
	to = to_dir == NULL ? NULL
			    : g_hash_table_lookup(x->directories, to_dir);
	if (from != NULL && from->is_all && (to == NULL || to->is_all)) {
		move_locked(from, name, to, to_name);
	} else {
		(void)g_hash_table_remove(x->directories, dir);
		if (to != NULL && to != from)
			(void)g_hash_table_remove(x->directories, to_dir);
	}
	mutex_unlock(&x->lock);
}

static void forget_directory(struct xattrs *x, const char *dir)
{
	mutex_lock(&x->lock);
	x->generation++;
	(void)g_hash_table_remove(x->directories, dir);
	mutex_unlock(&x->lock);
}

/* --- which there are ------------------------------------------------------ */

/* 1: it has these; 0: it has none; -EOPNOTSUPP: that could not be told. */
static int find_in(const struct known *k, const char *name, GBytes **ret)
{
	GBytes *names = g_hash_table_lookup(k->names, name);

	if (names == NULL)
		return k->is_all ? 0 : -EOPNOTSUPP;
	*ret = g_bytes_ref(names);
	return 1;
}

/* The same of what is known. -ENOENT: nothing is, and *ret_generation is to be
 * handed in with the answer. */
static int recall(struct session *s, const char *dir, const char *name,
	GBytes **ret, unsigned *ret_generation)
{
	struct xattrs *x = s->xattrs;
	const struct known *k;
	int rc = -ENOENT;

	mutex_lock(&x->lock);
	k = g_hash_table_lookup(x->directories, dir);
	if (k != NULL &&
		clock_now_ms() - k->asked_ms < s->options.attr_timeout_ms)
		rc = find_in(k, name, ret);
	*ret_generation = x->generation;
	mutex_unlock(&x->lock);
	return rc;
}

/* Takes `k`. */
static void keep(struct session *s, const char *dir, unsigned generation,
	struct known *k)
{
	struct xattrs *x = s->xattrs;

	mutex_lock(&x->lock);
	if (g_hash_table_size(x->directories) >= XATTR_DIRECTORIES_MAX)
		g_hash_table_remove_all(x->directories);
	if (x->generation == generation)
		g_hash_table_replace(
			x->directories, g_strdup(dir), g_steal_pointer(&k));
	mutex_unlock(&x->lock);
	if (k != NULL)
		known_free(k);
}

/* 1, 0 or -errno, as find_in(). */
static int find(
	struct request *r, const char *dir, const char *name, GBytes **ret)
{
	struct session *s = r->session;
	unsigned generation;
	struct known *k;
	int rc = recall(s, dir, name, ret, &generation);

	if (rc != -ENOENT)
		return rc;
	k = g_new0(struct known, 1);
	k->asked_ms = clock_now_ms();
	rc = remote_xattrs(s->remote, dir, &r->cancel, &k->names, &k->is_all);
	/* Behind a link, or not for us to look into: as if it had none. */
	if (rc == -EOPNOTSUPP || rc == -EACCES) {
		k->names = g_hash_table_new(g_str_hash, g_str_equal);
		k->is_all = true;
		rc = 0;
	}
	if (rc < 0) {
		g_free(k);
		return rc;
	}
	rc = find_in(k, name, ret);
	keep(s, dir, generation, k);
	return rc;
}

/* Of a node of the server's: its path, g_free. NULL: it can have none. */
static char *path_of(struct session *s, struct node *n)
{
	g_autofree char *path = NULL;
	g_autofree char *dir = NULL;

	if ((remote_capabilities(s->remote) & REMOTE_CAN_XATTR) == 0)
		return NULL;
	path = node_table_path(s->nodes, n);
	if (path == NULL)
		return NULL;
	dir = path_parent(path);
	if (*path != '\0' &&
		attr_cache_is_local(s->attrs, dir, path_basename(path)))
		return NULL;
	return g_steal_pointer(&path);
}

/* 1: the node has these, 0: it has none, or that cannot be said now as it could
 * not without the capability. */
static int find_of(
	struct request *r, struct node *n, char **ret_path, GBytes **ret)
{
	char *path = path_of(r->session, n);
	g_autofree char *dir = NULL;
	int rc;

	*ret_path = path;
	if (path == NULL)
		return 0;
	dir = path_parent(path);
	rc = find(r, dir, *path == '\0' ? "" : path_basename(path), ret);
	return rc == -ENOENT ? 0 : rc;
}

/* --- of a node ------------------------------------------------------------ */

int xattr_list(
	struct request *r, struct node *n, char **ret_names, size_t *ret_size)
{
	g_autofree char *path = NULL;
	GBytes *names = NULL;
	int rc = find_of(r, n, &path, &names);

	*ret_size = 0;
	if (rc <= 0)
		return rc;
	*ret_names = g_memdup2(
		g_bytes_get_data(names, ret_size), g_bytes_get_size(names));
	g_bytes_unref(names);
	return 0;
}

static bool holds(GBytes *names, const char *name)
{
	size_t size;
	const char *all = g_bytes_get_data(names, &size);

	for (size_t at = 0; at < size; at += strlen(all + at) + 1)
		if (strcmp(all + at, name) == 0)
			return true;
	return false;
}

int xattr_get(struct request *r, struct node *n, const char *name,
	char **ret_value, size_t *ret_size)
{
	g_autofree char *path = NULL;
	g_autoptr(GBytes) names = NULL;
	g_autoptr(GBytes) value = NULL;
	int rc;

	if (!name_is_users_xattr(name))
		return -ENODATA;
	rc = find_of(r, n, &path, &names);
	if (rc == 0 || (rc == 1 && !holds(names, name)))
		return -ENODATA;
	if (rc < 0 && rc != -EOPNOTSUPP)
		return rc;
	rc = remote_getxattr(
		r->session->remote, path, name, &r->cancel, &value);
	if (rc < 0) /* a link has none, nor has what is gone */
		return rc == -EOPNOTSUPP || rc == -ENOENT ? -ENODATA : rc;
	*ret_size = g_bytes_get_size(value);
	*ret_value = g_memdup2(g_bytes_get_data(value, NULL), *ret_size);
	return 0;
}

/* Inside the gate: no rename comes between the path and the server. */
static int set_at(struct request *r, struct node *n, const char *name,
	GBytes *value, int flags)
{
	struct session *s = r->session;
	g_autofree char *dir = NULL;
	struct transfer_pass pass;
	int rc = transfer_enter(s, n, &r->cancel, &pass);

	if (rc < 0)
		return rc;
	rc = remote_setxattr(
		s->remote, pass.path, name, value, flags, &r->cancel);
	dir = path_parent(pass.path);
	forget_directory(s->xattrs, dir);
	transfer_leave(s, &pass);
	return rc;
}

int xattr_set(struct request *r, struct node *n, const char *name,
	const char *value, size_t size, int flags)
{
	struct session *s = r->session;
	g_autofree char *path = NULL;
	GBytes *bytes;
	int rc = 0;

	if (!name_is_users_xattr(name) ||
		(remote_capabilities(s->remote) & REMOTE_CAN_XATTR) == 0)
		return -EOPNOTSUPP;
	path = path_of(s, n);
	if (path == NULL && n->content != NULL)
		rc = transfer_upload(s, n, &r->cancel);
	if (rc < 0)
		return rc;
	bytes = value == NULL ? NULL : g_bytes_new(value, size);
	rc = set_at(r, n, name, bytes, flags);
	if (bytes != NULL)
		g_bytes_unref(bytes);
	return rc;
}
