/*
 * assist.h - a remote that does more than the contents API can, by the helper.
 *
 * It stands around another remote, which goes on doing all that is plain, and
 * adds remote.h's operations beyond that: whole trees, many files in one call,
 * a save that compares before it swaps, modes and times, and being told of
 * changes. The helper
 * (helper_files.py) does them in a kernel of the workspace.
 *
 * Before anything of it is used, the helper has to prove that it sees the very
 * tree that the other remote shows: it changes the change time of the root's
 * directory, twice, and each time the other remote has to name the same
 * microsecond. Another content manager, root or container does not. A proof
 * holds for one life of the helper.
 *
 *	ASLEEP    there is no helper, or nobody knows of one yet
 *	UNPROVEN  there is one
 *	LIVE      it has proved itself: the capability bits are there
 *	REFUSED   it cannot be used: assist_describe() says why
 *
 * A call that fails because the helper is gone or slow is -EOPNOTSUPP, after
 * which the bits are gone, too, for ASSIST_PAUSE_MS; a save whose answer did not
 * come is -ETIMEDOUT, as it may have been done. What the helper tells is
 * numbered, so a message that got lost on the way is noticed: then the watch
 * ends, and the next begins.
 *
 * Nothing is sent unless somebody asks for something. A helper that ended
 * because nobody needed it is started again by the next use.
 *
 * Threads: any; one of its own proves. One internal lock, a leaf.
 */
#ifndef PYCLOUD_ASSIST_H
#define PYCLOUD_ASSIST_H

#include "helper.h"
#include "remote.h"

/* Takes `inner`, which remote_free() frees; borrows the helper, which must
 * outlive it. Sends nothing yet. 0 or -errno. */
int assist_new(struct remote *inner, struct helper *, struct remote **ret);

/* Starts the helper, and waits for nothing. */
void assist_start(struct remote *);

/* "assist: on", and so on: a line of .pycloud/status. */
void assist_describe(struct remote *, GString *text);

#endif
