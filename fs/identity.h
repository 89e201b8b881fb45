/*
 * identity.h - as whom root's mount runs: the user that uid= names.
 *
 * The user's files (configuration, state, credentials) are touched with that
 * user's rights only. While root still has things to do the rights are borrowed,
 * and given back; the daemon then becomes the user for good. Of root's
 * environment the user gets what identity.c lists, and nothing else: at the
 * first of the two the rest goes, and HOME, USER, LOGNAME, SHELL and
 * XDG_RUNTIME_DIR are the user's own.
 *
 * For one thread, before there are others.
 */
#ifndef PYCLOUD_IDENTITY_H
#define PYCLOUD_IDENTITY_H

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

struct identity {
	uid_t uid;
	gid_t gid;
	char *name;  /* NULL: no user of this computer has that number */
	char *home;  /* where the home is missing: below /var/tmp */
	char *shell; /* NULL: none is known */
};

/* `gid` NULL: the user's own. NULL with a sentence in *ret_why (g_free): there
 * is no such user, and so no group. */
struct identity *identity_new(uid_t uid, const gid_t *gid, char **ret_why);
void identity_free(struct identity *);

/* The user's rights to files, and back to root's. -errno: nothing has
 * changed. Only for root. */
int identity_borrow(const struct identity *);
int identity_give_back(void);

/* No way back: all ids are the user's, no capability is left, and root's
 * terminal is no longer the process's. -errno: the process is not to go on. */
int identity_become(const struct identity *);

#endif
