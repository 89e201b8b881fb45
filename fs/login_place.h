/*
 * login_place.h - which server a `pycloud login` is for, and where it keeps the
 * token.
 *
 * What is written may be a URL, a hub's spec or the name of a group in
 * pycloud.conf(5), which then says, too, whom to trust and whether there is a
 * file for the token. Owned by who asked; no locks.
 */
#ifndef PYCLOUD_LOGIN_PLACE_H
#define PYCLOUD_LOGIN_PLACE_H

#include "login_options.h"
#include "token_trial.h"

struct login_place {
	char *server; /* as mounts search for its token */
	char *api;    /* below which tokens are tried */
	char *shown;  /* what people called it */
	char *user;   /* of a hub; NULL: not said */
	char *ca_file;
	char *file; /* where the token is kept; NULL: the keyring */
	bool is_hub;
	bool is_insecure;
	bool has_command; /* a token_command, which mounts ask first */
};

/* False: *ret_why (g_free). login_place_clear() in either case. */
bool login_place_find(
	const struct login_options *, struct login_place *ret, char **ret_why);
void login_place_clear(struct login_place *);

/* Borrows from it. */
struct token_place login_place_trial(const struct login_place *);

#endif
