/*
 * mount_ask.h - looking at mounts that may hang.
 *
 * Who touches a mount whose daemon hangs may be kept by the kernel, and not
 * even be killed: a thread of ours would keep the program from ending. So each
 * look is done by a child of its own, which is killed and left alone when it
 * does not answer in time. Nothing here waits much longer than that.
 *
 * Not for a program with threads of its own.
 */
#ifndef PYCLOUD_MOUNT_ASK_H
#define PYCLOUD_MOUNT_ASK_H

#include <glib.h>

/* More are not asked: each takes a process. */
#define MOUNT_ASK_MAX 64
/* Of what is seen, which is a status of a few lines, or a path. */
#define MOUNT_ASK_BYTES_MAX 65536

/* In the child: what is to be seen at the path (g_free), or NULL with errno. A
 * descriptor in *ret_fd, which is -1, is handed on to who asks. */
typedef char *(*mount_look_fn)(const char *path, int *ret_fd);

struct mount_seen {
	int error;  /* 0, the look's errno, or ETIMEDOUT */
	char *text; /* g_free; NULL with an error */
	int fd;	    /* to be closed; -1: none */
};

/* Looks at all paths at the same time. `ret` has room for `count`, of which
 * those beyond MOUNT_ASK_MAX are ETIMEDOUT. What could be ended has ended when
 * it returns, and keeps no mount busy. */
void mount_ask_all(mount_look_fn, const char *const *paths, guint count,
	int limit_ms, struct mount_seen *ret);

/* For a look, as its first step: goes to the root of what is mounted at the
 * point; root becomes its owner for that, since nobody else is let in, nor told
 * that a daemon is dead. The way there is the asker's. 0 or -errno. */
int mount_ask_enter(const char *point);

#endif
