/*
 * attach.h - putting a session's file system onto its directory, and taking it
 * off again, for root, for a plain user, and for root on behalf of a user.
 *
 *   root            libfuse mounts, and umount2(2) detaches
 *   a plain user    libfuse has fusermount3 mount; detacher.h detaches
 *   uid=, as root   mounter.h does both, and libfuse is given the connection
 *
 * For the main thread.
 */
#ifndef PYCLOUD_ATTACH_H
#define PYCLOUD_ATTACH_H

#include "aide.h"
#include "fuse_api.h"
#include "options.h"

#include <stdbool.h>
#include <stdint.h>

struct attach {
	const struct options *options;
	struct aide aide;
	bool is_by_mounter;
	bool is_mounted;
	uint64_t mount_id; /* mountinfo.h; 0: not mounted, or not found */
};

#define ATTACH_INIT                \
	{                          \
		.aide = AIDE_INIT, \
	}

/* Makes the processes that are needed later, and becomes the user of uid=, for
 * good. While there is one thread only, and before any of the user's files is
 * touched. `lets_root_in`: this mount is useless where root cannot go in. The
 * options are borrowed. 0, or -errno with a sentence in *ret_why (g_free). */
int attach_start(struct attach *, const struct options *, bool lets_root_in,
	char **ret_why);

/* Mounts. `name` is the workspace's; `checks_modes` as the session was told. 0,
 * or -errno with a sentence in *ret_why. */
int attach_mount(struct attach *, struct fuse_session *, const char *name,
	bool checks_modes, char **ret_why);

/* Detaches, if it is still there, cuts the connection, so that whoever waits
 * for us in the kernel is told, and ends the processes. The session (NULL:
 * there is none) is the caller's to destroy. Never waits for the network. */
void attach_end(struct attach *, struct fuse_session *);

#endif
