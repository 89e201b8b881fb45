/* node_table.c - see node_table.h. */
#include "config.h"

#include "node_table.h"

#include "content.h"
#include "mutex.h"

#include <assert.h>
#include <string.h>

struct node_table {
	struct mutex lock;
	/* guarded by lock */
	GHashTable *by_ino;  /* uint64_t * (in the node) -> node */
	GHashTable *by_name; /* linked nodes, keyed by (parent, name) */
	uint64_t next_ino;
};

static guint name_hash(gconstpointer key)
{
	const struct node *n = key;

	return g_str_hash(n->name) ^ (guint)(n->parent->ino * 2654435761u);
}

static gboolean name_equal(gconstpointer a, gconstpointer b)
{
	const struct node *x = a;
	const struct node *y = b;

	return x->parent == y->parent && strcmp(x->name, y->name) == 0;
}

static struct node *new_node(struct node_table *t, struct node *parent,
	const char *name, const struct node_template *template)
	REQUIRES(t->lock)
{
	struct node *n = g_new0(struct node, 1);

	n->ino = t->next_ino++;
	n->ops = template->ops;
	n->tag = template->tag;
	if (template->make_content != NULL)
		n->content = template->make_content(template->arg);
	n->name = g_strdup(name);
	n->parent = parent;
	if (parent != NULL)
		parent->refs++;
	n->refs = 1;
	g_hash_table_insert(t->by_ino, &n->ino, n);
	return n;
}

/* A loop, not a recursion: a deep chain of directories may end with the last
 * file in it. */
static void unref_locked(struct node_table *t, struct node *n) REQUIRES(t->lock)
{
	while (n != NULL) {
		struct node *parent = n->parent;

		assert(n->refs > 0);
		if (--n->refs > 0)
			return;
		if (n->is_linked)
			g_hash_table_remove(t->by_name, n);
		g_hash_table_remove(t->by_ino, &n->ino);
		content_free(n->content);
		g_free(n->name);
		g_free(n);
		n = parent;
	}
}

int node_table_new(const struct node_ops *root_ops, struct node_table **ret)
{
	struct node_table *t = g_new0(struct node_table, 1);
	struct node_template root = { .ops = root_ops };
	struct node *n;

	mutex_init(&t->lock);
	t->by_ino = g_hash_table_new(g_int64_hash, g_int64_equal);
	t->by_name = g_hash_table_new(name_hash, name_equal);
	t->next_ino = ROOT_INO;
	mutex_lock(&t->lock);
	n = new_node(t, NULL, "", &root);
	n->is_linked = false; /* it has no (parent, name) */
	mutex_unlock(&t->lock);
	*ret = t;
	return 0;
}

void node_table_free(struct node_table *t)
{
	GHashTableIter iter;
	gpointer value;

	if (t == NULL)
		return;
	g_hash_table_iter_init(&iter, t->by_ino);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct node *n = value;

		content_free(n->content);
		g_free(n->name);
		g_free(n);
	}
	g_hash_table_destroy(t->by_name);
	g_hash_table_destroy(t->by_ino);
	mutex_fini(&t->lock);
	g_free(t);
}

struct node *node_table_get(struct node_table *t, uint64_t ino)
{
	struct node *n;

	mutex_lock(&t->lock);
	n = g_hash_table_lookup(t->by_ino, &ino);
	if (n != NULL)
		n->refs++;
	mutex_unlock(&t->lock);
	return n;
}

void node_table_ref(struct node_table *t, struct node *n)
{
	mutex_lock(&t->lock);
	assert(n->refs > 0);
	n->refs++;
	mutex_unlock(&t->lock);
}

void node_table_unref(struct node_table *t, struct node *n)
{
	if (n == NULL)
		return;
	mutex_lock(&t->lock);
	unref_locked(t, n);
	mutex_unlock(&t->lock);
}

static struct node *find_locked(struct node_table *t, struct node *parent,
	const char *name) REQUIRES(t->lock)
{
	struct node key = { .parent = parent };

	/* The table only reads the key; the cast drops const for the field. */
	memcpy(&key.name, &name, sizeof(key.name));
	return g_hash_table_lookup(t->by_name, &key);
}

static void unlink_locked(struct node_table *t, struct node *n)
	REQUIRES(t->lock)
{
	g_hash_table_remove(t->by_name, n);
	n->is_linked = false;
}

