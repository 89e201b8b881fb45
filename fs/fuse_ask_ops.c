/* fuse_ask_ops.c - poll and ioctl; see fuse_ops.h. */
#include "config.h"

#include "fuse_ops.h"

#include "handle_table.h"
#include "poller.h"
#include "reply.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* --- poll ----------------------------------------------------------------- */

struct fuse_poller {
	struct poller poller;
	struct fuse_pollhandle *kernel; /* owned */
};

/* The kernel takes it without asking back, and ignores a file that is closed:
 * unlike an invalidation, it may be told on any thread. */
static void wake_poller(struct poller *poller)
{
	struct fuse_poller *p = (struct fuse_poller *)poller;

	(void)fuse_lowlevel_notify_poll(p->kernel);
}

static void free_poller(struct poller *poller)
{
	struct fuse_poller *p = (struct fuse_poller *)poller;

	fuse_pollhandle_destroy(p->kernel);
	g_free(p);
}

/* NULL: this poll does not sleep. */
static struct poller *new_poller(struct fuse_pollhandle *kernel)
{
	struct fuse_poller *p;

	if (kernel == NULL)
		return NULL;
	p = g_new0(struct fuse_poller, 1);
	p->poller.wake = wake_poller;
	p->poller.free = free_poller;
	p->kernel = kernel;
	return &p->poller;
}

void fuse_op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
	struct fuse_pollhandle *ph)
{
	struct poller *poller = new_poller(ph);
	struct request r;
	struct handle *h;
	bool is_readable = true;

	if (!fuse_begin_on_handle(&r, req, "poll", ino, fi, &h)) {
		poller_free(poller);
		return;
	}
	if (h->node->ops->poll != NULL)
		is_readable = h->node->ops->poll(&r, h, poller);
	else
		poller_free(poller);
	/* Writing is never waited for here: it is a call that takes its time,
	 * as with any file. */
	reply_poll(&r,
		POLLOUT | POLLWRNORM | (is_readable ? POLLIN | POLLRDNORM : 0));
}

/* --- ioctl ---------------------------------------------------------------- */

/* The longest answer there is. */
#define IOCTL_MAX 64

void fuse_op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned command, void *arg,
	struct fuse_file_info *fi, unsigned flags, const void *in,
	size_t in_size, size_t out_size)
{
	char answer[IOCTL_MAX];
	struct request r;
	struct handle *h;
	ssize_t n = -ENOTTY;

	(void)arg;
	(void)flags;
	(void)in;
	(void)in_size;
	if (!fuse_begin_on_handle(&r, req, "ioctl", ino, fi, &h))
		return;
	if (h->node->ops->ioctl != NULL)
		n = h->node->ops->ioctl(
			&r, h, command, answer, MIN(out_size, sizeof(answer)));
	if (n < 0)
		reply_err(&r, (int)n);
	else
		reply_ioctl(&r, answer, (size_t)n);
}
