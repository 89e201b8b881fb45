/*
 * helper_state.h - what helper.c (calls) and helper_keeper.c (the thread)
 * share; for nobody else.
 *
 * States, changed by the keeper alone (except ENDING):
 *
 *	ASLEEP    nobody needs a helper, or the last attempt failed
 *	STARTING  the keeper is making kernel, channel and comm
 *	READY     calls may be sent
 *	ENDING    helper_free() was called
 *
 * A caller makes a `struct pending` on its stack, waits for READY, sends, and
 * waits for the keeper to fill in the reply. `generation` counts the helpers,
 * `failures` the attempts that came to nothing, so that a waiter sees what
 * happened since it last looked.
 *
 * The channel is used by senders without the lock: `senders` counts them, and
 * the keeper frees the channel only when there is none.
 *
 * Silence counts from what was sent (`asked_ms`) to whatever comes next, and
 * the keeper judges it. It waits for the network, though, and a caller's
 * message does not wake it; so a caller whose answer does not come rouses it.
 * On a slow link, what was sent is long on its way: until `arrives_ms` silence
 * is no deafness, unless an answer to it says that it has arrived.
 */
#ifndef PYCLOUD_HELPER_STATE_H
#define PYCLOUD_HELPER_STATE_H

#include "helper.h"

#include "kernel.h"
#include "mutex.h"
#include "waitlist.h"

enum helper_state {
	HELPER_ASLEEP,
	HELPER_STARTING,
	HELPER_READY,
	HELPER_ENDING
};

struct pending {
	struct pending *next;
	int64_t id;
	bool is_sent;
	int64_t arrives_ms; /* the last sending, as the helper's; 0: not sent */
	cJSON *reply;	    /* filled in by the keeper, as is the next */
	GBytes *bytes;
};

struct helper_user {
	struct helper_handler handler;
	unsigned met; /* the keeper's own: the helper that it was told of */
};

struct helper {
	struct http_pool *pool;
	struct helper_memory memory;
	pthread_t keeper;
	struct cancel closing; /* fired by helper_free() */

	struct mutex lock;
	/* guarded by lock */
	struct waitlist waiters;
	enum helper_state state;
	struct helper_user *users[HELPER_USERS_MAX]; /* NULL: none */
	struct helper_user *called; /* one of whose functions runs */
	bool is_woken;
	unsigned callers; /* inside helper_call(), without an answer yet */
	unsigned holds;
	unsigned senders;
	unsigned generation;
	unsigned failures;
	int error; /* of the last failure */
	int64_t next_id;
	int64_t asked_ms;   /* since when we wait to hear something; 0: not */
	int64_t arrives_ms; /* all that was sent, on a slow link; 0: it has */
	bool is_checked;   /* since then, the server was asked for the kernel */
	int64_t needed_ms; /* when somebody last needed us */
	struct pending *pendings;
	struct cancel rouse; /* makes the keeper stop receiving, and look */
	bool is_cut;	     /* this channel does not take what we send */
	struct kernel_channel *channel;

	/* the keeper's own; senders read comm_id, which only changes while
	 * there is none */
	char *kernel_id;
	char *comm_id;
	unsigned attempts;
};

/* How long the silence may last before the keeper must look into it, 0: not
 * any longer, -1: there is none, or the keeper knows. */
int helper_doubt_left_ms(const struct helper *h) REQUIRES(h->lock);

/* The keeper's thread: returns after helper_free() set ENDING. */
void *helper_keep(void *helper);

#endif
