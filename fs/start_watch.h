/*
 * start_watch.h - hears the signals that end a start.
 *
 * The threads that a start makes inherit the mask of the one that makes them, so
 * it has the signals blocked; somebody else must hear them, or a start that waits
 * for its server could not be interrupted. That is a thread which calls the
 * handler, from begin to end. A signal that comes later waits for who unblocks
 * it.
 */
#ifndef PYCLOUD_START_WATCH_H
#define PYCLOUD_START_WATCH_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

struct start_watch {
	pthread_t thread;
	bool has_thread;
	sigset_t heard;
	void (*handler)(int number);
};

/* The caller has these signals blocked, and SIGUSR2, which wakes the thread. 0
 * or -errno. */
int start_watch_begin(struct start_watch *, const int *signals, size_t count,
	void (*handler)(int number));
void start_watch_end(struct start_watch *);

#endif
