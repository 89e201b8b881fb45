/*
 * transfer.h - a node's bytes, to and from the server.
 *
 * What content.c calls a state, this module carries out: it finds the node's
 * path, passes the path gate, talks to the remote and adopts the server's
 * answer (size, last_modified) before anybody is told that it is done.
 *
 * A node whose bytes are not on the server is in the dirty set (dirty_set.h),
 * and its bytes are in the spool. An upload that fails says so to whoever waits
 * for it and leaves both as they are.
 */
#ifndef PYCLOUD_TRANSFER_H
#define PYCLOUD_TRANSFER_H

#include "cancel.h"
#include "entry.h"
#include "path_gate.h"

#include <stdbool.h>

struct node;
struct request;
struct session;

/* The node's bytes changed here. 0, or -errno when the change could not be put
 * into the spool: then it must not be answered as done. */
int transfer_changed(struct session *, struct node *);
/* Dirty files have other paths now. */
void transfer_moved(struct session *);
/* The node's bytes are of no use to anybody any more. */
void transfer_abandon(struct session *, struct node *);

/* A node's path, inside the gate: no rename or removal touches it until
 * transfer_leave(). -ENOENT for an unlinked node. */
struct transfer_pass {
	char *path;
	struct path_pass gate;
};

int transfer_enter(struct session *, struct node *, const struct cancel *,
	struct transfer_pass *ret);
/* The same, and no other transfer either, where is_alone. */
int transfer_enter_as(struct session *, struct node *, bool is_alone,
	const struct cancel *, struct transfer_pass *ret);
void transfer_leave(struct session *, struct transfer_pass *);

/* Opens the node's content (transfer_close it), without bytes of another version
 * than `now`; before a removal of the file or after it, never meanwhile:
 * -ESTALE when it is unlinked, and the kernel looks the name up again. */
int transfer_open(struct session *, struct node *, const struct entry *now,
	const struct cancel *);

/* Ends what content_open() began; the last close of clean bytes gives them to
 * the cache. */
void transfer_close(struct session *, struct node *);

/* Uploads what is dirty; 0 when everything is on the server. An unlinked file
 * has no place there: 0. -ESTALE: somebody else saved the file meanwhile, and
 * our bytes stand beside it (conflict.h). */
int transfer_upload(struct session *, struct node *, const struct cancel *);
/* What close(2) does: the same, or with `-o writeback` later. */
int transfer_save(struct session *, struct node *, const struct cancel *);
/* Writes the node's bytes to `path` whatever their state (loaded by the
 * caller), who is inside the gate. All or nothing where that can be had;
 * without `or_plain` it is -EOPNOTSUPP where it cannot, and nothing is done. */
int transfer_upload_to(struct session *, struct node *, const char *path,
	bool or_plain, const struct cancel *, struct entry *ret_entry);

/* Uploads everything dirty, and removes what waits to be (late_remote.h); the
 * first error, after trying all. What had failed before is tried too, but of
 * another refusal its program knows; that there is no server is said again, as
 * what is there is not what is here. */
int transfer_upload_all(struct session *, const struct cancel *);

/* What is still dirty is made to survive for the next mount; how many. */
unsigned transfer_keep_all(struct session *);

#endif
