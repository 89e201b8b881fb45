/*
 * kube_workspace.h - the life of a workspace in a cluster.
 *
 * Sends what kube_spec.h describes, reads what kube_status.h explains. An
 * object of that name that pycloud did not make is somebody else's: it is
 * never changed; a Service of somebody else's can be mounted all the same.
 * Each function may be repeated: what is done already is done.
 *
 * Everything blocks, bounded by its own limit and the token. Errors as in
 * kube.h, with a sentence in *ret_why (g_free) that says what to do next.
 */
#ifndef PYCLOUD_KUBE_WORKSPACE_H
#define PYCLOUD_KUBE_WORKSPACE_H

#include "kube.h"
#include "kube_pin.h"
#include "kube_spec.h"
#include "kube_status.h"

/* All borrowed. The namespace and the name are good (kube_spec_check_name,
 * kube_name_is_good). */
struct kube_workspace {
	struct kube *kube;
	const char *namespace;
	const char *name;
	/* Whose token is looked for, and then who is asked with it; NULL: any
	 * pod's. */
	struct kube_pin *pin;
	/* A line about what is being waited for; NULL: nobody listens. */
	void (*progress)(void *arg, const char *line);
	void *progress_arg;
};

/* What is there. */
struct kube_look {
	cJSON *service;	   /* NULL: none */
	cJSON *deployment; /* of that name, whoever made it; NULL: none */
	cJSON *claim;	   /* the same */
	cJSON *pods;	   /* a list, of the Deployment's or Service's */
	bool is_ours;
	struct kube_condition condition;
};

/* -ENOENT: there is neither Deployment nor Service; *ret_why says whether there
 * are files of it. kube_look_clear() in either case. */
int kube_workspace_look(const struct kube_workspace *, const struct cancel *,
	struct kube_look *, char **ret_why);
void kube_look_clear(struct kube_look *);

/* One of a namespace's workspaces that pycloud made. */
struct kube_listed {
	char *name;
	char *image;   /* NULL: not known, as below */
	char *storage; /* "5Gi": what was asked for */
	char *created; /* RFC 3339, as the API server says it */
	struct kube_condition condition;
};

void kube_listed_free(gpointer);

/* All of them, by name, in three requests; elements are kube_listed_free()d
 * with the array. One whose files were kept when the rest was deleted is among
 * them, as KUBE_MISSING. */
int kube_workspace_list(struct kube *, const char *namespace,
	const struct cancel *, GPtrArray **ret, char **ret_why);

/* Applies it; a workspace that exists keeps its token, its files, and whether
 * it is stopped. -EEXIST: something of that name is not ours. */
int kube_workspace_create(const struct kube_workspace *,
	const struct kube_workspace_spec *, const struct cancel *,
	char **ret_why);

/* 1 starts, 0 stops. -EPERM: it is not ours; -ENOENT: there is none. */
int kube_workspace_scale(const struct kube_workspace *, unsigned replicas,
	const struct cancel *, char **ret_why);

/* Waits until it is ready (or, for `stopped`, has no pod left). -ETIMEDOUT, or
 * -EHOSTDOWN for what waiting does not help; *ret_why says why. */
int kube_workspace_wait(const struct kube_workspace *, bool stopped,
	int timeout_ms, const struct cancel *, char **ret_why);

/* Deletes what is ours of it, and waits until it is gone. */
int kube_workspace_delete(const struct kube_workspace *, bool keeps_files,
	int timeout_ms, const struct cancel *, char **ret_why);

/* Its server's token: that of our Secret; of a server that is not ours, what
 * the pod's environment or the beginning of its log say. 0 with NULL: none was
 * found. */
int kube_workspace_token(const struct kube_workspace *,
	const struct kube_look *, const struct cancel *, struct secret **ret,
	char **ret_why);

#endif
