/*
 * cluster_mounts.h - where this computer has workspaces mounted.
 *
 * The mount table says where a workspace of that name is; of which cluster it
 * is, only its .pycloud/status does. That is read as mount_ask.h says: a mount
 * whose daemon hangs keeps nobody waiting.
 */
#ifndef PYCLOUD_CLUSTER_MOUNTS_H
#define PYCLOUD_CLUSTER_MOUNTS_H

#include <glib.h>
#include <stdbool.h>

enum cluster_mount_state {
	CLUSTER_MOUNT_SILENT, /* it did not answer in time */
	CLUSTER_MOUNT_KNOWN,
	CLUSTER_MOUNT_OTHER, /* dead, not ours to read, or hidden by another */
};

struct cluster_mount {
	char *name; /* the workspace's, or its URL */
	char *point;
	enum cluster_mount_state state;
	char *context; /* NULL: it is in no cluster, or that is not known */
	char *namespace;
};

/* All there are in the text of a mountinfo, none of them asked yet. Pure.
 * Elements are struct cluster_mount, freed with the array. */
GPtrArray *cluster_mounts_parse(const char *mountinfo);

/* What one's status says. Pure. */
void cluster_mount_take(struct cluster_mount *, const char *status);

/* All of the .pycloud/status of what is mounted there (g_free), or NULL with
 * errno: a mount_look_fn. */
char *cluster_mount_status(const char *point, int *ret_fd);

/* Those of this computer; `name` NULL: all. Blocks for at most a second. */
GPtrArray *cluster_mounts_read(const char *name);

/* Whether it is this workspace. Certainly not: a local one, another
 * cluster's. */
bool cluster_mount_is(const struct cluster_mount *, const char *name,
	const char *context, const char *namespace);

#endif
