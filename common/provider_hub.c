/*
 * provider_hub.c - a workspace that is somebody's server of a JupyterHub.
 *
 * open() asks the hub whose the token is and whether the server runs, starts it
 * where that was asked for, shows the hub's progress until it is ready, and
 * hands out an endpoint whose route starts it again when the hub has stopped it
 * under the mount (route_hub.h).
 */
#include "config.h"

#include "common_limits.h"
#include "hub.h"
#include "route_hub.h"
#include "workspace.h"

#include <errno.h>
#include <string.h>

struct hub_provider {
	struct workspace base;
	struct hub_spec spec;
	char *ca_file;
	struct workspace_options options; /* its strings are not used */
	struct credentials *credentials;
	struct token_keeper *keeper; /* NULL: not looked for yet */
	struct hub *hub;	     /* NULL: not open */
	struct route *route;	     /* the endpoint's */
	struct endpoint *endpoint;   /* a reference, which keeps the route */
};

static int find_token(
	struct hub_provider *w, const struct cancel *c, char **ret_why)
{
	g_autofree char *api = g_strconcat(w->spec.base_url, "/hub/api", NULL);
	const struct token_keeper_params params = {
		.credentials = w->credentials,
		.place = {
			.base_url = api,
			.target = TOKEN_TARGET_HUB,
			.ca_file = w->ca_file,
			.is_insecure = w->options.is_insecure,
		},
		.server = w->spec.base_url,
		.user = w->spec.user,
		.login_name = w->base.name,
	};

	if (w->keeper != NULL)
		return 0;
	w->keeper = token_keeper_new(&params);
	return token_keeper_start(w->keeper, c, ret_why);
}

static int connect_hub(
	struct hub_provider *w, const struct cancel *c, char **ret_why)
{
	const struct hub_params params = {
		.base_url = w->spec.base_url,
		.user = w->spec.user,
		.server = w->spec.server,
		.keeper = w->keeper,
		.ca_file = w->ca_file,
		.is_insecure = w->options.is_insecure,
	};
	int rc = hub_new(&params, &w->hub, ret_why);

	if (rc == 0)
		rc = hub_name_user(w->hub, c, ret_why);
	/* Another user's token would be accepted, and open nothing of this
	 * one's. */
	if (rc == 0)
		token_keeper_name_user(w->keeper, hub_user(w->hub));
	return rc;
}

static int make_endpoint(struct hub_provider *w, const char *path,
	struct endpoint **ret, char **ret_why)
{
	const struct route_hub_params route = {
		.hub = w->hub,
		.base_url = w->spec.base_url,
		.path = path,
		.keeper = w->keeper,
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
	int rc;

	if (w->spec.user != NULL)
		return 0;
	rc = find_token(w, c, ret_why);
	if (rc == 0)
		rc = connect_hub(w, c, ret_why);
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
	int rc = find_token(w, c, ret_why);

	if (rc == 0 && w->hub == NULL)
		rc = connect_hub(w, c, ret_why);
	if (rc == 0)
		rc = bring_up(w, c, &server, ret_why);
	if (rc == 0)
		rc = make_endpoint(w, server.url, ret_endpoint, ret_why);
	hub_server_clear(&server);
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

static bool hub_starts_programs(const struct workspace *base)
{
	const struct hub_provider *w = (const struct hub_provider *)base;

	return credentials_starts_programs(w->credentials);
}

static void hub_free(struct workspace *base)
{
	struct hub_provider *w = (struct hub_provider *)base;

	endpoint_unref(w->endpoint);
	hub_unref(w->hub);
	token_keeper_unref(w->keeper);
	credentials_unref(w->credentials);
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
	.starts_programs = hub_starts_programs,
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
	w->credentials = credentials_new(w->spec.token,
		w->options.credentials_file, w->options.token_command);
	if (w->options.start_timeout_ms <= 0)
		w->options.start_timeout_ms = KUBE_START_TIMEOUT_MS;
	*ret = &w->base;
	return 0;
}
