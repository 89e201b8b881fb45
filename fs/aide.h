/*
 * aide.h - a small process that does one thing for the daemon which the daemon
 * may not do itself.
 *
 * It is forked before the daemon gives something up (harden.h, identity.h), has
 * one end of a socket and no other descriptor of the daemon's, and ends when
 * the daemon does. Signals that end a mount mean the daemon, which will ask.
 */
#ifndef PYCLOUD_AIDE_H
#define PYCLOUD_AIDE_H

#include <sys/types.h>

struct aide {
	pid_t pid; /* 0: there is none */
	int fd;	   /* a SOCK_SEQPACKET socket to it */
};

#define AIDE_INIT                  \
	{                          \
		.pid = 0, .fd = -1 \
	}

/* In the aide, which ends when it returns. */
typedef void (*aide_work_fn)(void *arg, int fd);

/* While there is one thread only. `name` is the process's. 0 or -errno. */
int aide_start(struct aide *, const char *name, aide_work_fn, void *arg);
/* Hangs up, and waits for its end. */
void aide_finish(struct aide *);

#endif
