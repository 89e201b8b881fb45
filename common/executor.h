/*
 * executor.h - THE OTHER SEAM: start a run in the workspace, follow it, feed
 * it, signal it.
 *
 * fs/ knows this header and nothing behind it; run_remote.c implements it over
 * the helper in a kernel, tests over scripts.
 *
 * A run's output arrives by callback, in order, without gaps or repeats, on a
 * thread of the executor's; little is sent ahead of what the callbacks took,
 * so a slow disk slows the sender instead of filling memory. Output, even the
 * end, may come before start() has returned. The callbacks may take locks of
 * their own but must not call back into the executor; while one works, other
 * runs' output waits.
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

struct executor;
struct executor_run;

enum run_stream {
	RUN_STDOUT = 1,
	RUN_STDERR = 2
};

/* How a run ended. */
struct run_end {
	int exit_status; /* 0..255; valid when signal is 0 and error is 0 */
	int signal;	 /* > 0: ended by this signal */
	int error;	 /* -errno: the run was lost (pod or helper gone) */
};

struct run_events {
	/* Bytes as the script wrote them. */
	void (*output)(
		void *arg, enum run_stream, const void *bytes, size_t length);
	/* Called once, after the last output. */
	void (*ended)(void *arg, const struct run_end *);
	void *arg;
};

struct run_command {
	const char *const *argv; /* what follows python3; NULL-terminated */
	const char *directory;	 /* workspace path of the working directory */
};

struct executor_ops {
	/* 0: the run is started (the child exists), *ret_run is the caller's.
	 * -ENOENT no such script, -EISDIR, -EINVAL, -EOPNOTSUPP no Python
	 * kernels there, -EAGAIN too many runs, or a transport error. */
	int (*start)(struct executor *, const struct run_command *,
		const struct run_events *, const struct cancel *,
		struct executor_run **ret_run);
	/* The script's standard input, kept until it reads it. length 0: end
	 * of file. -EPIPE when the run is over. */
	int (*feed)(struct executor_run *, const void *bytes, size_t length,
		const struct cancel *);
	/* To the script and its children. -ESRCH when the run is over. */
	int (*signal)(struct executor_run *, int number, const struct cancel *);
	/* Lets go of a run: no callback runs after this returned; a run that
	 * is still going on goes on. Not from within a callback. */
	void (*release)(struct executor_run *);
	/* Ends the helper's kernel; runs must have been released. */
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
