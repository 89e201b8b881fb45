/*
 * link.c - another name of a file (link(2)), where the remote can make one
 * (REMOTE_CAN_LINK). Else, and for what is not a file of the server's: EPERM,
 * which is what a file system without hard links says.
 *
 * The two names are two nodes here, with bytes of their own: what is saved by
 * one name shows by the other as a change of others does. So what is unsaved is
 * saved before there is another name.
 */
#include "config.h"

#include "dir.h"

#include "attr.h"
#include "attr_cache.h"
#include "file.h"
#include "local.h"
#include "names.h"
#include "overlay.h"
#include "path_gate.h"
#include "session.h"
#include "transfer.h"

#include <errno.h>
#include <fcntl.h>

struct linking {
	struct request *request;
	struct session *session;
	struct node *dir;
	const char *name;
	const char *from, *dir_path, *to;
};

/* What stays here has no other names. */
static int check_side(struct linking *l)
{
	enum local_side side;
	int rc = local_find_side(
		l->request, l->dir, l->dir_path, l->name, O_CREAT, &side);

	if (rc < 0 || side == SIDE_SERVER)
		return rc;
	return side == SIDE_HERE ? -EEXIST : -EPERM;
}

/* What is known of both. A set mode is the file's, whatever its name. */
static void believe(
	struct linking *l, const struct entry *to, const struct entry *from)
{
	struct session *s = l->session;
	g_autofree char *from_dir = path_parent(l->from);
	struct overlay_attr attr;

	overlay_removed(s->overlay, l->to);
	if (overlay_get(s->overlay, l->from, from, &attr) && attr.has_mode)
		overlay_set_mode(s->overlay, l->to, attr.mode);
	attr_cache_changed(
		s->attrs, from_dir, path_basename(l->from), from, false);
	dir_name_changed(s, l->dir_path, l->name, to, false);
}

static int link_inside_gate(struct linking *l, struct entry *ret_to)
{
	struct session *s = l->session;
	g_autofree char *from_dir = path_parent(l->from);
	struct entry from = { 0 };
	int rc = check_side(l);

	if (rc < 0)
		return rc;
	if (attr_cache_is_local(s->attrs, from_dir, path_basename(l->from)))
		return -EBUSY; /* made again since it was saved */
	rc = remote_link(
		s->remote, l->from, l->to, &l->request->cancel, ret_to, &from);
	if (rc < 0) {
		if (rc != -EEXIST && rc != -EOPNOTSUPP)
			attr_cache_doubt(s->attrs, l->dir_path, l->name);
		return rc == -EOPNOTSUPP ? -EPERM : rc;
	}
	believe(l, ret_to, &from);
	entry_clear(&from);
	return 0;
}

int dir_link(struct request *r, struct node *source, struct node *dir,
	const char *name, struct node **ret_node, struct node_attr *ret_attr)
{
	struct session *s = r->session;
	struct dir_place old = { .node = source };
	struct dir_place new = { .node = dir, .name = name };
	struct path_pass pass;
	struct entry to = { 0 };
	int rc;

	if (source->ops != &file_ops ||
		(remote_capabilities(s->remote) & REMOTE_CAN_LINK) == 0)
		return -EPERM;
	rc = transfer_upload(s, source, &r->cancel);
	if (rc == 0)
		rc = dir_enter_places(r, &old, &new, &pass);
	if (rc == 0) {
		struct linking l = { r, s, dir, name, old.path, new.dir_path,
			new.path };

		rc = link_inside_gate(&l, &to);
		if (rc == 0) {
			*ret_node = dir_enter(s, dir, &to, 1);
			attr_fill(s, *ret_node, l.to, &to, 0, ret_attr);
		}
		dir_leave(r, &pass);
	}
	entry_clear(&to);
	dir_place_clear(&old);
	dir_place_clear(&new);
	return rc;
}
