/*
 * helper.h - the helper's life cycle and the calls to it.
 *
 * The helper is Python of ours (helper.py describes its verbs) in a kernel of
 * the workspace, one for all who use it. It is started when a call first needs
 * it, however many calls come at once; reached again when the connection or the
 * kernel is lost and somebody still needs it; ended, kernel and all, after
 * HELPER_IDLE_MS without need and by helper_free().
 *
 * One thread, the keeper, starts, receives and repairs. The functions of its
 * users run on it, with no lock held; they may post, but not call.
 */
#ifndef PYCLOUD_HELPER_H
#define PYCLOUD_HELPER_H

#include "cancel.h"
#include "http_pool.h"
#include "kernel_msg.h"

struct helper;
struct helper_user;

/* What a helper's user hears. Any but `event` may be NULL. */
struct helper_handler {
	/* An event came, for some user; data is the message's, `bytes` its
	 * first buffer. */
	void (*event)(void *arg, const char *event, const cJSON *data,
		const struct kernel_buffer *bytes);
	/* A helper is there, which follows nothing for us yet. */
	void (*reconnected)(void *arg);
	/* Another attempt has failed. */
	void (*unreachable)(void *arg, int error);
	/* It is not there any more. */
	void (*lost)(void *arg);
	/* Called after every message and when the time it returned (ms, -1:
	 * no hurry) has passed. */
	int (*tick)(void *arg);
	void *arg;
};

/* What a daemon that is killed leaves to the next one. */
struct helper_memory {
	/* One that a helper was left in; it is used again, and ended with this
	 * one. NULL: none. */
	const char *kernel_id;
	/* It is another one from now on; NULL: none. On the keeper's thread. */
	void (*remember_kernel)(void *arg, const char *id);
	void *arg;
};

/* Borrows the pool; nothing is sent yet. The memory may be NULL. */
int helper_new(
	struct http_pool *, const struct helper_memory *, struct helper **ret);
/* Ends the kernel; bounded by a few seconds. No call may be under way, and no
 * user left. */
void helper_free(struct helper *);

/* Copies the handler, whose functions are called from now on; HELPER_USERS_MAX
 * at most. helper_leave(): none of them runs any more when it returns; not from
 * within one. */
struct helper_user *helper_join(struct helper *, const struct helper_handler *);
void helper_leave(struct helper *, struct helper_user *);

/* While held, a lost helper is sought again, less and less often, and idleness
 * does not end it. */
void helper_hold(struct helper *);
void helper_unhold(struct helper *);

/* Calls a verb and waits for its answer; starts the helper when needed. Takes
 * `call` (an object, its "call" set; "id" is added here) and borrows `bytes`
 * (NULL: none). The call is repeated until an answer comes, also to the next
 * helper when this one is lost: verbs with an id bear that. ("again" asks for
 * the answer alone, without the bytes.) Returns the
 * answer's error, -EINTR or -ETIMEDOUT from waiting, -EOPNOTSUPP where there
 * are no Python kernels, -ENOEXEC when the server started one and it died, or
 * why the helper could not be reached. ret_is_doubtful (NULL is fine): it was
 * sent and not answered, so it may have been done. */
int helper_call(struct helper *, cJSON *call, const struct kernel_buffer *bytes,
	const struct cancel *, bool *ret_is_doubtful);

/* An answer. */
struct helper_reply {
	cJSON *data;
	GBytes *bytes; /* its first buffer; NULL: none */
	bool is_sent;  /* the call was, so it may have been done */
};

void helper_reply_clear(struct helper_reply *);

/* Calls a verb of the helper that is there now, for those who know another way:
 * -EAGAIN when there is none, or when it is lost meanwhile, -ETIMEDOUT after
 * timeout_ms; else as helper_call(). With an error of the helper's, *ret holds
 * its answer, too; always to be cleared. */
int helper_ask(struct helper *, cJSON *call, const struct kernel_buffer *bytes,
	int timeout_ms, const struct cancel *, struct helper_reply *ret);

/* Starts the helper if it is not there, and waits for nothing. */
void helper_wake(struct helper *);
bool helper_is_ready(struct helper *);

/* Sends a verb without an answer, if the helper is there; else nothing. Takes
 * `call`. */
void helper_post(struct helper *, cJSON *call);
/* The same with bytes, which may wait for the network until the token fires. 0,
 * -EAGAIN when there is no helper, or what kept it from being sent. */
int helper_post_bytes(struct helper *, cJSON *call,
	const struct kernel_buffer *bytes, const struct cancel *);

/* Has tick() called soon, whatever it returned last. */
void helper_rouse(struct helper *);

/* "ENOENT" -> -ENOENT, "" -> 0, anything unknown -> -EIO. Errno's numbers
 * differ between machines, its names do not. */
int helper_errno(const char *name);

#endif