struct node *node_table_find(
	struct node_table *t, struct node *parent, const char *name)
{
	struct node *n;

	mutex_lock(&t->lock);
	n = find_locked(t, parent, name);
	if (n != NULL)
		n->refs++;
	mutex_unlock(&t->lock);
	return n;
}

struct node *node_table_enter(struct node_table *t, struct node *parent,
	const char *name, const struct node_template *template,
	uint64_t lookups)
{
	struct node *n;

	mutex_lock(&t->lock);
	n = find_locked(t, parent, name);
	if (n != NULL && n->ops != template->ops) {
		unlink_locked(t, n);
		n = NULL;
	}
	if (n != NULL) {
		n->refs++;
	} else {
		n = new_node(t, parent, name, template);
		n->is_linked = true;
		g_hash_table_insert(t->by_name, n, n);
	}
	if (lookups > 0 && n->lookups == 0)
		n->refs++;
	n->lookups += lookups;
	mutex_unlock(&t->lock);
	return n;
}

void node_table_count_lookup(struct node_table *t, struct node *n)
{
	mutex_lock(&t->lock);
	if (n->lookups++ == 0)
		n->refs++;
	mutex_unlock(&t->lock);
}

void node_table_forget(struct node_table *t, uint64_t ino, uint64_t count)
{
	struct node *n;

	mutex_lock(&t->lock);
	n = g_hash_table_lookup(t->by_ino, &ino);
	/* The root is never looked up by name and never forgotten. */
	if (n != NULL && ino != ROOT_INO && n->lookups > 0) {
		n->lookups -= MIN(count, n->lookups);
		if (n->lookups == 0)
			unref_locked(t, n);
	}
	mutex_unlock(&t->lock);
}

void node_table_unlink(struct node_table *t, struct node *dir, const char *name)
{
	struct node *n;

	mutex_lock(&t->lock);
	n = find_locked(t, dir, name);
	if (n != NULL) {
		unlink_locked(t, n);
		n->was_removed = true;
	}
	mutex_unlock(&t->lock);
}

/* An unlinked node gets this name. */
static void relink_locked(struct node_table *t, struct node *n,
	struct node *dir, const char *name) REQUIRES(t->lock)
{
	struct node *old_parent = n->parent;

	g_free(n->name);
	n->name = g_strdup(name);
	n->parent = dir;
	dir->refs++;
	n->is_linked = true;
	g_hash_table_insert(t->by_name, n, n);
	unref_locked(t, old_parent);
}

void node_table_move(struct node_table *t, struct node *dir, const char *name,
	struct node *to_dir, const char *to_name)
{
	struct node *n;
	struct node *replaced;

	mutex_lock(&t->lock);
	n = find_locked(t, dir, name);
	replaced = find_locked(t, to_dir, to_name);
	if (replaced != NULL && replaced != n) {
		unlink_locked(t, replaced);
		replaced->was_removed = true;
	}
	if (n != NULL && replaced != n) {
		unlink_locked(t, n);
		relink_locked(t, n, to_dir, to_name);
	}
	mutex_unlock(&t->lock);
}

void node_table_exchange(struct node_table *t, struct node *dir,
	const char *name, struct node *other_dir, const char *other_name)
{
	struct node *n;
	struct node *other;

	mutex_lock(&t->lock);
	n = find_locked(t, dir, name);
	other = find_locked(t, other_dir, other_name);
	if (n != NULL)
		unlink_locked(t, n);
	if (other != NULL && other != n)
		unlink_locked(t, other);
	if (n != NULL)
		relink_locked(t, n, other_dir, other_name);
	if (other != NULL && other != n)
		relink_locked(t, other, dir, name);
	mutex_unlock(&t->lock);
}

void node_table_remember(
	struct node_table *t, struct node *n, const struct stat *st)
{
	mutex_lock(&t->lock);
	n->has_last = true;
	n->last_mode = st->st_mode;
	n->last_size = st->st_size;
	n->last_mtime = st->st_mtim;
	mutex_unlock(&t->lock);
}

void node_table_touch(struct node_table *t, struct node *n)
{
	mutex_lock(&t->lock);
	(void)clock_gettime(CLOCK_REALTIME, &n->last_mtime);
	mutex_unlock(&t->lock);
}

