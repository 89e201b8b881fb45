/*
 * volume.h - how much room there is: what df shows.
 *
 * The contents API does not tell. Where the remote can (REMOTE_CAN_VOLUME) it
 * is asked, by one request at a time, and its answer is given for a second.
 * Desktops ask all the time, so nobody waits for long: who cannot be told in
 * time is told what was known last, and else of a terabyte, all of it free, as
 * sshfs does without the server's help: so that no program refuses to try. A
 * write that finds no room is ENOSPC.
 *
 * Locking: one internal lock, not held while the remote is asked.
 */
#ifndef PYCLOUD_VOLUME_H
#define PYCLOUD_VOLUME_H

#include <sys/statvfs.h>

struct remote;
struct volume;

/* Borrows the remote. */
struct volume *volume_new(struct remote *);
void volume_free(struct volume *);

void volume_stat(struct volume *, struct statvfs *ret);

#endif
