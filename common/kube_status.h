/*
 * kube_status.h - how a workspace in a cluster is doing, in a sentence. Pure.
 *
 * The reasons why a pod does not come stand in many places: the Deployment's
 * conditions (quota, pod security), the pod's (no node has room), its
 * container's state (image, crash), events (volume, probe). Here they become
 * one state and one sentence with what to do. Everything may be missing, and
 * nothing in it is trusted.
 */
#ifndef PYCLOUD_KUBE_STATUS_H
#define PYCLOUD_KUBE_STATUS_H

#include "json.h"

#include <stdbool.h>

enum kube_state {
	KUBE_MISSING,  /* there is no workload of that name */
	KUBE_STOPPED,  /* no pod is wanted, and there is none */
	KUBE_STOPPING, /* no pod is wanted, one still ends; or deleted */
	KUBE_STARTING, /* one is wanted; nothing is known to be wrong */
	KUBE_FAILED,   /* one is wanted; the sentence says what is wrong */
	KUBE_READY,
};

/* What the API server sent; each may be NULL. Borrowed. */
struct kube_view {
	const char *name;      /* the workspace's, for the sentence */
	const cJSON *workload; /* a Deployment or a StatefulSet */
	const cJSON *pods;     /* a list of its pods */
	const cJSON *claim;    /* a PersistentVolumeClaim */
	const cJSON *events;   /* a list of the namespace's, either API */
};

struct kube_condition {
	enum kube_state state;
	char *sentence; /* g_free by kube_condition_clear() */
	/* Waiting longer will not help: somebody has to do what the sentence
	 * says. */
	bool is_hopeless;
};

void kube_condition_read(const struct kube_view *, struct kube_condition *ret);
void kube_condition_clear(struct kube_condition *);

/* "ready", "starting", ... for a column. */
const char *kube_state_name(enum kube_state);

/* The pod that is, or will be, the workspace: the newest that is not on its way
 * out. Borrowed; NULL: none. */
const cJSON *kube_status_pod(const cJSON *pods);
/* How many of the list's pods still run or end. */
unsigned kube_status_live_pods(const cJSON *pods);

#endif
