/*
 * overlay.h - attributes the contents API cannot hold.
 *
 * Modes and times that programs set are remembered here by path, so that
 * `cp -a`, `tar`, `make` and `touch` find what they wrote. A time belongs to
 * one version of the file: when the server's version changes behind us it is
 * dropped; our own upload keeps it. Other clients and the pod do not see any of
 * this.
 *
 * It is kept between mounts: what is changed here is written to the state, all
 * of which is read at the start. Writing there may fail (a full disk); then
 * what was set holds as long as the mount, and the log says so once.
 *
 * Locking: one internal lock around the records, so asking never waits for the
 * disk. Changes come one after another, so that the state gets them in the
 * order in which they were made.
 */
#ifndef PYCLOUD_OVERLAY_H
#define PYCLOUD_OVERLAY_H

#include "entry.h"

#include <stdbool.h>
#include <sys/types.h>

struct overlay;
struct state;

struct overlay_attr {
	bool has_mode;
	mode_t mode; /* permission bits */
	bool has_mtime;
	struct timespec mtime;
};

/* NULL: a memory that lasts as long as the overlay. The state is borrowed. */
struct overlay *overlay_new(struct state *);
void overlay_free(struct overlay *);

/* What was set for the path, as far as it still holds for the version `now`
 * (NULL: whatever holds). False: nothing. */
bool overlay_get(struct overlay *, const char *path, const struct entry *now,
	struct overlay_attr *ret);
void overlay_set_mode(struct overlay *, const char *path, mode_t mode);
/* `version` is what the file is now, NULL while it is not on the server. */
void overlay_set_mtime(struct overlay *, const char *path,
	const struct timespec *mtime, const struct entry *version);
/* A write by us ends what utimens set before it. */
void overlay_drop_mtime(struct overlay *, const char *path);
/* Our own upload made this version: what was set goes on holding for it. */
void overlay_uploaded(
	struct overlay *, const char *path, const struct entry *version);
void overlay_moved(struct overlay *, const char *from, const char *to);
void overlay_removed(struct overlay *, const char *path);

#endif
