/*
 * replay.h - what an earlier mount could not bring to the server.
 *
 * Each change that the spool still has becomes what it was: a file of the
 * mount with bytes that are not on the server yet. Programs see it at its path
 * at once, and the writeback's threads upload it, by the same rules as any
 * other (conflict.h). Nothing here asks the network, so no mount waits for it.
 */
#ifndef PYCLOUD_REPLAY_H
#define PYCLOUD_REPLAY_H

struct session;

/* How many changes were taken up. */
unsigned replay_spool(struct session *);

#endif
