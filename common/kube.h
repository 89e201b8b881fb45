/*
 * kube.h - talking to a Kubernetes API server.
 *
 * A connection to one cluster as one user (kubeconfig.h): requests for JSON
 * objects, watches, logs, and what a relayed workspace needs of it: hops that
 * lead to a pod through the API server, the pool its upgrades go over, and the
 * judgement whether an error is the API server's own or the pod's.
 *
 * The API server's own errors are Status objects without a Server header; a
 * Jupyter server sends that header always. 401 makes the credentials be asked
 * for anew, once per refused login; the request is then repeated.
 *
 * Ownership: reference-counted; the place (and its kube_auth) belongs to it.
 * Threads: any. No lock of its own; kube_auth and the pool have theirs.
 */
#ifndef PYCLOUD_KUBE_H
#define PYCLOUD_KUBE_H

#include "http_pool.h"
#include "json.h"
#include "kubeconfig.h"
#include "route.h"

struct kube;

/* Takes the place over, also on failure. -EINVAL for a server that is no
 * http(s) URL; *ret_why is a sentence (g_free). */
int kube_new(struct kube_place *, struct kube **ret, char **ret_why);
/* As a configuration says (kubeconfig.h), the warnings of which are logged.
 * Errors as there; -EINVAL also for a namespace that cannot be one. */
int kube_connect(
	const struct kubeconfig_wish *, struct kube **ret, char **ret_why);
struct kube *kube_ref(struct kube *);
void kube_unref(struct kube *);

const struct kube_place *kube_place(const struct kube *);
/* For upgrades to the API server itself; borrowed. */
struct http_pool *kube_pool(struct kube *);

struct kube_request {
	const char *method;
	const char *path;	  /* "api/v1/namespaces/NS/pods?...", encoded */
	const char *content_type; /* of the body; NULL: none */
	const cJSON *body;	  /* NULL: none, or `text` */
	const char *text;
	int timeout_ms; /* 0: KUBE_CALL_TIMEOUT_MS */
	int tries_max;	/* 0: as http_client.h */
};

#define KUBE_JSON  "application/json"
#define KUBE_APPLY "application/apply-patch+yaml" /* JSON is YAML, too */
#define KUBE_MERGE "application/merge-patch+json"

struct kube_answer {
	int error;     /* of the transport, as in http.h; 0: answered */
	int status;    /* HTTP */
	cJSON *object; /* owned; NULL: no JSON came */
	char *why;     /* an error's sentence, without secrets; owned */
};

/* 0 for 2xx with a JSON object. Else -errno: the transport's; -EKEYREJECTED
 * (401, and nothing new to be had), -EACCES, -EDQUOT, -ENOENT, -ENXIO (no such
 * namespace), -EEXIST (AlreadyExists), -ESTALE (too old a version), -EBUSY
 * (Conflict, or too many requests), -EINVAL (what the server finds wrong with
 * the request), -EPROTO (no Kubernetes), -EIO; answer->why then says what is
 * wrong and what to do. Repeats what is safe to repeat.
 * kube_answer_clear() in either case. */
int kube_call(struct kube *, const struct kube_request *, const struct cancel *,
	struct kube_answer *answer);
void kube_answer_clear(struct kube_answer *);

/* A GET of `path`, printf-like: names in it are checked by the caller. */
int kube_get(struct kube *, const struct cancel *, struct kube_answer *,
	const char *path, ...) G_GNUC_PRINTF(4, 5);

/* The same for what may be missing: 0 with NULL where it is. Else the error,
 * and its sentence in *ret_why. */
int kube_find(struct kube *, const struct cancel *, cJSON **ret, char **ret_why,
	const char *path, ...) G_GNUC_PRINTF(5, 6);

/* What whoever waits lives through, 0 included: servers restart. */
bool kube_is_passing(int rc);

/* Called per event: "ADDED", "MODIFIED", "DELETED", "BOOKMARK". A positive
 * answer ends the watch (kube_watch() returns it), a negative one too. */
typedef int (*kube_watch_fn)(void *arg, const char *type, const cJSON *object);

/* Watches until the function says otherwise, the token fires, or timeout_ms
 * have passed (-ETIMEDOUT). The collection's `path` has its selectors as a
 * query ("...pods?labelSelector=a%3Db"); it is watched again from the start
 * whenever the server ends it, so ADDED may come twice. */
int kube_watch(struct kube *, const char *path, int timeout_ms,
	const struct cancel *, kube_watch_fn, void *arg, char **ret_why);

/* Plain text, a pod's log: to the sink as it comes, without a time limit when
 * `is_followed`. 0, or as kube_call(). */
int kube_text(struct kube *, const char *path, bool is_followed, http_sink_fn,
	void *sink_arg, const struct cancel *, char **ret_why);

/* May we? 0: yes; -EACCES: no, and *ret_why says what is missing; or the
 * transport's error, as kube_call(). A server that answers and does not say is
 * believed to allow it. group "" is the core's;
 * subresource NULL: none. */
int kube_may(struct kube *, const char *verb, const char *group,
	const char *resource, const char *subresource, const char *namespace,
	const struct cancel *, char **ret_why);

/* --- for routes ----------------------------------------------------------- */

/* The login of the moment as a hop: to the API server itself with a NULL path,
 * else relayed below `path` ("/api/v1/.../proxy") with the server's token. */
int kube_hop(struct kube *, const char *path, struct secret *token,
	const struct cancel *, char **ret_why, struct hop **ret);

/* For route_ops.judge: tells the API server's own errors from the pod's and
 * makes transport errors of them:
 *
 *   401                       -ECONNRESET after new credentials were had (the
 *                             request is then worth repeating), else
 *                             -EHOSTUNREACH
 *   403                       -EACCES
 *   413 429                   as they are: the same from anybody
 *   others                    -EHOSTUNREACH; -ECONNRESET when the pod may
 *                             have acted
 *
 * A load balancer's 401, 404 and 5xx are judged the same, as far as they have
 * no Server header.
 *
 * True: it was the API server's own, or none at all (the hop is in doubt);
 * *ret_why (may be NULL) then is the sentence, where there is one. */
bool kube_judge(struct kube *, struct hop *, struct http_response *,
	const struct cancel *, char **ret_why);

#endif
