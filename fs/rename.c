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
 * Where the remote moves in one step (REMOTE_CAN_MOVE) it does, whatever stands
 * at the new name, with what it has: a source that has unsaved bytes still goes
 * the way above, which sends them to the new name at once. Only there two names
 * are exchanged; unsaved bytes go along with their node, and a file that the
 * server does not have yet is saved before.
 *
 * Both paths are entered alone (path_gate.h): no transfer below them is under
 * way, and none begins.
 */
#include "config.h"

#include "dir.h"

#include "attr_cache.h"
#include "attr_send.h"
#include "cache.h"
#include "common_limits.h"
#include "conflict.h"
#include "content.h"
#include "dirty_set.h"
#include "fetch.h"
#include "fs_limits.h"
#include "local.h"
#include "local_names.h"
#include "local_node.h"
#include "log.h"
#include "names.h"
#include "overlay.h"
#include "path_gate.h"
#include "session.h"
#include "swap.h"
#include "transfer.h"
#include "tree.h"
#include "xattr.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* So that the name of what steps aside is none that is too long. */
#define LARGE_NAME_MAX 227

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
		xattrs_forget(s->xattrs);
	} else {
		xattrs_moved(s->xattrs, m->dir_path, m->name, m->to_dir_path,
			m->to_name);
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

/* One PUT to the target, then the source goes. Without `or_plain` it is all or
 * nothing: -EOPNOTSUPP where that cannot be had. */
static int replace_by_upload(
	struct renaming *m, struct node *n, struct node *target, bool or_plain)
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
		rc = transfer_upload_to(s, n, m->to, or_plain, cancel, &now);
	/* The target may have these bytes now: whoever saves it next must not
	 * take them for somebody else's. */
	if (rc < 0 && rc != -EOPNOTSUPP && target != NULL &&
		target->content != NULL)
		content_inherit_sent(target->content, n->content);
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
	overlay_reopen(s->overlay, m->to, &now);
	entry_clear(&now);
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
	entry_inherit(&now, &m->source);
	believe_moved(m, &now, false);
	entry_clear(&now);
	return 0;
}

/* In one step. -EOPNOTSUPP: not to be had, or not of these. */
static int move_at_once(struct renaming *m, enum remote_how how)
{
	struct session *s = m->session;
	struct entry now = { 0 }, none = { 0 };
	int rc = remote_move(s->remote, m->from, m->to, how,
		&m->request->cancel, &now, &none);

	if (rc != 0)
		return rc;
	believe_moved(m, &now, false);
	entry_clear(&now);
	return 0;
}

/* Onto nothing. What came meanwhile is for the caller: -EEXIST. */
static int move_onto_nothing(struct renaming *m, unsigned flags)
{
	int rc = -EOPNOTSUPP;

	if ((flags & RENAME_NOREPLACE) != 0)
		rc = move_at_once(m, REMOTE_MOVE_NOT_OVER);
	return rc == -EOPNOTSUPP ? move_on_server(m) : rc;
}

/* --- large files ---------------------------------------------------------- */

/* All of the source is on the server, as it is here. */
static int bring_source_up_to_date(struct renaming *m, struct node *n)
{
	struct session *s = m->session;
	const struct cancel *cancel = &m->request->cancel;
	struct entry now = { 0 };
	int rc;

	if (!content_is_dirty(n->content))
		return 0;
	content_open(n->content);
	rc = fetch_whole_at(s, n, m->from, cancel);
	if (rc == 0)
		rc = transfer_upload_to(s, n, m->from, true, cancel, &now);
	transfer_close(s, n);
	entry_clear(&now);
	return rc;
}

/* The old file gets its name back, unless that fails too. Not with the request's
 * token, which may be what ended the rename. */
static void put_back(struct renaming *m, const char *aside)
{
	struct session *s = m->session;
	struct entry now = { 0 };
	struct cancel own;
	int rc;

	cancel_init(&own, TIDY_MS);
	rc = remote_rename(s->remote, aside, m->to, &own, &now);
	cancel_fini(&own);
	entry_clear(&now);
	if (rc < 0 && rc != -ENOENT) /* it never stepped aside */
		log_error(
			"'%s' could not be replaced, and may stand as '%s' on "
			"the server now: %s",
			m->to, aside, g_strerror(-rc));
}

static void remove_aside(struct renaming *m, const char *aside)
{
	struct session *s = m->session;
	struct cancel own;
	int rc;

	cancel_init(&own, TIDY_MS);
	rc = remote_remove(s->remote, aside, &own);
	cancel_fini(&own);
	if (rc < 0 && rc != -ENOENT)
		log_warning("'%s', which is what '%s' was before, could not be "
			    "removed: %s",
			aside, m->to, g_strerror(-rc));
}

