/*
 * kube.c - see kube.h: who we are there, and whose answer it was.
 *
 * The API server is an endpoint like any other, with a route that puts the
 * login of the moment into its hops. A hop remembers its login, so that a 401
 * refuses the right one even when another thread has renewed it meanwhile.
 */
#include "config.h"

#include "kube.h"

#include "kube_pick.h"
#include "kube_text.h"
#include "log.h"

#include <errno.h>
#include <string.h>

struct kube {
	atomic_int refs;
	struct kube_place *place;
	struct endpoint *endpoint;
	struct http_pool *pool;
};

/* The API server's own route. It borrows the kube, which owns the endpoint. */
struct api_route {
	struct route base;
	struct kube *kube;
};

static void login_unref(void *login)
{
	kube_login_unref(login);
}

/* "https://name:6443" for a certificate that says `name`. */
static char *server_url(const struct kube_place *place)
{
	g_autofree char *scheme = NULL;
	g_autofree char *path = NULL;
	int port;

	if (place->tls_server_name == NULL ||
		!g_uri_split(place->server, G_URI_FLAGS_ENCODED, &scheme, NULL,
			NULL, &port, &path, NULL, NULL, NULL))
		return g_strdup(place->server);
	return g_uri_join(G_URI_FLAGS_ENCODED, scheme, NULL,
		place->tls_server_name, port, path, NULL, NULL);
}

/* "10.0.0.1:6443" where the certificate says another name; g_free. */
static char *connect_to(const struct kube_place *place)
{
	const char *host = strstr(place->server, "://");
	size_t length;
	bool has_port;

	if (place->tls_server_name == NULL || host == NULL)
		return NULL;
	host += 3;
	length = strcspn(host, "/");
	has_port = memchr(host + (*host == '[' ? strcspn(host, "]") : 0), ':',
			   length) != NULL;
	return g_strdup_printf(
		"%.*s%s", (int)length, host, has_port ? "" : ":443");
}

int kube_hop(struct kube *k, const char *path, struct secret *token,
	const struct cancel *cancel, char **ret_why, struct hop **ret)
{
	const struct kube_place *place = k->place;
	g_autofree char *server = server_url(place);
	g_autofree char *base = g_strconcat(server, path, NULL);
	g_autofree char *to = connect_to(place);
	struct hop_params params = {
		.base_url = base,
		.proxy_url = place->proxy_url,
		.connect_to = to,
		.ca_pem = place->ca_pem,
		.is_insecure = place->is_insecure,
		.kind = path == NULL ? HOP_API_SERVER : HOP_RELAYED,
		.token = token,
		.login_unref = login_unref,
	};
	struct kube_login *login;
	int rc = kube_auth_get(place->auth, cancel, &login, ret_why);

	/* A program or file that is missing here is nothing that the cluster
	 * has not. */
	if (rc == -ENOENT)
		return -EACCES;
	if (rc < 0)
		return rc;
	params.bearer = login->bearer;
	params.basic = login->basic;
	params.cert_pem = login->cert_pem;
	params.key_pem = login->key_pem;
	params.login = login;
	return hop_new(&params, ret);
}

/* --- whose answer? -------------------------------------------------------- */

static cJSON *parse_body(const struct http_response *r)
{
	g_autofree char *copy = NULL;

	if (r->body == NULL || r->body->len == 0)
		return NULL;
	copy = g_memdup2(r->body->str, r->body->len);
	return json_parse(copy, r->body->len);
}

static bool is_status(const cJSON *object)
{
	return g_strcmp0(json_string(object, "kind"), "Status") == 0 &&
	       g_strcmp0(json_string(object, "apiVersion"), "v1") == 0;
}

/* Somebody on the way may take the Server header away. */
static bool is_jupyters(const cJSON *object)
{
	return json_string(object, "message") != NULL &&
	       cJSON_HasObjectItem(object, "reason");
}

/* Not the pod's: the API server's, or, where it is no Status, that of a load
 * balancer in front of it. Its 404 must not make a file vanish. An upgrade's
 * error has no body that we read. */
static bool is_relays(const struct http_response *r, const cJSON *object)
{
	if (r->has_server)
		return false;
	if (r->is_upgrade || is_status(object))
		return true;
	return (r->status == 401 || r->status == 404 || r->status >= 500) &&
	       !is_jupyters(object);
}

/* The pod was not reached, says the relay: nothing was done. */
static bool was_not_reached(const struct http_response *r, const char *message)
{
	if (r->status < 500)
		return true;
	return message != NULL &&
	       (strstr(message, "dial tcp") != NULL ||
		       strstr(message, "no endpoints available") != NULL);
}

static void renew(struct kube *k, struct hop *hop, struct http_response *r,
	const struct cancel *cancel, char **ret_why)
{
	struct kube_login *fresh = NULL;
	int rc = kube_auth_renew(
		k->place->auth, hop->login, cancel, &fresh, ret_why);

	kube_login_unref(fresh);
	r->may_have_acted = false;
	if (rc == 0)
		r->error = -ECONNRESET;
	else
		r->error =
			rc == -EINTR || rc == -ETIMEDOUT ? rc : -EHOSTUNREACH;
}

