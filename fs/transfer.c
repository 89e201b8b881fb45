/* transfer.c - see transfer.h. */
#include "config.h"

#include "transfer.h"

#include "attr_cache.h"
#include "cache.h"
#include "content.h"
#include "fetch.h"
#include "late_remote.h"
#include "log.h"
#include "mutex.h"
#include "names.h"
#include "node_table.h"
#include "overlay.h"
#include "path_gate.h"
#include "session.h"
#include "tree.h"

#include <errno.h>
#include <string.h>

/* A file that goes on being written while its rest is fetched. */
#define COMPLETE_ATTEMPTS 4

struct dirty_set {
	struct mutex lock;
	GHashTable *nodes; /* guarded by lock; each with a ref */
};

struct dirty_set *dirty_set_new(void)
{
	struct dirty_set *s = g_new0(struct dirty_set, 1);

	mutex_init(&s->lock);
	s->nodes = g_hash_table_new(g_direct_hash, g_direct_equal);
	return s;
}

void dirty_set_free(struct dirty_set *s)
{
	if (s == NULL)
		return;
	g_hash_table_destroy(s->nodes);
	mutex_fini(&s->lock);
	g_free(s);
}

GPtrArray *dirty_set_nodes(struct session *s)
{
	GPtrArray *nodes = g_ptr_array_new();
	GHashTableIter iter;
	gpointer node;

	mutex_lock(&s->dirty->lock);
	g_hash_table_iter_init(&iter, s->dirty->nodes);
	while (g_hash_table_iter_next(&iter, &node, NULL))
		g_ptr_array_add(nodes, node);
	/* Within the lock: the set's own refs keep them alive until here. */
	for (guint i = 0; i < nodes->len; i++)
		node_table_ref(s->nodes, nodes->pdata[i]);
	mutex_unlock(&s->dirty->lock);
	return nodes;
}

unsigned dirty_set_count(struct dirty_set *s)
{
	unsigned count;

	mutex_lock(&s->lock);
	count = g_hash_table_size(s->nodes);
	mutex_unlock(&s->lock);
	return count;
}

void transfer_changed(struct session *s, struct node *n)
{
	bool is_new;

	node_table_ref(s->nodes, n);
	mutex_lock(&s->dirty->lock);
	is_new = g_hash_table_add(s->dirty->nodes, n);
	mutex_unlock(&s->dirty->lock);
	if (!is_new)
		node_table_unref(s->nodes, n);
}

/* Takes the node out of the set if it is clean; a write that came between
 * makes it dirty again and puts it back. */
static void settle(struct session *s, struct node *n)
{
	bool was_there;

	mutex_lock(&s->dirty->lock);
	was_there = !content_is_dirty(n->content) &&
		    g_hash_table_remove(s->dirty->nodes, n);
	mutex_unlock(&s->dirty->lock);
	if (was_there)
		node_table_unref(s->nodes, n);
}

void transfer_abandon(struct session *s, struct node *n)
{
	content_abandon(n->content);
	settle(s, n);
}

int transfer_enter(struct session *s, struct node *n,
	const struct cancel *cancel, struct transfer_pass *ret)
{
	for (;;) {
		char *path = node_table_path(s->nodes, n);
		g_autofree char *again = NULL;
		int rc;

		if (path == NULL)
			return -ENOENT;
		ret->path = path;
		ret->gate = (struct path_pass){ .path = path };
		rc = path_gate_enter(s->gate, &ret->gate, cancel);
		if (rc < 0) {
			g_free(path);
			return rc;
		}
		/* A rename between the two changes the path. */
		again = node_table_path(s->nodes, n);
		if (again != NULL && strcmp(again, path) == 0)
			return 0;
		transfer_leave(s, ret);
	}
}

void transfer_leave(struct session *s, struct transfer_pass *pass)
{
	path_gate_leave(s->gate, &pass->gate);
	g_free(pass->path);
}

int transfer_open(struct session *s, struct node *n, const struct entry *now,
	const struct cancel *cancel)
{
	struct transfer_pass pass;
	int rc = transfer_enter(s, n, cancel, &pass);

	if (rc < 0)
		return rc == -ENOENT ? -ESTALE : rc;
	content_open(n->content);
	(void)content_revalidate(n->content, now);
	transfer_leave(s, &pass);
	return 0;
}

void transfer_close(struct session *s, struct node *n)
{
	struct cached_bytes bytes;
	g_autofree char *path = NULL;

	if (!content_close(n->content, &bytes))
		return;
	path = node_table_path(s->nodes, n);
	if (path != NULL)
		cache_give(s->cache, path, &bytes);
	else
		cached_bytes_clear(&bytes);
}

static ssize_t upload_source(
	void *arg, void *buffer, size_t size, int64_t offset)
{
	return content_read(arg, buffer, size, offset);
}