/* What takes more than one PUT is not sent over the only whole copy of what it
 * replaces: an upload that breaks would leave neither. The old file steps
 * aside, the new one, which the server has, takes the name, and the old one
 * goes. Programs in the pod may miss the name for a moment, nobody here does. */
static int replace_large(struct renaming *m, struct node *n)
{
	struct session *s = m->session;
	g_autofree char *aside =
		g_strdup_printf("%s.replaced-%08x", m->to, g_random_int());
	struct entry now = { 0 };
	int rc = bring_source_up_to_date(m, n);

	if (rc < 0)
		return rc;
	rc = remote_rename(s->remote, m->to, aside, &m->request->cancel, &now);
	if (rc == 0) {
		entry_clear(&now);
		rc = remote_rename(
			s->remote, m->from, m->to, &m->request->cancel, &now);
	}
	/* Even the first may have been carried out without an answer. */
	if (rc < 0) {
		put_back(m, aside);
		return rc;
	}
	entry_inherit(&now, &m->source);
	believe_moved(m, &now, false);
	entry_clear(&now);
	remove_aside(m, aside);
	return 0;
}

static bool is_large(const struct renaming *m, struct node *n)
{
	int64_t size = content_is_dirty(n->content) ? content_size(n->content)
						    : m->source.size;

	return size > CONTENTS_CHUNK_BYTES &&
	       strlen(m->to_name) <= LARGE_NAME_MAX;
}

static int replace_target(
	struct renaming *m, struct node *n, struct node *target)
{
	bool is_target_local = attr_cache_is_local(
		m->session->attrs, m->to_dir_path, m->to_name);
	bool is_source_local =
		attr_cache_is_local(m->session->attrs, m->dir_path, m->name);
	int rc = -EOPNOTSUPP;

	if (!is_source_local && !content_is_dirty(n->content))
		rc = move_at_once(m, REMOTE_MOVE_OVER);
	if (rc != -EOPNOTSUPP)
		return rc;
	if (is_target_local || !is_large(m, n))
		return replace_by_upload(m, n, target, true);
	/* What must be sent anyway. */
	if (content_is_dirty(n->content) && swap_is_possible(m->session))
		rc = replace_by_upload(m, n, target, false);
	return swap_should_write(rc) ? replace_large(m, n) : rc;
}

/* A file that only this computer has yet: a change of names, unless a piece of it
 * may be over there. */
static int move_local(struct renaming *m, struct node *n)
{
	int rc;

	if (content_was_sent(n->content)) {
		rc = bring_source_up_to_date(m, n);
		return rc < 0 ? rc : move_on_server(m);
	}
	believe_moved(m, &m->source, true);
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
		rc = move_onto_nothing(m, flags);
		/* Somebody else made the target meanwhile. */
		if (rc == -EEXIST && (flags & RENAME_NOREPLACE) == 0)
			rc = replace_target(m, n, target);
	} else if (rc == 0 && !m->has_target) {
		rc = move_local(m, n);
	} else if (rc == 0) {
		rc = replace_target(m, n, target);
	}
	if (rc == 0)
		dir_forget_bytes(s, target);
	node_table_unref(s->nodes, target);
	node_table_unref(s->nodes, n);
	return rc;
}

/* Onto an empty directory. -EOPNOTSUPP: that is to be proved. */
static int replace_directory(struct renaming *m)
{
	int rc = local_has_names(m->session, m->to);

	if (rc != 0)
		return rc < 0 ? rc : -ENOTEMPTY;
	rc = move_at_once(m, REMOTE_MOVE_OVER);
	/* It may have a leftover of the server's own (dir_empty.c). */
	return rc == -ENOTEMPTY || rc == -EEXIST ? -EOPNOTSUPP : rc;
}

static int rename_directory(struct renaming *m, unsigned flags)
{
	struct session *s = m->session;
	int rc = -EOPNOTSUPP;

	if (path_is_below(m->to, m->from))
		return -EINVAL;
	if (m->has_target)
		rc = replace_directory(m);
	if (rc != -EOPNOTSUPP)
		return rc;
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
	rc = move_onto_nothing(m, flags);
	return rc == -EEXIST && (flags & RENAME_NOREPLACE) == 0 ? -ENOTEMPTY
								: rc;
}

/* --- two that exist ------------------------------------------------------- */

/* No path is this. */
#define NOWHERE "//"

/* What is kept by path, and moved by this function, is exchanged. */
#define EXCHANGE(move, of, a, b)            \
	do {                                \
		(move)((of), (a), NOWHERE); \
		(move)((of), (b), (a));     \
		(move)((of), NOWHERE, (b)); \
	} while (0)

static void believe_exchanged(
	struct renaming *m, const struct entry *to, const struct entry *from)
{
	struct session *s = m->session;

