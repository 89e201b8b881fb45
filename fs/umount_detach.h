/*
 * umount_detach.h - the unmounting itself: umount2(2) for root, fusermount3 for
 * everybody else, and for root without the right to.
 */
#ifndef PYCLOUD_UMOUNT_DETACH_H
#define PYCLOUD_UMOUNT_DETACH_H

#include <stdbool.h>
#include <stdint.h>

/* The mount of that id (mountinfo.h), if it is still there: who may rename the
 * directories above does not direct root to another. 0 or -errno: -EBUSY it is in use, and not lazy; others with a sentence in
 * *ret_why (g_free), or NULL. Waits for the local kernel only. */
int umount_detach(
	const char *directory, uint64_t mount_id, bool is_lazy, char **ret_why);

#endif
