/*
 * request.h - one operation somebody asked the filesystem for.
 *
 * The rooms below the adapter see this and never a fuse_req_t, so they can be
 * driven by tests without a kernel. Its owner is the worker thread that
 * handles it, from request_begin() to the reply; its cancel token is fired by
 * FUSE_INTERRUPT when the program that waits is about to die (Ctrl-C). A signal
 * that it catches ends only the operations that say so, as it would a pipe's.
 */
#ifndef PYCLOUD_REQUEST_H
#define PYCLOUD_REQUEST_H

#include "cancel.h"

#include <stdbool.h>
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
	bool is_from_pages; /* a write of what a mapping changed */
	struct cancel cancel;
	atomic_bool is_signalled; /* any signal came */
	atomic_bool is_like_pipe; /* any signal ends it */
	void *fuse; /* the adapter's; NULL once replied to, and in tests */
};

/* From now on any signal ends the request's waits, one that came before too. */
static inline void request_be_like_pipe(struct request *r)
{
	atomic_store(&r->is_like_pipe, true);
	if (atomic_load(&r->is_signalled))
		cancel_fire(&r->cancel);
}

/* The program that waits got a signal. */
static inline void request_signalled(struct request *r, bool is_fatal)
{
	atomic_store(&r->is_signalled, true);
	if (is_fatal || atomic_load(&r->is_like_pipe))
		cancel_fire(&r->cancel);
}

#endif
