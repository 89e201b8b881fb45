/* attr_send.c - see attr_send.h. */
#include "config.h"

#include "attr_send.h"

#include "attr_cache.h"
#include "availability.h"
#include "cache.h"
#include "content.h"
#include "fs_limits.h"
#include "log.h"
#include "names.h"
#include "node_table.h"
#include "overlay.h"
#include "path_gate.h"
#include "transfer.h"
#include "tree.h"
#include "workers.h"

#include <errno.h>
#include <string.h>

#define STALE_ATTEMPTS 3

static bool is_possible(struct session *s)
{
	const unsigned both = REMOTE_CAN_MODE | REMOTE_CAN_TIMES;

	return (remote_capabilities(s->remote) & both) == both;
}

/* --- one file or directory ------------------------------------------------ */

struct sending {
	struct session *session;
	struct node *node; /* NULL: nobody knows it */
	const char *path;
	const struct remote_attr *attr;
	const struct cancel *cancel;
	bool sets; /* else it is in the overlay */
};

/* Bytes that nobody has open. */
static void move_cached(const struct sending *m, const struct entry *from,
	const struct entry *to)
{
	struct cache *cache = m->session->cache;
	struct cached_bytes bytes;

	if (!cache_has(cache, m->path, from) ||
		cache_take(cache, m->path, from, m->cancel, &bytes) != 1)
		return;
	bytes.version = entry_bare(to);
	bytes.has_source = false; /* it told of the time before */
	cache_give(cache, m->path, &bytes);
}

static void adopt(const struct sending *m, const struct entry *or_base,
	const struct entry *now)
{
	struct session *s = m->session;
	g_autofree char *dir = path_parent(m->path);

	attr_cache_changed(s->attrs, dir, path_basename(m->path), now, false);
	if (or_base != NULL && now->type == ENTRY_FILE) {
		if (m->node != NULL && m->node->content != NULL) {
			content_set_time(m->node->content, or_base, now);
			node_table_move_pages(s->nodes, m->node, or_base, now);
		}
		move_cached(m, or_base, now);
	}
	overlay_sent(s->overlay, m->path, m->attr, now, m->sets);
}

/* It may have been done all the same. */
static bool is_doubtful(int rc)
{
	switch (-rc) {
	case EPERM:
	case EACCES:
	case EROFS:
	case EOPNOTSUPP:
		return false;
	default:
		return true;
	}
}

/* -ESTALE: it is another version, and known now. */
static int send_once(const struct sending *m, const struct entry *or_base)
{
	struct session *s = m->session;
	g_autofree char *dir = path_parent(m->path);
	const char *name = path_basename(m->path);
	uint64_t ticket = attr_cache_ticket(s->attrs);
	struct entry now = { 0 };
	int rc = remote_setattr(
		s->remote, m->path, or_base, m->attr, m->cancel, &now);

	if (rc == 0)
		adopt(m, or_base, &now);
	else if (rc == -ESTALE)
		attr_cache_put_answer(s->attrs, ticket, dir, name,
			remote_found_nothing(&now) ? NULL : &now);
	else if (is_doubtful(rc))
		attr_cache_doubt(s->attrs, dir, name);
	entry_clear(&now);
	return rc;
}

static int send_to_version(const struct sending *m)
{
	struct session *s = m->session;
	int rc = -ESTALE;

	for (int i = 0; rc == -ESTALE && i < STALE_ATTEMPTS; i++) {
		struct entry base;

		rc = tree_stat(s->tree, m->path, s->options.attr_timeout_ms,
			m->cancel, &base, NULL);
		if (rc < 0)
			return rc;
		rc = base.type == ENTRY_FILE ? send_once(m, &base)
					     : -EOPNOTSUPP;
		entry_clear(&base);
	}
	return rc;
}

/* Its bytes are not over there, or it is not at all. */
static bool is_unsaved(struct session *s, struct node *n, const char *path)
{
	g_autofree char *dir = path_parent(path);

	return (n != NULL && n->content != NULL &&
		       content_is_dirty(n->content)) ||
	       attr_cache_is_local(s->attrs, dir, path_basename(path));
}

static int send_inside_gate(const struct sending *m)
{
	if (is_unsaved(m->session, m->node, m->path))
		return -EOPNOTSUPP;
	return S_ISREG(m->node->ops->type) && m->attr->has_mtime
		       ? send_to_version(m)
		       : send_once(m, NULL);
}

