/* event_file.c - see event_file.h. */
#include "config.h"

#include "event_file.h"

#include "attr.h"
#include "control_private.h"
#include "events.h"
#include "fs_limits.h"
#include "handle_table.h"
#include "run_table.h"
#include "session.h"

#include <errno.h>
#include <fcntl.h>

static int event_file_getattr(
	struct request *r, struct node *n, struct node_attr *ret)
{
	attr_fill_control(r->session, n, 0444, 0, &r->session->mounted_at, ret);
	return 0;
}

static int event_file_open(
	struct request *r, struct node *n, int flags, struct open_result *ret)
{
	int rc = control_open_read_only(r, n, flags, ret);

	if (rc < 0)
		return rc;
	ret->is_seekable = false;
	ret->handle->events = events_open(r->session->events);
	return 0;
}

/* In turns: nothing but the mount's end ends them all. */
static ssize_t read_in_turns(
	struct request *r, struct handle *h, char *buffer, size_t size)
{
	struct session *s = r->session;
	ssize_t n = 0;

	while (n == 0) {
		n = events_read(s->events, h->events, buffer, size,
			RUN_READER_TURN_MS, &r->cancel);
		if (n == 0)
			n = run_table_check(s->runs);
	}
	return n;
}

static ssize_t event_file_read(struct request *r, struct handle *h,
	char *buffer, size_t size, int64_t offset)
{
	struct session *s = r->session;
	ssize_t n;

	(void)offset;
	request_be_like_pipe(r);
	n = events_read(s->events, h->events, buffer, size, 0, &r->cancel);
	if (n != 0 || size == 0)
		return n;
	if ((h->flags & O_NONBLOCK) != 0)
		return -EAGAIN;
	n = -EAGAIN;
	if (atomic_fetch_add(&s->event_readers, 1) < EVENT_READERS_MAX)
		n = read_in_turns(r, h, buffer, size);
	atomic_fetch_sub(&s->event_readers, 1);
	return n;
}

static bool event_file_poll(
	struct request *r, struct handle *h, struct poller *poller)
{
	return events_poll(r->session->events, h->events, poller);
}

static void event_file_release(struct request *r, struct handle *h)
{
	events_close(r->session->events, h->events);
	h->events = NULL;
}

const struct node_ops event_file_ops = {
	.kind = "events",
	.type = S_IFREG,
	.getattr = event_file_getattr,
	.open = event_file_open,
	.read = event_file_read,
	.poll = event_file_poll,
	.release = event_file_release,
};
