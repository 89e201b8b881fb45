/* hub.c - see hub.h. */
#include "config.h"

#include "hub.h"

#include "common_limits.h"
#include "http_client.h"
#include "kube_text.h"
#include "route_url.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

struct hub {
	atomic_int refs;
	struct endpoint *endpoint; /* BASE/hub/api */
	struct http_pool *pool;
	char *base_url;
	char *user;
	char *server;
	char *label;
	struct token_keeper *keeper;
};

static int make_endpoint(const struct hub_params *params, struct endpoint **ret)
{
	g_autofree char *api = g_strconcat(params->base_url, "/hub/api", NULL);
	const struct route_url_params route = {
		.base_url = api,
		.ca_file = params->ca_file,
		.is_insecure = params->is_insecure,
		.keeper = params->keeper,
	};
	struct endpoint_params endpoint = { .base_url = api };
	int rc;

	endpoint.route = route_url_new(&route);
	rc = endpoint_new(&endpoint, ret);
	if (rc < 0)
		route_free(endpoint.route);
	return rc;
}

int hub_new(const struct hub_params *params, struct hub **ret, char **ret_why)
{
	struct hub *h = g_new0(struct hub, 1);
	int rc;

	atomic_init(&h->refs, 1);
	h->base_url = g_strdup(params->base_url);
	h->user = g_strdup(params->user);
	h->server = g_strdup(params->server);
	h->keeper = token_keeper_ref(params->keeper);
	if (h->user != NULL)
		h->label = hub_server_label(h->user, h->server);
	rc = make_endpoint(params, &h->endpoint);
	if (rc == 0)
		rc = http_pool_new(h->endpoint, &h->pool);
	if (rc == 0) {
		*ret = h;
		return 0;
	}
	*ret_why = g_strdup("The URL cannot be used: it needs the form "
			    "hub+https://HOST:PORT/user/NAME.");
	hub_unref(h);
	return rc;
}

struct hub *hub_ref(struct hub *h)
{
	(void)atomic_fetch_add(&h->refs, 1);
	return h;
}

void hub_unref(struct hub *h)
{
	if (h == NULL || atomic_fetch_sub(&h->refs, 1) > 1)
		return;
	if (h->pool != NULL)
		http_pool_free(h->pool);
	endpoint_unref(h->endpoint);
	token_keeper_unref(h->keeper);
	g_free(h->base_url);
	g_free(h->user);
	g_free(h->server);
	g_free(h->label);
	g_free(h);
}

const char *hub_user(const struct hub *h)
{
	return h->user;
}

const char *hub_label(const struct hub *h)
{
	return h->label;
}

/* --- requests ------------------------------------------------------------- */

struct answer {
	int status; /* 0: none came */
	cJSON *object;
	char *message; /* fit to be shown; never NULL; "": none */
};

static void answer_clear(struct answer *a)
{
	g_clear_pointer(&a->object, cJSON_Delete);
	g_clear_pointer(&a->message, g_free);
}

/* What the hub is not, or not now: the same whatever was asked. */
static char *explain_transport(const struct hub *h, int rc)
{
	char *refused = rc == -EINTR ? NULL : token_keeper_why(h->keeper);

	if (refused != NULL)
		return refused;
	switch (-rc) {
	case EINTR:
		return g_strdup("interrupted");
	case ETIMEDOUT:
		return g_strdup_printf(
			"the hub %s does not answer; is it alive, and the "
			"address right?",
			h->base_url);
	case EPROTO:
		return g_strdup_printf(
			"%s is not a JupyterHub; check the address, and the "
			"path that the hub has in the browser in front of "
			"/hub/",
			h->base_url);
	default:
		return g_strdup_printf("cannot reach the hub %s: %s; is it "
				       "running there?",
			h->base_url, g_strerror(-rc));
	}
}

static void read_answer(struct http_response *r, struct answer *a)
{
	*a = (struct answer){ .status = r->status };
	if (r->body != NULL && r->body->len > 0)
		a->object = json_parse(r->body->str, r->body->len);
	a->message = kube_text_clean(
		r->status / 100 == 2 ? NULL
				     : json_string(a->object, "message"));
}

/* 0: it answered, whatever it said. */
static int call(struct hub *h, const char *method, const char *path,
	const struct cancel *cancel, int64_t end_ms, struct answer *ret)
{
	struct http_call c = { .request = HTTP_REQUEST_INIT,
		.is_idempotent = strcmp(method, "POST") != 0,
		.tries_max = 2 };
	int64_t left = MAX(end_ms - clock_now_ms(), 1);
	struct http_response r;
	int rc;

	c.request.method = method;
	c.request.target = path;
	c.request.body_max = HUB_REPLY_MAX;
	c.request.timeout_ms = (int)MIN(left, HUB_CALL_TIMEOUT_MS);
	http_response_init(&r);
	rc = http_client_call(h->pool, &c, cancel, &r);
	read_answer(&r, ret);
	http_response_clear(&r);
	return rc;
}

