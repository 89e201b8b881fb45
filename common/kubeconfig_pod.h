/*
 * kubeconfig_pod.h - the cluster that we run in: a pod's service account.
 *
 * A pod has the server's address in its environment, and a directory with its
 * token, which the cluster rotates, its authority and its namespace. No state,
 * no locks.
 */
#ifndef PYCLOUD_KUBECONFIG_POD_H
#define PYCLOUD_KUBECONFIG_POD_H

#include "kubeconfig.h"

#define KUBECONFIG_POD_DIR "/var/run/secrets/kubernetes.io/serviceaccount"

bool kubeconfig_pod_is_there(const char *dir);

/* Fills in all of a place that is empty but for what it knows already; the
 * caller frees it even after an error, as in kubeconfig.h. */
int kubeconfig_pod_load(const char *dir, struct kube_place *, char **ret_why);

#endif
