/*
 * token_systemd.h - systemd's credential: pycloud.token in
 * $CREDENTIALS_DIRECTORY (LoadCredential= of systemd.exec(5)).
 *
 * The directory is open to the unit's user alone. A unit of root's that mounts
 * for another user (uid=) has one of root's, so what is in it is held before the
 * process becomes that user, and is all that is known of it from then on. Any
 * thread; one internal lock.
 */
#ifndef PYCLOUD_TOKEN_SYSTEMD_H
#define PYCLOUD_TOKEN_SYSTEMD_H

#include "secret.h"

#define TOKEN_SYSTEMD_NAME "pycloud.token"

/* -ENOENT: there is none, *ret_why is NULL. Else as token_file_read(). */
int token_systemd_find(struct secret **ret, char **ret_why);

/* For root that is about to be somebody else. Only a file of root's is taken:
 * what another user has placed there is read with no right of root's. */
void token_systemd_hold(void);

#endif