static void judge_own(struct kube *k, struct hop *hop, struct http_response *r,
	const char *message, const struct cancel *cancel, char **ret_why)
{
	switch (r->status) {
	case 401:
		renew(k, hop, r, cancel, ret_why);
		break;
	case 403:
		r->error = -EACCES;
		r->may_have_acted = false;
		break;
	case 413: /* these mean the same from anybody */
	case 429:
		r->may_have_acted = false;
		break;
	default:
		r->may_have_acted = !was_not_reached(r, message);
		r->error = r->may_have_acted ? -ECONNRESET : -EHOSTUNREACH;
		break;
	}
	if (message != NULL && *ret_why == NULL && r->error != 0)
		*ret_why = kube_text_clean(message);
}

/* What somebody wanted no more, or could not use, says nothing about it. */
static bool is_hops_fault(int error)
{
	return error == -ECONNREFUSED || error == -ECONNRESET ||
	       error == -EHOSTUNREACH || error == -ETIMEDOUT ||
	       error == -EPROTO;
}

bool kube_judge(struct kube *k, struct hop *hop, struct http_response *r,
	const struct cancel *cancel, char **ret_why)
{
	g_autofree char *unheard = NULL;
	g_autoptr(cJSON) object = NULL;
	const char *message;

	if (ret_why == NULL)
		ret_why = &unheard;
	*ret_why = NULL;
	if (r->error != 0)
		return is_hops_fault(r->error);
	if (r->status < 400)
		return false;
	object = parse_body(r);
	if (!is_relays(r, object))
		return false;
	message = is_status(object) ? json_string(object, "message") : NULL;
	judge_own(k, hop, r, message, cancel, ret_why);
	return true;
}

/* --- the API server's own route ------------------------------------------- */

static int api_hop(struct route *route, const struct cancel *cancel,
	int64_t end_ms, struct hop **ret)
{
	struct api_route *r = (struct api_route *)route;
	g_autofree char *why = NULL;

	(void)end_ms;
	return kube_hop(r->kube, NULL, NULL, cancel, &why, ret);
}

static void api_judge(struct route *route, struct hop *hop,
	struct http_response *response, const struct cancel *cancel,
	int64_t end_ms)
{
	struct api_route *r = (struct api_route *)route;
	g_autofree char *why = NULL;

	(void)end_ms;
	/* Its other errors are answers here. */
	if (response->error != 0 || response->status != 401)
		return;
	renew(r->kube, hop, response, cancel, &why);
	if (response->error == -EHOSTUNREACH)
		response->error = -EKEYREJECTED;
}

static void api_free(struct route *route)
{
	g_free(route);
}

static const struct route_ops api_ops = {
	.hop = api_hop,
	.judge = api_judge,
	.free = api_free,
};

/* --- the whole ------------------------------------------------------------ */

int kube_new(struct kube_place *place, struct kube **ret, char **ret_why)
{
	struct kube *k = g_new0(struct kube, 1);
	struct api_route *route = g_new0(struct api_route, 1);
	const struct endpoint_params params = { .base_url = place->server,
		.route = &route->base };
	int rc;

	atomic_init(&k->refs, 1);
	k->place = place;
	route->base.ops = &api_ops;
	route->kube = k;
	rc = endpoint_new(&params, &k->endpoint);
	if (rc == 0) {
		rc = http_pool_new(k->endpoint, &k->pool);
	} else {
		route_free(&route->base);
		*ret_why = g_strdup_printf(
			"%s: the server of the cluster is no URL of the form "
			"https://HOST:PORT",
			place->origin);
	}
	if (rc < 0) {
		kube_unref(k);
		return rc;
	}
	*ret = k;
	return 0;
}

int kube_connect(
	const struct kubeconfig_wish *wish, struct kube **ret, char **ret_why)
{
	struct kube_place *place;
	int rc = kubeconfig_load(wish, &place, ret_why);

	if (rc < 0)
		return rc;
	for (char **line = place->warnings; line != NULL && *line != NULL;
		line++)
		log_warning("%s", *line);
	if (!kube_name_is_good(place->namespace)) {
		*ret_why = g_strdup_printf(
			"'%s' is no name of a namespace", place->namespace);
		kube_place_free(place);
		return -EINVAL;
	}
	return kube_new(place, ret, ret_why);
}

struct kube *kube_ref(struct kube *k)
{
	(void)atomic_fetch_add(&k->refs, 1);
	return k;
}

void kube_unref(struct kube *k)
{
	if (k == NULL || atomic_fetch_sub(&k->refs, 1) > 1)
		return;
	http_pool_free(k->pool);
	endpoint_unref(k->endpoint);
	kube_place_free(k->place);
	g_free(k);
}

const struct kube_place *kube_place(const struct kube *k)
{
	return k->place;
}

struct http_pool *kube_pool(struct kube *k)
{
	return k->pool;
}
