/* route_kube.c - see route_kube.h. */
#include "config.h"

#include "route_kube.h"

#include "common_limits.h"
#include "kube_pick.h"
#include "log.h"
#include "mutex.h"
#include "portforward.h"
#include "waitlist.h"

#include <errno.h>
#include <string.h>

struct route_kube {
	struct route base;
	struct kube *kube;
	char *namespace;
	char *service;
	struct token_keeper *keeper; /* NULL: the token is always this one */
	struct secret *token;
	enum kube_via via;
	struct kube_pin *pin;
	struct portforward *portforward; /* NULL for the proxy */
	struct mutex lock;
	/* guarded by lock: */
	struct waitlist changed;
	struct kube_pod *pod; /* the last one; NULL: none yet */
	bool is_in_doubt;     /* look before it is used again */
	bool is_looking;      /* some thread does */
	char *why;
};

static const struct route_ops ops;

struct route *route_kube_new(const struct route_kube_params *params)
{
	struct route_kube *r = g_new0(struct route_kube, 1);

	r->base.ops = &ops;
	r->kube = kube_ref(params->kube);
	r->namespace = g_strdup(params->namespace);
	r->service = g_strdup(params->service);
	r->keeper = params->keeper == NULL ? NULL
					   : token_keeper_ref(params->keeper);
	r->token = secret_ref(params->token);
	r->via = params->via;
	r->pin = kube_pin_ref(params->pin);
	if (r->via == KUBE_VIA_PORTFORWARD)
		r->portforward = portforward_new(kube_pool(r->kube));
	mutex_init(&r->lock);
	return &r->base;
}

static void free_route(struct route *route)
{
	struct route_kube *r = (struct route_kube *)route;

	portforward_free(r->portforward);
	kube_unref(r->kube);
	kube_pod_unref(r->pod);
	kube_pin_unref(r->pin);
	token_keeper_unref(r->keeper);
	secret_unref(r->token);
	mutex_fini(&r->lock);
	g_free(r->namespace);
	g_free(r->service);
	g_free(r->why);
	g_free(r);
}

/* --- where is it? --------------------------------------------------------- */

/* Enough for a login that is refused and renewed. Who waits for the way tries
 * again himself, and the product of both would be half a minute. */
#define LOOK_TRIES_MAX 2

/* One request, within what the exchange that waits for it has left. */
static int ask(struct route_kube *r, const char *path,
	const struct cancel *cancel, int64_t end_ms, struct kube_answer *ret)
{
	int64_t left_ms = MAX(end_ms - clock_now_ms(), 1);
	const struct kube_request q = { .method = "GET",
		.path = path,
		.timeout_ms = (int)MIN(left_ms, KUBE_CALL_TIMEOUT_MS),
		.tries_max = LOOK_TRIES_MAX };

	return kube_call(r->kube, &q, cancel, ret);
}

static int get_service(struct route_kube *r, const struct cancel *cancel,
	int64_t end_ms, struct kube_answer *ret)
{
	g_autofree char *path = g_strdup_printf(
		"api/v1/namespaces/%s/services/%s", r->namespace, r->service);

	return ask(r, path, cancel, end_ms, ret);
}

static int list_pods(struct route_kube *r, const cJSON *service,
	const struct cancel *cancel, int64_t end_ms, struct kube_answer *ret)
{
	g_autofree char *selector = kube_service_selector(service);
	g_autofree char *path = NULL;

	*ret = (struct kube_answer){ 0 };
	if (selector == NULL) {
		ret->why = g_strdup_printf(
			"the Service '%s' selects no pods, so there is none "
			"to reach through the cluster; mount it by its URL",
			r->service);
		return -EINVAL;
	}
	path = g_strdup_printf("api/v1/namespaces/%s/pods?labelSelector=%s",
		r->namespace, selector);
	return ask(r, path, cancel, end_ms, ret);
}

/* What looking failed with, as a failure of the way: an errno of the API
 * server's objects means something else to those who asked for a file. */
static int errno_of_way(int rc)
{
	switch (rc) {
	case 0:
	case -EINTR:
	case -ETIMEDOUT:
	case -EACCES:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EMFILE:
	case -ENOMEM:
		return rc;
	default:
		return -EHOSTUNREACH;
	}
}

