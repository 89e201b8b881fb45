/*
 * run_remote.h - the executor seam over the helper in a Jupyter kernel.
 *
 * Nothing is started before the first run asks for it, and an idle executor
 * sends nothing. The executor borrows the helper, which must outlive it.
 */
#ifndef PYCLOUD_RUN_REMOTE_H
#define PYCLOUD_RUN_REMOTE_H

#include "executor.h"
#include "helper.h"

struct executor *run_remote_new(struct helper *);

#endif
