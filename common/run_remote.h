/*
 * run_remote.h - the executor seam over the helper in a Jupyter kernel.
 *
 * Nothing is started before the first run asks for it, and an idle executor
 * sends nothing. The executor borrows the pool, which must outlive it.
 */
#ifndef PYCLOUD_RUN_REMOTE_H
#define PYCLOUD_RUN_REMOTE_H

#include "executor.h"
#include "http_pool.h"

int run_remote_new(struct http_pool *, struct executor **ret);

#endif
