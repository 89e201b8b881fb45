/*
 * tree_piece.h - listings of many directories in one request.
 *
 * A piece is what a walk comes through between two of its directories, at most
 * so many entries of it. From the moment it is made it is expected to bring its
 * listings: who needs one of them waits for it in tree.c, as for a listing that
 * somebody else has asked for. Not for long, though: a piece that stands still
 * for TREE_PIECE_PATIENCE_MS is waited for by nobody until it goes on.
 *
 * A piece belongs to whoever made it, one thread at a time; `middle`, `last`
 * and `is_all` are set by tree_piece_fetch().
 */
#ifndef PYCLOUD_TREE_PIECE_H
#define PYCLOUD_TREE_PIECE_H

#include "cancel.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct tree;

struct tree_piece {
	/* immutable */
	struct tree *tree;
	char *top;
	char *first; /* or what comes next, where that is gone */
	unsigned entries_max;
	/* what it has brought */
	char *middle; /* a directory about half way; NULL: none */
	char *last;   /* NULL: none */
	bool is_all;  /* nothing below the top comes after the last */

	uint64_t ticket;
	bool has_dots;	  /* by then they were the server's */
	unsigned entries; /* so far */
	char *passed; /* by the tree's lock: the last that came; NULL: none */
	atomic_int_fast64_t moved_ms;
};

/* Of the directories at and below `top`, from `first` on. */
struct tree_piece *tree_piece_new(struct tree *, const char *top,
	const char *first, unsigned entries_max);
/* Once. 0, or the remote's error; what has come by then has come. */
int tree_piece_fetch(struct tree_piece *, const struct cancel *);
/* How long it may still be waited for; 0: it stands still. Any thread may ask. */
int64_t tree_piece_patience_ms(const struct tree_piece *);
/* Nothing is expected of it any more. NULL is fine. */
void tree_piece_free(struct tree_piece *);

#endif