/* --- what refusals mean --------------------------------------------------- */

/* The last word where nothing better is known. */
static int explain_status(
	const struct hub *h, const struct answer *a, char **ret_why)
{
	const char *colon = *a->message != '\0' ? ": " : "";

	if (a->status >= 500 || a->status == 429) {
		*ret_why = g_strdup_printf(
			"the hub %s is in trouble (status %d%s%s)", h->base_url,
			a->status, colon, a->message);
		return -EHOSTUNREACH;
	}
	*ret_why = explain_transport(h, -EPROTO);
	return -EPROTO;
}

static int explain_token(const struct hub *h, char **ret_why)
{
	*ret_why = g_strdup_printf(
		"the hub %s does not know the token any more; make one at "
		"%s/hub/token, and run: pycloud login hub+%s",
		h->base_url, h->base_url, h->base_url);
	return -EACCES;
}

static int explain_scope(const struct hub *h, const char *what, char **ret_why)
{
	*ret_why = g_strdup_printf(
		"the token may not %s %s; it needs the scopes read:servers, "
		"servers (to start it) and access:servers of this user, which "
		"a token has that the user makes at %s/hub/token",
		what, h->label, h->base_url);
	return -EACCES;
}

static int explain_missing(const struct hub *h, char **ret_why)
{
	g_autofree char *user = kube_text_clean(h->user);

	*ret_why = g_strdup_printf(
		"the hub %s has no user '%s', or the token may not see that "
		"user (scope read:servers); check the name, or use a token "
		"that '%s' makes at %s/hub/token",
		h->base_url, user, user, h->base_url);
	return -ENOENT;
}

/* --- asking --------------------------------------------------------------- */

static int read_self(struct hub *h, const struct answer *a, char **ret_why)
{
	const char *name = json_string(a->object, "name");
	const char *kind = json_string(a->object, "kind");
	bool is_user = g_strcmp0(kind, "service") != 0;

	if (a->status == 401 || a->status == 403)
		return explain_token(h, ret_why);
	if (a->status != 200)
		return explain_status(h, a, ret_why);
	if (name == NULL) {
		*ret_why = explain_transport(h, -EPROTO);
		return -EPROTO;
	}
	if (h->user != NULL)
		return 0;
	if (!is_user || *name == '\0' || strlen(name) > HUB_NAME_MAX) {
		*ret_why = g_strdup_printf(
			"the token is no user's, so it does not say whose "
			"server is meant; mount hub+%s/user/NAME",
			h->base_url);
		return -EINVAL;
	}
	h->user = g_strdup(name);
	h->label = hub_server_label(h->user, h->server);
	return 0;
}

int hub_name_user(struct hub *h, const struct cancel *cancel, char **ret_why)
{
	struct answer a;
	int rc = call(h, "GET", "user", cancel,
		clock_now_ms() + HUB_CALL_TIMEOUT_MS, &a);

	if (rc == 0)
		rc = read_self(h, &a, ret_why);
	else
		*ret_why = explain_transport(h, rc);
	answer_clear(&a);
	return rc;
}

static int read_server(const struct hub *h, const struct answer *a,
	struct hub_server *ret, char **ret_why)
{
	int rc;

	if (a->status == 401)
		return explain_token(h, ret_why);
	if (a->status == 403)
		return explain_scope(h, "look at", ret_why);
	if (a->status == 404 && a->object != NULL)
		return explain_missing(h, ret_why);
	if (a->status != 200)
		return explain_status(h, a, ret_why);
	rc = hub_server_read(a->object, h->server, ret);
	if (rc == -EACCES)
		return explain_scope(h, "look at", ret_why);
	if (rc == -EXDEV)
		*ret_why = g_strdup_printf(
			"the hub %s says that %s is at a URL that is not the "
			"hub's own, and the token is not sent there; mount "
			"the server by its own URL",
			h->base_url, h->label);
	else if (rc < 0)
		*ret_why = explain_transport(h, rc);
	return rc;
}

int hub_look(struct hub *h, const struct cancel *cancel, int64_t end_ms,
	struct hub_server *ret, char **ret_why)
{
	g_autofree char *path = hub_user_path(h->user);
	struct answer a;
	int rc = call(h, "GET", path, cancel, end_ms, &a);

	*ret = (struct hub_server){ 0 };
	if (rc == 0)
		rc = read_server(h, &a, ret, ret_why);
	else
		*ret_why = explain_transport(h, rc);
	answer_clear(&a);
	return rc;
}

/* --- starting ------------------------------------------------------------- */

