/* cluster_mounts.c - see cluster_mounts.h. */
#include "config.h"

#include "cluster_mounts.h"

#include "client.h"
#include "mount_ask.h"
#include "mountinfo.h"

#include <errno.h>
#include <string.h>

#define ANSWER_MS 1000

static void mount_free(gpointer mount)
{
	struct cluster_mount *m = mount;

	g_free(m->name);
	g_free(m->point);
	g_free(m->context);
	g_free(m->namespace);
	g_free(m);
}

/* --- the table ------------------------------------------------------------ */

/* NULL: it is none of ours, or a part of one that is bound elsewhere. */
static struct cluster_mount *mount_of(const struct mountinfo_entry *e)
{
	const char *name = mountinfo_workspace(e);
	struct cluster_mount *m;

	if (name == NULL || strcmp(e->root, "/") != 0)
		return NULL;
	m = g_new0(struct cluster_mount, 1);
	m->name = g_strdup(name);
	m->point = g_strdup(e->point);
	return m;
}

GPtrArray *cluster_mounts_parse(const char *mountinfo)
{
	GPtrArray *mounts = g_ptr_array_new_with_free_func(mount_free);
	g_autoptr(GPtrArray) all = mountinfo_parse(mountinfo);

	for (guint i = 0; i < all->len; i++) {
		struct cluster_mount *m = mount_of(all->pdata[i]);

		if (m != NULL)
			g_ptr_array_add(mounts, m);
	}
	return mounts;
}

void cluster_mount_take(struct cluster_mount *m, const char *status)
{
	g_autofree char *name = client_text_value(status, "workspace");

	/* Another one may have been mounted over it. */
	if (g_strcmp0(name, m->name) != 0) {
		m->state = CLUSTER_MOUNT_OTHER;
		return;
	}
	m->state = CLUSTER_MOUNT_KNOWN;
	m->context = client_text_value(status, "context");
	m->namespace = client_text_value(status, "namespace");
}

bool cluster_mount_is(const struct cluster_mount *m, const char *name,
	const char *context, const char *namespace)
{
	return m->state == CLUSTER_MOUNT_KNOWN && strcmp(m->name, name) == 0 &&
	       g_strcmp0(m->context, context) == 0 &&
	       g_strcmp0(m->namespace, namespace) == 0;
}

/* --- asking --------------------------------------------------------------- */

char *cluster_mount_status(const char *point, int *ret_fd)
{
	int rc = mount_ask_enter(point);

	(void)ret_fd;
	if (rc == 0)
		return client_text_read(".pycloud/status");
	errno = -rc;
	return NULL;
}

static void take_seen(struct cluster_mount *m, const struct mount_seen *seen)
{
	if (seen->text != NULL)
		cluster_mount_take(m, seen->text);
	else if (seen->error != ETIMEDOUT)
		m->state = CLUSTER_MOUNT_OTHER;
}

static void ask_all(const GPtrArray *mounts)
{
	const char *points[MOUNT_ASK_MAX] = { NULL };
	struct mount_seen seen[MOUNT_ASK_MAX];
	guint count = MIN(mounts->len, MOUNT_ASK_MAX);

	for (guint i = 0; i < count; i++)
		points[i] =
			((const struct cluster_mount *)mounts->pdata[i])->point;
	mount_ask_all(cluster_mount_status, points, count, ANSWER_MS, seen);
	for (guint i = 0; i < count; i++) {
		take_seen(mounts->pdata[i], &seen[i]);
		g_free(seen[i].text);
	}
}

static void keep_named(GPtrArray *mounts, const char *name)
{
	for (guint i = mounts->len; i-- > 0;) {
		const struct cluster_mount *m = mounts->pdata[i];

		if (strcmp(m->name, name) != 0)
			g_ptr_array_remove_index(mounts, i);
	}
}

GPtrArray *cluster_mounts_read(const char *name)
{
	g_autofree char *mountinfo = mountinfo_text();
	GPtrArray *mounts =
		cluster_mounts_parse(mountinfo == NULL ? "" : mountinfo);

	if (name != NULL)
		keep_named(mounts, name);
	ask_all(mounts);
	return mounts;
}
