/*
 * rename.c - giving a file or directory another name.
 *
 * The server's rename never replaces (409). What programs rely on most is
 * exactly that: write a temporary, rename it over the old file. So a rename
 * onto an existing file sends the source's bytes to the target in one PUT,
 * which replaces them in place (the target's inode, mode and links in the pod
 * survive), and then removes the source. The target is never deleted first:
 * at no moment is there no file of that name.
 *
 * A directory goes onto an empty directory only, as POSIX says; the empty one
 * is removed first, since nothing is lost by that.
 *
 * Both paths are entered alone (path_gate.h): no transfer below them is under
 * way, and none begins.
 */
#include "config.h"

#include "dir.h"

#include "attr_cache.h"
#include "cache.h"
#include "conflict.h"
#include "content.h"
#include "dirty_set.h"
#include "fetch.h"
#include "local.h"
#include "local_names.h"
#include "local_node.h"
#include "names.h"
#include "overlay.h"
#include "path_gate.h"
#include "session.h"
#include "transfer.h"
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct renaming {
	struct request *request;
	struct session *session;
	struct node *dir, *to_dir;
	const char *name, *to_name;
	char *dir_path, *to_dir_path; /* owned */
	char *from, *to;	      /* owned */
	bool has_target;
	struct entry source, target; /* owned names */
};

static void renaming_clear(struct renaming *m)
{
	g_free(m->dir_path);
	g_free(m->to_dir_path);
	g_free(m->from);
	g_free(m->to);
	entry_clear(&m->source);
	entry_clear(&m->target);
}

/* What the server holds under the new name becomes ours. */
static void believe_moved(
	struct renaming *m, const struct entry *now, bool is_local)
{
	struct session *s = m->session;

	if (m->source.type == ENTRY_DIRECTORY) {
		attr_cache_moved(s->attrs, m->from, m->to);
		local_names_directory_moved(local_names(s), m->from, m->to);
	}
	dir_name_changed(s, m->dir_path, m->name, NULL, false);
	dir_name_changed(s, m->to_dir_path, m->to_name, now, is_local);
	overlay_moved(s->overlay, m->from, m->to);
	cache_moved(s->cache, m->from, m->to);
	if (!is_local)
		overlay_uploaded(s->overlay, m->to, now);
	node_table_move(s->nodes, m->dir, m->name, m->to_dir, m->to_name);
	conflicts_forget(s->conflicts, m->from);
	if (dirty_set_count(s->dirty) > 0)
		transfer_moved(s);
}

/* The file that is about to be replaced may be open: its readers keep the old
 * bytes. */
static int keep_target_bytes(struct renaming *m, struct node *target)
{
	if (target == NULL || target->content == NULL ||
		!content_is_open(target->content))
		return 0;
	return fetch_whole_at(m->session, target, m->to, &m->request->cancel);
}

/* One PUT to the target, then the source goes. */
static int replace_by_upload(struct renaming *m, struct node *n)
{
	struct session *s = m->session;
	const struct cancel *cancel = &m->request->cancel;
	bool is_local = attr_cache_is_local(s->attrs, m->dir_path, m->name);
	bool was_sent = content_was_sent(n->content);
	struct entry now = { 0 };
	int rc;

	content_open(n->content);
	rc = fetch_whole_at(s, n, m->from, cancel);
	if (rc == 0)
		rc = transfer_upload_to(s, n, m->to, cancel, &now);
	transfer_close(s, n);
	if (rc < 0)
		return rc;
	if (!is_local || was_sent)
		rc = remote_remove(s->remote, m->from, cancel);
	if (rc < 0 && rc != -ENOENT) {
		/* Both names have the bytes now: nothing is lost, and the
		 * program hears that the old name is still there. What the
		 * server has under it may be older than ours. */
		content_touch(n->content);
		(void)transfer_changed(s, n);
		entry_clear(&now);
		return rc;
	}
	believe_moved(m, &now, false);
	entry_clear(&now);
	return 0;
}

/* A file that only this computer has yet: a change of names. */
static int move_local(struct renaming *m, struct node *n)
{
	if (content_was_sent(n->content))
		return replace_by_upload(m, n); /* a piece may be there */
	believe_moved(m, &m->source, true);
	return 0;
}

static int move_on_server(struct renaming *m)
{
	struct session *s = m->session;
	struct entry now = { 0 };
	int rc = remote_rename(
		s->remote, m->from, m->to, &m->request->cancel, &now);

	if (rc < 0)
		return rc;
	believe_moved(m, &now, false);
	entry_clear(&now);
	return 0;
}

static int rename_file(struct renaming *m, unsigned flags)
{
	struct session *s = m->session;
	struct node *n = dir_enter(s, m->dir, &m->source, 0);
	struct node *target = node_table_find(s->nodes, m->to_dir, m->to_name);
	bool is_local = attr_cache_is_local(s->attrs, m->dir_path, m->name);
	int rc = 0;

	if (m->has_target)
		rc = keep_target_bytes(m, target);
	if (rc == 0 && !m->has_target && !is_local) {
		rc = move_on_server(m);
		/* Somebody else made the target meanwhile. */
		if (rc == -EEXIST && (flags & RENAME_NOREPLACE) == 0)
			rc = replace_by_upload(m, n);
	} else if (rc == 0 && !m->has_target) {
		rc = move_local(m, n);
	} else if (rc == 0) {
		rc = replace_by_upload(m, n);
	}
	if (rc == 0)
		dir_forget_bytes(s, target);
	node_table_unref(s->nodes, target);
	node_table_unref(s->nodes, n);
	return rc;
}

