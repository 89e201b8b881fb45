/* transfer.c - see transfer.h. */
#include "config.h"

#include "transfer.h"

#include "attr_cache.h"
#include "content.h"
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

/* A file may change while it is read; not for ever. */
#define READ_ATTEMPTS 3

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

static int load_sink(
	void *arg, const void *bytes, size_t length, int64_t offset)
{
	return content_load_bytes(arg, bytes, length, offset);
}

/* One answer, of `version` or of another. */
static int read_once(struct session *s, struct content *c, const char *path,
	const struct cancel *cancel, const struct entry *version,
	struct remote_read_info *ret)
{
	struct remote_sink sink = { .write = load_sink, .arg = c };
	int64_t expected;
	int rc;

	if (version->type != ENTRY_FILE)
		return -EISDIR;
	*ret = (struct remote_read_info){ .total = -1 };
	rc = remote_read(s->remote, path, 0, -1, &sink, cancel, ret);
	expected = ret->total >= 0 ? ret->total : version->size;
	if (rc == 0 && expected >= 0 && ret->received != expected)
		rc = -EIO;
	return rc;
}

static bool is_of_version(
	const struct remote_read_info *info, const struct entry *version)
{
	return (version->size < 0 || info->received == version->size) &&
	       (info->last_modified == 0 ||
		       info->last_modified == version->mtime.tv_sec);
}

/* Asks what the file is now. 1: still what was believed (a symbolic link in
 * the pod is listed with its own length and time, not its target's). */
static int ask_again(struct session *s, const char *path,
	const struct cancel *cancel, struct entry *version)
{
	struct entry now;
	int rc = tree_stat(s->tree, path, -1, cancel, &now, NULL);

	if (rc < 0)
		return rc;
	rc = entry_same_version(version, &now);
	entry_clear(version);
	*version = now;
	return rc;
}

/* Reads the whole file. What was believed of it may be old: what came must be
 * of the version that it is given out for. A file that changes faster than it
 * can be asked about is taken as it came, as a version of its own. */
static int read_settled(struct session *s, struct content *c, const char *path,
	const struct cancel *cancel, struct entry *version, int64_t *ret_size)
{
	struct remote_read_info info;
	int attempts;
	int rc = 0;

	for (attempts = 0; attempts < READ_ATTEMPTS; attempts++) {
		rc = read_once(s, c, path, cancel, version, &info);
		if (rc < 0)
			return rc;
		*ret_size = info.received;
		if (is_of_version(&info, version))
			return 0;
		rc = ask_again(s, path, cancel, version);
		if (rc < 0)
			return rc;
		if (rc > 0 || is_of_version(&info, version))
			return 0;
	}
	version->size = -1; /* no listing says so: the next open reads anew */
	return 0;
}

static int read_whole(struct session *s, struct content *c, const char *path,
	const struct cancel *cancel, struct entry *ret_version,
	int64_t *ret_size)
{
	int rc = tree_stat(s->tree, path, s->options.attr_timeout_ms, cancel,
		ret_version, NULL);

	if (rc < 0)
		return rc;
	rc = read_settled(s, c, path, cancel, ret_version, ret_size);
	if (rc < 0)
		entry_clear(ret_version);
	return rc;
}

int transfer_load_at(struct session *s, struct node *n, const char *path,
	const struct cancel *cancel)
{
	struct entry version = { 0 };
	int64_t size = 0;
	int rc = content_begin_load(n->content, cancel);

	if (rc <= 0)
		return rc;
	rc = read_whole(s, n->content, path, cancel, &version, &size);
	content_end_load(n->content, rc, size, &version);
	entry_clear(&version);
	return rc;
}

/* Finds the node's path and passes the gate with it. A rename between the two
 * changes the path: try again with the new one. */
static int enter_shared(struct session *s, struct node *n,
	struct path_pass *pass, const struct cancel *cancel, char **ret_path)
{
	for (;;) {
		char *path = node_table_path(s->nodes, n);
		g_autofree char *again = NULL;
		int rc;

		if (path == NULL)
			return -ENOENT;
		*pass = (struct path_pass){ .path = path };
		rc = path_gate_enter(s->gate, pass, cancel);
		if (rc < 0) {
			g_free(path);
			return rc;
		}
		again = node_table_path(s->nodes, n);
		if (again != NULL && strcmp(again, path) == 0) {
			*ret_path = path;
			return 0;
		}
		path_gate_leave(s->gate, pass);
		g_free(path);
	}
}

int transfer_open(struct session *s, struct node *n, const struct entry *now,
	const struct cancel *cancel)
{
	g_autofree char *path = NULL;
	struct path_pass pass;
	int rc = enter_shared(s, n, &pass, cancel, &path);

	if (rc < 0)
		return rc == -ENOENT ? -ESTALE : rc;
	content_open(n->content);
	(void)content_revalidate(n->content, now);
	path_gate_leave(s->gate, &pass);
	return 0;
}

int transfer_load(
	struct session *s, struct node *n, const struct cancel *cancel)
{
	g_autofree char *path = NULL;
	struct path_pass pass;
	int rc;

	if (content_is_ready(n->content))
		return 0;
	rc = enter_shared(s, n, &pass, cancel, &path);
	/* Who removed the file kept its bytes for those who have it open. */
	if (rc == -ENOENT)
		return content_is_ready(n->content) ? 0 : -ESTALE;
	if (rc < 0)
		return rc;
	rc = transfer_load_at(s, n, path, cancel);
	path_gate_leave(s->gate, &pass);
	return rc;
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
	if (rc == 0 && ret_entry->size != source.size) {
		entry_clear(ret_entry);
		rc = -EIO;
	}
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
	if (rc == 0 && version.size != source.size)
		rc = -EIO;
	content_end_upload(n->content, rc, &version);
	if (rc == 0)
		adopt(s, n, path, &version);
	entry_clear(&version);
	return rc;
}

int transfer_upload(
	struct session *s, struct node *n, const struct cancel *cancel)
{
	g_autofree char *path = NULL;
	struct path_pass pass;
	int rc;

	if (!content_is_dirty(n->content)) {
		settle(s, n);
		return 0;
	}
	rc = enter_shared(s, n, &pass, cancel, &path);
	if (rc == -ENOENT) /* unlinked: these bytes have no place any more */
		return 0;
	if (rc < 0)
		return rc;
	rc = upload_at(s, n, path, cancel);
	path_gate_leave(s->gate, &pass);
	settle(s, n);
	return rc;
}

int transfer_upload_all(struct session *s, const struct cancel *cancel)
{
	GPtrArray *nodes = dirty_set_nodes(s);
	int first = 0;

	for (guint i = 0; i < nodes->len; i++) {
		int rc = transfer_upload(s, nodes->pdata[i], cancel);

		if (rc < 0 && first == 0)
			first = rc;
		node_table_unref(s->nodes, nodes->pdata[i]);
	}
	g_ptr_array_unref(nodes);
	return first;
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
	g_autofree char *path = node_table_path(s->nodes, n);
	g_autofree char *name = NULL;
	int rc;

	if (path == NULL || !content_is_dirty(n->content))
		return false;
	name = rescue_name(path);
	rc = content_link(n->content, s->rescue_fd, name);
	if (rc < 0)
		log_error("'%s' is not on the server, and its bytes could "
			  "not be kept here either: %s",
			path, g_strerror(-rc));
	else
		log_error("'%s' is not on the server; its bytes are kept "
			  "here as lost+found/%s",
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
