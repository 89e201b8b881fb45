/*
 * transfer.h - a node's bytes, to and from the server.
 *
 * What content.c calls a state, this module carries out: it finds the node's
 * path, passes the path gate, talks to the remote and adopts the server's
 * answer (size, last_modified) before anybody is told that it is done.
 *
 * The dirty set holds a ref of every node whose bytes are not on the server,
 * so that the kernel's forget cannot lose them, and so that `.run` and unmount
 * know what is left to upload. Locking: one internal lock around the set.
 */
#ifndef PYCLOUD_TRANSFER_H
#define PYCLOUD_TRANSFER_H

#include "cancel.h"
#include "entry.h"
#include "path_gate.h"

#include <stdbool.h>

struct dirty_set;
struct node;
struct request;
struct session;

struct dirty_set *dirty_set_new(void);
void dirty_set_free(struct dirty_set *);
/* Nodes with bytes that are not on the server (with a ref each). */
GPtrArray *dirty_set_nodes(struct session *);
unsigned dirty_set_count(struct dirty_set *);

/* The node's bytes changed here. */
void transfer_changed(struct session *, struct node *);
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
 * has no place there: 0. */
int transfer_upload(struct session *, struct node *, const struct cancel *);
/* Writes the node's bytes to `path` whatever their state (loaded by the
 * caller), who is inside the gate. */
int transfer_upload_to(struct session *, struct node *, const char *path,
	const struct cancel *, struct entry *ret_entry);

/* Uploads everything dirty, and removes what waits to be (late_remote.h); the
 * first error, after trying all. */
int transfer_upload_all(struct session *, const struct cancel *);

/* Gives what is still dirty a name in the rescue directory; how many. */
unsigned transfer_rescue(struct session *);

#endif
