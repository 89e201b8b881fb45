/*
 * run_ioctl.h - what can be asked of an open .run, besides reading and writing.
 */
#ifndef PYCLOUD_RUN_IOCTL_H
#define PYCLOUD_RUN_IOCTL_H

#include <stdint.h>
#include <sys/ioctl.h>

/* The number of the run that this handle started, which names its directory in
 * .pycloud/runs. ENODATA: it started none. */
#define RUN_IOC_NUMBER _IOR('p', 1, uint64_t)

#endif
