/* client_ask.c - see client_ask.h. */
#include "config.h"

#include "client_ask.h"

#include "client.h"
#include "cluster_mounts.h"
#include "mount_ask.h"
#include "mountinfo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ASK_MS 3000

/* --- mounts --------------------------------------------------------------- */

static void asked_free(gpointer asked)
{
	struct client_asked *a = asked;

	g_free(a->name);
	g_free(a->point);
	g_free(a->status);
	g_free(a);
}

static enum client_answer answer_of(int error)
{
	if (error == 0)
		return ANSWER_GIVEN;
	if (error == ENOTCONN || error == ECONNABORTED)
		return ANSWER_STALE;
	return error == ETIMEDOUT ? ANSWER_NONE : ANSWER_NOT_OURS;
}

/* The last of those on one place lies on top. */
static bool is_covered(const GPtrArray *mounts, guint i)
{
	const struct cluster_mount *m = mounts->pdata[i];

	for (guint k = i + 1; k < mounts->len; k++) {
		const struct cluster_mount *other = mounts->pdata[k];

		if (strcmp(other->point, m->point) == 0)
			return true;
	}
	return false;
}

static GPtrArray *find_mounts(const char *point)
{
	GPtrArray *all = g_ptr_array_new_with_free_func(asked_free);
	g_autofree char *mountinfo = mountinfo_text();
	GPtrArray *mounts =
		cluster_mounts_parse(mountinfo == NULL ? "" : mountinfo);

	for (guint i = 0; i < mounts->len && all->len < MOUNT_ASK_MAX; i++) {
		const struct cluster_mount *m = mounts->pdata[i];
		struct client_asked *a;

		if (is_covered(mounts, i) ||
			(point != NULL && strcmp(point, m->point) != 0))
			continue;
		a = g_new0(struct client_asked, 1);
		a->name = g_strdup(m->name);
		a->point = g_strdup(m->point);
		g_ptr_array_add(all, a);
	}
	g_ptr_array_unref(mounts);
	return all;
}

GPtrArray *client_ask_mounts(const char *point)
{
	GPtrArray *all = find_mounts(point);
	const char *points[MOUNT_ASK_MAX] = { NULL };
	struct mount_seen seen[MOUNT_ASK_MAX];

	for (guint i = 0; i < all->len; i++)
		points[i] = ((const struct client_asked *)all->pdata[i])->point;
	mount_ask_all(cluster_mount_status, points, all->len, ASK_MS, seen);
	for (guint i = 0; i < all->len; i++) {
		struct client_asked *a = all->pdata[i];

		a->answer = answer_of(seen[i].error);
		a->status = seen[i].text != NULL ? seen[i].text : g_strdup("");
	}
	return all;
}

/* --- where a directory is ------------------------------------------------- */

static char *look_at_path(const char *path, int *ret_fd)
{
	(void)ret_fd;
	return realpath(path, NULL);
}

/* As the mount table alone has it: the directory may be in a dead mount, or
 * in one that hangs. */
static char *root_by_name(const char *mountinfo, const char *directory)
{
	g_autofree char *path = g_canonicalize_filename(directory, NULL);

	return strstr(directory, "..") != NULL
		       ? NULL
		       : client_mount_root(mountinfo, path);
}

static char *root_by_look(
	const char *mountinfo, const char *directory, char **ret_why)
{
	struct mount_seen seen;
	char *root;

	mount_ask_all(look_at_path, &directory, 1, ASK_MS, &seen);
	if (seen.error != 0) {
		*ret_why = g_strdup_printf(
			"%s: %s", directory, g_strerror(seen.error));
		return NULL;
	}
	root = client_mount_root(mountinfo, seen.text);
	g_free(seen.text);
	if (root != NULL && root[0] != '\0')
		return root;
	g_free(root);
	*ret_why = g_strdup_printf(
		"%s is in no mounted workspace; `pycloud status` outside of "
		"them shows all there are",
		directory);
	return NULL;
}

char *client_ask_root(const char *directory, char **ret_why)
{
	g_autofree char *mountinfo = mountinfo_text();
	char *root;

	if (mountinfo == NULL) {
		*ret_why = g_strdup(MOUNTINFO_UNREADABLE);
		return NULL;
	}
	root = root_by_name(mountinfo, directory);
	if (root != NULL && root[0] != '\0')
		return root;
	g_free(root);
	return root_by_look(mountinfo, directory, ret_why);
}
