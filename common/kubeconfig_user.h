/*
 * kubeconfig_user.h - an entry of `users` as a kube_auth.
 *
 * No state, no locks. Errors: -EINVAL, or -ENOTSUP for what pycloud does not
 * do; *ret_why (g_free) then says FILE:LINE and a sentence.
 */
#ifndef PYCLOUD_KUBECONFIG_USER_H
#define PYCLOUD_KUBECONFIG_USER_H

#include "kube_auth.h"
#include "kubeconfig_yaml.h"

/* `entry` is NULL where the context names nobody. `cluster_json` is what a
 * plugin is told that asks for it. Adds to `warnings` (texts, g_free). */
int kubeconfig_user_load(const struct config_node *entry,
	const char *cluster_json, GPtrArray *warnings, struct kube_auth **ret,
	char **ret_why);

/* The bytes of KEY-data, which is base64 of a PEM text; *ret is NULL when it
 * is not there. */
int config_get_pem(const struct config_node *map, const char *key, bool is_key,
	GBytes **ret, char **ret_why);

#endif
