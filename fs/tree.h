/*
 * tree.h - what is at a path: from belief when it is fresh, else from the
 * server, in as few requests as possible.
 *
 * A stat of an unlisted or stale directory's child lists the whole directory,
 * because the listing answers for all its siblings too; a directory known to
 * be big, and a name that a listing proves nothing about, is asked for alone.
 * Two threads that need the same listing share one request. Where the remote
 * tells modes with whole listings (remote.h), those are asked for.
 *
 * In a directory whose changes are told (attr_cache.h) nothing is asked for but
 * what is doubted, and proofs: answers at most PROOF_MS old.
 *
 * While the server cannot be reached, tree_recall_*() answer from what is known,
 * however old. They are for those who only look: what is about to be changed
 * on the server needs tree_stat() and tree_list(), which then fail.
 *
 * Listings of a whole part of the tree come in pieces (tree_piece.h); who needs
 * one of them waits for it there, rather than ask for it as well.
 *
 * Locking: one internal lock around the table of listings under way; it is not
 * held while they are.
 */
#ifndef PYCLOUD_TREE_H
#define PYCLOUD_TREE_H

#include "cancel.h"
#include "entry.h"

struct attr_cache;
struct remote;
struct tree;

struct tree *tree_new(struct remote *, struct attr_cache *);
void tree_free(struct tree *);

/* 0 and *ret_entry (entry_clear it), -ENOENT, or the remote's error. What is
 * answered is at most max_age_ms old; ret_age_ms may be NULL. */
int tree_stat(struct tree *, const char *path, int64_t max_age_ms,
	const struct cancel *, struct entry *ret_entry, int64_t *ret_age_ms);

/* The children, sorted by name (g_ptr_array_unref). */
int tree_list(struct tree *, const char *path, int64_t max_age_ms,
	const struct cancel *, GPtrArray **ret_entries, int64_t *ret_age_ms);

/* One request at most, for who will want to know the children soon. A belief
 * that is dropped meanwhile is none to ask again for. */
void tree_list_ahead(struct tree *, const char *path, const struct cancel *);

/* Are dot names the server's, as far as is known? */
bool tree_has_dots(struct tree *);
/* A complete listing of remote_list_tree(), which was asked for with the
 * ticket, when tree_has_dots() said `has_dots`; takes the entries. */
void tree_take_listing(struct tree *, uint64_t ticket, bool has_dots,
	const char *path, GPtrArray *entries, unsigned dropped, uint64_t watch);

/* As those before, or what is known when the server cannot be reached. *ret_age_ms is
 * then such that who believes things for max_age_ms believes this for a second
 * at most. Fails as above when nothing is known. */
int tree_recall_stat(struct tree *, const char *path, int64_t max_age_ms,
	const struct cancel *, struct entry *ret_entry, int64_t *ret_age_ms);
int tree_recall_list(struct tree *, const char *path, int64_t max_age_ms,
	const struct cancel *, GPtrArray **ret_entries, int64_t *ret_age_ms);

#endif