static int read_start(const struct hub *h, const struct answer *a,
	bool *ret_is_refused, char **ret_why)
{
	*ret_is_refused = false;
	switch (a->status) {
	case 201:
	case 202:
		return 0;
	case 400: /* it runs already, or it cannot be: looking tells */
		*ret_is_refused = true;
		*ret_why = g_strdup_printf("the hub does not start %s%s%s",
			h->label, *a->message != '\0' ? ": " : "", a->message);
		return 0;
	case 401:
		return explain_token(h, ret_why);
	case 403:
	case 404:
		return explain_scope(h, "start", ret_why);
	default:
		*ret_why = g_strdup_printf(
			"%s does not start: the hub says %d%s%s; see its log, "
			"or start it in the browser: %s/hub/home",
			h->label, a->status, *a->message != '\0' ? ", " : "",
			a->message, h->base_url);
		return a->status == 429 ? -EBUSY : -EHOSTDOWN;
	}
}

/* *ret_why is also set where *ret_is_refused is. */
static int start(struct hub *h, const struct cancel *cancel, int64_t end_ms,
	bool *ret_is_refused, char **ret_why)
{
	g_autofree char *path = hub_server_path(h->user, h->server);
	struct answer a;
	int rc = call(h, "POST", path, cancel, end_ms, &a);

	*ret_is_refused = false;
	if (rc == 0)
		rc = read_start(h, &a, ret_is_refused, ret_why);
	else
		*ret_why = explain_transport(h, rc);
	answer_clear(&a);
	return rc;
}

/* Shows what the hub says of the start, until that is over. How it ended is
 * asked afterwards, so a stream that is not to be had is no failure. */
static void follow(
	struct hub *h, const struct hub_wait *w, const struct cancel *cancel)
{
	g_autofree char *server = hub_server_path(h->user, h->server);
	g_autofree char *path = g_strconcat(server, "/progress", NULL);
	struct http_call c = { .request = HTTP_REQUEST_INIT };
	struct hub_events events;
	struct http_response r;

	hub_events_init(&events);
	events.progress = w->progress;
	events.progress_arg = w->progress_arg;
	c.request.method = "GET";
	c.request.target = path;
	c.request.sink = hub_events_take;
	c.request.sink_arg = &events;
	c.request.body_max = HUB_EVENTS_MAX;
	c.request.timeout_ms =
		(int)CLAMP(w->end_ms - clock_now_ms(), 1, INT_MAX);
	http_response_init(&r);
	(void)http_client_call(h->pool, &c, cancel, &r);
	http_response_clear(&r);
	hub_events_clear(&events);
}

static int refuse_stopped(
	const struct hub *h, const struct hub_wait *w, char **ret_why)
{
	if (*ret_why != NULL)
		return -EHOSTDOWN; /* as the hub said it */
	if (w->has_started)
		*ret_why = g_strdup_printf(
			"%s did not start, or ended at once; see the hub's "
			"log, or start it in the browser: %s/hub/home",
			h->label, h->base_url);
	else
		*ret_why = g_strdup_printf(
			"%s is stopped; start it in the browser (%s/hub/home), "
			"or mount it without start=never",
			h->label, h->base_url);
	return -EHOSTDOWN;
}

/* It is not ready: what brings it nearer. 1: look again at once. */
static int push(struct hub *h, struct hub_wait *w, const struct hub_server *s,
	const struct cancel *cancel, char **ret_why)
{
	bool is_refused;
	int rc;

	if (!s->is_listed && (w->has_started || !w->may_start))
		return refuse_stopped(h, w, ret_why);
	g_clear_pointer(ret_why, g_free);
	if (!s->is_listed) {
		w->has_started = true;
		if (w->progress != NULL)
			w->progress(w->progress_arg, "asking the hub to start");
		rc = start(h, cancel, w->end_ms, &is_refused, ret_why);
		return rc < 0 ? rc : 1;
	}
	if (s->is_stopping || w->progress == NULL)
		return 0;
	follow(h, w, cancel);
	return 0;
}

static int explain_late(const struct hub *h, char **ret_why)
{
	g_free(*ret_why);
	*ret_why = g_strdup_printf("%s is not ready yet; the hub is still "
				   "starting it (see %s/hub/home)",
		h->label, h->base_url);
	return -ETIMEDOUT;
}

int hub_bring_up(struct hub *h, struct hub_wait *w, const struct cancel *cancel,
	struct hub_server *ret, char **ret_why)
{
	g_autofree char *said = NULL;
	int rc;

	for (;;) {
		rc = hub_look(h, cancel, w->end_ms, ret, ret_why);
		if (rc < 0 || ret->is_ready)
			return rc;
		rc = push(h, w, ret, cancel, &said);
		hub_server_clear(ret);
		if (rc < 0)
			break;
		if (clock_now_ms() >= w->end_ms)
			return explain_late(h, ret_why);
		if (rc == 0 && cancel_sleep(cancel, HUB_POLL_MS) < 0)
			return cancel_check(cancel);
	}
	if (rc == -ETIMEDOUT && w->has_started)
		return explain_late(h, ret_why);
	*ret_why = g_steal_pointer(&said);
	return rc;
}
