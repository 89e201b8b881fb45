/*
 * node_table.h - the nodes the kernel may ask us about.
 *
 * Two kinds of holder keep a node alive and are counted apart:
 *   refs     our own code, from node_table_get() to node_table_unref();
 *   lookups  the kernel: +1 for each entry we reply with, -n on forget.
 *            All lookups of a node together own one ref.
 *
 * Numbers are a 64-bit counter: at a million lookups a second they last half a
 * million years, so none is used twice in a mount.
 *
 * INVARIANT: a node is findable by number iff it is alive (refs > 0).
 * INVARIANT: for every (parent, name) at most one node is linked.
 * INVARIANT: a child owns a ref of its parent, so paths can always be walked.
 * Locking: one internal lock. Nothing here blocks, does I/O or calls back.
 */
#ifndef PYCLOUD_NODE_TABLE_H
#define PYCLOUD_NODE_TABLE_H

#include "entry.h"
#include "node.h"

#include <glib.h>

#define ROOT_INO 1

struct node_table;

/* How to make a node that does not exist yet. */
struct node_template {
	const struct node_ops *ops;
	uint64_t tag;
	/* The content of a new file node (a new reference), or NULL. */
	struct content *(*make_content)(void *arg);
	void *arg;
};

int node_table_new(const struct node_ops *root_ops, struct node_table **ret);
/* Drops everything, whatever the kernel still counts. */
void node_table_free(struct node_table *);

struct node *node_table_get(struct node_table *, uint64_t ino); /* +1 ref */
void node_table_ref(struct node_table *, struct node *);
void node_table_unref(struct node_table *, struct node *);

/* The node linked at (parent, name): +1 ref, or NULL. */
struct node *node_table_find(
	struct node_table *, struct node *parent, const char *name);
/* As far as the kernel may know it: +1 ref, or NULL. */
struct node *node_table_find_path(struct node_table *, const char *path);
/* As node_table_find(), made from the template when missing or of another ops table (the
 * server's file became a directory: the old node is unlinked). +1 ref and
 * +`lookups` lookups. */
struct node *node_table_enter(struct node_table *, struct node *parent,
	const char *name, const struct node_template *, uint64_t lookups);
/* +1 lookup of a node the caller has a ref of. */
void node_table_count_lookup(struct node_table *, struct node *);
void node_table_forget(struct node_table *, uint64_t ino, uint64_t n);

/* (dir, name) no longer names a node. */
void node_table_unlink(struct node_table *, struct node *dir, const char *name);
/* The node, or a directory above it, was removed or replaced through us. One
 * that only lost its place (the server has something else there) was not: its
 * unsaved bytes still count. */
bool node_table_was_removed(struct node_table *, struct node *);
/* What (dir, name) names is now at (to_dir, to_name); what was there is
 * unlinked. */
void node_table_move(struct node_table *, struct node *dir, const char *name,
	struct node *to_dir, const char *to_name);
/* What one of them names is now what the other names. */
void node_table_exchange(struct node_table *, struct node *dir,
	const char *name, struct node *other_dir, const char *other_name);

/* "a/b"; NULL when the node or a directory above it is unlinked. g_free. */
char *node_table_path(struct node_table *, struct node *);
/* The same for a node that is unlinked: where it was last. */
char *node_table_last_path(struct node_table *, struct node *);
/* +1 ref; NULL for the root. */
struct node *node_table_parent(struct node_table *, struct node *);
/* node is `top` or below it. */
bool node_table_is_below(struct node_table *, struct node *, struct node *top);

/* Compares the version with the one the kernel's pages are of and remembers
 * it: true when the pages may stay. */
bool node_table_keeps_pages(struct node_table *, struct node *,
	const struct timespec *mtime, int64_t size);

/* What was of version `from` is of `to` now: its pages may stay. */
void node_table_move_pages(struct node_table *, struct node *,
	const struct entry *from, const struct entry *to);

/* The kernel has no pages of a version known here: an open that was answered
 * with one did not reach it. */
void node_table_forget_pages(struct node_table *, struct node *);

/* The mode, size and time that the kernel was told last. What has no name any
 * more goes on having them: all else that is known of a file is kept by path.
 * False: nothing was remembered. */
void node_table_remember(
	struct node_table *, struct node *, const struct stat *);
/* It was written to just now. */
void node_table_touch(struct node_table *, struct node *);
bool node_table_recall(struct node_table *, struct node *, struct stat *ret);

/* Every living node, each with a ref (of struct node *; node_table_unref). */
GPtrArray *node_table_all(struct node_table *);
unsigned node_table_count(struct node_table *);

#endif
