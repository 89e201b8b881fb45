/*
 * dirty_set.h - the nodes whose bytes are not on the server, and when who
 * should do something about it.
 *
 * The set holds a ref of each such node, so that the kernel's forget cannot
 * lose its bytes. Beside it stands what became of it so far (attempts, the last
 * error), when it is due for an upload that nobody waits for (a late one, or
 * another attempt), and since when it has changes that a power cut would take.
 *
 * Whoever carries that out (writeback.c) takes duties one at a time; a node is
 * not given out twice at once. Locking: one internal lock; a content's lock is
 * taken inside it, for a look and no longer.
 */
#ifndef PYCLOUD_DIRTY_SET_H
#define PYCLOUD_DIRTY_SET_H

#include "cancel.h"

#include <glib.h>
#include <stdbool.h>

struct dirty_set;
struct node;
struct node_table;

struct dirty_set *dirty_set_new(struct node_table *);
void dirty_set_free(struct dirty_set *);

/* Its bytes changed. */
void dirty_set_add(struct dirty_set *, struct node *);
/* Takes it out if it is clean. */
void dirty_set_settle(struct dirty_set *, struct node *);
/* An upload failed; it is tried again, later and later. */
void dirty_set_failed(struct dirty_set *, struct node *, int error);
/* It is due in so many milliseconds, unless it is so earlier. */
void dirty_set_schedule(struct dirty_set *, struct node *, int64_t delay_ms);
/* Everything that may be uploaded by now is due now; with `all` even what its
 * program has not flushed (nobody can any more). */
void dirty_set_hurry(struct dirty_set *, bool all);

/* With a ref each. */
GPtrArray *dirty_set_nodes(struct dirty_set *);
unsigned dirty_set_count(struct dirty_set *);

struct dirty_info {
	unsigned attempts;
	int last_error; /* -errno; 0: none */
};

bool dirty_set_info(
	struct dirty_set *, struct node *, struct dirty_info *ret_info);

enum dirty_duty {
	DUTY_END, /* dirty_set_end() was called */
	DUTY_UPLOAD,
	DUTY_SYNC,
};

/* Waits for something to do; *ret_node has a ref, and is nobody else's until
 * dirty_set_done(). */
enum dirty_duty dirty_set_wait(struct dirty_set *, struct node **ret_node);
void dirty_set_done(struct dirty_set *, struct node *);
/* Nobody waits any more. */
void dirty_set_end(struct dirty_set *);
/* Returns when nothing is due or being done any more, or with the token. */
int dirty_set_wait_idle(struct dirty_set *, const struct cancel *);

#endif
