/* swap.c - see swap.h. */
#include "config.h"

#include "swap.h"

#include "attr_cache.h"
#include "attr_send.h"
#include "availability.h"
#include "conflict.h"
#include "content.h"
#include "fs_limits.h"
#include "names.h"
#include "node.h"
#include "node_table.h"
#include "notifier.h"
#include "overlay.h"
#include "session.h"
#include "tree.h"
#include "upload.h"

#include <errno.h>

bool swap_is_possible(struct session *s)
{
	return (remote_capabilities(s->remote) & REMOTE_CAN_SWAP) != 0;
}

/* The helper is gone, or it cannot do this one. */
bool swap_should_write(int rc)
{
	return rc == -EOPNOTSUPP || availability_is_failure(rc);
}

/* What is believed to be there, however long ago it was learnt: a guess. */
static bool guess_base(struct session *s, const char *path, struct entry *ret)
{
	g_autofree char *dir = path_parent(path);
	const char *name = path_basename(path);

	return !attr_cache_is_local(s->attrs, dir, name) &&
	       attr_cache_lookup(s->attrs, dir, name, ATTR_ANY_AGE, ret,
		       NULL) == ATTR_PRESENT;
}

/* What is there is to be replaced, whatever it is. Still each try names it: one
 * that nobody answered may be carried out late, and must not be over what was
 * saved since. */
static int overwrite(struct session *s, const char *path,
	const struct remote_attr *attr, const struct remote_source *source,
	const struct cancel *cancel, struct entry *ret_entry)
{
	struct entry base = { 0 };
	bool has_base = guess_base(s, path, &base);
	int rc = -ESTALE;

	for (int i = 0; rc == -ESTALE && i < SWAP_ATTEMPTS; i++) {
		struct remote_change change = {
			.condition =
				has_base ? REMOTE_IF_VERSION : REMOTE_IF_ABSENT,
			.base = has_base ? &base : NULL,
			.attr = *attr,
		};
		struct entry now = { 0 };

		rc = remote_replace(
			s->remote, path, &change, source, cancel, &now);
		entry_clear(&base);
		base = now;
		has_base = rc == -ESTALE && !remote_found_nothing(&now);
		if (has_base && now.type != ENTRY_FILE)
			rc = -EISDIR;
	}
	if (rc == 0)
		*ret_entry = base;
	else
		entry_clear(&base);
	return rc == -ESTALE ? -EOPNOTSUPP : rc;
}

int swap_put(struct session *s, const char *path,
	enum remote_condition condition, enum swap_way way,
	const struct remote_attr *or_null, const struct remote_source *source,
	const struct cancel *cancel, struct entry *ret_entry)
{
	const struct remote_attr nothing = { 0 };
	const struct remote_attr *attr = or_null != NULL ? or_null : &nothing;
	const struct remote_change once = { .condition = condition,
		.attr = *attr };
	int rc = -EOPNOTSUPP;

	if (way != SWAP_NOT && swap_is_possible(s))
		rc = condition == REMOTE_WHATEVER
			     ? overwrite(
				       s, path, attr, source, cancel, ret_entry)
			     : remote_replace(s->remote, path, &once, source,
				       cancel, ret_entry);
	if (way != SWAP_ONLY && swap_should_write(rc))
		rc = remote_write(s->remote, path, source, cancel, ret_entry);
	return rc;
}

/* --- what changed --------------------------------------------------------- */

static int replace(
	struct uploading *u, const struct content_swap *swap, struct entry *now)
{
	/* Of an unknown base too: what is there comes with the refusal. */
	struct remote_change change = { .condition = REMOTE_IF_ABSENT };

	if (swap->base == SPOOL_BASE_VERSION) {
		change.condition = REMOTE_IF_VERSION;
		change.base = &swap->version;
	}
	if (swap->ranges != NULL) {
		/* Even of none there is an array. */
		static const struct remote_range none;

		change.n_ranges = swap->ranges->len;
		change.ranges = change.n_ranges == 0
					? &none
					: (void *)swap->ranges->data;
	}
	attr_send_along(u->session, u->path,
		change.condition == REMOTE_IF_ABSENT, &change.attr);
	u->attr = change.attr;
	return remote_replace(u->session->remote, u->path, &change, &u->source,
		u->cancel, now);
}

/* What is not ours may be others', and the kernel has it of before. */
static void forget_pages(struct uploading *u)
{
	struct session *s = u->session;

	node_table_forget_pages(s->nodes, u->node);
	if (s->notifier != NULL)
		notifier_invalidate_pages(s->notifier, u->node->ino);
}

/* Our ranges are there. */
static int succeed_in_part(
	struct uploading *u, const struct content_swap *swap, struct entry *now)
{
	int rc;

	content_keep_ranges(u->node->content, swap->ranges);
	rc = upload_succeed(u, now);
	forget_pages(u);
	return rc;
}

/* CONFLICT_OTHERS: it has not what we sent before, when nobody answered. NONE:
 * it has, and what is to be sent now goes on from there. */
static int go_on_from_sent(struct uploading *u, const struct entry *now)
{
	int verdict = conflict_judge_sent(
		u->session, u->node, u->path, now, u->cancel);

	if (verdict != CONFLICT_NONE)
		return verdict;
	if (!content_rebase(u->node->content, now))
		return CONFLICT_OTHERS;
	forget_pages(u);
	return CONFLICT_NONE;
}

