/*
 * local_node.h - the kinds "local directory", "local file", "local link": names
 * that stay here.
 *
 * What is done to them is done to local_names.h's directory, by path; an open
 * file is a descriptor of its own, so it survives what happens to its name.
 * Changes of names enter their path alone (path_gate.h), as those of the
 * server's names do; looking at one enters it shared.
 *
 * The operations on (directory, name) are dir.c's, of both kinds of directory:
 * they ask here first. Those below that end in "1: done" return 0 for a name
 * of the server's and -errno.
 */
#ifndef PYCLOUD_LOCAL_NODE_H
#define PYCLOUD_LOCAL_NODE_H

#include "node_table.h"

#include <sys/stat.h>

struct handle;
struct session;

extern const struct node_ops local_dir_ops; /* dir.c */
extern const struct node_ops local_file_ops;
extern const struct node_ops local_link_ops;

/* local_dir.c: 1: done. */
int local_lookup(struct request *, struct node *dir, const char *dir_path,
	const char *name, struct node **ret_node, struct node_attr *ret_attr);
int local_create(struct request *, struct node *dir, const char *dir_path,
	const char *name, mode_t, int flags, struct node **ret_node,
	struct node_attr *ret_attr, struct open_result *ret_open);
int local_mkdir(struct request *, struct node *dir, const char *dir_path,
	const char *name, mode_t, struct node **ret_node,
	struct node_attr *ret_attr);
/* A name came or went: what was set as the directory's time has ended. */
void local_dir_changed(struct session *, struct node *dir);
/* For a caller inside the gate. */
int local_unlink(
	struct request *, struct node *dir, const char *name, const char *path);
int local_rmdir(
	struct request *, struct node *dir, const char *name, const char *path);

/* A symbolic link always stays here: 0 when it is made. */
int local_symlink(struct request *, struct node *dir, const char *name,
	const char *target, struct node **ret_node, struct node_attr *ret_attr);

/* local_rename.c, for a caller inside the gate. 1: done; 0: it is the server's;
 * LOCAL_RENAME_OVER_LINK: it is the server's, but a symbolic link stands here
 * at the target, which local_rename_over_link() removes afterwards. What stays
 * here is exchanged with nothing: -EINVAL. */
#define LOCAL_RENAME_OVER_LINK 2
struct local_move {
	struct request *request;
	struct node *dir, *to_dir;
	const char *name, *to_name;
	const char *dir_path, *to_dir_path;
	const char *from, *to;
	unsigned flags; /* RENAME_NOREPLACE or RENAME_EXCHANGE or 0 */
};

int local_rename(const struct local_move *);
int local_rename_over_link(const struct local_move *);

/* Reading a directory of either kind: takes the names that stay here into the
 * handle's snapshot, and out of the server's. */
void local_take_snapshot(struct session *, const char *path, struct handle *);
/* The entry number `index` of those; as node_ops.dirent. */
int local_dirent(struct request *, struct handle *, guint index,
	bool wants_node, struct node_dirent *ret);
int local_dir_opendir(struct request *, struct node *, struct open_result *ret);
int local_dir_dirent(struct request *, struct handle *, uint64_t index,
	bool wants_node, struct node_dirent *ret);

/* local_file.c */
int local_getattr(struct request *, struct node *, struct node_attr *ret);
int local_setattr(struct request *, struct node *, struct handle *,
	const struct node_change *, struct node_attr *ret);
/* n NULL: of a name without a node. */
void local_attr(struct session *, const struct node *, const struct stat *,
	struct node_attr *ret);
/* Takes the descriptor. */
void local_open_at(struct session *, struct node *, int fd, int flags,
	struct open_result *ret);

#endif
