/* cancel.c - see cancel.h. */
#include "config.h"

#include "cancel.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

int64_t clock_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void cancel_init(struct cancel *c, int64_t timeout_ms)
{
	atomic_init(&c->is_fired, false);
	c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->deadline_ms = timeout_ms > 0 ? clock_now_ms() + timeout_ms : 0;
}

void cancel_fini(struct cancel *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
}

void cancel_fire(struct cancel *c)
{
	uint64_t one = 1;

	atomic_store(&c->is_fired, true);
	/* The only failure is a counter at its maximum, which is readable. */
	if (c->fd >= 0 && write(c->fd, &one, sizeof(one)) < 0)
		return;
}

int cancel_check(const struct cancel *c)
{
	if (c == NULL)
		return 0;
	if (atomic_load(&c->is_fired))
		return -EINTR;
	if (c->deadline_ms != 0 && clock_now_ms() >= c->deadline_ms)
		return -ETIMEDOUT;
	return 0;
}

int cancel_fd(const struct cancel *c)
{
	return c == NULL ? -1 : c->fd;
}

int cancel_remaining_ms(const struct cancel *c, int64_t limit_ms)
{
	int64_t left = limit_ms < 0 ? -1 : limit_ms;

	if (c != NULL && c->deadline_ms != 0) {
		int64_t until = c->deadline_ms - clock_now_ms();

		if (until < 0)
			until = 0;
		if (left < 0 || until < left)
			left = until;
	}
	return left > INT_MAX ? INT_MAX : (int)left;
}

int cancel_sleep(const struct cancel *c, int64_t ms)
{
	int64_t end = clock_now_ms() + ms;
	int rc = cancel_check(c);

	while (rc == 0 && clock_now_ms() < end) {
		struct pollfd p = { .fd = cancel_fd(c), .events = POLLIN };

		(void)poll(&p, p.fd >= 0 ? 1 : 0,
			cancel_remaining_ms(c, end - clock_now_ms()));
		rc = cancel_check(c);
	}
	return rc;
}