/* What it means to who only wants it done. */
static int judge(int rc, const struct remote_attr *attr)
{
	bool is_refused = rc == -EPERM || rc == -EACCES || rc == -EROFS;

	if (rc == -ESTALE || rc == -ETIMEDOUT || availability_is_failure(rc) ||
		(is_refused && !attr->has_mode))
		return -EOPNOTSUPP;
	return rc;
}

int attr_send(struct session *s, struct node *n,
	const struct node_change *change, const struct cancel *cancel)
{
	const struct remote_attr attr = { change->has_mode,
		change->mode & 07777, change->has_mtime, change->mtime };
	struct transfer_pass pass;
	int rc;

	if ((!attr.has_mode && !attr.has_mtime) || n->ino == ROOT_INO ||
		!is_possible(s))
		return -EOPNOTSUPP;
	/* Below a directory others may go on. */
	rc = transfer_enter_as(s, n, !S_ISDIR(n->ops->type), cancel, &pass);
	if (rc == -ENOENT)
		return -EOPNOTSUPP;
	if (rc == 0) {
		const struct sending m = { s, n, pass.path, &attr, cancel,
			true };

		rc = send_inside_gate(&m);
		transfer_leave(s, &pass);
	}
	return judge(rc, &attr);
}

/* --- beside an upload ----------------------------------------------------- */

void attr_send_along(struct session *s, const char *path, bool is_new,
	struct remote_attr *ret)
{
	*ret = (struct remote_attr){ 0 };
	if (!is_possible(s))
		return;
	if (!is_new) {
		(void)overlay_unsent(s->overlay, path, ret);
		return;
	}
	(void)overlay_whole(s->overlay, path, ret);
	if (!ret->has_mode) { /* as it is shown, whatever umask is there */
		ret->has_mode = true;
		ret->mode = DEFAULT_FILE_MODE & ~s->options.fmask;
	}
}

/* --- what was remembered -------------------------------------------------- */

/* A time is for the version that it was set for. */
static int carry_inside_gate(struct sending *m, const struct overlay_unsent *u)
{
	struct remote_attr attr = { u->attr.has_mode, u->attr.mode,
		u->attr.has_mtime && u->has_version, u->attr.mtime };
	int rc = -ESTALE;

	m->attr = &attr;
	if (is_unsaved(m->session, m->node, m->path))
		return rc;
	if (attr.has_mtime)
		rc = send_once(m, &u->version);
	attr.has_mtime = false;
	return rc == -ESTALE && attr.has_mode ? send_once(m, NULL) : rc;
}

static int carry(struct session *s, const struct overlay_unsent *u,
	const struct cancel *cancel)
{
	struct path_pass pass = { .path = u->path, .is_alone = true };
	struct sending m = { .session = s, .path = u->path, .cancel = cancel };
	int rc = path_gate_enter(s->gate, &pass, cancel);

	if (rc < 0)
		return rc;
	m.node = node_table_find_path(s->nodes, u->path);
	rc = carry_inside_gate(&m, u);
	node_table_unref(s->nodes, m.node);
	path_gate_leave(s->gate, &pass);
	return rc;
}

void attr_send_rest(
	struct session *s, const char *path, const struct cancel *cancel)
{
	struct overlay_unsent unsent;

	if (!is_possible(s) || !overlay_find_unsent(s->overlay, path, &unsent))
		return;
	(void)carry(s, &unsent, cancel);
	overlay_unsent_clear(&unsent);
}

static void carry_all(void *arg, const struct cancel *cancel)
{
	struct session *s = arg;
	g_autoptr(GPtrArray) all = NULL;
	unsigned done = 0;

	if (!is_possible(s) ||
		overlay_list_unsent(s->overlay, ATTR_CARRY_MAX, &all) == 0)
		return;
	for (guint i = 0; i < all->len && is_possible(s); i++) {
		const struct overlay_unsent *u = all->pdata[i];

		if (cancel_check(cancel) < 0)
			break;
		done += carry(s, u, cancel) == 0;
	}
	log_info("modes and times of %u files that were remembered here are in "
		 "the workspace now; those of %u are still kept here",
		done, all->len - done);
}

static void drop(void *arg)
{
	(void)arg;
}

void attr_send_remembered(struct session *s)
{
	const struct job job = { carry_all, drop, s };

	(void)workers_add(s->workers, &job);
}

void attr_send_describe(struct session *s, GString *text)
{
	g_autoptr(GPtrArray) none = NULL;
	unsigned count = overlay_list_unsent(s->overlay, 0, &none);

	g_string_append_printf(text, "attributes: %u kept here\n", count);
}
