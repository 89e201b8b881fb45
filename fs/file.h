/*
 * file.h - the kind "file": bytes on the server.
 *
 * Reads and writes go to the node's content; flush and fsync upload it and
 * return the truth. See content.h for the states and transfer.h for what moves
 * the bytes.
 */
#ifndef PYCLOUD_FILE_H
#define PYCLOUD_FILE_H

#include "node_table.h"

struct entry;
struct session;

extern const struct node_ops file_ops;

/* The template of a file node. */
struct node_template file_template(struct session *);

/* Opens a node whose current attributes are `entry`; with O_TRUNC it is empty
 * afterwards. */
int file_open_entry(struct request *, struct node *, int flags,
	const struct entry *, struct open_result *);

/* For who has just closed the content, or never opened it: bytes of a file that
 * is gone and that nobody has open are of no use any more. Whoever removes a
 * file looks for handles after it has taken the path, so one of both sees
 * the other. */
void file_let_go(struct session *, struct node *);

#endif
