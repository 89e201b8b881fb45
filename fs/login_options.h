/*
 * login_options.h - the command line of `pycloud login` and `logout`. Pure, but
 * for GLib's words for what is wrong.
 */
#ifndef PYCLOUD_LOGIN_OPTIONS_H
#define PYCLOUD_LOGIN_OPTIONS_H

#include <glib.h>
#include <stdbool.h>

/* Where the secret is read. */
enum login_from {
	LOGIN_FROM_TERMINAL,	   /* a token or a password, whichever it is */
	LOGIN_FROM_TOKEN_STDIN,	   /* --token-stdin */
	LOGIN_FROM_PASSWORD_STDIN, /* --password-stdin */
};

/* The texts are owned; NULL: not given. */
struct login_options {
	bool is_logout;
	bool wants_help;
	enum login_from from;
	char *spec;
	char *user;
	char *file;   /* instead of the keyring */
	char *config; /* instead of the usual files */
	char *ca_file;
	bool is_insecure;
};

bool login_options_has(const char *word);

/* argv[1] is "login" or "logout". False: wrong, with a sentence in *ret_why
 * (g_free). login_options_clear() in either case. */
bool login_options_parse(
	int argc, char **argv, struct login_options *ret, char **ret_why);
void login_options_clear(struct login_options *);

#endif
