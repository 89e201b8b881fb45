/*
 * login.h - a password, turned into what a server accepts from then on.
 *
 * A Jupyter server with a password has no tokens to give: its login form
 * answers with a cookie, which is good for thirty days and for this spelling of
 * host and port alone (secret.h: secret_cookie). A JupyterHub makes a token for
 * whoever proves with a password who he is; it is asked for one that expires
 * after LOGIN_TOKEN_SECONDS.
 *
 * One request each, bounded by LOGIN_CALL_MS. Passwords are wiped with the body
 * that carried them. Nothing is followed elsewhere. No state, no locks.
 */
#ifndef PYCLOUD_LOGIN_H
#define PYCLOUD_LOGIN_H

#include "cancel.h"
#include "secret.h"
#include "token_trial.h"

/* 0; -EACCES: the password is wrong, or the server has none; or what the
 * transport failed with. */
int login_to_server(const struct token_place *, const struct secret *password,
	const struct cancel *, struct secret **ret_cookie);

/* The place is the hub's API. *ret_id (g_free) is what the hub calls the token
 * when it is to be revoked; NULL: it did not say. */
int login_to_hub(const struct token_place *, const char *user,
	const struct secret *password, const struct cancel *,
	struct secret **ret_token, char **ret_id);

/* A hub's token of that user is good no more; it revokes itself. 0 also where it
 * was not good before. */
int login_revoke(const struct token_place *, const char *user, const char *id,
	struct secret *token, const struct cancel *);

/* Whose the token is; g_free. -ENOENT: nobody's, it is a service's. -EPROTO:
 * what it says is no name. */
int login_ask_user(const struct token_place *, struct secret *token,
	const struct cancel *, char **ret_user);

/* Out of "a=1; b=2", as a server's login gave it, what says who we are; NULL:
 * nothing does. Pure. */
struct secret *login_pick_cookie(const char *cookies);

#endif
