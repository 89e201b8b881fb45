/*
 * kube_list.h - which workspaces a namespace has, from three lists. Pure.
 *
 * The lists hold what carries pycloud's labels. A claim without a Deployment
 * is a workspace too, of which only the files are left (KUBE_MISSING). What
 * has a name that cannot be one is left out, and so is what comes after the
 * first KUBE_ITEMS_MAX.
 */
#ifndef PYCLOUD_KUBE_LIST_H
#define PYCLOUD_KUBE_LIST_H

#include "json.h"

/* Elements are struct kube_listed (kube_workspace.h), by name; they go with
 * the array. Any of the lists may be NULL. */
GPtrArray *kube_list_read(
	const cJSON *deployments, const cJSON *claims, const cJSON *pods);

#endif
