/*
 * umount_detach.h - the unmounting itself: umount2(2) for root, fusermount3 for
 * everybody else.
 */
#ifndef PYCLOUD_UMOUNT_DETACH_H
#define PYCLOUD_UMOUNT_DETACH_H

#include <stdbool.h>

/* 0 or -errno: -EBUSY it is in use, and not lazy; others with a sentence in
 * *ret_why (g_free), or NULL. Waits for the local kernel only. */
int umount_detach(const char *directory, bool is_lazy, char **ret_why);

#endif
