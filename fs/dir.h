/*
 * dir.h - the kind "directory": names on the server.
 *
 * Names are answered from the tree (tree.h); changes go to the server first and
 * are believed at once. Creating a file costs nothing until its first flush;
 * only a dot name is created on the server at once, because the server may
 * refuse it and the program must hear that from open().
 */
#ifndef PYCLOUD_DIR_H
#define PYCLOUD_DIR_H

#include "node_table.h"

struct entry;
struct session;

extern const struct node_ops dir_ops;

/* --- dir_gate.c --- */

/* What the caller of an op on (dir, name) needs: the directory's path and the
 * child's. g_free both. -ENOENT for a removed directory, and the name's own
 * errors. */
int dir_child_path(struct request *, struct node *dir, const char *name,
	char **ret_dir_path, char **ret_path);

/* The same for an op that changes what the name means: enters its path alone
 * (path_gate.h). Whoever waits at the gate may wait for a rename of the
 * directory, so the path is what it is when it has passed. After 0 the caller
 * calls dir_leave(). */
struct path_pass;
int dir_enter_alone(struct request *, struct node *dir, const char *name,
	struct path_pass *, char **ret_dir_path, char **ret_path);
void dir_leave(struct request *, struct path_pass *);

/* A path that an op is about. */
struct dir_place {
	struct node *node;
	const char *name; /* of its child; NULL: the node itself */
	char *dir_path;	  /* owned, as path; of a child */
	char *path;
};

/* One or both alone, in one step. What is owned is the caller's to clear in any
 * case, and not before it has left. */
int dir_enter_places(struct request *, struct dir_place *,
	struct dir_place *or_null, struct path_pass *);
void dir_place_clear(struct dir_place *);

/* --- dir.c --- */

/* The node of an entry, entered with a ref and `lookups`. */
struct node *dir_enter(struct session *, struct node *dir, const struct entry *,
	uint64_t lookups);

/* We made, removed or replaced dir/name: it is `now` (NULL: gone), and what
 * was set as the directory's time has ended. */
void dir_name_changed(struct session *, const char *dir_path, const char *name,
	const struct entry *now, bool is_local);

/* -ENOTEMPTY unless a fresh listing proves that the directory is empty. The
 * caller is alone inside the gate. */
int dir_prove_empty(struct request *, const char *path);

/* --- dir_remove.c --- */

/* The file has no name any more: its bytes are given up now, or with its last
 * handle, and in neither case does the spool keep them. NULL is fine. */
void dir_forget_bytes(struct session *, struct node *);
/* The file goes, on the server and here; who has it open keeps its bytes. The
 * node may be NULL. The second: the server's is gone already. */
int dir_remove_file(struct request *, struct node *dir, struct node *,
	const char *name, const char *dir_path, const char *path);
void dir_forget_file(struct request *, struct node *dir, struct node *,
	const char *name, const char *dir_path, const char *path);

/* rename.c */
int dir_rename(struct request *, struct node *dir, const char *name,
	struct node *to_dir, const char *to_name, unsigned flags);

/* link.c */
int dir_link(struct request *, struct node *source, struct node *dir,
	const char *name, struct node **ret_node, struct node_attr *ret_attr);

#endif
