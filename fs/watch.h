/*
 * watch.h - changes that are told: from the remote's listener to what is
 * believed (attr_cache.h), to the kernel, and to who reads .pycloud/events.
 *
 * A directory that was listed in the plain way while changes are told is listed
 * once more, in the background and so that it is watched, when somebody has
 * opened it.
 *
 * The kernel hears only of what it may hold: the name that came, went or may be
 * anything; the attributes and pages of a file that has another version; the
 * attributes of the directory. It has a notifier of its own, so that whoever
 * waits for a word of his own does not wait for all of these.
 *
 * Locking: one internal lock, a leaf. The remote's thread does what it tells,
 * and nothing in that blocks.
 */
#ifndef PYCLOUD_WATCH_H
#define PYCLOUD_WATCH_H

#include "session.h"

struct watch;

struct watch *watch_new(struct session *);
/* Nothing is told any more when this returns; before the session's parts go. */
void watch_stop(struct watch *);
void watch_free(struct watch *);

/* From now on it listens. Borrows the notifier; NULL: there is no kernel. Not
 * before what it tells can be used. */
void watch_listen(struct watch *, struct notifier *);

/* Somebody opened the directory, and will look again. */
void watch_want(struct watch *, const char *path);

/* The lines of .pycloud/status. */
void watch_describe(struct watch *, GString *text);

#endif
