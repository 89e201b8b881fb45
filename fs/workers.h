/*
 * workers.h - a few threads for work that nobody waits for.
 *
 * Read-ahead and prefetch run here: jobs that save time when they are done and
 * cost nothing when they are not. So the queue is short, a job that finds no
 * room is refused, and workers_drop() forgets what has not begun. Whoever needs
 * a result does the work himself.
 *
 * Locking: one internal lock, not held while a job runs.
 */
#ifndef PYCLOUD_WORKERS_H
#define PYCLOUD_WORKERS_H

#include "cancel.h"

#include <stdbool.h>

struct workers;

/* `run` gets the token that workers_free() fires. Exactly one of run and drop
 * is called, and either frees what `arg` owns. */
struct job {
	void (*run)(void *arg, const struct cancel *);
	void (*drop)(void *arg);
	void *arg;
};

int workers_new(unsigned threads, unsigned queue_max, struct workers **ret);
/* Drops what is queued, cancels what runs, and waits for it. NULL is fine. */
void workers_free(struct workers *);

/* False: no room; the job was dropped. */
bool workers_add(struct workers *, const struct job *);
void workers_drop(struct workers *);
/* Waits until nothing is queued, and nothing runs. */
void workers_settle(struct workers *);

#endif
