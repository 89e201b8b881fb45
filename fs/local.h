/*
 * local.h - which names stay on this computer, and what of them is open.
 *
 * A name stays here when it stands here already (local_names.h), when it is
 * an editor's own (name_policy.h), when it is in a directory that stays here,
 * or when it begins with a dot and the server refuses such names, which is
 * asked once, when the first of them is met. What a mount learnt of that is
 * remembered for the next one, which asks again but can do without an answer.
 *
 * A file that stays here and is open is known by its node's number, so that
 * fstat(2) works when it has no name any more.
 *
 * Locking: one internal lock around what is open and what was said.
 */
#ifndef PYCLOUD_LOCAL_H
#define PYCLOUD_LOCAL_H

#include "node.h"

#include <sys/stat.h>

struct local;
struct local_names;
struct request;
struct session;

/* Whose a name is. */
enum local_side {
	SIDE_SERVER,
	SIDE_HERE,    /* it stands here */
	SIDE_KEPT,    /* it does not, but would stay here if it were made */
	SIDE_REFUSED, /* it is nowhere and cannot be made: -EPERM */
};

/* Borrows the session, of which names_fd, state, remote and attrs must be. */
struct local *local_new(struct session *);
void local_free(struct local *);
struct local_names *local_names(struct session *);

/* 0 and *ret_side, or -errno when the server had to be asked and could not be.
 * `open_flags` matter to a file that is about to be created; else 0. */
int local_find_side(struct request *, struct node *dir, const char *dir_path,
	const char *name, int open_flags, enum local_side *ret_side);
/* The same as if nothing stood here under the name. */
int local_find_new_side(struct request *, struct node *dir,
	const char *dir_path, const char *name, int open_flags,
	enum local_side *ret_side);
/* It is an editor's own. */
bool local_is_editors(struct session *, const char *name);
/* "kept here", "native", "refused" or "unknown", for the status. */
const char *local_hidden_text(struct session *);
/* Names that stay here are in this directory of the server's: 1, 0, or why that
 * cannot be told. */
int local_has_names(struct session *, const char *path);

/* A node was opened at this descriptor, or closed again. */
void local_opened(struct session *, struct node *, int fd);
void local_closed(struct session *, struct node *);
/* A descriptor of an open node (close it), -ESTALE when it is not open. */
int local_open_fd(struct session *, struct node *);
/* The node's bytes are the server's now: what would still be written to it
 * could not follow them. */
void local_left(struct session *, struct node *);
bool local_has_left(struct session *, struct node *);

#endif
