/*
 * token_trial.h - is a token good for a server? One small request says.
 *
 * A server's API refuses what it does not know with 403 (a hub, too), or leads
 * to its login page. But it says 403 as well where a person may not do a
 * thing, so a refusal of anything else proves nothing about the token. Nothing
 * is followed elsewhere. No state, no locks.
 */
#ifndef PYCLOUD_TOKEN_TRIAL_H
#define PYCLOUD_TOKEN_TRIAL_H

#include "cancel.h"
#include "http.h"
#include "secret.h"

struct http_pool;

struct token_place {
	const char *base_url;
	const char *target; /* what only who is known may ask for */
	const char *ca_file;
	bool is_insecure;
};

/* Connections to the place with that token (NULL: none); http_pool_free. 0, or
 * -errno: it is no URL. */
int token_place_pool(const struct token_place *, struct secret *token,
	struct http_pool **ret);

#define TOKEN_TARGET_SERVER "api/status"
#define TOKEN_TARGET_HUB    "user" /* below BASE/hub/api */

/* 0: accepted; -EACCES: refused; or what the transport or the server failed
 * with. `token` may be NULL: does it want one at all? Blocks until end_ms
 * (clock_now_ms() terms) at most, and TOKEN_TRIAL_MS. */
int token_trial(const struct token_place *, struct secret *token,
	const struct cancel *, int64_t end_ms);

/* The same by connections that are there. */
int token_trial_by(struct http_pool *, const char *target,
	const struct cancel *, int64_t end_ms);

/* The answer may be one to a token that is not known. */
bool token_may_be_refused(const struct http_response *);

#endif
