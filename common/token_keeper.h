/*
 * token_keeper.h - the token of a server, for as long as it is accepted.
 *
 * Keeps what credentials.h found, and whether the server takes it. An answer
 * that may be a refusal (token_trial.h) is followed by a trial of the token:
 *
 *     accepted       the answer was about something else, and stays
 *     refused        the answer becomes -EHOSTUNREACH, which is asked again;
 *                    before that, the whole order is searched once more, for a
 *                    token that the server accepts
 *
 *     not known      the trial did not arrive: the answer becomes what kept it,
 *                    a failure of the way, for nobody is to be told a refusal
 *                    that may be none
 *
 * While none is, token_keeper_get() fails with -ENETUNREACH, and so does every
 * exchange: the server is offline, until somebody logs in. Whoever uses it
 * looks again, once in TOKEN_LOOK_MS at most; nobody does without a use.
 *
 * A search takes as long as its sources may (a finger on a key: TOKEN_COMMAND_MS),
 * which is longer than any request waits. So it has a thread of its own, which
 * goes on when those who wait give up, and what it finds is there for the next.
 * The last unref ends it and waits for that: so that one blocks, briefly.
 *
 * Threads: any. It starts one, so a daemon uses it after its last fork. One
 * internal lock, never held across I/O. Reference-counted.
 */
#ifndef PYCLOUD_TOKEN_KEEPER_H
#define PYCLOUD_TOKEN_KEEPER_H

#include "credentials.h"
#include "token_trial.h"

struct token_keeper;

/* Where tokens come from and how they are tried, for a server where credentials
 * and a place do not say it all. Any thread; the keeper outlives no call. */
struct token_source;

struct token_source_ops {
	/* As credentials_find(); the wish names neither server nor user. */
	int (*find)(struct token_source *, const struct credentials_wish *,
		const struct cancel *, struct credentials_found *ret,
		char **ret_why);
	/* As token_trial(). */
	int (*try)(struct token_source *, struct secret *,
		const struct cancel *, int64_t end_ms);
	/* A sentence, g_free: what `found` has is refused; NULL: nothing was
	 * found, perhaps for the reason that the clause `hint` says. */
	char *(*explain)(const struct token_source *, const char *found,
		const char *hint);
	void (*free)(struct token_source *);
};

struct token_source {
	const struct token_source_ops *ops;
};

struct token_keeper_params {
	struct token_source *source; /* taken over; NULL: the next two say it */
	struct credentials *credentials; /* a reference is taken */
	struct token_place place;	 /* where tokens are tried; copied */
	const char *server;		 /* as credentials.h searches for it */
	const char *user;		 /* NULL: any */
	const char *login_name;		 /* what `pycloud login` is told */
	int64_t look_ms; /* 0: TOKEN_LOOK_MS; tests have less patience */
};

struct token_keeper *token_keeper_new(const struct token_keeper_params *);
struct token_keeper *token_keeper_ref(struct token_keeper *);
void token_keeper_unref(struct token_keeper *); /* NULL is fine */

/* The first search, in the thread of who starts: a person may be asked where
 * the server wants a token and no source has one. 0, with or without a token;
 * else -errno and a sentence in *ret_why (g_free). */
int token_keeper_start(
	struct token_keeper *, const struct cancel *, char **ret_why);

/* From now on, tokens are looked for that this user has. */
void token_keeper_name_user(struct token_keeper *, const char *user);

/* A reference to the token to use now, NULL where there is none. May search:
 * blocks until end_ms at most. -ENETUNREACH, -EINTR, -ETIMEDOUT (the search may
 * go on), or what a trial failed with. */
int token_keeper_get(struct token_keeper *, const struct cancel *,
	int64_t end_ms, struct secret **ret);

/* How an exchange with `token` ended. True: the token was refused, or it is not
 * known whether it was (-EINTR: nobody waits to know), and the response is
 * changed. */
bool token_keeper_judge(struct token_keeper *, const struct secret *token,
	struct http_response *, const struct cancel *, int64_t end_ms);

/* Why there is none at present, a sentence (g_free); NULL: there is. */
char *token_keeper_why(struct token_keeper *);

#endif
