/*
 * run_clerk.h - a thread for what runs cause and nobody may wait for.
 *
 * The executor's thread brings all runs' output, so it must not wait for the
 * kernel or for a disk. The clerk drops what is believed about the workspace
 * while runs write (at most every RUN_BELIEFS_MS, and once more after the last
 * time), and brings a run that has ended to the disk.
 *
 * One internal lock, not held while it works.
 */
#ifndef PYCLOUD_RUN_CLERK_H
#define PYCLOUD_RUN_CLERK_H

struct run;
struct run_clerk;
struct session;

/* Borrows the session. NULL: no thread is to be had. */
struct run_clerk *run_clerk_new(struct session *);
/* Finishes what was handed in. NULL is fine. */
void run_clerk_free(struct run_clerk *);

void run_clerk_wrote(struct run_clerk *);
/* Takes a reference of its own. */
void run_clerk_ended(struct run_clerk *, struct run *);

#endif
