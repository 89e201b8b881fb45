/*
 * attr.h - from what the server says, what we hold and what was set here, to a
 * struct stat.
 *
 * Three layers, the later the stronger: the server's entry, with the mode, link
 * count and exact time where it has_attr; the content, while it knows better
 * (unsaved bytes); the overlay (modes, times set by programs that are not so
 * over there). The masks take bits from all but what was set here. The owner is
 * always the mount's.
 * No lock of its own.
 */
#ifndef PYCLOUD_ATTR_H
#define PYCLOUD_ATTR_H

#include "entry.h"
#include "node.h"
#include "session.h"

/* `path` NULL: the file is unlinked and only its content speaks. `entry` is
 * age_ms old. */
void attr_fill(struct session *, struct node *, const char *path,
	const struct entry *, int64_t age_ms, struct node_attr *ret);

/* Of a name that has no node yet (readdir). */
void attr_fill_entry(struct session *, const char *path, const struct entry *,
	int64_t age_ms, struct node_attr *ret);

/* A change of mode or time of what has no name any more. */
void attr_change_nameless(
	struct session *, struct node *, const struct node_change *);

/* Of what stands only here: control files and directories. */
void attr_fill_control(struct session *, const struct node *, mode_t mode,
	int64_t size, const struct timespec *mtime, struct node_attr *ret);

#endif
