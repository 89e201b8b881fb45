/*
 * control_private.h - what the control files (control.c), their texts
 * (control_text.c) and the runs' directories (run_dir.c) share.
 */
#ifndef PYCLOUD_CONTROL_PRIVATE_H
#define PYCLOUD_CONTROL_PRIVATE_H

#include "node.h"

#include <glib.h>

enum text_kind {
	TEXT_STATUS,
	TEXT_PENDING,
	TEXT_CONFLICTS,
	TEXT_RUN_COMMAND,
	TEXT_RUN_EXIT,
	TEXT_RUN_STATUS,
	TEXT_RUN_STARTED,
	TEXT_RUN_ENDED
};

/* A fixed name of a control directory. */
struct control_name {
	const char *name;
	const struct node_ops *ops;
	enum text_kind text; /* where ops is control_text_ops */
};

extern const struct node_ops control_text_ops;
extern const struct node_ops control_runs_ops; /* .pycloud/runs */

/* A text node's tag. */
uint64_t control_text_tag(enum text_kind, uint64_t run);

/* The node of that kind, +1 ref and +1 lookup, and its attributes. */
void control_enter(struct request *, struct node *dir, const char *name,
	const struct node_ops *, uint64_t tag, struct node **ret_node,
	struct node_attr *ret_attr);
/* The same by the table's names (ends with NULL); tags are the directory's.
 * 0 or -ENOENT. */
int control_enter_named(struct request *, struct node *dir, const char *name,
	const struct control_name *, struct node **ret_node,
	struct node_attr *ret_attr);
/* All names of the table (of char *). */
GPtrArray *control_names(const struct control_name *);

/* Ops of every control directory. */
int control_dir_getattr(struct request *, struct node *, struct node_attr *ret);
int control_dirent(struct request *, struct handle *, uint64_t index,
	bool wants_node, struct node_dirent *ret);
/* A handle that only reads, past the kernel's pages. 0 or -EACCES. */
int control_open_read_only(
	struct request *, struct node *, int flags, struct open_result *);
/* Nothing to do: the table frees names and texts. */
void control_release(struct request *, struct handle *);
/* A handle that lists these; takes them. */
int control_open_names(
	struct request *, struct node *, GPtrArray *, struct open_result *);

#endif
