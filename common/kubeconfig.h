/*
 * kubeconfig.h - which cluster is meant, and as whom: kubectl's configuration.
 *
 * Looked for as kubectl looks: the file that was asked for; else the files of
 * $KUBECONFIG, of which the first one to name a thing wins and those that are
 * missing do not count; else ~/.kube/config; else, in a pod, its service
 * account. File names in a file are relative to it. Nothing of a place is
 * secret but what its kube_auth holds, and a proxy's password.
 *
 * No state and no locks; reads files and the environment, starts nothing and
 * asks no server. What is wrong with a file is said as FILE:LINE and a
 * sentence, never with what may be a secret.
 *
 * A token or certificate that stands in a file itself is looked for there again
 * when the server refuses it: somebody may have logged in again. A kube_auth
 * never gets the credentials for another server than its place's.
 *
 * Not followed, and refused rather than left out: `as` (acting as somebody
 * else), `auth-provider` (which Kubernetes removed), YAML's merge keys. Over
 * plain http:// no credentials are sent, as kubectl does not.
 */
#ifndef PYCLOUD_KUBECONFIG_H
#define PYCLOUD_KUBECONFIG_H

#include "kube_auth.h"

#include <glib.h>
#include <stdbool.h>

struct kube_place {
	char *context; /* "": in a pod */
	char *cluster; /* its name in the file; "": in a pod */
	char *namespace;
	char *server;	       /* its URL, without a slash at the end */
	char *tls_server_name; /* NULL: as in the URL */
	char *proxy_url;       /* NULL: as the environment says */
	GBytes *ca_pem;	       /* NULL: the system's */
	bool is_insecure;      /* the certificate is not looked at */
	struct kube_auth *auth;
	char *origin;	 /* the files, for messages */
	char **warnings; /* sentences for the log, maybe none */
};

/* What the user asked for; each may be NULL. */
struct kubeconfig_wish {
	const char *file;
	const char *context;
	const char *namespace;
};

/* 0: kube_place_free. -ENOENT: there is no configuration, or no context was
 * chosen; -EINVAL: it cannot be used; -ENOTSUP: it asks for what pycloud does
 * not do; or what reading a file returned. *ret_why (g_free) says it all. */
int kubeconfig_load(const struct kubeconfig_wish *, struct kube_place **ret,
	char **ret_why);

/* Whether a workspace's bare name means Kubernetes: something was wished for,
 * a file chooses a context (or cannot be read, which must not go unnoticed), or
 * this is a pod. */
bool kubeconfig_is_there(const struct kubeconfig_wish *);

/* NULL is fine. */
void kube_place_free(struct kube_place *);

#endif