bool node_table_recall(struct node_table *t, struct node *n, struct stat *ret)
{
	bool has_last;

	mutex_lock(&t->lock);
	has_last = n->has_last;
	if (has_last) {
		ret->st_mode = n->last_mode;
		ret->st_size = n->last_size;
		ret->st_mtim = ret->st_ctim = n->last_mtime;
	}
	mutex_unlock(&t->lock);
	return has_last;
}

static char *path_locked(struct node_table *t, struct node *n, bool is_linked)
	REQUIRES(t->lock)
{
	GPtrArray *parts = g_ptr_array_new();
	GString *path = NULL;

	(void)t;
	while (n->parent != NULL && (n->is_linked || !is_linked)) {
		g_ptr_array_add(parts, n->name);
		n = n->parent;
	}
	if (n->parent == NULL) {
		path = g_string_new(NULL);
		for (guint i = parts->len; i > 0; i--) {
			if (path->len > 0)
				g_string_append_c(path, '/');
			g_string_append(path, parts->pdata[i - 1]);
		}
	}
	g_ptr_array_free(parts, TRUE);
	return path == NULL ? NULL : g_string_free(path, FALSE);
}

char *node_table_path(struct node_table *t, struct node *n)
{
	char *path;

	mutex_lock(&t->lock);
	path = path_locked(t, n, true);
	mutex_unlock(&t->lock);
	return path;
}

char *node_table_last_path(struct node_table *t, struct node *n)
{
	char *path;

	mutex_lock(&t->lock);
	path = path_locked(t, n, false);
	mutex_unlock(&t->lock);
	return path;
}

bool node_table_was_removed(struct node_table *t, struct node *n)
{
	mutex_lock(&t->lock);
	while (n != NULL && !n->was_removed)
		n = n->parent;
	mutex_unlock(&t->lock);
	return n != NULL;
}

struct node *node_table_parent(struct node_table *t, struct node *n)
{
	struct node *parent;

	mutex_lock(&t->lock);
	parent = n->parent;
	if (parent != NULL)
		parent->refs++;
	mutex_unlock(&t->lock);
	return parent;
}

bool node_table_is_below(struct node_table *t, struct node *n, struct node *top)
{
	mutex_lock(&t->lock);
	while (n != NULL && n != top)
		n = n->parent;
	mutex_unlock(&t->lock);
	return n != NULL;
}

struct node *node_table_find_path(struct node_table *t, const char *path)
{
	g_auto(GStrv) names = g_strsplit(path, "/", -1);
	struct node *n = node_table_get(t, ROOT_INO);

	for (char **name = names; n != NULL && *name != NULL; name++) {
		struct node *child = node_table_find(t, n, *name);

		node_table_unref(t, n);
		n = child;
	}
	return n;
}

bool node_table_keeps_pages(struct node_table *t, struct node *n,
	const struct timespec *mtime, int64_t size)
{
	bool is_same;

	mutex_lock(&t->lock);
	is_same = n->has_page_version && n->page_size == size &&
		  n->page_mtime.tv_sec == mtime->tv_sec &&
		  n->page_mtime.tv_nsec == mtime->tv_nsec;
	n->has_page_version = true;
	n->page_mtime = *mtime;
	n->page_size = size;
	mutex_unlock(&t->lock);
	return is_same;
}

void node_table_move_pages(struct node_table *t, struct node *n,
	const struct entry *from, const struct entry *to)
{
	mutex_lock(&t->lock);
	if (n->has_page_version && n->page_size == from->size &&
		n->page_mtime.tv_sec == from->mtime.tv_sec &&
		n->page_mtime.tv_nsec == from->mtime.tv_nsec)
		n->page_mtime = to->mtime;
	mutex_unlock(&t->lock);
}

void node_table_forget_pages(struct node_table *t, struct node *n)
{
	mutex_lock(&t->lock);
	n->has_page_version = false;
	mutex_unlock(&t->lock);
}

GPtrArray *node_table_all(struct node_table *t)
{
	GPtrArray *all = g_ptr_array_new();
	GHashTableIter iter;
	gpointer value;

	mutex_lock(&t->lock);
	g_hash_table_iter_init(&iter, t->by_ino);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		((struct node *)value)->refs++;
		g_ptr_array_add(all, value);
	}
	mutex_unlock(&t->lock);
	return all;
}

unsigned node_table_count(struct node_table *t)
{
	unsigned count;

	mutex_lock(&t->lock);
	count = g_hash_table_size(t->by_ino);
	mutex_unlock(&t->lock);
	return count;
}