/* Two requests. -EHOSTUNREACH: there is no such pod now. */
static int look(struct route_kube *r, const char *pinned_uid,
	const struct cancel *cancel, int64_t end_ms, struct kube_pod **ret,
	char **ret_why)
{
	struct kube_answer service;
	struct kube_answer pods = { 0 };
	unsigned count;
	int rc = get_service(r, cancel, end_ms, &service);

	if (rc == 0)
		rc = list_pods(r, service.object, cancel, end_ms, &pods);
	if (rc == 0) {
		*ret = kube_pod_pick(
			service.object, pods.object, pinned_uid, &count);
		rc = *ret == NULL ? -EHOSTUNREACH : 0;
	}
	if (rc == -EHOSTUNREACH && pods.why == NULL && service.why == NULL)
		*ret_why = g_strdup_printf(
			"no pod of the Service '%s' is running; see: pycloud "
			"describe %s",
			r->service, r->service);
	else if (rc < 0)
		*ret_why = pods.why != NULL ? g_steal_pointer(&pods.why)
					    : g_steal_pointer(&service.why);
	kube_answer_clear(&service);
	kube_answer_clear(&pods);
	return errno_of_way(rc);
}

/* The object that stands for the same pod stays: hops know it by that. */
static bool is_same_pod(const struct kube_pod *a, const struct kube_pod *b)
{
	return a != NULL && strcmp(a->uid, b->uid) == 0 &&
	       strcmp(a->name, b->name) == 0 && a->port == b->port;
}

static void settle(struct route_kube *r, int rc, struct kube_pod *pod,
	char *why) EXCLUDES(r->lock)
{
	struct kube_pod *old = pod;
	g_autofree char *name = NULL;

	mutex_lock(&r->lock);
	r->is_looking = false;
	if (rc == 0 && !is_same_pod(r->pod, pod)) {
		old = r->pod;
		r->pod = pod;
		name = old == NULL ? NULL : g_strdup(pod->name);
		kube_pin_set(r->pin, pod->uid);
	}
	if (rc == 0)
		r->is_in_doubt = false;
	if (rc != -EINTR) {
		g_free(r->why);
		r->why = why;
		why = NULL;
	}
	waitlist_wake(&r->changed);
	mutex_unlock(&r->lock);
	g_free(why);
	if (name != NULL)
		log_info("the workspace's pod is %s now", name);
	kube_pod_unref(old);
}

static int look_and_settle(struct route_kube *r, const struct cancel *cancel,
	int64_t end_ms) EXCLUDES(r->lock)
{
	g_autofree char *pinned = kube_pin_get(r->pin);
	struct kube_pod *pod = NULL;
	char *why = NULL;
	int rc = look(r, pinned, cancel, end_ms, &pod, &why);

	settle(r, rc, pod, why);
	return rc;
}

/* A new reference to the pod to use now. */
static int get_pod(struct route_kube *r, const struct cancel *cancel,
	int64_t end_ms, struct kube_pod **ret) EXCLUDES(r->lock)
{
	int rc = 0;

	mutex_lock(&r->lock);
	while (rc == 0 && r->is_looking)
		rc = waitlist_wait(&r->changed, &r->lock, cancel,
			MAX(end_ms - clock_now_ms(), 0));
	if (rc == 0 && (r->pod == NULL || r->is_in_doubt)) {
		r->is_looking = true;
		mutex_unlock(&r->lock);
		rc = look_and_settle(r, cancel, end_ms);
		mutex_lock(&r->lock);
	}
	if (rc == 0)
		*ret = kube_pod_ref(r->pod);
	mutex_unlock(&r->lock);
	return rc;
}

/* `hop` leads to the pod that we believe in now. */
static bool leads_there_locked(
	const struct route_kube *r, const struct hop *hop) REQUIRES(r->lock)
{
	g_autofree char *words = NULL;

	if (r->pod == NULL || r->via == KUBE_VIA_PORTFORWARD)
		return hop->login == r->pod;
	words = g_strdup_printf("/pods/%s:", r->pod->name);
	return strstr(hop->base_url, words) != NULL;
}

static void doubt(struct route_kube *r, const struct hop *hop, const char *why)
	EXCLUDES(r->lock)
{
	bool is_blamed;

	mutex_lock(&r->lock);
	/* Nobody blames the new pod for the old one's end. */
	is_blamed = hop == NULL || leads_there_locked(r, hop);
	if (is_blamed)
		r->is_in_doubt = true;
	if (is_blamed && why != NULL) {
		g_free(r->why);
		r->why = g_strdup(why);
	}
	mutex_unlock(&r->lock);
}

