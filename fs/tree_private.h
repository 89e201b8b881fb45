/*
 * tree_private.h - what tree.c and tree_piece.c share.
 */
#ifndef PYCLOUD_TREE_PRIVATE_H
#define PYCLOUD_TREE_PRIVATE_H

#include "cancel.h"
#include "mutex.h"
#include "waitlist.h"

#include <glib.h>
#include <stdatomic.h>

struct attr_cache;
struct remote;

struct tree {
	/* immutable */
	struct remote *remote;
	struct attr_cache *attrs;

	atomic_int_fast64_t relied_ms; /* when the remote was last told */
	struct mutex lock;
	/* guarded by lock */
	GHashTable *flights;	/* path -> struct flight * */
	GPtrArray *pieces;	/* of struct tree_piece *, borrowed */
	struct waitlist landed; /* a flight, or a listing of a piece */
};

/* While a piece is expected to bring a listing of the path, and does not keep
 * us waiting for too long. 1: there was one, look again; 0: there was none;
 * -errno of the token. */
int tree_piece_await_locked(struct tree *t, const char *path,
	const struct cancel *) REQUIRES(t->lock);

#endif
