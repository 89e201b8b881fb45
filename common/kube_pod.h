/*
 * kube_pod.h - what is wrong with one pod; the larger part of kube_status.c.
 * Pure.
 */
#ifndef PYCLOUD_KUBE_POD_H
#define PYCLOUD_KUBE_POD_H

#include "kube_status.h"

/* The state is KUBE_STARTING or KUBE_FAILED, never ready: whether it is, the
 * workload says. */
void kube_pod_read(
	const struct kube_view *, const cJSON *pod, struct kube_condition *ret);

/* The claim that a pod waits for; false: there is nothing to say about it. */
bool kube_claim_read(const struct kube_view *, struct kube_condition *ret);

bool kube_pod_is_ready(const cJSON *pod);

/* Of any object: it is on its way out. */
bool kube_object_is_deleted(const cJSON *);

#endif
