/*
 * writeback.h - uploads and syncs that no program waits for.
 *
 * A few threads carry out what the dirty set says is due: the late uploads of
 * `-o writeback`, another attempt at what failed, what an earlier mount left
 * behind, and the sync of what has been dirty for a second. They sleep without
 * a timer while nothing is: an idle mount sends nothing.
 */
#ifndef PYCLOUD_WRITEBACK_H
#define PYCLOUD_WRITEBACK_H

struct session;
struct writeback;

int writeback_new(struct session *, struct writeback **ret);
/* Cancels what is under way: its bytes stay in the spool. NULL is fine. */
void writeback_free(struct writeback *);

#endif
