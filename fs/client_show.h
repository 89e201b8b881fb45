/*
 * client_show.h - a run's output, live, where this program's own goes.
 *
 * A program that reads nobody's output is ended by SIGPIPE, and so is this one;
 * the run goes on.
 */
#ifndef PYCLOUD_CLIENT_SHOW_H
#define PYCLOUD_CLIENT_SHOW_H

#include "client_mount.h"

#include <stdint.h>

/* The files that are open, while it is shown. */
struct client_show {
	int out;       /* of stdout, or of both in their order */
	int err;       /* -1: both go to the same place */
	int64_t shown; /* bytes of `out`, at the end */
};

/* 0 or -errno; -ENOENT: there is no such run. */
int client_show_open(
	const struct client_mount *, const char *number, struct client_show *);
/* Returns when the run has ended (is_brief: or what there is has been shown) and
 * all was written: 0; or -errno: the rest cannot be read. Closes the files. */
int client_show_all(struct client_show *, bool is_brief);

#endif
