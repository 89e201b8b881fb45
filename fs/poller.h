/*
 * poller.h - somebody who sleeps in poll(2), and how to wake it.
 *
 * The adapter makes one for a poll request that will sleep, and gives it to the
 * node's poll op, which owns it from then on. A poller is woken at most once:
 * whoever sleeps asks again. Both functions may be called from any thread, with
 * no lock held; they do not block.
 */
#ifndef PYCLOUD_POLLER_H
#define PYCLOUD_POLLER_H

#include <stddef.h>

struct poller {
	void (*wake)(struct poller *);
	void (*free)(struct poller *);
};

/* NULL is fine. */
static inline void poller_free(struct poller *p)
{
	if (p != NULL)
		p->free(p);
}

#endif
