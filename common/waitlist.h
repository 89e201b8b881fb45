/*
 * waitlist.h - wait for a state to change, cancellably.
 *
 * A condition variable cannot be interrupted by a cancel token, so a module
 * whose states take time (loading, uploading, running) keeps a waitlist
 * beside its lock. A waiter parks on an eventfd of its own and on the token's;
 * whoever changes the state wakes all of them. As with a condition variable,
 * the waiter looks again: waking says "something changed", not "it is done".
 *
 * The list is guarded by the lock the module passes in, always the same one.
 */
#ifndef PYCLOUD_WAITLIST_H
#define PYCLOUD_WAITLIST_H

#include "cancel.h"
#include "mutex.h"

struct waiter;

struct waitlist {
	struct waiter *first; /* guarded by the module's lock */
};

#define WAITLIST_INIT \
	{             \
		0     \
	}

/* Unlocks, waits, locks again. Returns 0 after a wake-up (look again), -EINTR
 * or -ETIMEDOUT from the token, -ETIMEDOUT after limit_ms (negative: none). Out
 * of descriptors it returns 0 after a short while instead of at the wake-up; a
 * caller that looks again and waits again must reckon its own limit. */
int waitlist_wait(struct waitlist *, struct mutex *lock, const struct cancel *,
	int64_t limit_ms) REQUIRES(*lock);

/* Wakes every waiter. Does not block. The caller holds the lock. */
void waitlist_wake(struct waitlist *);

#endif