/* The server's word on what it has now becomes ours before anybody asks. */
static void adopt(struct session *s, struct node *n, const char *path,
	const struct entry *version)
{
	g_autofree char *dir = path_parent(path);

	attr_cache_changed(s->attrs, dir, path_basename(path), version, false);
	overlay_uploaded(s->overlay, path, version);
	(void)node_table_keeps_pages(
		s->nodes, n, &version->mtime, version->size);
}

int transfer_upload_to(struct session *s, struct node *n, const char *path,
	const struct cancel *cancel, struct entry *ret_entry)
{
	struct remote_source source = { upload_source, n->content, 0 };
	int rc = content_begin_upload(n->content, true, cancel, &source.size);

	if (rc < 0)
		return rc;
	rc = remote_write(s->remote, path, &source, cancel, ret_entry);
	if (rc == 0)
		ret_entry->size = source.size; /* the remote checked it */
	content_end_upload(n->content, rc, ret_entry);
	if (rc == 0)
		adopt(s, n, path, ret_entry);
	settle(s, n);
	return rc;
}

static int upload_at(struct session *s, struct node *n, const char *path,
	const struct cancel *cancel)
{
	struct remote_source source = { upload_source, n->content, 0 };
	struct entry version = { 0 };
	int rc = content_begin_upload(n->content, false, cancel, &source.size);

	if (rc <= 0)
		return rc;
	rc = remote_write(s->remote, path, &source, cancel, &version);
	if (rc == 0)
		version.size = source.size; /* the remote checked it */
	content_end_upload(n->content, rc, &version);
	if (rc == 0)
		adopt(s, n, path, &version);
	entry_clear(&version);
	return rc;
}

/* What was written covers a part of the file only: the rest is fetched, so that
 * the whole can be sent. */
static int complete_and_upload(struct session *s, struct node *n,
	const char *path, const struct cancel *cancel)
{
	int rc = upload_at(s, n, path, cancel);
	int attempts;

	for (attempts = 0; rc == -ESTALE && attempts < COMPLETE_ATTEMPTS;
		attempts++) {
		rc = fetch_whole_at(s, n, path, cancel);
		if (rc == 0)
			rc = upload_at(s, n, path, cancel);
	}
	return rc;
}

int transfer_upload(
	struct session *s, struct node *n, const struct cancel *cancel)
{
	struct transfer_pass pass;
	int rc;

	if (!content_is_dirty(n->content)) {
		settle(s, n);
		return 0;
	}
	rc = transfer_enter(s, n, cancel, &pass);
	if (rc == -ENOENT) /* removed: these bytes have no place any more */
		return node_table_was_removed(s->nodes, n) ? 0 : -ESTALE;
	if (rc < 0)
		return rc;
	content_open(n->content);
	rc = complete_and_upload(s, n, pass.path, cancel);
	transfer_leave(s, &pass);
	transfer_close(s, n);
	settle(s, n);
	return rc;
}

int transfer_upload_all(struct session *s, const struct cancel *cancel)
{
	GPtrArray *nodes = dirty_set_nodes(s);
	int settled;
	int first = 0;

	for (guint i = 0; i < nodes->len; i++) {
		int rc = transfer_upload(s, nodes->pdata[i], cancel);

		if (rc < 0 && first == 0)
			first = rc;
		node_table_unref(s->nodes, nodes->pdata[i]);
	}
	g_ptr_array_unref(nodes);
	settled = late_remote_settle(s->late, cancel);
	return first != 0 ? first : settled;
}

/* "a/b.py" -> "a%2Fb.py-<seconds>", which no two files share for long. */
static char *rescue_name(const char *path)
{
	g_autofree char *flat = g_uri_escape_string(path, NULL, TRUE);

	/* 255 bytes is the file system's limit; the end says the most. */
	return g_strdup_printf("%" G_GINT64_FORMAT "-%08x-%s",
		g_get_real_time() / G_USEC_PER_SEC, g_random_int(),
		strlen(flat) > 200 ? flat + strlen(flat) - 200 : flat);
}

static bool rescue_one(struct session *s, struct node *n)
{
	g_autofree char *path = node_table_last_path(s->nodes, n);
	g_autofree char *name = NULL;
	int rc;

	if (node_table_was_removed(s->nodes, n) ||
		!content_is_dirty(n->content))
		return false;
	name = rescue_name(path);
	rc = content_link(n->content, s->spool_fd, name);
	if (rc < 0)
		log_error("'%s' is not on the server, and its bytes could "
			  "not be kept here either: %s",
			path, g_strerror(-rc));
	else
		log_error("'%s' is not on the server; its bytes are kept "
			  "here as spool/%s",
			path, name);
	return true;
}

unsigned transfer_rescue(struct session *s)
{
	GPtrArray *nodes = dirty_set_nodes(s);
	unsigned count = 0;

	for (guint i = 0; i < nodes->len; i++) {
		count += rescue_one(s, nodes->pdata[i]);
		node_table_unref(s->nodes, nodes->pdata[i]);
	}
	g_ptr_array_unref(nodes);
	return count;
}
