/*
 * forest_child.h - a workspace's mount as a process of its own.
 *
 * The same program in the foreground, which so stays our child: its end is
 * seen, it can be told to end, and what it says on stderr comes through a pipe,
 * line by line: to the log, and while it starts to whoever waits. It stands
 * when the kernel's table of mounts says so.
 *
 * What a process that was killed leaves mounted is detached.
 *
 * Ownership: one thread uses a child. Blocks; the tokens bound it.
 */
#ifndef PYCLOUD_FOREST_CHILD_H
#define PYCLOUD_FOREST_CHILD_H

#include "cancel.h"

struct forest_child;

struct forest_child_params {
	const char *program; /* its path */
	char **argv;
	const char *name;      /* for the log */
	const char *directory; /* that it mounts on, as argv says too */
	void (*say)(void *say_arg, const char *line);
	void *say_arg;
};

/* Starts it, and returns when the mount stands. -EIO: it ended before, and
 * *ret_why is its last word; -ETIMEDOUT, -EINTR: it was ended. */
int forest_child_start(const struct forest_child_params *,
	const struct cancel *, struct forest_child **ret, char **ret_why);

/* Returns when it has ended. When the token fires it is told to end, which
 * uploads first what is not on the server yet. Frees it. */
void forest_child_attend(struct forest_child *, const struct cancel *);

#endif
