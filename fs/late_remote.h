/*
 * late_remote.h - a remote whose removals may wait a moment.
 *
 * Editors save a file by renaming the old one to a backup name, which stays
 * here, and writing a new one in its place. Carried out one by one, the pod
 * would see a moment without the file, and the file would lose its inode, mode
 * and links over there. So the removal waits for LATE_REMOVE_MS: when the file
 * is written again by then, that write is all that happens.
 *
 * This is remote.h over another remote, and it accounts for what waits: such a
 * name is not there to whoever asks, and whatever else needs it gone removes
 * it first. A removal that failed is tried again; in the end the name
 * is still on the server, shown again, and the log says so.
 *
 * What is told of a name that waits is not passed on; when it has waited and is
 * still there, that it may be anything is (REMOTE_TOLD_CHANGE).
 *
 * Locking: one internal lock, not held across calls of the other remote.
 */
#ifndef PYCLOUD_LATE_REMOTE_H
#define PYCLOUD_LATE_REMOTE_H

#include "remote.h"

struct late_remote;

/* Borrows the remote. */
struct late_remote *late_remote_new(struct remote *);
/* What waits is not removed any more. */
void late_remote_free(struct late_remote *);
/* Borrowed; not to be freed. */
struct remote *late_remote_of(struct late_remote *);

/* The file at the path will be removed if it still is this version by then: what
 * somebody else saves there meanwhile stays. 0, or what kept it from being put
 * off (and removed at once). */
int late_remote_remove(struct late_remote *, const char *path,
	const struct entry *version, const struct cancel *);
/* Removes all that waits; the first error ends it. */
int late_remote_settle(struct late_remote *, const struct cancel *);

#endif
