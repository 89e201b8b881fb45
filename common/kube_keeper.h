/*
 * kube_keeper.h - the token of a workspace in a cluster, for as long as its
 * server accepts it (token_keeper.h).
 *
 * It comes from the workspace's Secret; of one that pycloud did not make, from
 * the credentials of who mounts, and then from what the cluster knows of the pod
 * (kube_workspace_token). A server that makes up its token makes up another one
 * each time its container starts, and a Secret may be renewed under a mount: so
 * when the server refuses the token, all of this is looked up again. A token is
 * tried by the way that the mount's own requests go, with the same pod.
 *
 * Threads: any, once it is made.
 */
#ifndef PYCLOUD_KUBE_KEEPER_H
#define PYCLOUD_KUBE_KEEPER_H

#include "kube_workspace.h"
#include "route_kube.h"
#include "token_keeper.h"

struct kube_keeper_params {
	struct kube_workspace workspace; /* its progress: while it is made */
	struct credentials *credentials; /* a reference is taken */
	const char *server;		 /* as credentials.h searches for it */
	enum kube_via via;
	struct kube_pin *pin; /* a reference is taken */
	const char *url;      /* an ingress; NULL: through the API server */
	const char *ca_file;
	bool is_insecure;
};

/* With the first token, or without one where none was found. `look` is what is
 * there now. 0; -EINTR; else -errno and a sentence in *ret_why (g_free). */
int kube_keeper_new(const struct kube_keeper_params *, const struct kube_look *,
	const struct cancel *, struct token_keeper **ret, char **ret_why);

#endif
