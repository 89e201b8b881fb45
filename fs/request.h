/*
 * request.h - one operation somebody asked the filesystem for.
 *
 * The rooms below the adapter see this and never a fuse_req_t, so they can be
 * driven by tests without a kernel. Its owner is the worker thread that
 * handles it, from request_begin() to the reply; its cancel token is fired by
 * FUSE_INTERRUPT (Ctrl-C of the program that waits).
 */
#ifndef PYCLOUD_REQUEST_H
#define PYCLOUD_REQUEST_H

#include "cancel.h"

#include <stdint.h>
#include <sys/types.h>

struct session;

struct request {
	uint64_t id; /* for the log; never 0 */
	const char *operation;
	uint64_t ino; /* the node the kernel named */
	struct session *session;
	uid_t uid;
	gid_t gid;
	pid_t pid;
	mode_t umask;
	struct cancel cancel;
	void *fuse; /* the adapter's; NULL once replied to, and in tests */
};

#endif
