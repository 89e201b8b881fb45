/*
 * xattr.h - extended attributes of the user's: user.*, where the remote keeps
 * them (REMOTE_CAN_XATTR), on files and directories of the server's.
 *
 * Programs look for them on every file that they list or copy, and nearly none
 * has any. So which names of a directory have attributes, and which, is asked
 * for all of them at once and believed for attr_timeout; only a value that is
 * there costs a request of its own. All other attributes (security.*, the
 * system's ACLs: the kernel asks for them at each write) are answered without
 * any, and so is user.pycloud.*, the mount's own, which no file has.
 *
 * A file that the server does not have yet has none; it is saved before it gets
 * one. What else is unsaved need not be: a save keeps them.
 *
 * Without the capability: none has any, and -EOPNOTSUPP.
 *
 * Locking: one internal lock, not held while the remote is asked.
 */
#ifndef PYCLOUD_XATTR_H
#define PYCLOUD_XATTR_H

#include "node.h"

struct xattrs;

struct xattrs *xattrs_new(void);
void xattrs_free(struct xattrs *);
/* Directories have other names now: all is asked for again. */
void xattrs_forget(struct xattrs *);
/* What the file was is the other name's now; to_dir NULL: it is gone. */
void xattrs_moved(struct xattrs *, const char *dir, const char *name,
	const char *to_dir, const char *to_name);

/* Of a node's ops. */
int xattr_get(struct request *, struct node *, const char *name,
	char **ret_value, size_t *ret_size);
int xattr_list(
	struct request *, struct node *, char **ret_names, size_t *ret_size);
int xattr_set(struct request *, struct node *, const char *name,
	const char *value, size_t size, int flags);

#endif
