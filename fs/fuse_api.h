/*
 * fuse_api.h - which libfuse we speak to: the one place that says so.
 *
 * 3.12 brought a limit of 10 worker threads, and the call to raise it. Our
 * handlers block, so we must be able to; older versions have no limit.
 */
#ifndef PYCLOUD_FUSE_API_H
#define PYCLOUD_FUSE_API_H

#ifdef HAVE_FUSE_312
#define FUSE_USE_VERSION 312
#else
#define FUSE_USE_VERSION 35
#endif

#include <fuse_lowlevel.h>

#endif
