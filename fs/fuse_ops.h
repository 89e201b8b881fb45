/*
 * fuse_ops.h - the adapter: libfuse's low-level operations onto node ops.
 *
 * Each operation is three steps: decode, call, reply. It knows no HTTP, and
 * what it calls knows no FUSE. A node op that is missing is answered with the
 * errno programs expect for "cannot be had".
 */
#ifndef PYCLOUD_FUSE_OPS_H
#define PYCLOUD_FUSE_OPS_H

#include "fuse_api.h"

#include <stdbool.h>

extern const struct fuse_lowlevel_ops fuse_ops;

/* fuse_dir_ops.c: operations on names and directories. */
void fuse_op_lookup(fuse_req_t, fuse_ino_t parent, const char *name);
void fuse_op_mknod(
	fuse_req_t, fuse_ino_t parent, const char *name, mode_t, dev_t);
void fuse_op_mkdir(fuse_req_t, fuse_ino_t parent, const char *name, mode_t);
void fuse_op_unlink(fuse_req_t, fuse_ino_t parent, const char *name);
void fuse_op_rmdir(fuse_req_t, fuse_ino_t parent, const char *name);
void fuse_op_symlink(
	fuse_req_t, const char *target, fuse_ino_t parent, const char *name);
void fuse_op_rename(fuse_req_t, fuse_ino_t parent, const char *name,
	fuse_ino_t to_parent, const char *to_name, unsigned flags);
void fuse_op_link(
	fuse_req_t, fuse_ino_t, fuse_ino_t to_parent, const char *to_name);
void fuse_op_create(fuse_req_t, fuse_ino_t parent, const char *name, mode_t,
	struct fuse_file_info *);
void fuse_op_opendir(fuse_req_t, fuse_ino_t, struct fuse_file_info *);
void fuse_op_readdir(
	fuse_req_t, fuse_ino_t, size_t, off_t, struct fuse_file_info *);
void fuse_op_readdirplus(
	fuse_req_t, fuse_ino_t, size_t, off_t, struct fuse_file_info *);

/* fuse_ask_ops.c: what is asked about open files. */
void fuse_op_poll(fuse_req_t, fuse_ino_t, struct fuse_file_info *,
	struct fuse_pollhandle *);
void fuse_op_ioctl(fuse_req_t, fuse_ino_t, unsigned command, void *arg,
	struct fuse_file_info *, unsigned flags, const void *in, size_t in_size,
	size_t out_size);

/* Shared by all of them: begins the request and finds the node (with a ref).
 * False: the request has been answered with ESTALE. */
struct handle;
struct node;
struct request;
bool fuse_begin(struct request *, fuse_req_t, const char *operation, fuse_ino_t,
	struct node **ret_node);
/* The same with an open handle. False: answered with EBADF. */
bool fuse_begin_on_handle(struct request *, fuse_req_t, const char *operation,
	fuse_ino_t, struct fuse_file_info *, struct handle **ret_handle);
void fuse_done(struct request *, struct node *, int rc);

#endif
