/*
 * client_mount.h - the mount that a directory is in, as /proc says.
 *
 * The front end knows a mount only by its control files: .run in the directory,
 * .pycloud in the mount's root.
 */
#ifndef PYCLOUD_CLIENT_MOUNT_H
#define PYCLOUD_CLIENT_MOUNT_H

#include <stdbool.h>

struct client_mount {
	char *directory; /* absolute; owned, as the root */
	char *root;
};

/* NULL: the current directory. False, with a sentence in *ret_why (g_free):
 * there is no such directory, or it is in no mount of ours. */
bool client_mount_find(
	const char *directory, struct client_mount *ret, char **ret_why);
void client_mount_clear(struct client_mount *);

/* "ROOT/.pycloud/runs/RUN/NAME"; NULL for what is not asked for; g_free. */
char *client_mount_path(
	const struct client_mount *, const char *run, const char *name);

/* The root of the mount that the absolute path is in (g_free), by the text of a
 * mountinfo, see proc(5); NULL: it is in another filesystem. Where only a part
 * of a mount is bound to its place the root is found elsewhere, or is "". */
char *client_mount_root(const char *mountinfo, const char *path);

#endif
