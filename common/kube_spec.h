/*
 * kube_spec.h - what a workspace is in a cluster. Pure.
 *
 * Four objects, all in the user's namespace and named after the workspace:
 *
 *   Secret                 NAME-pycloud  the server's token, under `token`
 *   PersistentVolumeClaim  NAME          the files, mounted at /workspace
 *   Deployment             NAME          one pod with one Jupyter server
 *   Service                NAME          its port `http`
 *
 * packaging/kubernetes/workspace.yaml says the same for people.
 *
 * Whoever sends them keeps these rules:
 *
 * - They are applied (server-side, field manager KUBE_FIELD_MANAGER), Secret
 *   and claim first: a pod that does not find them is late by a back-off.
 * - An object that is there already and is not kube_spec_is_ours() belongs to
 *   somebody else: nothing is applied to it, and it is not deleted.
 * - Secret and claim are applied only where they are missing. The running
 *   server knows the old token; a claim cannot shrink, nor change its class.
 * - Before a Deployment that exists is applied again, kube_spec_adopt() takes
 *   over what was not asked for, and sets `exists`: an apply that names the
 *   replicas would start what was stopped, without any conflict.
 *
 * The pod passes the pod security standard "restricted". It runs as user 1000
 * of group 100, whose files the public Jupyter images are, with group 100 given
 * to the volume. Where a cluster gives out user ids itself, or the image needs
 * its own user, `is_image_user` leaves all of that out.
 */
#ifndef PYCLOUD_KUBE_SPEC_H
#define PYCLOUD_KUBE_SPEC_H

#include "json.h"
#include "secret.h"

#include <stdbool.h>

#define KUBE_FIELD_MANAGER "pycloud"
/* For the list of all workspaces, and of what belongs to one. */
#define KUBE_OURS_SELECTOR                      \
	"app.kubernetes.io/managed-by=pycloud," \
	"app.kubernetes.io/component=workspace"
#define KUBE_INSTANCE_LABEL "app.kubernetes.io/instance"

/* Has Jupyter, and is made for amd64 and arm64. The only place it is named. */
#define KUBE_IMAGE_DEFAULT   "quay.io/jupyter/base-notebook:latest"
#define KUBE_STORAGE_DEFAULT "5Gi"
#define KUBE_MEMORY_DEFAULT  "1Gi"
#define KUBE_PORT	     8888
#define KUBE_PORT_NAME	     "http"
#define KUBE_CONTAINER	     "jupyter"

/* All borrowed; NULL: the default. */
struct kube_workspace_spec {
	const char *name;
	const char *image;
	const char *cpu;    /* at most; default: what the node has */
	const char *memory; /* at most */
	const char *storage;
	const char *storage_class; /* default: the cluster's */
	bool is_image_user;
	bool exists; /* its replicas are not ours to set */
};

/* 0, or -EINVAL and *ret_why, one sentence (g_free). The functions below
 * expect a spec that passed. */
int kube_spec_check(const struct kube_workspace_spec *, char **ret_why);

/* A name for workspaces: a label of DNS that begins with a letter, of at most
 * KUBE_NAME_MAX bytes; 0 or -EINVAL and *ret_why as above. */
int kube_spec_check_name(const char *name, char **ret_why);

char *kube_spec_secret_name(const char *name); /* g_free */

/* The Secret's manifest as JSON. It holds the token, so it is one too. NULL
 * where the token is longer than any of ours. */
struct secret *kube_spec_secret(
	const struct kube_workspace_spec *, const struct secret *token);
/* cJSON_Delete. */
cJSON *kube_spec_claim(const struct kube_workspace_spec *);
cJSON *kube_spec_deployment(const struct kube_workspace_spec *);
cJSON *kube_spec_service(const struct kube_workspace_spec *);
/* For the scale subresource, as a merge patch; g_free. */
char *kube_spec_scale(unsigned replicas);

/* The token in a Secret that the API server sent; NULL: there is none that can
 * be one. */
struct secret *kube_spec_token(const cJSON *secret_object);

/* The object says that pycloud made it for this workspace. */
bool kube_spec_is_ours(const cJSON *object, const char *name);

/* Fills in from a Deployment of ours what the spec leaves open, and sets
 * `exists`. What is filled in is borrowed from the object, and not checked. */
void kube_spec_adopt(struct kube_workspace_spec *, const cJSON *deployment);

#endif