/* --- the route ------------------------------------------------------------ */

static void pod_unref(void *pod)
{
	kube_pod_unref(pod);
}

static int proxy_hop(struct route_kube *r, const struct kube_pod *pod,
	struct secret *token, const struct cancel *cancel, struct hop **ret)
{
	g_autofree char *path =
		g_strdup_printf("/api/v1/namespaces/%s/pods/%s:%d/proxy",
			r->namespace, pod->name, pod->port);
	g_autofree char *why = NULL;
	int rc = kube_hop(r->kube, path, token, cancel, &why, ret);

	if (rc < 0)
		doubt(r, NULL, why);
	return rc < 0 && rc != -EINTR && rc != -ETIMEDOUT ? -EHOSTUNREACH : rc;
}

/* Jupyter accepts localhost as a Host whatever it is called otherwise. */
static int portforward_hop(
	struct kube_pod *pod, struct secret *token, struct hop **ret)
{
	g_autofree char *base =
		g_strdup_printf("http://localhost:%d", pod->port);
	const struct hop_params params = {
		.base_url = base,
		.token = token,
		.kind = HOP_DIRECT,
		.is_dialled = true,
		.login = kube_pod_ref(pod),
		.login_unref = pod_unref,
	};

	return hop_new(&params, ret);
}

static int get_hop(struct route *route, const struct cancel *cancel,
	int64_t end_ms, struct hop **ret)
{
	struct route_kube *r = (struct route_kube *)route;
	struct secret *token = NULL;
	struct kube_pod *pod = NULL;
	int rc = get_pod(r, cancel, end_ms, &pod);

	if (rc == 0 && r->keeper == NULL)
		token = secret_ref(r->token);
	else if (rc == 0)
		rc = token_keeper_get(r->keeper, cancel, end_ms, &token);
	if (rc == 0)
		rc = r->via == KUBE_VIA_PROXY
			     ? proxy_hop(r, pod, token, cancel, ret)
			     : portforward_hop(pod, token, ret);
	secret_unref(token);
	kube_pod_unref(pod);
	return rc;
}

static void judge(struct route *route, struct hop *hop,
	struct http_response *response, const struct cancel *cancel,
	int64_t end_ms)
{
	struct route_kube *r = (struct route_kube *)route;
	g_autofree char *why = NULL;

	bool is_of_the_way;

	if (r->via == KUBE_VIA_PORTFORWARD)
		is_of_the_way =
			response->error != 0 && response->error != -EINTR;
	else
		is_of_the_way =
			kube_judge(r->kube, hop, response, cancel, &why);
	if (is_of_the_way)
		doubt(r, hop, why);
	else if (r->keeper != NULL)
		(void)token_keeper_judge(
			r->keeper, hop->token, response, cancel, end_ms);
}

static int dial(struct route *route, struct hop *hop,
	const struct cancel *cancel, int64_t end_ms, int listen_fd)
{
	struct route_kube *r = (struct route_kube *)route;
	const struct kube_pod *pod = hop->login;
	g_autofree char *target = g_strdup_printf(
		"api/v1/namespaces/%s/pods/%s/portforward?ports=%d",
		r->namespace, pod->name, pod->port);
	g_autofree char *why = NULL;
	int rc = portforward_dial(
		r->portforward, target, cancel, end_ms, listen_fd);

	/* Not the Jupyter server's refusal, as it would seem. */
	if (rc == -EACCES)
		why = g_strdup_printf(
			"you may not create pods/portforward in namespace "
			"'%s'; ask the cluster's administrator for the Role "
			"in pycloud's packaging/kubernetes/role.yaml, or "
			"mount without via=portforward",
			r->namespace);
	if (why != NULL)
		doubt(r, hop, why);
	return rc;
}

static const struct route_ops ops = {
	.hop = get_hop,
	.judge = judge,
	.dial = dial,
	.free = free_route,
};

void route_kube_describe(struct route *route, GString *text)
{
	struct route_kube *r = (struct route_kube *)route;

	mutex_lock(&r->lock);
	if (r->pod != NULL)
		g_string_append_printf(text, "pod: %s\n", r->pod->name);
	mutex_unlock(&r->lock);
}

char *route_kube_why(struct route *route)
{
	struct route_kube *r = (struct route_kube *)route;
	char *why;

	mutex_lock(&r->lock);
	why = g_strdup(r->why);
	mutex_unlock(&r->lock);
	return why;
}
