/*
 * fuse_loop.h - libfuse's loop, with as many threads as handlers that block
 * need.
 */
#ifndef PYCLOUD_FUSE_LOOP_H
#define PYCLOUD_FUSE_LOOP_H

#include "fuse_api.h"

/* Returns when the session was told to end, or the kernel has let go. */
int fuse_loop_run(struct fuse_session *);

#endif
