/*
 * scratch_dirs.h - where bytes stand on this computer.
 *
 *   scratch   $XDG_CACHE_HOME/pycloud: unnamed files, gone with their last
 *             user. /var/tmp when there is no home.
 *   cache     $XDG_CACHE_HOME/pycloud/cache/files-*: clean bytes of files that
 *             nobody has open; removed with the mount.
 *   rescue    $XDG_STATE_HOME/pycloud/lost+found: bytes that found no place on
 *             the server. Never cleaned by us.
 *
 * Both are made with mode 0700 and refused when they belong to somebody else.
 */
#ifndef PYCLOUD_SCRATCH_DIRS_H
#define PYCLOUD_SCRATCH_DIRS_H

struct scratch_dirs {
	int scratch_fd;
	int cache_fd;
	int rescue_fd;
	char *cache_path;
};

#define SCRATCH_DIRS_INIT        \
	{                        \
		-1, -1, -1, NULL \
	}

/* 0, or -errno with a sentence in *ret_why (g_free). */
int scratch_dirs_open(struct scratch_dirs *, char **ret_why);
void scratch_dirs_close(struct scratch_dirs *);

#endif
