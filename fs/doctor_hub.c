/* doctor_hub.c - pycloud doctor: a JupyterHub, whose the token is, and whether
 * that user's server runs. */
#include "config.h"

#include "doctor_target.h"
#include "fs_limits.h"
#include "hub.h"
#include "json.h"

#include <errno.h>
#include <string.h>

/* The root of the hub's API says it to everybody. */
static bool check_version(const struct doctor_probe *p,
	const struct doctor_place *place, const struct hub_spec *spec)
{
	g_autofree char *api = g_strconcat(spec->base_url, "/hub/api", NULL);
	const struct endpoint_params params = {
		.base_url = api,
		.ca_file = place->options.ca_file,
		.is_insecure = place->options.is_insecure,
	};
	struct endpoint *endpoint = NULL;
	struct http_pool *pool = NULL;
	struct http_response r;
	g_autoptr(cJSON) object = NULL;
	const char *version = NULL;

	if (endpoint_new(&params, &endpoint) < 0 ||
		http_pool_new(endpoint, &pool) < 0) {
		endpoint_unref(endpoint);
		return true;
	}
	(void)doctor_get(p, pool, "", -1, &r);
	if (r.error == 0 && r.status == 200 && r.body != NULL)
		object = json_parse(r.body->str, r.body->len);
	if (object != NULL)
		version = json_string(object, "version");
	if (version != NULL)
		doctor_tell(p, DOCTOR_OK, "hub", NULL, "JupyterHub %s answers",
			version);
	else if (r.error == 0)
		doctor_tell(p, DOCTOR_FAILED, "hub",
			"correct the address: it ends before /hub and /user",
			"something answers (HTTP status %d), but it is no "
			"JupyterHub",
			r.status);
	else
		doctor_tell(p, DOCTOR_FAILED, "hub",
			"is the address right, the hub up, the VPN on?",
			"no answer: %s%s%s", g_strerror(-r.error),
			r.detail != NULL ? "; " : "",
			r.detail != NULL ? r.detail : "");
	http_response_clear(&r);
	http_pool_free(pool);
	endpoint_unref(endpoint);
	return version != NULL;
}

/* The sentence says to run pycloud login, which may need more said. */
static void tell_token(const struct doctor_probe *p,
	const struct doctor_place *place, const char *login_name,
	const char *why)
{
	g_autofree char *advice = doctor_login_advice(place, login_name);

	if (place->is_online)
		doctor_tell_mount_has_it(p, "hub token", why);
	else
		doctor_tell(p, DOCTOR_FAILED, "hub token",
			strstr(why, "pycloud login") != NULL ? advice : NULL,
			"%s", why);
}

static bool check_user(const struct doctor_probe *p,
	const struct doctor_place *place, const char *login_name,
	struct hub *hub)
{
	g_autofree char *why = NULL;

	if (hub_name_user(hub, p->cancel, &why) < 0) {
		tell_token(p, place, login_name, why);
		return false;
	}
	doctor_conceal(p, hub_user(hub), "USER");
	doctor_tell(p, DOCTOR_OK, "hub token", NULL, "accepted, for %s",
		hub_label(hub));
	return true;
}

static bool check_server(const struct doctor_probe *p, struct hub *hub)
{
	struct hub_server server = { 0 };
	g_autofree char *why = NULL;
	bool is_ready;
	int rc = hub_look(
		hub, p->cancel, clock_now_ms() + DOCTOR_CALL_MS, &server, &why);

	is_ready = rc == 0 && server.is_ready;
	if (rc < 0)
		doctor_tell(p, DOCTOR_FAILED, "hub server", NULL, "%s", why);
	else if (is_ready)
		doctor_tell(p, DOCTOR_OK, "hub server", NULL, "%s runs",
			hub_label(hub));
	else if (server.is_pending)
		doctor_tell(p, DOCTOR_WARN, "hub server", "try again soon",
			"%s is %s just now", hub_label(hub),
			server.is_stopping ? "stopping" : "starting");
	else
		doctor_tell(p, DOCTOR_WARN, "hub server",
			"a mount starts it; the hub's page does, too",
			"%s is stopped", hub_label(hub));
	hub_server_clear(&server);
	return is_ready;
}

static struct token_keeper *make_keeper(const struct doctor_place *place,
	const struct hub_spec *spec, const char *login_name)
{
	g_autofree char *api = g_strconcat(spec->base_url, "/hub/api", NULL);
	struct credentials *c = credentials_new(spec->token,
		place->options.credentials_file, place->options.token_command);
	const struct token_keeper_params params = {
		.credentials = c,
		.place = {
			.base_url = api,
			.target = TOKEN_TARGET_HUB,
			.ca_file = place->options.ca_file,
			.is_insecure = place->options.is_insecure,
		},
		.server = spec->base_url,
		.user = spec->user,
		.login_name = login_name,
	};
	struct token_keeper *keeper = token_keeper_new(&params);

	credentials_unref(c);
	return keeper;
}

static bool check_hub(const struct doctor_probe *p,
	const struct doctor_place *place, const struct hub_spec *spec,
	const char *login_name)
{
	struct token_keeper *keeper = make_keeper(place, spec, login_name);
	const struct hub_params params = {
		.base_url = spec->base_url,
		.user = spec->user,
		.server = spec->server,
		.keeper = keeper,
		.ca_file = place->options.ca_file,
		.is_insecure = place->options.is_insecure,
	};
	g_autofree char *why = NULL;
	struct hub *hub = NULL;
	bool is_ready = false;

	if (token_keeper_start(keeper, p->cancel, &why) < 0)
		tell_token(p, place, login_name, why);
	else if (hub_new(&params, &hub, &why) < 0)
		doctor_tell(p, DOCTOR_FAILED, "hub", NULL, "%s", why);
	else
		is_ready = check_user(p, place, login_name, hub) &&
			   check_server(p, hub);
	hub_unref(hub);
	token_keeper_unref(keeper);
	return is_ready;
}

bool doctor_hub(const struct doctor_probe *p, const struct doctor_place *place,
	char **ret_login_name)
{
	g_autofree char *why = NULL;
	struct hub_spec spec = { 0 };
	bool is_ready;

	if (hub_spec_parse(place->spec, &spec, &why) < 0) {
		doctor_tell(p, DOCTOR_FAILED, "hub", NULL, "%s", why);
		return false;
	}
	*ret_login_name = g_strconcat(HUB_SCHEME, spec.base_url, NULL);
	is_ready = check_version(p, place, &spec) &&
		   check_hub(p, place, &spec, *ret_login_name);
	hub_spec_clear(&spec);
	return is_ready;
}
