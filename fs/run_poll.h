/*
 * run_poll.h - who sleeps in poll(2) until a run has news.
 *
 * One poller for each open handle at most: the kernel remembers a file's
 * sleepers by the file, so the newest is as good as all. Whoever adds one looks
 * again afterwards whether there is something to read; the other side changes
 * its state first and wakes then, so no news is missed.
 *
 * One internal lock, not held while a poller is woken or freed.
 */
#ifndef PYCLOUD_RUN_POLL_H
#define PYCLOUD_RUN_POLL_H

#include "poller.h"

struct run_poll;

struct run_poll *run_poll_new(void);
/* Frees the pollers that are left, without waking them. */
void run_poll_free(struct run_poll *);

/* Takes the poller; the one that this handle had is freed. */
void run_poll_add(struct run_poll *, const void *handle, struct poller *);
/* Frees the handle's poller, if there is one. */
void run_poll_remove(struct run_poll *, const void *handle);
/* Wakes and frees all of them. Cheap when there are none. */
void run_poll_wake(struct run_poll *);

#endif