	EXCHANGE(attr_cache_moved, s->attrs, m->from, m->to);
	local_names_directories_exchanged(local_names(s), m->from, m->to);
	dir_name_changed(s, m->dir_path, m->name, from, false);
	dir_name_changed(s, m->to_dir_path, m->to_name, to, false);
	EXCHANGE(overlay_moved, s->overlay, m->from, m->to);
	EXCHANGE(cache_moved, s->cache, m->from, m->to);
	overlay_uploaded(s->overlay, m->to, to);
	overlay_uploaded(s->overlay, m->from, from);
	node_table_exchange(s->nodes, m->dir, m->name, m->to_dir, m->to_name);
	conflicts_forget(s->conflicts, m->from);
	conflicts_forget(s->conflicts, m->to);
	xattrs_forget(s->xattrs);
	if (dirty_set_count(s->dirty) > 0)
		transfer_moved(s);
}

static int exchange(struct renaming *m)
{
	struct session *s = m->session;
	struct entry to = { 0 }, from = { 0 };
	int rc;

	if (!m->has_target)
		return -ENOENT;
	if (path_is_below(m->to, m->from) || path_is_below(m->from, m->to))
		return -EINVAL;
	/* Made since both were saved. */
	if (attr_cache_is_local(s->attrs, m->dir_path, m->name) ||
		attr_cache_is_local(s->attrs, m->to_dir_path, m->to_name))
		return -EBUSY;
	rc = remote_move(s->remote, m->from, m->to, REMOTE_MOVE_EXCHANGE,
		&m->request->cancel, &to, &from);
	if (rc < 0)
		return rc == -EOPNOTSUPP ? -EINVAL : rc;
	believe_exchanged(m, &to, &from);
	entry_clear(&to);
	entry_clear(&from);
	return 0;
}

/* Saves a file that only this computer has yet. Not inside the gate, which the
 * upload enters. */
static int save_new(
	const struct renaming *m, struct node *dir, const char *name)
{
	struct session *s = m->session;
	g_autofree char *dir_path = node_table_path(s->nodes, dir);
	struct node *n;
	int rc = 0;

	if (dir_path == NULL || !attr_cache_is_local(s->attrs, dir_path, name))
		return 0;
	n = node_table_find(s->nodes, dir, name);
	if (n != NULL && n->content != NULL)
		rc = transfer_upload(s, n, &m->request->cancel);
	node_table_unref(s->nodes, n);
	return rc;
}

static int save_both(const struct renaming *m)
{
	int rc = save_new(m, m->dir, m->name);

	return rc == 0 ? save_new(m, m->to_dir, m->to_name) : rc;
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
	if ((flags & RENAME_EXCHANGE) != 0)
		return 0;
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
	bool is_over_link = rc == LOCAL_RENAME_OVER_LINK;

	if (rc != 0 && !is_over_link)
		return MIN(rc, 0);
	rc = look(m, flags);
	if (rc < 0)
		return rc;
	if (strcmp(m->from, m->to) == 0)
		return 0;
	if ((flags & RENAME_EXCHANGE) != 0)
		rc = exchange(m);
	else
		rc = m->source.type == ENTRY_DIRECTORY
			     ? rename_directory(m, flags)
			     : rename_file(m, flags);
	if (rc == 0 && is_over_link)
		return local_rename_over_link(&move);
	return MIN(rc, 0); /* two names of one file both stay */
}

/* The paths are renaming_clear()'s, whatever becomes of it. */
static int enter_both(struct renaming *m, struct path_pass *pass)
{
	struct dir_place from = { .node = m->dir, .name = m->name };
	struct dir_place to = { .node = m->to_dir, .name = m->to_name };
	int rc = dir_enter_places(m->request, &from, &to, pass);

	m->dir_path = from.dir_path;
	m->from = from.path;
	m->to_dir_path = to.dir_path;
	m->to = to.path;
	return rc;
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

	if ((flags & RENAME_EXCHANGE) != 0 &&
		(remote_capabilities(m.session->remote) & REMOTE_CAN_MOVE) == 0)
		return -EINVAL;
	if (flags != 0 && flags != RENAME_NOREPLACE && flags != RENAME_EXCHANGE)
		return -EINVAL;
	rc = flags == RENAME_EXCHANGE ? save_both(&m) : 0;
	if (rc == 0)
		rc = enter_both(&m, &pass);
	if (rc == 0) {
		rc = rename_inside_gate(&m, flags);
		if (rc < 0 && !is_plain_refusal(rc))
			doubt(&m);
		dir_leave(r, &pass);
	}
	/* The mode and the time of the old name are the new one's. */
	if (rc == 0)
		attr_send_rest(r->session, m.to, &r->cancel);
	renaming_clear(&m);
	return rc;
}
