/*
 * forest_mount.h - mount.pycloud / DIR: all workspaces as one tree (forest.h).
 */
#ifndef PYCLOUD_FOREST_MOUNT_H
#define PYCLOUD_FOREST_MOUNT_H

#include "attach.h"
#include "daemonise.h"
#include "options.h"

/* "/", or "pycloud:/" as fstab writes it. */
bool forest_mount_is_meant(const char *spec);

/* The whole life of such a mount, in the process that daemonise_fork() left,
 * after attach_start(). Returns the program's exit status, and clears the
 * options. */
int forest_mount_run(struct options *, struct daemonise *, struct attach *);

#endif
