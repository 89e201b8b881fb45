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
 * While none is, token_keeper_get() fails with -ENETUNREACH, and so does every
 * exchange: the server is offline, until somebody logs in. Whoever uses it
 * looks again, once in TOKEN_LOOK_MS at most; nobody does without a use.
 *
 * Threads: any; one searches, the others wait for it. One internal lock, never
 * held across I/O. Reference-counted.
 */
#ifndef PYCLOUD_TOKEN_KEEPER_H
#define PYCLOUD_TOKEN_KEEPER_H

#include "credentials.h"
#include "token_trial.h"

struct token_keeper;

struct token_keeper_params {
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

/* A reference to the token to use now, NULL where there is none. May search:
 * blocks until end_ms at most, and as long as a source takes. -ENETUNREACH,
 * -EINTR, -ETIMEDOUT, or what a trial failed with. */
int token_keeper_get(struct token_keeper *, const struct cancel *,
	int64_t end_ms, struct secret **ret);

/* How an exchange with `token` ended. True: the token was refused, or nobody
 * waits to know (-EINTR), and the response is changed. */
bool token_keeper_judge(struct token_keeper *, const struct secret *token,
	struct http_response *, const struct cancel *, int64_t end_ms);

/* Why there is none at present, a sentence (g_free); NULL: there is. */
char *token_keeper_why(struct token_keeper *);

#endif
