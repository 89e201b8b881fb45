/*
 * mounter.h - mounts and unmounts as root for a daemon that runs as a user.
 *
 * Root mounts for a user (uid=) where that user could not: on a directory of
 * root's, behind directories that only root may enter, where there is no
 * fusermount3, or /dev/fuse is root's alone. So an aide stays root. It takes
 * the directory and the user from root, before the daemon becomes that user,
 * and from the daemon nothing but a name and a few flags: one mount of the type
 * fuse.pycloud, nosuid and nodev, that belongs to the user, and its end.
 */
#ifndef PYCLOUD_MOUNTER_H
#define PYCLOUD_MOUNTER_H

#include "aide.h"

#include <stdbool.h>
#include <stdint.h>

struct mounter_params {
	const char *directory; /* its real name: no link is in it */
	uid_t uid;
	gid_t gid;
	bool may_let_others; /* the mount may have allow_other */
};

/* While root, and while there is one thread only. The parameters are borrowed
 * until it returns. 0 or -errno. */
int mounter_start(struct aide *, const struct mounter_params *);

struct mounter_wish {
	const char *name;    /* of the source, behind "pycloud:" */
	const char *options; /* "ro,noexec,noatime,allow_other": what of these
			      * stands in it counts */
	bool checks_modes;   /* default_permissions */
};

/* 0, with the connection (/dev/fuse) and the id of the mount; or -errno: -EPERM
 * others may not be let in, -ENOENT there is no /dev/fuse. Once. */
int mounter_mount(struct aide *, const struct mounter_wish *, int *ret_fd,
	uint64_t *ret_mount_id);

/* Detaches what it has mounted, wherever it is now, as `umount -l` would, and
 * ends the process. */
void mounter_finish(struct aide *);

#endif