static int fail(struct uploading *u, const struct content_swap *swap, int rc)
{
	struct content *c = u->node->content;

	if (!upload_may_have_left(rc)) {
		content_end_refused(c, u->was_sent);
		return swap_should_write(rc) ? SWAP_PLAIN : rc;
	}
	if (swap->ranges != NULL)
		content_remember_sent_ranges(c, swap->size, swap->ranges);
	if (swap->is_whole)
		content_remember_sent(c, swap->size);
	else
		u->has_doubts = true;
	content_end_upload(c, rc, NULL);
	return swap_should_write(rc) ? SWAP_PLAIN : rc;
}

/* The condition did not hold, and `now` is there: conflict.h's verdict, as far
 * as what is here tells. */
static int judge(struct uploading *u, const struct content_swap *swap,
	const struct entry *now)
{
	if (remote_found_nothing(now))
		return CONFLICT_NONE;
	if (now->type != ENTRY_FILE)
		return -EISDIR;
	if (swap->base == SPOOL_BASE_UNKNOWN)
		return CONFLICT_NONE;
	if (swap->is_whole)
		return conflict_judge(u->session, u->node, u->path, swap->size,
			u->was_sent, now, u->cancel);
	return u->was_sent ? conflict_judge_ranges(u->session, u->node, u->path,
				     swap->size, swap->ranges, now, u->cancel)
			   : CONFLICT_OTHERS;
}

/* What is there is nobody's, or is known: it is the base of another try. */
static void rebase(struct content_swap *swap, const struct entry *now)
{
	swap->base = remote_found_nothing(now) ? SPOOL_BASE_ABSENT
					       : SPOOL_BASE_VERSION;
	swap->version = entry_bare(now);
	g_clear_pointer(&swap->ranges, g_array_unref);
}

/* 3: try again; 4: with what is to be sent now. */
static int act_on_refusal(
	struct uploading *u, struct content_swap *swap, struct entry *now)
{
	struct content *c = u->node->content;
	int verdict = judge(u, swap, now);

	if (verdict == CONFLICT_OTHERS && u->was_sent) {
		verdict = go_on_from_sent(u, now);
		if (verdict == CONFLICT_NONE) {
			content_end_refused(c, true);
			return 4;
		}
	}
	if (verdict == CONFLICT_SAME) {
		return swap->is_whole ? upload_succeed(u, now)
				      : succeed_in_part(u, swap, now);
	}
	if (verdict == CONFLICT_NONE && swap->is_whole) {
		rebase(swap, now);
		return 3;
	}
	if (verdict == CONFLICT_OTHERS && swap->is_whole)
		return upload_give_way(u, now);
	content_end_refused(c, u->was_sent);
	return verdict < 0 ? verdict : 1;
}

static int try(struct uploading *u, struct content_swap *swap)
{
	int attempts;
	int rc = 3;

	u->source.size = swap->size;
	for (attempts = 0; rc == 3 && attempts < SWAP_ATTEMPTS; attempts++) {
		struct entry now = { 0 };

		rc = replace(u, swap, &now);
		if (rc == 0) {
			overlay_sent(u->session->overlay, u->path, &u->attr,
				&now, false);
			rc = upload_succeed(u, &now);
		} else if (rc == -ESTALE)
			rc = act_on_refusal(u, swap, &now);
		else
			rc = fail(u, swap, rc);
		entry_clear(&now);
	}
	if (rc != 3)
		return rc;
	content_end_refused(u->node->content, u->was_sent);
	return SWAP_PLAIN;
}

static int begin_and_try(struct uploading *u)
{
	struct content_swap swap = { 0 };
	int rc = content_begin_swap(u->node->content, u->cancel, &swap);

	if (rc == 1)
		rc = try(u, &swap);
	else if (rc == -ESTALE)
		rc = 1;
	content_swap_clear(&swap);
	return rc;
}

int swap_upload(struct uploading *u)
{
	struct content *c = u->node->content;
	int rc = 4;

	/* Those that conflict.h knows more of than a condition says. */
	if (content_is_mixed(c) || content_is_unfinished(c))
		return SWAP_PLAIN;
	u->was_sent = content_was_sent(c);
	for (int i = 0; rc == 4 && i < SWAP_ATTEMPTS; i++)
		rc = begin_and_try(u);
	return rc == 4 ? SWAP_PLAIN : rc;
}

static int find_ranges(struct uploading *u, const struct content_swap *swap)
{
	struct entry now = { 0 };
	int rc =
		tree_stat(u->session->tree, u->path, -1, u->cancel, &now, NULL);

	if (rc == 0 && now.type == ENTRY_FILE)
		rc = conflict_judge_ranges(u->session, u->node, u->path,
			swap->size, swap->ranges, &now, u->cancel);
	else if (rc == 0 || rc == -ENOENT)
		rc = CONFLICT_OTHERS;
	if (rc == CONFLICT_SAME) {
		rc = succeed_in_part(u, swap, &now);
	} else {
		if (rc == CONFLICT_OTHERS && now.type == ENTRY_FILE)
			rc = go_on_from_sent(u, &now);
		content_end_refused(u->node->content, true);
		rc = rc < 0 ? rc : 1;
	}
	entry_clear(&now);
	return rc;
}

int swap_find_sent(struct uploading *u)
{
	struct content_swap swap = { 0 };
	int rc = content_begin_swap(u->node->content, u->cancel, &swap);

	if (rc <= 0)
		return rc == -ESTALE ? 1 : rc;
	u->source.size = swap.size;
	if (swap.ranges != NULL && !swap.is_whole) {
		rc = find_ranges(u, &swap);
	} else {
		content_end_refused(u->node->content, true);
	}
	content_swap_clear(&swap);
	return rc;
}
