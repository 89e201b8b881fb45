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
#include <string.h>

struct linking {
	struct request *request;
	struct session *session;
	struct node *source, *dir;
	const char *name;
	char *from, *dir_path, *to; /* owned */
};

static void clear_paths(struct linking *l)
{
	g_clear_pointer(&l->from, g_free);
	g_clear_pointer(&l->dir_path, g_free);
	g_clear_pointer(&l->to, g_free);
}

static int find_paths(struct linking *l)
{
	clear_paths(l);
	l->from = node_table_path(l->session->nodes, l->source);
	if (l->from == NULL)
		return -ENOENT;
	return dir_child_path(
		l->request, l->dir, l->name, &l->dir_path, &l->to);
}

static bool has_path(struct linking *l, struct node *n, const char *path)
{
	g_autofree char *now = node_table_path(l->session->nodes, n);

	return now != NULL && strcmp(now, path) == 0;
}

/* As dir_enter_alone(), with both paths. */
static int enter_alone(struct linking *l, struct path_pass *pass)
{
	struct path_gate *gate = l->session->gate;

	for (;;) {
		int rc = find_paths(l);

		if (rc < 0)
			return rc;
		*pass = (struct path_pass){
			.path = l->from, .other_path = l->to, .is_alone = true
		};
		rc = path_gate_enter(gate, pass, &l->request->cancel);
		if (rc < 0)
			return rc;
		if (has_path(l, l->source, l->from) &&
			has_path(l, l->dir, l->dir_path))
			return 0;
		path_gate_leave(gate, pass);
	}
}

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
	struct linking l = { .request = r,
		.session = s,
		.source = source,
		.dir = dir,
		.name = name };
	struct path_pass pass;
	struct entry to = { 0 };
	int rc;

	if (source->ops != &file_ops ||
		(remote_capabilities(s->remote) & REMOTE_CAN_LINK) == 0)
		return -EPERM;
	rc = transfer_upload(s, source, &r->cancel);
	if (rc == 0)
		rc = enter_alone(&l, &pass);
	if (rc == 0) {
		rc = link_inside_gate(&l, &to);
		if (rc == 0) {
			*ret_node = dir_enter(s, dir, &to, 1);
			attr_fill(s, *ret_node, l.to, &to, 0, ret_attr);
		}
		path_gate_leave(s->gate, &pass);
	}
	entry_clear(&to);
	clear_paths(&l);
	return rc;
}
