/*
 * cancel.h - the token every wait takes.
 *
 * A cancel token says "whoever asked no longer wants the answer". It has two
 * faces: a flag to test between steps, and a file descriptor that becomes
 * readable, for poll(). An optional deadline turns "too late" into the same
 * thing. One thread owns the token (init and fini); any thread may fire it,
 * and firing takes no lock, so it is safe from libfuse's interrupt callback.
 *
 * Every function here accepts a NULL token: it never fires.
 */
#ifndef PYCLOUD_CANCEL_H
#define PYCLOUD_CANCEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct cancel {
	atomic_bool is_fired; /* set once, read by anybody */
	int fd;		      /* eventfd, readable once fired; -1: flag only */
	int64_t deadline_ms;  /* clock_now_ms() terms; 0: none */
};

/* Milliseconds of a clock that never jumps (CLOCK_BOOTTIME: a laptop's sleep
 * counts, so that what was believed before it is stale after it). */
int64_t clock_now_ms(void);

/* Out of file descriptors leaves a token that can only be tested, not polled;
 * waits then notice it at their next wake-up. timeout_ms 0: no deadline. */
void cancel_init(struct cancel *, int64_t timeout_ms);
void cancel_fini(struct cancel *);
void cancel_fire(struct cancel *);

/* 0, -EINTR when fired, -ETIMEDOUT when the deadline has passed. */
int cancel_check(const struct cancel *);

/* The fd to poll, or -1. */
int cancel_fd(const struct cancel *);

/* How long a wait may last: the smaller of limit_ms (negative: no limit) and
 * what is left until the deadline; -1 when both are unlimited. */
int cancel_remaining_ms(const struct cancel *, int64_t limit_ms);

/* Sleeps for ms unless cancelled first; returns as cancel_check(). */
int cancel_sleep(const struct cancel *, int64_t ms);

#endif
