/*
 * fuse_forest_ops.h - the adapter of a forest (forest.h): libfuse's low-level
 * operations onto its names.
 *
 *   1            the root: one directory per workspace, and .pycloud
 *   2, 3         .pycloud, not listed, and in it status
 *   from FOREST_FIRST_INO on: the workspaces, none of which has a dot name
 *
 * What goes in: opening a workspace's directory, any operation on a name below
 * it, and chdir(2). Without the mount option default_permissions the kernel
 * asks about that last one as it does for access(2) with X_OK, and about
 * nothing else of the kind; the two are told apart where /proc says so. For the
 * same reason rights are checked here.
 *
 * What the forest's own processes do (mounting does a chdir, too) goes nowhere.
 */
#ifndef PYCLOUD_FUSE_FOREST_OPS_H
#define PYCLOUD_FUSE_FOREST_OPS_H

#include "forest.h"
#include "fuse_api.h"

struct fuse_forest;

struct fuse_forest_params {
	struct forest *forest; /* borrowed */
	uid_t uid;
	gid_t gid;
	mode_t fmask;
	mode_t dmask;
	int64_t valid_ms; /* how long the kernel believes names, attributes */
	/* Begins the status. */
	void (*describe)(void *arg, GString *text);
	void *describe_arg;
};

struct fuse_forest *fuse_forest_new(const struct fuse_forest_params *);
void fuse_forest_free(struct fuse_forest *);

/* Their userdata is a struct fuse_forest. */
extern const struct fuse_lowlevel_ops fuse_forest_ops;

#endif
