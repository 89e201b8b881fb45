/*
 * fusermount.h - where fusermount3 is, which mounts and unmounts for a plain
 * user.
 */
#ifndef PYCLOUD_FUSERMOUNT_H
#define PYCLOUD_FUSERMOUNT_H

#include <stdbool.h>

/* Its absolute path, a constant; NULL: it is not installed. PATH is not asked:
 * fstab and systemd give none, and what is setuid root is not looked for where
 * anybody may have put another. */
const char *fusermount_find(void);
/* What to say then. */
#define FUSERMOUNT_MISSING "there is no fusermount3; install the package fuse3"

#define FUSERMOUNT_CONF "/etc/fuse.conf"
/* Whether root lets users let others into their mounts: the word
 * user_allow_other in a line of its own. */
bool fusermount_lets_others(void);

#endif
