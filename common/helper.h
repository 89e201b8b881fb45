/*
 * helper.h - the helper's life cycle and the calls to it.
 *
 * The helper is Python of ours (helper.py describes its verbs) in a kernel of
 * the workspace. It is started when a call first needs it, however many calls
 * come at once; reached again when the connection or the kernel is lost and
 * somebody still needs it; ended, kernel and all, after HELPER_IDLE_MS without
 * need and by helper_free().
 *
 * One thread, the keeper, starts, receives and repairs. The handler's
 * functions run on it, with no lock held; they may post, but not call.
 */
#ifndef PYCLOUD_HELPER_H
#define PYCLOUD_HELPER_H

#include "cancel.h"
#include "http_pool.h"
#include "kernel_msg.h"

struct helper;

struct helper_handler {
	/* An event came; data is the message's, `bytes` its first buffer. */
	void (*event)(void *arg, const char *event, const cJSON *data,
		const struct kernel_buffer *bytes);
	/* A helper is there, which follows nothing for us yet. */
	void (*reconnected)(void *arg);
	/* Held in vain for now: another attempt has failed. */
	void (*unreachable)(void *arg, int error);
	/* The kernel that is ours from now on; NULL: none. */
	void (*kernel)(void *arg, const char *id);
	/* Called after every message and when the time it returned (ms, -1:
	 * no hurry) has passed. */
	int (*tick)(void *arg);
	void *arg;
};

/* Borrows the pool, copies the handler; nothing is sent yet. kernel_id: one that
 * a helper was left in when its daemon was killed, or NULL; it is used again,
 * and ended with this one. */
int helper_new(struct http_pool *, const struct helper_handler *,
	const char *kernel_id, struct helper **ret);
/* Ends the kernel; bounded by a few seconds. No call may be under way. */
void helper_free(struct helper *);

/* While held, a lost helper is sought again, less and less often, and idleness
 * does not end it. */
void helper_hold(struct helper *);
void helper_unhold(struct helper *);

/* Calls a verb and waits for its answer; starts the helper when needed. Takes
 * `call` (an object, its "call" set; "id" is added here) and borrows `bytes`
 * (NULL: none). The call is repeated until an answer comes, also to the next
 * helper when this one is lost: verbs with an id bear that. Returns the
 * answer's error, -EINTR or -ETIMEDOUT from waiting, -EOPNOTSUPP where there
 * are no Python kernels, -ENOEXEC when the server started one and it died, or
 * why the helper could not be reached. ret_is_doubtful (NULL is fine): it was
 * sent and not answered, so it may have been done. */
int helper_call(struct helper *, cJSON *call, const struct kernel_buffer *bytes,
	const struct cancel *, bool *ret_is_doubtful);

/* Sends a verb without an answer, if the helper is there; else nothing. Takes
 * `call`. */
void helper_post(struct helper *, cJSON *call);

/* Has tick() called soon, whatever it returned last. */
void helper_rouse(struct helper *);

/* "ENOENT" -> -ENOENT, "" -> 0, anything unknown -> -EIO. Errno's numbers
 * differ between machines, its names do not. */
int helper_errno(const char *name);

#endif
