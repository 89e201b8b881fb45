/* cluster_show.c - which workspaces there are, and how one is doing. */
#include "config.h"

#include "cluster.h"

#include "client.h"
#include "cluster_mounts.h"

#include <time.h>

static int64_t now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

/* --- all ------------------------------------------------------------------ */

static cJSON *make_rows(const struct cluster *c, const GPtrArray *list)
{
	GPtrArray *mounts = cluster_mounts_read(NULL);
	cJSON *rows = cJSON_CreateArray();

	for (guint i = 0; i < list->len; i++)
		(void)cJSON_AddItemToArray(
			rows, cluster_row(list->pdata[i], &c->place, mounts));
	g_ptr_array_unref(mounts);
	return rows;
}

/* A namespace that is not there has no workspaces either, says the server. */
static void explain_none(const struct cluster *c)
{
	(void)client_error(0,
		"there are no workspaces in namespace '%s' of context '%s'; "
		"`pycloud create NAME` makes one",
		c->place.namespace, c->place.context);
}

int cluster_list(struct cluster *c)
{
	GPtrArray *list = NULL;
	char *why = NULL;
	g_autoptr(cJSON) rows = NULL;
	int rc = kube_workspace_list(
		c->kube, c->place.namespace, &c->cancel, &list, &why);

	if (rc < 0)
		return cluster_failed(c, rc, why, NULL);
	rows = make_rows(c, list);
	if (list->len == 0 && !c->options->is_json)
		explain_none(c);
	g_ptr_array_unref(list);
	return cluster_print(c, c->options->is_json
					? cluster_json(rows)
					: cluster_table(rows, now_s()));
}

/* --- one ------------------------------------------------------------------ */

int cluster_describe(struct cluster *c)
{
	const char *name = c->options->name;
	struct kube_look look;
	char *why = NULL;
	g_autoptr(cJSON) facts = NULL;
	GPtrArray *mounts;
	int rc = kube_workspace_look(&c->workspace, &c->cancel, &look, &why);

	if (rc < 0) {
		kube_look_clear(&look);
		return cluster_failed(c, rc, why, NULL);
	}
	mounts = cluster_mounts_read(name);
	facts = cluster_facts(name, &look, &c->place, mounts);
	g_ptr_array_unref(mounts);
	kube_look_clear(&look);
	return cluster_print(c, c->options->is_json
					? cluster_json(facts)
					: cluster_lines(facts, now_s()));
}
