/*
 * overlay.h - attributes the contents API cannot hold.
 *
 * Modes and times that programs set are remembered here by path, so that
 * `cp -a`, `tar`, `make` and `touch` find what they wrote. A time belongs to
 * one version of the file: when the server's version changes behind us it is
 * dropped; our own upload keeps it.
 *
 * Where the remote can set them (attr_send.h), each stands in one of three
 * places:
 *
 *	HERE     nobody else sees it: it has not been sent yet, or cannot be
 *	THERE    it is so over there. It is kept as a memory, for answers that
 *	         do not tell it: before the helper is there, and while it sleeps.
 *	         Where an entry tells (has_attr), that is so, and a memory of
 *	         something else is forgotten.
 *	REFUSED  it was sent, and what is there is something else: as HERE, but
 *	         it is not sent again
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

struct remote_attr;

enum overlay_place {
	OVERLAY_HERE,
	OVERLAY_THERE,
	OVERLAY_REFUSED,
};

struct overlay_attr {
	bool has_mode;
	mode_t mode; /* permission bits */
	enum overlay_place mode_place;
	bool has_mtime;
	struct timespec mtime;
	enum overlay_place mtime_place;
};

/* What is only here. */
struct overlay_unsent {
	char *path;
	struct overlay_attr attr; /* without what was sent */
	bool has_version;
	struct entry version; /* what the time was set for */
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
/* What is HERE, and nothing else, is in *ret. False: nothing. */
bool overlay_unsent(
	struct overlay *, const char *path, struct remote_attr *ret);
/* The same with its version; overlay_unsent_clear() it. */
bool overlay_find_unsent(
	struct overlay *, const char *path, struct overlay_unsent *ret);
void overlay_unsent_clear(struct overlay_unsent *);
/* What was set, wherever it is. */
bool overlay_whole(struct overlay *, const char *path, struct remote_attr *ret);
/* At most count_max (of struct overlay_unsent *; g_ptr_array_unref); how many
 * there are in all. */
unsigned overlay_list_unsent(
	struct overlay *, unsigned count_max, GPtrArray **ret);
/* This was sent, and `now` is there: what it shows is THERE from now on, the
 * rest REFUSED. With `sets` it is what was set, too; without, only what is
 * still the same is sent. */
void overlay_sent(struct overlay *, const char *path,
	const struct remote_attr *, const struct entry *now, bool sets);
/* `now` was made without what was set: what it does not show is HERE. */
void overlay_reopen(
	struct overlay *, const char *path, const struct entry *now);
void overlay_moved(struct overlay *, const char *from, const char *to);
void overlay_removed(struct overlay *, const char *path);

#endif
