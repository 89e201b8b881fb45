/*
 * fake_watch.h - a remote around another one that tells of changes, when the
 * test says so.
 *
 * It implements remote_listen() and remote_rely(), and gives what
 * remote_list_tree() of the other one lists the watch that goes on. All else is
 * the other one's. What it tells it tells on the thread of the test.
 */
#ifndef PYCLOUD_TESTS_FAKE_WATCH_H
#define PYCLOUD_TESTS_FAKE_WATCH_H

#include "remote.h"

/* Borrows the other one; remote_free() frees this one alone. */
struct remote *fake_watch_new(struct remote *inner);

/* 0: it ends. */
void fake_watch_begin(struct remote *, uint64_t watch);
/* Listings are not watched from now on, or are again. */
void fake_watch_refuse(struct remote *, bool refuses);

/* What the other one has at the path now, which it is asked for. */
void fake_watch_tell(struct remote *, const char *path);
/* NULL: it is gone. */
void fake_watch_tell_entry(
	struct remote *, const char *path, const struct entry *or_absent);
void fake_watch_tell_change(struct remote *, const char *path);
void fake_watch_unwatch(struct remote *, const char *directory);

/* How often the remote was to make sure. */
unsigned fake_watch_relied(struct remote *);
bool fake_watch_has_listener(struct remote *);

#endif
