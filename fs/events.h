/*
 * events.h - who reads .pycloud/events, and what they are told.
 *
 * One line for each change that others made and that was told (watch.h), with
 * the path as name_escape() writes it; a reader begins with what holds when it
 * opens:
 *
 *	live            each change in the directories that are watched follows
 *	lost            changes are not told any more, or some were missed
 *	created PATH    it was not there, or was of another type
 *	changed PATH    another version, or nobody knows what became of it
 *	removed PATH
 *
 * A reader who falls behind by EVENT_BYTES_MAX loses what waits for it, and reads
 * "lost" and "live" in its place.
 *
 * Locking: one internal lock. Telling never blocks, and costs a look at a number
 * while nobody reads.
 */
#ifndef PYCLOUD_EVENTS_H
#define PYCLOUD_EVENTS_H

#include "cancel.h"

#include <stdbool.h>
#include <sys/types.h>

struct event_reader;
struct events;
struct poller;

struct events *events_new(void);
/* Its readers are closed. */
void events_free(struct events *);

/* Told to all, when it is otherwise than it was. */
void events_set_live(struct events *, bool is_live);
/* Something was missed, and now it is live (again). */
void events_restart(struct events *);
void events_tell(
	struct events *, const char *what, const char *dir, const char *name);

struct event_reader *events_open(struct events *);
void events_close(struct events *, struct event_reader *);
/* How many bytes, none of them when `turn_ms` have passed; -EINTR and
 * -ETIMEDOUT as of the token. */
ssize_t events_read(struct events *, struct event_reader *, char *buffer,
	size_t size, int64_t turn_ms, const struct cancel *);
/* Is there something to read? When not, the poller is woken as soon as there
 * is. Takes it; NULL: nobody sleeps. */
bool events_poll(struct events *, struct event_reader *, struct poller *);

#endif
