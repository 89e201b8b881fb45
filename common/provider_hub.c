/*
 * provider_hub.c - a workspace that is somebody's server of a JupyterHub.
 *
 * open() asks the hub whose the token is and whether the server runs, starts it
 * where that was asked for, shows the hub's progress until it is ready, and
 * hands out an endpoint whose route starts it again when the hub has stopped it
 * under the mount (route_hub.h).
 */
#include "config.h"

#include "hub.h"
#include "limits.h"
#include "route_hub.h"
#include "workspace.h"

#include <errno.h>
#include <string.h>

struct hub_provider {
	struct workspace base;
	struct hub_spec spec;
	char *ca_file;
	struct workspace_options options; /* its strings are not used */
	struct hub *hub;		  /* NULL: not open */
	struct route *route;		  /* the endpoint's */
	struct endpoint *endpoint; /* a reference, which keeps the route */
};

/* secret_find() knows a token for the hub's URL. */
static int find_token(
	struct hub_provider *w, struct secret **ret, char **ret_why)
{
	int rc = 0;

	*ret = NULL;
	if (w->spec.token != NULL)
		*ret = secret_ref(w->spec.token);
	else
		rc = secret_find(w->spec.base_url, ret);
	if (rc == -EINVAL)
		*ret_why = g_strdup("The token found for this hub cannot be "
				    "one: it is too long or holds control "
				    "characters.");
	return rc == -ENOENT ? 0 : rc;
}

static int connect_hub(struct hub_provider *w, struct secret *token,
	const struct cancel *c, char **ret_why)
{
	const struct hub_params params = {
		.base_url = w->spec.base_url,
		.user = w->spec.user,
		.server = w->spec.server,
		.token = token,
		.ca_file = w->ca_file,
		.is_insecure = w->options.is_insecure,
	};
	int rc = hub_new(&params, &w->hub, ret_why);

	return rc < 0 ? rc : hub_name_user(w->hub, c, ret_why);
}

static int make_endpoint(struct hub_provider *w, struct secret *token,
	const char *path, struct endpoint **ret, char **ret_why)
{
	const struct route_hub_params route = {
		.hub = w->hub,
		.base_url = w->spec.base_url,
		.path = path,
		.token = token,
		.ca_file = w->ca_file,
		.is_insecure = w->options.is_insecure,
		.never_starts = w->options.start == WORKSPACE_START_NEVER,
	};
	g_autofree char *shown = route_hub_url(w->spec.base_url, path);
	struct endpoint_params params = { .base_url = shown };
	int rc;

	params.route = w->route = route_hub_new(&route);
	rc = endpoint_new(&params, ret);
	if (rc == 0) {
		w->endpoint = endpoint_ref(*ret);
		return 0;
	}
	route_free(g_steal_pointer(&w->route));
	*ret_why = g_strdup("The hub says where its server is in a way "
			    "that cannot be used; mount the server by "
			    "its own URL.");
	return rc;
}

static int bring_up(struct hub_provider *w, const struct cancel *c,
	struct hub_server *ret, char **ret_why)
{
	struct hub_wait wait = {
		.may_start = w->options.start != WORKSPACE_START_NEVER,
		.end_ms = clock_now_ms() + w->options.start_timeout_ms,
		.progress = w->options.progress,
		.progress_arg = w->options.progress_arg,
	};

	return hub_bring_up(w->hub, &wait, c, ret, ret_why);
}

/* "hub+https://hub.example/user/ann/big": one spelling, without secrets. */
static char *make_name(const struct hub_spec *s, const char *named)
{
	GString *name = g_string_new(HUB_SCHEME);
	g_autofree char *server = g_uri_escape_string(s->server, NULL, FALSE);
	g_autofree char *user = NULL;

	g_string_append(name, s->base_url);
	if (named != NULL) {
		user = g_uri_escape_string(named, NULL, FALSE);
		g_string_append_printf(name, "/user/%s", user);
	}
	if (*server != '\0')
		g_string_append_printf(name, "/%s", server);
	return g_string_free(name, FALSE);
}

/* What is remembered of a hub's user is not another user's: the token decides
 * which it is. */
static int hub_identify(
	struct workspace *base, const struct cancel *c, char **ret_why)
{
	struct hub_provider *w = (struct hub_provider *)base;
	struct secret *token = NULL;
	int rc;

	if (w->spec.user != NULL)
		return 0;
	rc = find_token(w, &token, ret_why);
	if (rc == 0)
		rc = connect_hub(w, token, c, ret_why);
	secret_unref(token);
	if (rc < 0)
		return rc;
	w->base.identity = make_name(&w->spec, hub_user(w->hub));
	return 0;
}

static int hub_open(struct workspace *base, const struct cancel *c,
	struct endpoint **ret_endpoint, char **ret_why)
{
	struct hub_provider *w = (struct hub_provider *)base;
	struct hub_server server = { 0 };
	struct secret *token = NULL;
	int rc = find_token(w, &token, ret_why);

	if (rc == 0 && w->hub == NULL)
		rc = connect_hub(w, token, c, ret_why);
	if (rc == 0)
		rc = bring_up(w, c, &server, ret_why);
	if (rc == 0)
		rc = make_endpoint(w, token, server.url, ret_endpoint, ret_why);
	hub_server_clear(&server);
	secret_unref(token);
	return rc;
}

static void hub_describe(struct workspace *base, GString *text)
{
	struct hub_provider *w = (struct hub_provider *)base;

	g_string_append_printf(text, "hub: %s\n", w->spec.base_url);
	if (w->route != NULL)
		route_hub_describe(w->route, text);
}

static char *hub_why(struct workspace *base)
{
	struct hub_provider *w = (struct hub_provider *)base;

	return w->route == NULL ? NULL : route_hub_why(w->route);
}

static void hub_free(struct workspace *base)
{
	struct hub_provider *w = (struct hub_provider *)base;

	endpoint_unref(w->endpoint);
	hub_unref(w->hub);
	hub_spec_clear(&w->spec);
	g_free(w->ca_file);
	g_free(w->base.identity);
	g_free(w->base.name);
	g_free(w);
}

static const struct workspace_ops hub_ops = {
	.identify = hub_identify,
	.open = hub_open,
	.describe = hub_describe,
	.why = hub_why,
	.free = hub_free,
};

int provider_hub_new(const char *spec, const struct workspace_options *options,
	struct workspace **ret, char **ret_why)
{
	struct hub_spec parsed;
	struct hub_provider *w;
	int rc = hub_spec_parse(spec, &parsed, ret_why);

	if (rc < 0)
		return rc;
	w = g_new0(struct hub_provider, 1);
	w->base.ops = &hub_ops;
	w->base.name = make_name(&parsed, parsed.user);
	w->spec = parsed;
	if (options != NULL) {
		w->options = *options;
		w->ca_file = g_strdup(options->ca_file);
	}
	if (w->options.start_timeout_ms <= 0)
		w->options.start_timeout_ms = KUBE_START_TIMEOUT_MS;
	*ret = &w->base;
	return 0;
}
