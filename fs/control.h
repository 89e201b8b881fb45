/*
 * control.h - the files that speak about the mount itself.
 *
 *   .run                     can be named in every directory, listed in the root
 *   .pycloud/                can be named in the root, listed nowhere: tools that
 *                            walk the tree must not meet it
 *     events                 what others change, live (event_file.h)
 *     status                 key: value, one a line
 *     runs/                  N/ for each run, and `last`, a link to the newest
 *       N/command            the line as it was written
 *       N/output             what it wrote, live (run_file.h)
 *       N/stdout, N/stderr   the same, each stream apart
 *       N/exit               its exit status; empty while it runs
 *       N/started, N/ended   when; the second is empty while it runs
 *       N/status             key: value
 *       N/ctl                write INT, TERM, KILL, ... or a number: a signal
 *       N/figures/           the pictures it showed (PNG)
 *
 * Text files are made when opened and read directly, without the kernel's
 * pages. Nothing here can be created, renamed or removed.
 */
#ifndef PYCLOUD_CONTROL_H
#define PYCLOUD_CONTROL_H

#include "node.h"

/* Is (dir, name), of a directory of the server's tree, one of ours? 1: yes,
 * with the node entered (+1 ref, +1 lookup); 0: no. */
int control_lookup(struct request *, struct node *dir, const char *name,
	struct node **ret_node, struct node_attr *ret_attr);

/* The control name that is listed in this directory, or NULL. */
const char *control_listed_name(const struct node *dir);

/* Names that the server's tree cannot use here. */
bool control_is_reserved(const struct node *dir, const char *name);
bool control_is_reserved_at(const char *dir_path, const char *name);

#endif
