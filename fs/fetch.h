/*
 * fetch.h - bringing a file's bytes here, in as few and as early requests as
 * its reader makes sensible.
 *
 * A small file comes whole in one request. A larger one comes in windows: as
 * long as reading is sequential they double, and the next one is already in
 * flight (on a worker) when it is asked for; random reading fetches what is
 * asked, rounded to blocks. A random reader that has waited for long brings
 * the rest of a file that is not too large, window by window on a worker, one
 * at a time and one for each time he waits again: no more time goes into that
 * than he waited himself. Each answer's length, total and version must agree
 * with what is held; otherwise what is held is forgotten, the version asked
 * for anew, and when that does not settle it the read fails. A short read is
 * never success.
 */
#ifndef PYCLOUD_FETCH_H
#define PYCLOUD_FETCH_H

#include "cancel.h"
#include "mutex.h"

#include <stdbool.h>
#include <stdint.h>

struct node;
struct session;

/* What one handle's reads look like. */
struct readahead {
	struct mutex lock;
	/* guarded by lock */
	int64_t next;	      /* where a sequential reader goes on */
	int64_t window;	      /* 0: not sequential (yet) */
	int64_t ahead;	      /* up to here it is here or under way */
	int64_t waited_us;    /* for random reads */
	int64_t swept;	      /* for them: brought here up to there */
	int64_t sweep_window; /* the last one's size */
	bool is_sweeping;
	unsigned users; /* the handle, and the sweep under way */
};

struct readahead *readahead_new(void);
void readahead_free(struct readahead *); /* NULL is fine */

/* Makes the node's content READY: its version and size are known, and what the
 * cache has of it is present. The caller has the content open. */
int fetch_prepare(struct session *, struct node *, const struct cancel *);

/* Brings [offset, offset + size) here, as far as the file goes. */
int fetch_for_read(struct session *, struct node *, struct readahead *,
	int64_t offset, int64_t size, const struct cancel *);

/* What was read of a file was here: whatever comes next may not be. */
void fetch_ahead(struct session *, struct node *, struct readahead *,
	int64_t offset, int64_t size);

/* Brings all of it. fetch_whole_at: for a caller inside the gate. */
int fetch_whole(struct session *, struct node *, const struct cancel *);
int fetch_whole_at(struct session *, struct node *, const char *path,
	const struct cancel *);

#endif
