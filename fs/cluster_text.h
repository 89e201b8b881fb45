/*
 * cluster_text.h - how workspaces are shown: to people and to programs. Pure.
 *
 * Both are told the same: an object of what is known (what is not is null),
 * which is printed as JSON, or as a table or lines without what could play with
 * a terminal.
 */
#ifndef PYCLOUD_CLUSTER_TEXT_H
#define PYCLOUD_CLUSTER_TEXT_H

#include "kube_workspace.h"

#include <glib.h>

/* Where we look: the names by which a mount tells it. */
struct cluster_place {
	const char *context;
	const char *namespace;
};

/* "45s", "12m", "3h", "5d", "2y"; "-" for what is no time, or to come. */
char *cluster_age(const char *created, int64_t now_s);

/* One of the list; the mounts are cluster_mounts.h's. */
cJSON *cluster_row(const struct kube_listed *, const struct cluster_place *,
	const GPtrArray *mounts);
/* All of one. */
cJSON *cluster_facts(const char *name, const struct kube_look *,
	const struct cluster_place *, const GPtrArray *mounts);

/* g_free. Of an array of rows; "" when there is none. */
char *cluster_table(const cJSON *rows, int64_t now_s);
/* Of an object: "key: value" and so on. */
char *cluster_lines(const cJSON *facts, int64_t now_s);
/* With an element per line. */
char *cluster_json(const cJSON *array_or_object);

#endif
