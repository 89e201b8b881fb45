/* client_mount.c - see client_mount.h. */
#include "config.h"

#include "client_mount.h"

#include "mountinfo.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

/* The deepest mount point that the path is below; of two on the same place the
 * later one hides the other. NULL: none. */
static const struct mountinfo_entry *find_deepest(
	const GPtrArray *all, const char *path)
{
	const struct mountinfo_entry *found = NULL;

	for (guint i = 0; i < all->len; i++) {
		const struct mountinfo_entry *e = all->pdata[i];

		if (mountinfo_holds(e, path) &&
			(found == NULL ||
				strlen(e->point) >= strlen(found->point)))
			found = e;
	}
	return found;
}

/* Where all of that filesystem is mounted, or "". */
static const char *find_whole(const GPtrArray *all, const char *device)
{
	for (guint i = all->len; i-- > 0;) {
		const struct mountinfo_entry *e = all->pdata[i];

		if (strcmp(e->device, device) == 0 && strcmp(e->root, "/") == 0)
			return e->point;
	}
	return "";
}

char *client_mount_root(const char *mountinfo, const char *path)
{
	g_autoptr(GPtrArray) all = mountinfo_parse(mountinfo);
	const struct mountinfo_entry *e = find_deepest(all, path);

	if (e == NULL || !e->is_ours)
		return NULL;
	return g_strdup(strcmp(e->root, "/") == 0 ? e->point
						  : find_whole(all, e->device));
}

static char *explain(const char *directory, int error)
{
	if (error == ENOTCONN)
		return g_strdup_printf("%s is a mount whose daemon died; "
				       "unmount it (fusermount3 -u) and "
				       "mount it again",
			directory);
	return g_strdup_printf("%s: %s", directory, g_strerror(error));
}

bool client_mount_find(
	const char *directory, struct client_mount *ret, char **ret_why)
{
	g_autofree char *mountinfo = NULL;
	char *path = realpath(directory == NULL ? "." : directory, NULL);

	*ret = (struct client_mount){ 0 };
	if (path == NULL) {
		*ret_why = explain(
			directory == NULL ? "the current directory" : directory,
			errno);
		return false;
	}
	ret->directory = g_strdup(path);
	free(path);
	mountinfo = mountinfo_text();
	if (mountinfo == NULL) {
		*ret_why = g_strdup(MOUNTINFO_UNREADABLE);
		return false;
	}
	ret->root = client_mount_root(mountinfo, ret->directory);
	if (ret->root == NULL)
		*ret_why = g_strdup_printf(
			"%s is not inside a mounted workspace; go into one, "
			"name one with -C DIR, or mount one: mount.pycloud "
			"WORKSPACE DIR",
			ret->directory);
	else if (ret->root[0] == '\0')
		*ret_why = g_strdup_printf(
			"%s shows only a part of a workspace; use a directory "
			"below the place where all of it is mounted",
			ret->directory);
	return *ret_why == NULL;
}

void client_mount_clear(struct client_mount *m)
{
	g_free(m->directory);
	g_free(m->root);
	*m = (struct client_mount){ 0 };
}

char *client_mount_path(
	const struct client_mount *m, const char *run, const char *name)
{
	return g_build_filename(m->root, ".pycloud", "runs", run,
		run == NULL ? NULL : name, NULL);
}
