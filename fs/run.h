/*
 * run.h - one execution of a script in the workspace, as this mount knows it.
 *
 * The executor delivers its record on a thread of its own; the log
 * (run_log.h) keeps a copy here, so that any number of readers can read all of
 * it, live, again and from any place, without asking the workspace.
 *
 *     RUNNING --ended--> ENDED (exit status, signal, or lost)
 *
 * A run that cannot be reached at the moment is RUNNING: it goes on without
 * us. It is lost when the workspace knows nothing of it any more, or its
 * supervisor died with the pod.
 *
 * Before readers hear that a run has ended, everything believed about the
 * workspace is dropped: the next `ls` shows what the script made.
 *
 * Locking: one lock in each run, which is not held while the executor works;
 * under it the log's is taken, to ask for sizes. Waits are cancellable.
 */
#ifndef PYCLOUD_RUN_H
#define PYCLOUD_RUN_H

#include "executor.h"
#include "request.h"
#include "run_log.h"

struct poller;
struct run;

struct run_state {
	uint64_t number;
	bool is_ended;
	struct run_end end; /* when is_ended */
	int reach;	    /* -errno: why it cannot be followed now */
	int error;	    /* -errno: why its output cannot be kept now */
	struct run_log_sizes output;
	struct timespec started, ended, changed;
};

struct run *run_ref(struct run *); /* another one; NULL stays NULL */
void run_unref(struct run *);

void run_state(struct run *, struct run_state *ret);
uint64_t run_number(const struct run *);
const char *run_command_line(const struct run *); /* borrowed */
const char *run_directory(const struct run *);	  /* borrowed */
struct run_log *run_log(struct run *);		  /* borrowed */
bool run_is_ended(struct run *);
/* As in its state, but without a look at its log. */
struct timespec run_started(const struct run *);
struct timespec run_changed(struct run *);

/* Blocks until there are bytes at `offset` or the run has ended; 0 is the end
 * of its output. -ENODATA: before what is kept of it. -ENODEV when the mount
 * ends first. */
ssize_t run_read(struct run *, enum run_view, char *buffer, size_t size,
	int64_t offset, const struct cancel *);
/* Would that return without waiting? */
bool run_is_readable(struct run *, enum run_view, int64_t offset);
/* The same for a handle that sleeps in poll(2); takes the poller, which is
 * woken when the answer may be another. */
bool run_watch(struct run *, enum run_view, int64_t offset, const void *handle,
	struct poller *);
/* The handle is closed. */
void run_unwatch(struct run *, const void *handle);
/* Those who sleep ask again. */
void run_wake(struct run *);
/* -EPIPE when the run is over. length 0: the end of the input. */
int run_feed(
	struct run *, const void *bytes, size_t length, const struct cancel *);
/* -ESRCH when the run is over. */
int run_signal(struct run *, int number, const struct cancel *);

/* "0", "3", "137": what a shell's $? would be. False while it runs, or when
 * it is lost. */
bool run_exit_status(const struct run_state *, int *ret);

#endif