static int rename_directory(struct renaming *m)
{
	struct session *s = m->session;
	int rc;

	if (path_is_below(m->to, m->from))
		return -EINVAL;
	if (m->has_target) {
		rc = dir_prove_empty(m->request, m->to);
		if (rc == 0)
			rc = remote_remove(
				s->remote, m->to, &m->request->cancel);
		if (rc < 0 && rc != -ENOENT)
			return rc;
		attr_cache_removed(s->attrs, m->to);
		dir_name_changed(s, m->to_dir_path, m->to_name, NULL, false);
	}
	rc = move_on_server(m);
	return rc == -EEXIST ? -ENOTEMPTY : rc;
}

/* What stands at both paths, and whether the one may go onto the other. */
static int look(struct renaming *m, unsigned flags)
{
	struct session *s = m->session;
	int64_t max_age_ms = s->options.attr_timeout_ms;
	const struct cancel *cancel = &m->request->cancel;
	int rc = tree_stat(
		s->tree, m->from, max_age_ms, cancel, &m->source, NULL);

	if (rc < 0)
		return rc;
	rc = tree_stat(s->tree, m->to, max_age_ms, cancel, &m->target, NULL);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	m->has_target = true;
	if ((flags & RENAME_NOREPLACE) != 0)
		return -EEXIST;
	if (m->source.type == ENTRY_DIRECTORY &&
		m->target.type != ENTRY_DIRECTORY)
		return -ENOTDIR;
	if (m->source.type != ENTRY_DIRECTORY &&
		m->target.type == ENTRY_DIRECTORY)
		return -EISDIR;
	return 0;
}

static int rename_inside_gate(struct renaming *m, unsigned flags)
{
	const struct local_move move = { m->request, m->dir, m->to_dir, m->name,
		m->to_name, m->dir_path, m->to_dir_path, m->from, m->to,
		flags };
	int rc = local_rename(&move);

	if (rc != 0)
		return MIN(rc, 0);
	rc = look(m, flags);
	if (rc < 0)
		return rc;
	if (strcmp(m->from, m->to) == 0)
		return 0;
	return m->source.type == ENTRY_DIRECTORY ? rename_directory(m)
						 : rename_file(m, flags);
}

/* The paths as they are now. */
static int find_paths(struct renaming *m)
{
	int rc;

	g_clear_pointer(&m->dir_path, g_free);
	g_clear_pointer(&m->to_dir_path, g_free);
	g_clear_pointer(&m->from, g_free);
	g_clear_pointer(&m->to, g_free);
	rc = dir_child_path(
		m->request, m->dir, m->name, &m->dir_path, &m->from);
	if (rc == 0)
		rc = dir_child_path(m->request, m->to_dir, m->to_name,
			&m->to_dir_path, &m->to);
	return rc;
}

static bool has_path(struct renaming *m, struct node *dir, const char *path)
{
	g_autofree char *now = node_table_path(m->session->nodes, dir);

	return now != NULL && strcmp(now, path) == 0;
}

/* As dir_enter_alone(), with both paths. */
static int enter_alone(struct renaming *m, struct path_pass *pass)
{
	struct path_gate *gate = m->session->gate;

	for (;;) {
		int rc = find_paths(m);

		if (rc < 0)
			return rc;
		*pass = (struct path_pass){
			.path = m->from, .other_path = m->to, .is_alone = true
		};
		rc = path_gate_enter(gate, pass, &m->request->cancel);
		if (rc < 0)
			return rc;
		if (has_path(m, m->dir, m->dir_path) &&
			has_path(m, m->to_dir, m->to_dir_path))
			return 0;
		path_gate_leave(gate, pass);
	}
}

/* Said before anything was tried, or by the server instead of trying. */
static bool is_plain_refusal(int rc)
{
	return rc == -EEXIST || rc == -ENOTEMPTY || rc == -ENOTDIR ||
	       rc == -EISDIR || rc == -EINVAL;
}

/* It failed, but the server may have done some of it. */
static void doubt(struct renaming *m)
{
	attr_cache_doubt(m->session->attrs, m->dir_path, m->name);
	attr_cache_doubt(m->session->attrs, m->to_dir_path, m->to_name);
}

int dir_rename(struct request *r, struct node *dir, const char *name,
	struct node *to_dir, const char *to_name, unsigned flags)
{
	struct renaming m = { .request = r,
		.session = r->session,
		.dir = dir,
		.to_dir = to_dir,
		.name = name,
		.to_name = to_name };
	struct path_pass pass;
	int rc;

	if ((flags & ~(unsigned)RENAME_NOREPLACE) != 0)
		return -EINVAL;
	rc = enter_alone(&m, &pass);
	if (rc == 0) {
		rc = rename_inside_gate(&m, flags);
		if (rc < 0 && !is_plain_refusal(rc))
			doubt(&m);
		path_gate_leave(r->session->gate, &pass);
	}
	renaming_clear(&m);
	return rc;
}
