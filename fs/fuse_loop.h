/*
 * fuse_loop.h - libfuse's session, and its loop with as many threads as handlers
 * that block need.
 */
#ifndef PYCLOUD_FUSE_LOOP_H
#define PYCLOUD_FUSE_LOOP_H

#include "fuse_api.h"

/* A session with these -o options, for which libfuse calls the ops with `arg`;
 * NULL: it has logged why. */
struct fuse_session *fuse_loop_session(const char *options,
	const struct fuse_lowlevel_ops *, size_t ops_size, void *arg);

/* Returns when the session was told to end, or the kernel has let go. */
int fuse_loop_run(struct fuse_session *);

#endif
