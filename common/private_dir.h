/*
 * private_dir.h - a short-lived directory that only its user can enter.
 *
 * It stands in $XDG_RUNTIME_DIR, else in /tmp, has mode 0700 and a path short
 * enough for a Unix socket in it. Whoever uses it holds a lock on it (flock of
 * the directory's own descriptor, passed on to child processes as they are
 * started): one that nobody locks was left by something that was killed, and
 * the next private_dir_make() removes it. No pid is trusted, since pids come
 * back.
 *
 * Plain data, used by one thread.
 */
#ifndef PYCLOUD_PRIVATE_DIR_H
#define PYCLOUD_PRIVATE_DIR_H

#include <glib.h>

struct private_dir {
	char *path; /* NULL: none */
	int fd;	    /* locked; close-on-exec */
};

#define PRIVATE_DIR_INIT \
	{                \
		NULL, -1 \
	}

/* Removes stale ones, makes a fresh one. 0 or -errno. */
int private_dir_make(struct private_dir *ret);

/* Removes it with all that is in it, and lets go of the lock. */
void private_dir_remove(struct private_dir *);

/* path + "/" + name; g_free. */
char *private_dir_join(const struct private_dir *, const char *name);

#endif
