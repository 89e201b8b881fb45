/*
 * path_gate.h - a rename must not pull a path from under an upload.
 *
 * Transfers name files by path and take time; renames and removals change what
 * a path means. So both pass a gate: a transfer enters its path *shared*, a
 * rename or removal enters it *alone*, which conflicts with everybody at,
 * above or below that path. It is a state, not a lock: waiting is cancellable,
 * and nothing is held across the network but the entry in this table.
 *
 * A caller enters all its paths in one call, so that two callers can never
 * hold one each and wait for the other.
 */
#ifndef PYCLOUD_PATH_GATE_H
#define PYCLOUD_PATH_GATE_H

#include "cancel.h"

#include <stdbool.h>

struct path_gate;

struct path_pass {
	struct path_pass *next;
	const char *path;	/* borrowed until path_gate_leave() */
	const char *other_path; /* a rename's second path, or NULL */
	bool is_alone;
};

struct path_gate *path_gate_new(void);
void path_gate_free(struct path_gate *);

/* 0, -EINTR or -ETIMEDOUT. The pass is the caller's memory. */
int path_gate_enter(
	struct path_gate *, struct path_pass *, const struct cancel *);
void path_gate_leave(struct path_gate *, struct path_pass *);

#endif
