/*
 * prefetch_private.h - what prefetch.c, which sees walks and asks for one thing
 * at a time, shares with those who ask for many where the remote can:
 * prefetch_tree.c for listings, prefetch_files.c for files.
 */
#ifndef PYCLOUD_PREFETCH_PRIVATE_H
#define PYCLOUD_PREFETCH_PRIVATE_H

#include "cancel.h"
#include "fs_limits.h"
#include "mutex.h"
#include "walk.h"

#include <glib.h>

struct cached_bytes;
struct entry;
struct horizon;
struct prefetch;
struct session;
struct tree_piece;

/* What has been asked for, ahead of a walk, by the piece and by the batch. */
struct ahead {
	uint64_t walk; /* whose this is; of another one nothing of it holds */
	bool is_plain; /* it did not work: everything one by one */

	const struct tree_piece *piece; /* of listings, under way */
	bool has_piece;			/* one is here; the last one: */
	bool is_all;	  /* nothing below its top comes after it */
	int64_t piece_ms; /* since when it is here */
	char *top, *middle, *last;
	unsigned pieces; /* asked for so far */

	bool is_looking;     /* somebody finds out which files are next */
	bool is_cut_short;   /* the last time names were missing */
	char *looked;	     /* how far; NULL: not yet */
	char *look_at;	     /* where the walk must come by to look again */
	unsigned batches;    /* of files, under way */
	GHashTable *spoiled; /* paths that came in no batch; NULL: none */
};

struct prefetch {
	struct session *session;

	struct mutex lock;
	/* guarded by lock */
	struct walks walks;
	struct ahead ahead[WALKS_MAX]; /* of the walk in the same place */
	GHashTable *queued;	       /* paths of jobs that have not begun */
};

/* A walk as it is at one moment. */
struct glance {
	struct prefetch *prefetch;
	uint64_t walk;
	char *top, *position;
	bool enters; /* directories */
	bool reads;  /* files */
	unsigned steps, files_read;
	bool is_rare;	  /* so, not at each file: there is time to look */
	int64_t fresh_ms; /* an older listing is fetched again */
};

/* NULL: the walk has ended. */
struct ahead *prefetch_ahead_locked(struct prefetch *p, uint64_t walk)
	REQUIRES(p->lock);
void prefetch_ahead_clear(struct ahead *);

/* The walk has come so far, or something has come that it may wait for. */
void prefetch_extend(struct prefetch *, uint64_t walk);

/* --- prefetch.c: plain jobs ----------------------------------------------- */

/* False: it is queued already. */
bool prefetch_queue(struct prefetch *, const char *path);
/* False: somebody was faster (prefetch_overtaken). */
bool prefetch_unqueue(struct prefetch *, const char *path);
/* The walk goes on, and has not been there yet. */
bool prefetch_is_wanted(struct prefetch *, uint64_t walk, const char *path);
void prefetch_add_file(const struct glance *, const char *path);

/* --- prefetch_tree.c, prefetch_files.c: where REMOTE_CAN_TREE holds -------- */

/* False: the listings must be asked for one by one. */
bool prefetch_tree_serves(const struct glance *);
void prefetch_tree_look(const struct glance *);
void prefetch_files_look(const struct glance *);

#endif
