/*
 * daemonise.h - becoming a daemon without leaving the user in doubt.
 *
 * daemonise_fork() forks early, before any thread or server exists. The parent
 * waits for the child's word and passes it on: exit 0 only when the mount is
 * really there, otherwise the child's one line on stderr and its exit code. If
 * the child dies without a word the parent says so. SIGINT, SIGTERM and SIGHUP
 * that the parent gets meanwhile end the child.
 */
#ifndef PYCLOUD_DAEMONISE_H
#define PYCLOUD_DAEMONISE_H

#include <stdbool.h>

struct daemonise {
	int report_fd; /* to the parent; -1: we stay in the foreground */
};

/* In the child it returns true. In the parent it does not return: it exits
 * with what the child reported. In the foreground it returns at once. */
bool daemonise_fork(struct daemonise *, bool is_foreground);

/* The child is ready: lets the parent go and detaches from the terminal. */
void daemonise_ready(struct daemonise *);

/* The child has failed: one line and the exit code, for the parent to pass
 * on. Returns the code, for main to exit with. */
int daemonise_failed(struct daemonise *, int exit_code, const char *line);

#endif
