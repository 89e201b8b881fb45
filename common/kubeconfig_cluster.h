/*
 * kubeconfig_cluster.h - an entry of `clusters` as the server of a kube_place.
 *
 * No state, no locks. Errors: -EINVAL, or what reading a file returned;
 * *ret_why (g_free) then says FILE:LINE and a sentence.
 */
#ifndef PYCLOUD_KUBECONFIG_CLUSTER_H
#define PYCLOUD_KUBECONFIG_CLUSTER_H

#include "kubeconfig.h"
#include "kubeconfig_yaml.h"

/* Fills in server, tls_server_name, proxy_url, ca_pem and is_insecure, which
 * the caller frees even after an error. Adds to `warnings` (texts, g_free). */
int kubeconfig_cluster_load(const struct config_node *entry,
	struct kube_place *, GPtrArray *warnings, char **ret_why);

/* What an exec plugin is told that wants to know the cluster; g_free. */
int kubeconfig_cluster_json(const struct config_node *entry,
	const struct kube_place *, char **ret, char **ret_why);

#endif
