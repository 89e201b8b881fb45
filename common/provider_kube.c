/*
 * provider_kube.c - a workspace that is a pod behind a Service of a cluster.
 *
 * open() finds the Service, makes or starts the workspace where that was asked
 * for, waits until it is ready, and hands out an endpoint whose route leads
 * to the pod of the moment (route_kube.h); or, for an ingress, to its URL. The
 * configuration is read by provider_kube_new(), because the cluster and the
 * namespace are part of what the workspace is.
 */
#include "config.h"

#include "common_limits.h"
#include "credentials.h"
#include "kube_keeper.h"
#include "kube_pick.h"
#include "kube_workspace.h"
#include "log.h"
#include "route_kube.h"
#include "route_url.h"
#include "workspace.h"

#include <errno.h>
#include <string.h>

struct kube_provider {
	struct workspace base;
	struct kube *kube;
	struct route *route; /* the endpoint's; NULL: not open, or a URL */
	struct endpoint *endpoint; /* a reference, which keeps the route */
	char *url;
	char *image;
	char *ca_file;
	struct credentials *credentials;
	struct kube_pin *pin;
	struct token_keeper *keeper;	  /* NULL: not looked for yet */
	struct workspace_options options; /* its strings are not used */
};

static struct kube_workspace as_workspace(const struct kube_provider *w)
{
	return (struct kube_workspace){
		.kube = w->kube,
		.namespace = kube_place(w->kube)->namespace,
		.name = w->base.name,
		.progress = w->options.progress,
		.progress_arg = w->options.progress_arg,
	};
}

/* --- until it is there ---------------------------------------------------- */

static int create(const struct kube_provider *w, const struct kube_workspace *k,
	const struct cancel *c, char **ret_why)
{
	const struct kube_workspace_spec spec = {
		.name = w->base.name,
		.image = w->image,
	};

	return kube_workspace_create(k, &spec, c, ret_why);
}

static char *explain_missing(const struct kube_provider *w)
{
	const struct kube_place *place = kube_place(w->kube);

	return g_strdup_printf(
		"there is no workspace '%s' in namespace '%s' of context "
		"'%s'; make it (pycloud create %s, or -o create), or name the "
		"right one (pycloud list). A workspace of this computer is "
		"local:%s",
		w->base.name, place->namespace, place->context, w->base.name,
		w->base.name);
}

static int start(const struct kube_provider *w, const struct kube_workspace *k,
	const struct cancel *c, char **ret_why)
{
	if (w->options.start == WORKSPACE_START_NEVER) {
		*ret_why = g_strdup_printf(
			"the workspace '%s' is stopped; start it (pycloud "
			"start %s), or mount it without start=never",
			w->base.name, w->base.name);
		return -EHOSTDOWN;
	}
	return kube_workspace_scale(k, 1, c, ret_why);
}

/* Finds it, and sees to it that there is a pod, ready or soon to be. */
static int bring_up(const struct kube_provider *w,
	const struct kube_workspace *k, struct kube_look *look,
	const struct cancel *c, char **ret_why)
{
	int rc = kube_workspace_look(k, c, look, ret_why);

	if (rc == 0 && look->condition.state == KUBE_READY)
		return 0;
	if (rc == -ENOENT && w->options.creates) {
		g_clear_pointer(ret_why, g_free);
		rc = create(w, k, c, ret_why);
	} else if (rc == -ENOENT) {
		g_free(*ret_why);
		*ret_why = explain_missing(w);
	} else if (rc == 0 && look->is_ours &&
		   (look->condition.state == KUBE_STOPPED ||
			   look->condition.state == KUBE_STOPPING)) {
		rc = start(w, k, c, ret_why);
	}
	if (rc == 0)
		rc = kube_workspace_wait(
			k, false, w->options.start_timeout_ms, c, ret_why);
	if (rc < 0)
		return rc;
	kube_look_clear(look);
	return kube_workspace_look(k, c, look, ret_why);
}

/* --- the endpoint --------------------------------------------------------- */

static enum kube_via via(const struct kube_provider *w)
{
	return w->options.is_portforwarded ? KUBE_VIA_PORTFORWARD
					   : KUBE_VIA_PROXY;
}

static char *shown_url(const struct kube_provider *w)
{
	const struct kube_place *place = kube_place(w->kube);

	return g_strdup_printf("%s/api/v1/namespaces/%s/services/%s/proxy",
		place->server, place->namespace, w->base.name);
}

static void warn_of_several(const struct kube_look *look, const char *name)
{
	unsigned count = 0;
	struct kube_pod *pod =
		kube_pod_pick(look->service, look->pods, NULL, &count);

	if (count > 1)
		log_warning("the Service '%s' has %u pods, and this mount "
			    "stays with one of them, %s: kernels, and maybe "
			    "files, are not the others'",
			name, count, pod->name);
	kube_pod_unref(pod);
}

static int find_token(struct kube_provider *w, const struct kube_workspace *k,
	const struct kube_look *look, const struct cancel *c, char **ret_why)
{
	const struct kube_keeper_params params = {
		.workspace = *k,
		.credentials = w->credentials,
		.server = w->base.identity,
		.via = via(w),
		.pin = w->pin,
		.url = w->url,
		.ca_file = w->ca_file,
		.is_insecure = w->options.is_insecure,
	};

	return w->keeper != NULL
		       ? 0
		       : kube_keeper_new(&params, look, c, &w->keeper, ret_why);
}

