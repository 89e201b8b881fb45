/*
 * swap.h - saving by compare-and-swap, where the remote can (REMOTE_CAN_SWAP).
 *
 * The condition is what conflict.h would look for first: that the server still
 * has what our change began from. So nothing is asked beforehand, nobody can
 * save between the look and the save, and what is there instead comes with the
 * refusal. It is all or nothing, to the pod and to a power cut here: nothing
 * needs to be made safe before it, whatever its size. Of a large file only what
 * changed is sent, and the rest of it need not be here.
 *
 * What it cannot do is done in the plain way (transfer.c), which asks first.
 */
#ifndef PYCLOUD_SWAP_H
#define PYCLOUD_SWAP_H

#include "remote.h"

struct session;
struct uploading;

/* Instead of an outcome: in the plain way, then. */
#define SWAP_PLAIN 2

/* 0 when what is dirty is on the server, or was not; 1: not all of it is here,
 * and it must be; SWAP_PLAIN; -errno, as of transfer_upload(). */
int swap_upload(struct uploading *);

/* Of a file that is not all here: are our ranges on the server, by an upload
 * that nobody answered? 0: they are, and it is clean; 1: no; -errno. */
int swap_find_sent(struct uploading *);

bool swap_is_possible(struct session *);

enum swap_way {
	SWAP_OR_WRITE, /* in the plain way where it is not to be had otherwise */
	SWAP_ONLY,     /* that is for the caller to do */
	SWAP_NOT,      /* the caller has tried */
};

bool swap_should_write(int rc); /* so says the outcome of SWAP_ONLY */
/* A knowing overwrite, or with REMOTE_IF_ABSENT none; with these attributes where
 * that can be had. */
int swap_put(struct session *, const char *path, enum remote_condition,
	enum swap_way, const struct remote_attr *or_null,
	const struct remote_source *, const struct cancel *,
	struct entry *ret_entry);

#endif
