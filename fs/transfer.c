/* transfer.c - see transfer.h. */
#include "config.h"

#include "transfer.h"

#include "attr_cache.h"
#include "attr_send.h"
#include "availability.h"
#include "cache.h"
#include "common_limits.h"
#include "conflict.h"
#include "content.h"
#include "dirty_set.h"
#include "fetch.h"
#include "late_remote.h"
#include "log.h"
#include "names.h"
#include "node_table.h"
#include "overlay.h"
#include "path_gate.h"
#include "session.h"
#include "swap.h"
#include "tree.h"
#include "upload.h"

#include <errno.h>
#include <string.h>

/* A file that goes on being written while its rest is fetched. */
#define COMPLETE_ATTEMPTS 4

int transfer_changed(struct session *s, struct node *n)
{
	g_autofree char *path = NULL;

	dirty_set_add(s->dirty, n);
	if (content_is_journaled(n->content) ||
		node_table_was_removed(s->nodes, n))
		return 0;
	path = node_table_last_path(s->nodes, n);
	return content_journal(n->content, s->spool, path);
}

void transfer_moved(struct session *s)
{
	GPtrArray *nodes = dirty_set_nodes(s->dirty);

	for (guint i = 0; i < nodes->len; i++) {
		struct node *n = nodes->pdata[i];
		g_autofree char *path = node_table_path(s->nodes, n);
		int rc = path == NULL ? 0
				      : content_journal_moved(n->content, path);

		if (rc < 0)
			log_error("the new name of '%s' could not be written "
				  "down: %s",
				path, g_strerror(-rc));
		node_table_unref(s->nodes, n);
	}
	g_ptr_array_unref(nodes);
}

void transfer_abandon(struct session *s, struct node *n)
{
	content_abandon(n->content);
	dirty_set_settle(s->dirty, n);
}

