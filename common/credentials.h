/*
 * credentials.h - where a server's token comes from: the one order.
 *
 *     given          in the URL that was mounted
 *     file           the option credentials=
 *     systemd        pycloud.token in $CREDENTIALS_DIRECTORY
 *     environment    $PYCLOUD_TOKEN
 *     command        the option token_command=
 *     keyring        keyring.h
 *     runtime file   of a server of this computer, runtime_file.h
 *     person         at a terminal, where one watches
 *
 * A source that somebody named (a file, a command) and that fails ends the
 * search with its reason: what would be found instead is not what was meant.
 *
 * Immutable and reference-counted; any thread may search. Blocks, bounded:
 * each source has its limit, and the cancel token ends all but the disk.
 */
#ifndef PYCLOUD_CREDENTIALS_H
#define PYCLOUD_CREDENTIALS_H

#include "cancel.h"
#include "secret.h"

#include <stdbool.h>

struct credentials;

/* Copies (takes a reference of `given`). Each may be NULL. */
struct credentials *credentials_new(
	struct secret *given, const char *file, const char *token_command);
struct credentials *credentials_ref(struct credentials *);
void credentials_unref(struct credentials *); /* NULL is fine */

/* Whether a program may be started, at any time. */
bool credentials_starts_programs(const struct credentials *);

struct credentials_wish {
	const char *server; /* the base URL, without secrets */
	const char *user;   /* NULL: any */
	bool is_attended;   /* a program may use our terminal */
	bool asks_person;
	/* 0: this one is it. -EACCES: look on. Anything else ends the search.
	 * NULL: the first is it. */
	int (*accepts)(void *arg, struct secret *);
	void *arg;
};

struct credentials_found {
	struct secret *secret; /* a reference */
	const char *source;    /* "the keyring": fit for a sentence */
};

/* What to do when the server refuses what this source has: fit for a sentence
 * that goes on with the server's name. */
const char *credentials_remedy(const char *source);

/* 0. -ENOENT: no source has one; *ret_why is NULL or a clause (g_free) that
 * may explain it. -EACCES: none was accepted; the source of the last one is in
 * *ret, without it. -EINTR. Otherwise *ret_why is a sentence (g_free). */
int credentials_find(struct credentials *, const struct credentials_wish *,
	const struct cancel *, struct credentials_found *ret, char **ret_why);

#endif
