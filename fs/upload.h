/*
 * upload.h - one upload of a node's bytes, for transfer.c and swap.c alone.
 *
 * Inside the path's gate, with the content open.
 */
#ifndef PYCLOUD_UPLOAD_H
#define PYCLOUD_UPLOAD_H

#include "remote.h"

struct node;
struct session;

struct uploading {
	struct session *session;
	struct node *node;
	const char *path;
	const struct cancel *cancel;
	struct remote_source source;
	struct remote_attr attr; /* that went along with the last try */
	bool was_sent;		 /* something of it, before this upload */
	bool may_swap;		 /* swap.h; else in the plain way */
	bool has_doubts; /* ranges may have been replaced, without an answer */
};

/* The server's word on what it has now becomes ours before anybody asks: before
 * the content's upload ends, or the next one would find its own base unknown to
 * the names. */
void upload_adopt(struct session *, struct node *, const char *path,
	const struct entry *);
/* All that was to be sent is there, as `now`: by this upload, or by one before.
 * Ends the content's upload; 0. */
int upload_succeed(struct uploading *, struct entry *now);
/* The server may have some of an upload that failed so, or all: even when no
 * server was found in the end, an earlier attempt may have met one. */
bool upload_may_have_left(int rc);
/* Ours are beside the file from now on, and the file is theirs; NULL: gone.
 * Ends the content's upload: -ESTALE, or what kept it from that. */
int upload_give_way(struct uploading *, const struct entry *theirs);

#endif
