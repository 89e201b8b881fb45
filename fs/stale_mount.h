/*
 * stale_mount.h - what a killed daemon leaves on a directory goes, so that the
 * workspace can be mounted there again.
 *
 * Such a mount answers ENOTCONN and nothing else; its bytes are in the spool.
 * Only mounts of pycloud's are taken away, and only by their owner or root: the
 * kernel and fusermount3 see to that.
 */
#ifndef PYCLOUD_STALE_MOUNT_H
#define PYCLOUD_STALE_MOUNT_H

/* Detaches those that lie on the directory, and logs it. Where it cannot,
 * mountpoint_problem() says what to do. Waits for the local kernel only. */
void stale_mount_clear(const char *directory);

#endif
