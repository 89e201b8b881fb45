/*
 * keyring.h - the desktop's keyring, where people's tokens are kept.
 *
 * Spoken to by D-Bus (the Secret Service, libsecret's schema
 * "org.pycloud.Token": server, workspace, user, token_id). An item is found by
 * its server and user; the workspace is for people who look at their keyring, and
 * the token's id, which is no secret, for who will revoke it.
 *
 * What answers there may hang: a keyring that waits for somebody's password, a
 * bus of a session that is gone. So each call works in a thread that may be
 * left behind, and is bounded by a limit of common_limits.h and by the cancel token. A
 * bus is used where there is one (DBUS_SESSION_BUS_ADDRESS, or
 * $XDG_RUNTIME_DIR/bus) and never started, nor a program as the way to it. A
 * mount does not die with its bus, and asks the next one when it must.
 *
 * Threads: any. It may start threads, so a daemon calls it after its last fork.
 */
#ifndef PYCLOUD_KEYRING_H
#define PYCLOUD_KEYRING_H

#include "cancel.h"
#include "secret.h"

struct keyring_key {
	const char *server;    /* the base URL, without secrets */
	const char *workspace; /* NULL: none; not searched for */
	const char *user;      /* NULL: any to find and forget, none to store */
	const char *token_id;  /* NULL: not known; not searched for */
};

/* What is taken out of the keyring. */
struct keyring_item {
	char *user;	      /* NULL: it was nobody's */
	char *token_id;	      /* NULL: not known */
	struct secret *token; /* NULL: not readable */
};

void keyring_item_free(gpointer);

/* The newest of this user's, else the newest that names no user (a hub's
 * service's, which may open all users' servers). Never asks a person for anything. -ENOENT: there is
 * none, or no keyring, with *ret_why NULL; with a clause for people (g_free)
 * where the keyring is locked or does not answer, which may be why. -EINVAL:
 * what is there cannot be a token. -EINTR. */
int keyring_find(const struct keyring_key *, const struct cancel *,
	struct secret **ret, char **ret_why);

/* In place of all others of this server and just this user, which go when it is
 * there; *ret as below. Where there is a display, a person may be asked to
 * unlock the keyring. -EACCES, -ENOENT, -ETIMEDOUT, -EIO with a clause in
 * *ret_why (g_free); -EINTR. */
int keyring_store(const struct keyring_key *, struct secret *,
	const struct cancel *, GPtrArray **ret, char **ret_why);

/* Removes them; *ret (g_ptr_array_unref, also with an error, for some may be
 * gone by then; NULL: none is) has struct keyring_item. As above. */
int keyring_forget(const struct keyring_key *, const struct cancel *,
	GPtrArray **ret, char **ret_why);

/* There is a bus, so there may be a keyring. */
bool keyring_may_be_there(void);

#endif