static struct route *make_route(struct kube_provider *w)
{
	const struct route_url_params to_url = {
		.base_url = w->url,
		.ca_file = w->ca_file,
		.is_insecure = w->options.is_insecure,
		.keeper = w->keeper,
	};
	const struct route_kube_params to_pod = {
		.kube = w->kube,
		.namespace = kube_place(w->kube)->namespace,
		.service = w->base.name,
		.keeper = w->keeper,
		.via = via(w),
		.pin = w->pin,
	};

	if (w->url != NULL)
		return route_url_new(&to_url);
	w->route = route_kube_new(&to_pod);
	return w->route;
}

static int make_endpoint(
	struct kube_provider *w, struct endpoint **ret, char **ret_why)
{
	g_autofree char *shown = shown_url(w);
	struct endpoint_params params = {
		.base_url = w->url != NULL ? w->url : shown,
		.is_relayed = w->url == NULL && !w->options.is_portforwarded,
	};
	int rc;

	params.route = make_route(w);
	rc = endpoint_new(&params, ret);
	if (rc == 0) {
		w->endpoint = endpoint_ref(*ret);
		return 0;
	}
	route_free(params.route);
	w->route = NULL;
	*ret_why = g_strdup("The URL cannot be used: it needs the form "
			    "https://HOST:PORT/PATH, without a token.");
	return rc;
}

static int kube_open(struct workspace *base, const struct cancel *c,
	struct endpoint **ret_endpoint, char **ret_why)
{
	struct kube_provider *w = (struct kube_provider *)base;
	const struct kube_workspace k = as_workspace(w);
	struct kube_look look = { 0 };
	int rc = bring_up(w, &k, &look, c, ret_why);

	if (rc == 0)
		rc = find_token(w, &k, &look, c, ret_why);
	if (rc == 0)
		rc = make_endpoint(w, ret_endpoint, ret_why);
	if (rc == 0 && w->url == NULL)
		warn_of_several(&look, w->base.name);
	kube_look_clear(&look);
	return rc;
}

static void kube_describe(struct workspace *base, GString *text)
{
	struct kube_provider *w = (struct kube_provider *)base;
	const struct kube_place *place = kube_place(w->kube);

	g_string_append_printf(text, "context: %s\nnamespace: %s\nvia: %s\n",
		place->context, place->namespace,
		w->url != NULL		      ? "url"
		: w->options.is_portforwarded ? "portforward"
					      : "proxy");
	if (w->route != NULL)
		route_kube_describe(w->route, text);
}

static char *kube_why(struct workspace *base)
{
	struct kube_provider *w = (struct kube_provider *)base;

	char *why = w->keeper == NULL ? NULL : token_keeper_why(w->keeper);

	if (why != NULL || w->route == NULL)
		return why;
	return route_kube_why(w->route);
}

static bool kube_starts_programs(const struct workspace *base)
{
	const struct kube_provider *w = (const struct kube_provider *)base;

	return kube_auth_asks_program(kube_place(w->kube)->auth) ||
	       credentials_starts_programs(w->credentials);
}

static void kube_free(struct workspace *base)
{
	struct kube_provider *w = (struct kube_provider *)base;

	endpoint_unref(w->endpoint);
	token_keeper_unref(w->keeper);
	kube_pin_unref(w->pin);
	kube_unref(w->kube);
	credentials_unref(w->credentials);
	g_free(w->url);
	g_free(w->image);
	g_free(w->ca_file);
	g_free(w->base.identity);
	g_free(w->base.name);
	g_free(w);
}

static const struct workspace_ops kube_ops = {
	.open = kube_open,
	.describe = kube_describe,
	.why = kube_why,
	.starts_programs = kube_starts_programs,
	.free = kube_free,
};

/* --- the configuration ---------------------------------------------------- */

static int connect_cluster(
	const struct workspace_options *o, struct kube **ret, char **ret_why)
{
	const struct kubeconfig_wish wish = {
		.file = o->kubeconfig,
		.context = o->context,
		.namespace = o->namespace,
	};

	return kube_connect(&wish, ret, ret_why);
}

int provider_kube_new(const char *name, const struct workspace_options *options,
	struct workspace **ret, char **ret_why)
{
	static const struct workspace_options none = {
		.start_timeout_ms = KUBE_START_TIMEOUT_MS,
	};
	const struct workspace_options *o = options == NULL ? &none : options;
	struct kube_provider *w;
	struct kube *kube;
	int rc = kube_spec_check_name(name, ret_why);

	if (rc == 0)
		rc = connect_cluster(o, &kube, ret_why);
	if (rc < 0)
		return rc;
	w = g_new0(struct kube_provider, 1);
	w->base.ops = &kube_ops;
	w->base.name = g_strdup(name);
	w->kube = kube;
	w->pin = kube_pin_new();
	w->base.identity = shown_url(w);
	w->url = g_strdup(o->url);
	w->image = g_strdup(o->image);
	w->ca_file = g_strdup(o->ca_file);
	w->credentials =
		credentials_new(NULL, o->credentials_file, o->token_command);
	w->options = *o;
	*ret = &w->base;
	return 0;
}