int transfer_enter_as(struct session *s, struct node *n, bool is_alone,
	const struct cancel *cancel, struct transfer_pass *ret)
{
	for (;;) {
		char *path = node_table_path(s->nodes, n);
		g_autofree char *again = NULL;
		int rc;

		if (path == NULL)
			return -ENOENT;
		ret->path = path;
		ret->gate = (struct path_pass){ .path = path,
			.is_alone = is_alone };
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

int transfer_enter(struct session *s, struct node *n,
	const struct cancel *cancel, struct transfer_pass *ret)
{
	return transfer_enter_as(s, n, false, cancel, ret);
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

void upload_adopt(struct session *s, struct node *n, const char *path,
	const struct entry *version)
{
	g_autofree char *dir = path_parent(path);

	attr_cache_changed(s->attrs, dir, path_basename(path), version, false);
	overlay_uploaded(s->overlay, path, version);
	(void)node_table_keeps_pages(
		s->nodes, n, &version->mtime, version->size);
}

/* The remote checked that it has all that was sent. */
static void note_size(struct content *c, struct entry *version, int64_t size)
{
	content_note_listed_size(c, version->size >= 0 ? version->size : size);
	version->size = size;
}

int upload_succeed(struct uploading *u, struct entry *now)
{
	note_size(u->node->content, now, u->source.size);
	upload_adopt(u->session, u->node, u->path, now);
	content_end_upload(u->node->content, 0, now);
	return 0;
}

bool upload_may_have_left(int rc)
{
	switch (-rc) {
	case 0:
	case EACCES:
	case EPERM:
	case EISDIR:
	case ENOENT:
	case EOPNOTSUPP:
		return false;
	default:
		return true;
	}
}

int transfer_upload_to(struct session *s, struct node *n, const char *path,
	bool or_plain, const struct cancel *cancel, struct entry *ret_entry)
{
	struct remote_source source = { upload_source, n->content, 0 };
	g_autofree char *own = node_table_last_path(s->nodes, n);
	bool was_sent = content_was_sent(n->content);
	struct remote_attr attr;
	int rc = content_begin_upload(n->content, true, cancel, &source.size);

	if (rc < 0)
		return rc;
	(void)overlay_whole(s->overlay, own, &attr);
	rc = swap_put(s, path, REMOTE_WHATEVER,
		or_plain ? SWAP_OR_WRITE : SWAP_ONLY, &attr, &source, cancel,
		ret_entry);
	if (rc == -EOPNOTSUPP) {
		content_end_refused(n->content, was_sent);
		return rc;
	}
	if (rc == 0) {
		note_size(n->content, ret_entry, source.size);
		upload_adopt(s, n, path, ret_entry);
		if (ret_entry->has_attr && strcmp(own, path) == 0)
			overlay_sent(s->overlay, path, &attr, ret_entry, false);
	}
	if (upload_may_have_left(rc))
		content_remember_sent(n->content, source.size);
	content_end_upload(n->content, rc, ret_entry);
	dirty_set_settle(s->dirty, n);
	return rc;
}

/* A large upload overwrites the server's only copy piece by piece: first ours
 * must survive whatever ends this computer. */
static int make_safe(struct uploading *u)
{
	struct content *c = u->node->content;
	int rc = 0;

	if (u->source.size > CONTENTS_CHUNK_BYTES)
		rc = content_journal(c, u->session->spool, u->path);
	if (rc == 0 && u->source.size > CONTENTS_CHUNK_BYTES)
		rc = content_sync(c);
	return rc;
}

static int send_bytes(struct uploading *u)
{
	struct session *s = u->session;
	struct entry version = { 0 };
	int rc = make_safe(u);

	if (rc == 0)
		rc = remote_write(
			s->remote, u->path, &u->source, u->cancel, &version);
	if (rc == 0) {
		note_size(u->node->content, &version, u->source.size);
		upload_adopt(s, u->node, u->path, &version);
	}
	if (upload_may_have_left(rc))
		content_remember_sent(u->node->content, u->source.size);
	content_end_upload(u->node->content, rc, &version);
	entry_clear(&version);
	return rc;
}

int upload_give_way(struct uploading *u, const struct entry *theirs)
{
	struct content *c = u->node->content;
	int rc = conflict_place(u->session, u->node, u->path, u->source.size,
		theirs, u->cancel);

	if (rc < 0) {
		content_end_upload(c, rc, NULL);
		return rc;
	}
	content_end_conflict(c);
	return -ESTALE;
}

static int act_on_verdict(struct uploading *u, int verdict, struct entry *now)
{
	struct content *c = u->node->content;

	switch (verdict) {
	case CONFLICT_NONE:
		/* What is a mixture must not stand for what is none. */
		return content_is_mixed(c) ? upload_give_way(u, NULL)
					   : send_bytes(u);
	case CONFLICT_SAME:
		return upload_succeed(u, now);
	case CONFLICT_OTHERS:
		return upload_give_way(u, now);
	default:
		content_end_upload(c, verdict, NULL);
		return verdict;
	}
}

/* 1: not all of it is here. */
static int upload_plainly(struct uploading *u)
{
	struct content *c = u->node->content;
	struct entry now = { 0 };
	int rc;

	u->was_sent = content_was_sent(c);
	rc = content_begin_upload(c, false, u->cancel, &u->source.size);
	if (rc == -ESTALE)
		return 1;
	if (rc <= 0)
		return rc;
	rc = act_on_verdict(u,
		conflict_examine(u->session, u->node, u->path, u->source.size,
			u->was_sent, u->cancel, &now),
		&now);
	entry_clear(&now);
	return rc;
}

static int upload_at(struct uploading *u)
{
	int rc = u->may_swap ? swap_upload(u) : SWAP_PLAIN;

	if (rc != SWAP_PLAIN)
		return rc;
	u->may_swap = false;
	return upload_plainly(u);
}

/* Ranges that were sent and not answered are looked for before the rest, which
 * would be of another version if they have arrived. */
static int fetch_rest(struct uploading *u)
{
	int rc = 1;

	if (u->has_doubts ||
		(u->may_swap && content_was_sent(u->node->content)))
		rc = swap_find_sent(u);
	u->has_doubts = false;
	if (rc <= 0)
		return rc;
	rc = fetch_whole_at(u->session, u->node, u->path, u->cancel);
	if (rc == -ESTALE || rc == -ENOENT)
		rc = conflict_fill(u->session, u->node, u->path, u->cancel);
	return rc;
}

/* What was written covers a part of the file only, and all must be sent: the
 * rest is fetched. When the version that it was a part of is gone, the rest is
 * what there is. */
static int complete_and_upload(struct session *s, struct node *n,
	const char *path, const struct cancel *cancel)
{
	struct uploading u = { .session = s,
		.node = n,
		.path = path,
		.cancel = cancel,
		.source = { upload_source, n->content, 0 },
		.may_swap = swap_is_possible(s) };
	int rc = upload_at(&u);
	int attempts;

	for (attempts = 0; rc == 1 && attempts < COMPLETE_ATTEMPTS;
		attempts++) {
		rc = fetch_rest(&u);
		if (rc == 0)
			rc = upload_at(&u);
	}
	return rc == 1 ? -ESTALE : rc;
}

/* The program hears of the failure, and the bytes stay: here, through a power
 * cut, until an upload succeeds. */
static void keep(struct session *s, struct node *n, const char *path, int error)
{
	int rc = content_journal(n->content, s->spool, path);

	if (rc == 0)
		rc = content_sync(n->content);
	if (rc < 0)
		log_error("'%s' is not on the server (%s), and its bytes are "
			  "not safe on this computer's disk either: %s",
			path, g_strerror(-error), g_strerror(-rc));
	dirty_set_failed(s->dirty, n, error);
}

static int upload_inside_gate(struct session *s, struct node *n,
	const char *path, const struct cancel *cancel)
{
	int rc;

	content_open(n->content);
	rc = complete_and_upload(s, n, path, cancel);
	if (rc < 0 && content_is_dirty(n->content))
		keep(s, n, path, rc);
	return rc;
}

/* Removed: these bytes have no place any more. Or the server has something else
 * at their path, which nobody removed through us. */
static int without_place(struct session *s, struct node *n)
{
	g_autofree char *path = node_table_last_path(s->nodes, n);

	if (node_table_was_removed(s->nodes, n))
		return 0;
	keep(s, n, path, -ESTALE);
	return -ESTALE;
}

/* What was set while it was under way. */
static void send_rest(
	struct session *s, struct node *n, const struct cancel *cancel)
{
	g_autofree char *path = node_table_path(s->nodes, n);

	if (path != NULL)
		attr_send_rest(s, path, cancel);
}

int transfer_upload(
	struct session *s, struct node *n, const struct cancel *cancel)
{
	struct transfer_pass pass;
	int rc;

	if (!content_is_dirty(n->content)) {
		dirty_set_settle(s->dirty, n);
		return 0;
	}
	rc = transfer_enter(s, n, cancel, &pass);
	if (rc == -ENOENT)
		return without_place(s, n);
	if (rc < 0) {
		dirty_set_failed(s->dirty, n, rc);
		return rc;
	}
	rc = upload_inside_gate(s, n, pass.path, cancel);
	transfer_leave(s, &pass);
	transfer_close(s, n);
	dirty_set_settle(s->dirty, n);
	if (rc == 0)
		send_rest(s, n, cancel);
	return rc;
}

int transfer_save(
	struct session *s, struct node *n, const struct cancel *cancel)
{
	int rc;

	if (s->options.writeback_ms == 0 || !content_is_dirty(n->content))
		return transfer_upload(s, n, cancel);
	rc = transfer_changed(s, n);
	if (rc < 0) /* it cannot wait here */
		return transfer_upload(s, n, cancel);
	content_journal_flushed(n->content);
	dirty_set_schedule(s->dirty, n, s->options.writeback_ms);
	return 0;
}

int transfer_upload_all(struct session *s, const struct cancel *cancel)
{
	GPtrArray *nodes = dirty_set_nodes(s->dirty);
	int settled;
	int first = 0;

	for (guint i = 0; i < nodes->len; i++) {
		struct dirty_info info = { 0 };
		int rc;

		(void)dirty_set_info(s->dirty, nodes->pdata[i], &info);
		rc = transfer_upload(s, nodes->pdata[i], cancel);
		/* What the server refused before, its program knows of. Without
		 * a server nothing is known of what there is. */
		if (rc < 0 && first == 0 &&
			(info.attempts == 0 || availability_is_failure(rc)))
			first = rc;
		node_table_unref(s->nodes, nodes->pdata[i]);
	}
	g_ptr_array_unref(nodes);
	settled = late_remote_settle(s->late, cancel);
	return first != 0 ? first : settled;
}

static bool keep_for_next_mount(struct session *s, struct node *n)
{
	g_autofree char *path = node_table_last_path(s->nodes, n);
	int rc;

	if (node_table_was_removed(s->nodes, n) ||
		!content_is_dirty(n->content))
		return false;
	rc = content_journal(n->content, s->spool, path);
	if (rc == 0)
		rc = content_sync(n->content);
	if (rc < 0)
		log_error("'%s' is not on the server, and its bytes could "
			  "not be kept here either: %s",
			path, g_strerror(-rc));
	else
		log_error("'%s' is not on the server; its bytes are kept "
			  "here, and the next mount uploads them",
			path);
	return true;
}

unsigned transfer_keep_all(struct session *s)
{
	GPtrArray *nodes = dirty_set_nodes(s->dirty);
	unsigned count = 0;

	for (guint i = 0; i < nodes->len; i++) {
		count += keep_for_next_mount(s, nodes->pdata[i]);
		node_table_unref(s->nodes, nodes->pdata[i]);
	}
	g_ptr_array_unref(nodes);
	return count;
}
