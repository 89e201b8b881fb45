/*
 * run_table.h - the runs of this mount: their output and how they ended.
 *
 * A run is one execution of a script in the workspace. The executor delivers
 * its output on a thread of its own; the table keeps it in an unnamed local
 * file, so that any number of readers can read all of it, live, again and from
 * any place, without asking the workspace. A run's number is given once.
 *
 *     RUNNING --ended--> ENDED (exit status, signal, or lost)
 *
 * Before readers hear that a run has ended, everything believed about the
 * workspace is dropped: the next `ls` shows what the script made.
 *
 * Locking: one internal lock in the table and one in each run, never both;
 * waits are cancellable.
 */
#ifndef PYCLOUD_RUN_TABLE_H
#define PYCLOUD_RUN_TABLE_H

#include "executor.h"
#include "request.h"

#include <glib.h>

struct run;
struct run_table;

struct run_state {
	uint64_t number;
	bool is_ended;
	struct run_end end; /* when is_ended */
	int64_t output_bytes;
	struct timespec started, ended, changed;
};

struct run_table *run_table_new(struct session *);
/* Lets go of all runs; those still going on go on in the workspace. */
void run_table_free(struct run_table *);

/* Set before the loop: how those who wait for output know that the mount is
 * ending (libfuse joins its workers, and nothing wakes them). It is called with
 * no lock held. */
void run_table_set_ending(
	struct run_table *, bool (*is_ending)(void *arg), void *arg);

/* Splits the line as a shell splits words (no expansion), uploads what is not
 * on the server, and starts it. *ret_run has a reference. -EINVAL for an empty
 * line or bad quoting, -EAGAIN for too many active runs, -EOPNOTSUPP where the
 * server runs nothing, else as executor_start(). */
int run_table_start(struct request *, const char *directory, const char *line,
	struct run **ret_run);

/* A new reference or NULL. Number 0 is the newest. */
struct run *run_table_get(struct run_table *, uint64_t number);
struct run *run_ref(struct run *); /* another one; NULL stays NULL */
uint64_t run_table_newest(struct run_table *);
/* The numbers of all runs, ascending (of uint64_t). */
GArray *run_table_numbers(struct run_table *);

void run_unref(struct run *);
void run_state(struct run *, struct run_state *ret);
const char *run_command_line(const struct run *); /* borrowed */

/* Blocks until there are bytes at `offset` or the run has ended; 0 is the end
 * of its output. -ENODEV when the mount ends first. */
ssize_t run_read(struct run *, char *buffer, size_t size, int64_t offset,
	const struct cancel *);
/* The same for a worker of the mount's: -EAGAIN when RUN_READERS_MAX of them
 * wait already, so that watching runs cannot stop everything else. */
ssize_t run_table_read(struct run_table *, struct run *, char *buffer,
	size_t size, int64_t offset, const struct cancel *);
int run_table_readers(struct run_table *); /* how many are in it now */
int run_feed(
	struct run *, const void *bytes, size_t length, const struct cancel *);
int run_signal(struct run *, int number, const struct cancel *);

/* "0", "3", "137": what a shell's $? would be. False while it runs, or when
 * it is lost. */
bool run_exit_status(const struct run_state *, int *ret);

#endif
