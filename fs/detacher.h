/*
 * detacher.h - lets go of the mount for a daemon that may not do so itself.
 *
 * A plain user's mount is detached by fusermount3, which is setuid root: a
 * daemon that can neither start programs nor gain privileges (harden.h) asks an
 * aide for it. That one knows nothing but the directory, and does nothing but
 * this, once. Root's daemon needs none: nothing is forked, and the calls do
 * nothing.
 */
#ifndef PYCLOUD_DETACHER_H
#define PYCLOUD_DETACHER_H

#include "aide.h"

#include <stdint.h>

/* While there is one thread only. `directory` is borrowed and not touched. 0 or
 * -errno. */
int detacher_start(struct aide *, const char *directory);

/* Detaches the mount with this id (mountinfo.h; 0: none) if it still lies on
 * top of the directory, as `umount -l` would, and ends the process. Blocks as
 * long as fusermount3 takes, which never asks the mount anything. */
void detacher_finish(struct aide *, uint64_t mount_id);

#endif
