/*
 * run_table.h - the runs of this workspace: those that this mount started, and
 * those that earlier ones did.
 *
 * A run's number is given once in a workspace's life. What is known of a run
 * stands in the state (state.h) and its record in the directory of runs
 * (run_log.h), so the next mount has it: what had ended is there whole, what
 * had not is followed from where the copy ends. The start is written down
 * before the workspace is asked, so no run is ever nobody's.
 *
 * Two mounts of a workspace may be there at once. Whoever follows a run holds
 * a lock on its files; the other one follows it too, with a copy of its own
 * that is gone with the mount.
 *
 * Locking: one internal lock in the table and one in each run, never both;
 * waits are cancellable.
 */
#ifndef PYCLOUD_RUN_TABLE_H
#define PYCLOUD_RUN_TABLE_H

#include "run.h"

#include <glib.h>

struct run_table;

struct run_table *run_table_new(struct session *);
/* Lets go of all runs; those still going on go on in the workspace. */
void run_table_free(struct run_table *);

/* Set before the loop: how those who wait for output know that the mount is
 * ending (libfuse joins its workers, and nothing wakes them). It is called with
 * no lock held. */
void run_table_set_ending(
	struct run_table *, bool (*is_ending)(void *arg), void *arg);
/* -ENODEV: it is. */
int run_table_check(const struct run_table *);

/* Takes up what earlier mounts have left, once, before the loop. How many of
 * them have not ended. */
unsigned run_table_resume(struct run_table *);

/* Splits the line as a shell splits words (no expansion), uploads what is not
 * on the server, and starts it. *ret_run has a reference. -EINVAL for an empty
 * line or bad quoting, -EAGAIN for too many active runs, -EOPNOTSUPP where the
 * server runs nothing, else as executor_start(). */
int run_table_start(struct request *, const char *directory, const char *line,
	struct run **ret_run);

/* A new reference or NULL. Number 0 is the newest. */
struct run *run_table_get(struct run_table *, uint64_t number);
uint64_t run_table_newest(struct run_table *);
/* Of this mount and of those before, how many go on. */
unsigned run_table_active(struct run_table *);
/* The numbers of all runs, ascending (of uint64_t). */
GArray *run_table_numbers(struct run_table *);

/* run_read() for a worker of the mount's: -EAGAIN when RUN_READERS_MAX of them
 * wait already, so that watching runs cannot stop everything else. */
ssize_t run_table_read(struct run_table *, struct run *, enum run_view,
	char *buffer, size_t size, int64_t offset, const struct cancel *);
int run_table_readers(struct run_table *); /* how many are in it now */

#endif
