/* dir_remove.c - see dir.h: what goes with a file's name. */
#include "config.h"

#include "dir.h"

#include "attr_cache.h"
#include "cache.h"
#include "conflict.h"
#include "content.h"
#include "fetch.h"
#include "overlay.h"
#include "session.h"
#include "transfer.h"
#include "xattr.h"

#include <errno.h>

/* Whoever has the file open keeps its bytes: they are fetched before the
 * server's are gone. */
static int keep_open_bytes(struct request *r, struct node *n, const char *path)
{
	if (n == NULL || n->content == NULL || !content_is_open(n->content))
		return 0;
	return fetch_whole_at(r->session, n, path, &r->cancel);
}

/* The server knows nothing of a name that is only here, unless an upload of it
 * was begun: that may have left a piece. */
static int remove_on_server(struct request *r, struct node *n,
	const char *dir_path, const char *name, const char *path)
{
	struct session *s = r->session;
	bool is_local = attr_cache_is_local(s->attrs, dir_path, name);
	bool was_sent =
		n != NULL && n->content != NULL && content_was_sent(n->content);
	int rc;

	if (is_local && !was_sent)
		return 0;
	rc = remote_remove(s->remote, path, &r->cancel);
	return is_local && rc == -ENOENT ? 0 : rc;
}

void dir_forget_bytes(struct session *s, struct node *n)
{
	if (n == NULL || n->content == NULL)
		return;
	if (content_is_open(n->content))
		content_unjournal(n->content);
	else
		transfer_abandon(s, n);
}

void dir_forget_file(struct request *r, struct node *dir, struct node *n,
	const char *name, const char *dir_path, const char *path)
{
	struct session *s = r->session;

	dir_name_changed(s, dir_path, name, NULL, false);
	overlay_removed(s->overlay, path);
	cache_removed(s->cache, path);
	node_table_unlink(s->nodes, dir, name);
	conflicts_forget(s->conflicts, path);
	xattrs_moved(s->xattrs, dir_path, name, NULL, NULL);
	dir_forget_bytes(s, n);
}

int dir_remove_file(struct request *r, struct node *dir, struct node *n,
	const char *name, const char *dir_path, const char *path)
{
	int rc = keep_open_bytes(r, n, path);

	if (rc == 0)
		rc = remove_on_server(r, n, dir_path, name, path);
	if (rc == 0 || rc == -ENOENT)
		dir_forget_file(r, dir, n, name, dir_path, path);
	else
		attr_cache_doubt(r->session->attrs, dir_path, name);
	return rc;
}
