/*
 * executor.h - THE OTHER SEAM: start a run in the workspace, follow it, feed
 * it, signal it.
 *
 * fs/ knows this header and nothing behind it; run_remote.c implements it over
 * the helper in a kernel, tests over scripts.
 *
 * A run is known by its id, which whoever starts it chooses, so that it can be
 * written down before there is a run. In the workspace it depends on nothing of
 * ours: attach() follows one that an earlier mount has started.
 *
 * A run's record (run_record.h) arrives by callback, in order, without gaps or
 * repeats, on a thread of the executor's; little is sent ahead of what the
 * callbacks took, so a slow disk slows the sender instead of filling memory.
 * Output, even the end, may come before start() has returned. The callbacks may
 * take locks of their own but must not call back into the executor; while one
 * works, other runs' output waits. A workspace that cannot be reached is sought
 * again for as long as there is a run that has not ended.
 *
 * Any thread may call the functions. Those that talk to the workspace block,
 * bounded by KERNEL_*_TIMEOUT_MS, and end early with -EINTR.
 */
#ifndef PYCLOUD_EXECUTOR_H
#define PYCLOUD_EXECUTOR_H

#include "cancel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct executor;
struct executor_run;

/* How a run ended. */
struct run_end {
	int exit_status; /* 0..255; valid when signal is 0 and error is 0 */
	int signal;	 /* > 0: ended by this signal */
	int error;	 /* -errno: the run was lost (the pod died) */
	int64_t ago_ms;	 /* so long before it was told */
};

struct run_events {
	/* The next bytes of the record. How many were taken, or -errno: the
	 * rest comes again later; after -EPROTO the run is given up. */
	ssize_t (*record)(void *arg, const uint8_t *bytes, size_t length);
	/* What would come next is not kept any more in the workspace; a mark
	 * will say how much that was. 0 or -errno, as record(). */
	int (*skipped)(void *arg);
	/* 0: the run is followed. -errno: why not, at the moment. */
	void (*reach)(void *arg, int error);
	/* Called once, after the last bytes. */
	void (*ended)(void *arg, const struct run_end *);
	void *arg;
};

struct run_command {
	const char *id;		 /* a random UUID's text */
	const char *const *argv; /* what follows python3; NULL-terminated */
	const char *directory;	 /* workspace path of the working directory */
	int64_t output_max;	 /* bytes of record the workspace keeps */
	unsigned runs_keep;	 /* how many of the runs that are over */
};

struct run_place {
	const char *id;
	int64_t offset;	 /* how much of its record is there already */
	bool ends_input; /* whoever fed it is gone */
};

struct executor_ops {
	/* 0: the run is started (the child exists), *ret_run is the caller's.
	 * -ENOENT no such script, -EISDIR, -EINVAL, -EOPNOTSUPP no Python
	 * kernels there, -ENOEXEC the one that was started died, -EAGAIN too
	 * many runs, or a transport error. What may have been started although
	 * it failed is ended as soon as the workspace can be told. */
	int (*start)(struct executor *, const struct run_command *,
		const struct run_events *, const struct cancel *,
		struct executor_run **ret_run);
	/* Follows a run that was started before, and does not wait: one that
	 * does not exist any more ends as lost. */
	int (*attach)(struct executor *, const struct run_place *,
		const struct run_events *, struct executor_run **ret_run);
	/* The script's standard input, kept until it reads it. length 0: end
	 * of file, which waits for nothing and is told as soon as can be.
	 * -EPIPE when the run is over. */
	int (*feed)(struct executor_run *, const void *bytes, size_t length,
		const struct cancel *);
	/* To the script and its children. -ESRCH when the run is over. */
	int (*signal)(struct executor_run *, int number, const struct cancel *);
	/* Lets go of a run: no callback runs after this returned; a run that
	 * is still going on goes on. Not from within a callback. */
	void (*release)(struct executor_run *);
	/* Runs must have been released. */
	void (*free)(struct executor *);
};

struct executor {
	const struct executor_ops *ops;
};

struct executor_run {
	const struct executor_ops *ops;
};

static inline int executor_start(struct executor *e,
	const struct run_command *command, const struct run_events *events,
	const struct cancel *c, struct executor_run **ret)
{
	return e->ops->start(e, command, events, c, ret);
}

static inline int executor_attach(struct executor *e,
	const struct run_place *place, const struct run_events *events,
	struct executor_run **ret)
{
	return e->ops->attach(e, place, events, ret);
}

static inline int executor_run_feed(struct executor_run *r, const void *bytes,
	size_t length, const struct cancel *c)
{
	return r->ops->feed(r, bytes, length, c);
}

static inline int executor_run_signal(
	struct executor_run *r, int number, const struct cancel *c)
{
	return r->ops->signal(r, number, c);
}

static inline void executor_run_release(struct executor_run *r)
{
	if (r != NULL)
		r->ops->release(r);
}

static inline void executor_free(struct executor *e)
{
	if (e != NULL)
		e->ops->free(e);
}

#endif
