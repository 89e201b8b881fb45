/*
 * reply.h - the border between libfuse's requests and ours.
 *
 * request_begin() makes a struct request of a fuse_req_t; exactly one reply_*
 * ends it: the fuse_req_t is taken out of the request by the first reply, so a
 * second has nothing to answer with (asserted). A reply that hands the kernel
 * something it must give back (a lookup, a handle) undoes it when the kernel
 * no longer wants it: an interrupted program has left.
 *
 * Counting comes before replying: after a reply the kernel may already have
 * forgotten the node, so nothing touches it then. The reply_* functions
 * therefore consume the caller's ref of a node.
 *
 * libfuse calls the interrupt callback with the request's own lock held, and
 * (un)registering takes the same lock: the callback only looks at the caller in
 * /proc and fires the cancel token, and neither is done under a lock of ours.
 * The kernel interrupts a request once. After a signal that the caller caught
 * its Ctrl-C comes too late for this request, which then ends by its limit.
 */
#ifndef PYCLOUD_REPLY_H
#define PYCLOUD_REPLY_H

#include "fuse_api.h"
#include "node.h"
#include "session.h"

void request_begin(
	struct request *, fuse_req_t, const char *operation, fuse_ino_t);

void reply_err(struct request *, int rc);
void reply_attr(struct request *, const struct node_attr *);
void reply_entry(struct request *, struct node *, const struct node_attr *);
void reply_create(struct request *, struct node *, const struct node_attr *,
	const struct open_result *, struct fuse_file_info *);
void reply_open(
	struct request *, const struct open_result *, struct fuse_file_info *);
void reply_write(struct request *, size_t);
void reply_buffer(struct request *, const char *, size_t);
void reply_readlink(struct request *, const char *);
void reply_poll(struct request *, unsigned events);
void reply_ioctl(struct request *, const char *answer, size_t);
void reply_statfs(struct request *, const struct statvfs *);
/* As getxattr and listxattr want it: only the length when size is 0. */
void reply_xattr(
	struct request *, const char *value, size_t length, size_t size);

void fill_entry_param(struct fuse_entry_param *, const struct node *,
	const struct node_attr *);

/* Calls the handle's release op and lets go of the handle and its node. */
void release_handle(struct request *, struct handle *);

#endif
