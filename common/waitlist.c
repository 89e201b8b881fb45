/* waitlist.c - see waitlist.h. */
#include "config.h"

#include "waitlist.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct waiter {
	struct waiter *next;
	int fd;
};

static void remove_waiter(struct waitlist *list, struct waiter *me)
{
	struct waiter **p = &list->first;

	while (*p != NULL && *p != me)
		p = &(*p)->next;
	if (*p == me)
		*p = me->next;
}

#define BLIND_TURN_MS 10

/* Without a descriptor nobody can wake us, so the state is looked at often
 * until one is free again. */
static int wait_blindly(struct mutex *lock, const struct cancel *cancel,
	int64_t limit_ms) REQUIRES(*lock)
{
	bool is_limited = limit_ms >= 0 && limit_ms <= BLIND_TURN_MS;
	int rc;

	mutex_unlock(lock);
	(void)poll(NULL, 0, is_limited ? (int)limit_ms : BLIND_TURN_MS);
	mutex_lock(lock);
	rc = cancel_check(cancel);
	return rc == 0 && is_limited ? -ETIMEDOUT : rc;
}

int waitlist_wait(struct waitlist *list, struct mutex *lock,
	const struct cancel *cancel, int64_t limit_ms)
{
	struct waiter me = { .next = list->first };
	struct pollfd fds[2];
	int rc = cancel_check(cancel);
	int ready;

	if (rc < 0)
		return rc;
	me.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (me.fd < 0)
		return wait_blindly(lock, cancel, limit_ms);
	list->first = &me;
	mutex_unlock(lock);

	fds[0] = (struct pollfd){ .fd = me.fd, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = cancel_fd(cancel), .events = POLLIN };
	do {
		ready = poll(fds, fds[1].fd >= 0 ? 2 : 1,
			cancel_remaining_ms(cancel, limit_ms));
	} while (ready < 0 && errno == EINTR);

	mutex_lock(lock);
	remove_waiter(list, &me);
	(void)close(me.fd);
	rc = cancel_check(cancel);
	if (rc == 0 && ready == 0)
		rc = -ETIMEDOUT;
	return rc;
}

void waitlist_wake(struct waitlist *list)
{
	uint64_t one = 1;
	struct waiter *w;

	/* A write can only fail on a full counter, and that one is awake. */
	for (w = list->first; w != NULL; w = w->next)
		if (write(w->fd, &one, sizeof(one)) < 0)
			continue;
}
