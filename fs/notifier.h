/*
 * notifier.h - telling the kernel that what it believes is old.
 *
 * Cache invalidation must not run in the path of a related request (the kernel
 * may hold the inode's lock while it waits for us: libfuse's header says that
 * it deadlocks), so a thread of its own does it, in order. The functions that
 * really tell the kernel are the adapter's; tests give their own.
 *
 * What is queued already is not queued twice. Of more than NOTES_MAX the kernel
 * is not told: it believes nothing for longer than attr_timeout anyway.
 */
#ifndef PYCLOUD_NOTIFIER_H
#define PYCLOUD_NOTIFIER_H

#include "cancel.h"

#include <stdint.h>

struct notifier;

struct notifier_ops {
	void (*invalidate_attr)(void *arg, uint64_t ino);
	/* With the attributes. May wait for reads of these pages. */
	void (*invalidate_pages)(void *arg, uint64_t ino);
	void (*invalidate_entry)(void *arg, uint64_t parent, const char *name);
};

int notifier_new(const struct notifier_ops *, void *arg, struct notifier **ret);
/* Drops what is queued and ends the thread. NULL is fine. */
void notifier_free(struct notifier *);

void notifier_invalidate_attr(struct notifier *, uint64_t ino);
void notifier_invalidate_pages(struct notifier *, uint64_t ino);
void notifier_invalidate_entry(
	struct notifier *, uint64_t parent, const char *name);
/* Returns when everything queued before is done. */
int notifier_wait(struct notifier *, const struct cancel *, int64_t limit_ms);

#endif
