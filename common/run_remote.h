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

/* What a daemon that is killed leaves to the next one. */
struct run_remote_memory {
	const char *kernel_id; /* the helper's kernel, or NULL */
	/* It is another one from now on; NULL: none. On the helper's thread. */
	void (*remember_kernel)(void *arg, const char *id);
	void *arg;
};

/* Copies the memory; NULL: there is none. */
int run_remote_new(struct http_pool *, const struct run_remote_memory *,
	struct executor **ret);

#endif
