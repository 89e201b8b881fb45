/*
 * kube_pick.h - which pod stands behind a Service. Pure.
 *
 * Kernels, sessions and cookies live in one pod, while a Service picks one at
 * random per request, so pycloud picks a pod itself and stays with it as long
 * as it is there. Reads objects of the API server (recorded from 1.32), which
 * is not trusted: names that could leave a URL's path are refused.
 */
#ifndef PYCLOUD_KUBE_PICK_H
#define PYCLOUD_KUBE_PICK_H

#include "json.h"

/* Immutable once filled in; kube_pod_ref() shares it. */
struct kube_pod {
	char *name;
	char *uid;
	int port; /* of the container */
};

struct kube_pod *kube_pod_ref(struct kube_pod *);
void kube_pod_unref(struct kube_pod *); /* NULL is fine */

/* The label selector of a Service, ready for a query ("a%3Db%2Cc%3Dd");
 * g_free. NULL: it has none, so no pods of its own. */
char *kube_service_selector(const cJSON *service);

/* What it leads to: a PodList's pods that run and are not on their way out.
 * Of several: the one with `pinned_uid` (NULL: none), else one that is ready,
 * else the oldest by name. `service` says which port; *ret_count is how many
 * there were to choose from. NULL: none. */
struct kube_pod *kube_pod_pick(const cJSON *service, const cJSON *pods,
	const char *pinned_uid, unsigned *ret_count);

/* Fit for a path: a DNS label or subdomain, of at most 253 bytes. */
bool kube_name_is_good(const char *name);

#endif
