/* route_hub.c - see route_hub.h. */
#include "config.h"

#include "route_hub.h"

#include "common_limits.h"
#include "log.h"
#include "mutex.h"
#include "waitlist.h"

#include <errno.h>
#include <string.h>

struct route_hub {
	struct route base;
	/* immutable */
	struct hub *hub;
	char *base_url;
	struct token_keeper *keeper;
	char *ca_file;
	bool is_insecure;
	bool never_starts;
	struct mutex lock;
	/* guarded by lock: */
	struct waitlist changed;
	char *url;	  /* of the server; where it was last */
	bool is_in_doubt; /* look before it is used again */
	bool is_looking;  /* some thread does */
	char *why;
	unsigned starts; /* of ours that count for the next delay */
	unsigned all_starts;
	int64_t started_ms; /* the last one; 0: none yet */
};

static const struct route_ops ops;

char *route_hub_url(const char *base_url, const char *path)
{
	const char *host = strstr(base_url, "://") + 3;
	size_t origin = (size_t)(host - base_url) + strcspn(host, "/");
	g_autofree char *start = g_strndup(base_url, origin);

	return g_strconcat(start, path, NULL);
}

struct route *route_hub_new(const struct route_hub_params *params)
{
	struct route_hub *r = g_new0(struct route_hub, 1);

	r->base.ops = &ops;
	r->hub = hub_ref(params->hub);
	r->base_url = g_strdup(params->base_url);
	r->url = route_hub_url(params->base_url, params->path);
	r->keeper = token_keeper_ref(params->keeper);
	r->ca_file = g_strdup(params->ca_file);
	r->is_insecure = params->is_insecure;
	r->never_starts = params->never_starts;
	mutex_init(&r->lock);
	return &r->base;
}

static void free_route(struct route *route)
{
	struct route_hub *r = (struct route_hub *)route;

	hub_unref(r->hub);
	token_keeper_unref(r->keeper);
	mutex_fini(&r->lock);
	g_free(r->base_url);
	g_free(r->ca_file);
	g_free(r->url);
	g_free(r->why);
	g_free(r);
}

/* --- is it there? --------------------------------------------------------- */

static int64_t start_delay(unsigned starts)
{
	int64_t delay = starts == 0 ? 0 : HUB_START_DELAY_MS;

	for (unsigned i = 1; i < starts && delay < HUB_START_DELAY_MAX_MS; i++)
		delay *= 2;
	return MIN(delay, HUB_START_DELAY_MAX_MS);
}

/* How long a start must wait still; 0: it may be now. */
static int64_t start_wait_locked(struct route_hub *r) REQUIRES(r->lock)
{
	int64_t since = clock_now_ms() - r->started_ms;

	if (r->started_ms == 0 || since >= HUB_LIVED_MS)
		r->starts = 0;
	return MAX(start_delay(r->starts) - since, 0);
}

static void count_start_locked(struct route_hub *r) REQUIRES(r->lock)
{
	r->starts++;
	r->all_starts++;
	r->started_ms = clock_now_ms();
}

/* What looking failed with, as a failure of the way. */
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

static void set_why_locked(struct route_hub *r, char *why) REQUIRES(r->lock)
{
	g_free(r->why);
	r->why = why;
}

static void settle(struct route_hub *r, int rc, const struct hub_wait *w,
	const struct hub_server *s, char *why) EXCLUDES(r->lock)
{
	mutex_lock(&r->lock);
	r->is_looking = false;
	if (w->has_started)
		count_start_locked(r);
	if (rc == 0) {
		g_free(r->url);
		r->url = route_hub_url(r->base_url, s->url);
		r->is_in_doubt = false;
	}
	if (rc != -EINTR)
		set_why_locked(r, g_steal_pointer(&why));
	waitlist_wake(&r->changed);
	mutex_unlock(&r->lock);
	g_free(why);
	if (rc == 0 && w->has_started)
		log_info("%s was stopped, and is started again",
			hub_label(r->hub));
}

static int look_and_settle(struct route_hub *r, int64_t start_wait_ms,
	const struct cancel *cancel, int64_t end_ms) EXCLUDES(r->lock)
{
	struct hub_wait w = {
		.may_start = !r->never_starts && start_wait_ms == 0,
		.end_ms = end_ms,
	};
	struct hub_server s = { 0 };
	char *why = NULL;
	int rc = hub_bring_up(r->hub, &w, cancel, &s, &why);

	if (rc == -EHOSTDOWN && start_wait_ms > 0 && !r->never_starts) {
		g_free(why);
		why = g_strdup_printf("%s was started and did not stay; it is "
				      "started again in %d s, when it is used",
			hub_label(r->hub), (int)(start_wait_ms / 1000 + 1));
	}
	settle(r, rc, &w, &s, why);
	hub_server_clear(&s);
	return errno_of_way(rc);
}

/* The URL to use now; g_free. */
static int get_url(struct route_hub *r, const struct cancel *cancel,
	int64_t end_ms, char **ret) EXCLUDES(r->lock)
{
	int rc = 0;

	mutex_lock(&r->lock);
	while (rc == 0 && r->is_looking)
		rc = waitlist_wait(&r->changed, &r->lock, cancel,
			MAX(end_ms - clock_now_ms(), 0));
	if (rc == 0 && r->is_in_doubt) {
		int64_t wait = r->never_starts ? 0 : start_wait_locked(r);

		r->is_looking = true;
		mutex_unlock(&r->lock);
		rc = look_and_settle(r, wait, cancel, end_ms);
		mutex_lock(&r->lock);
	}
	if (rc == 0)
		*ret = g_strdup(r->url);
	mutex_unlock(&r->lock);
	return rc;
}

/* --- the route ------------------------------------------------------------ */

static int get_hop(struct route *route, const struct cancel *cancel,
	int64_t end_ms, struct hop **ret)
{
	struct route_hub *r = (struct route_hub *)route;
	g_autofree char *url = NULL;
	struct hop_params params = {
		.ca_file = r->ca_file,
		.is_insecure = r->is_insecure,
		.kind = HOP_DIRECT,
	};
	int rc = token_keeper_get(r->keeper, cancel, end_ms, &params.token);

	if (rc == 0)
		rc = get_url(r, cancel, end_ms, &url);
	params.base_url = url;
	if (rc == 0)
		rc = hop_new(&params, ret);
	secret_unref(params.token);
	return rc;
}

static void doubt(struct route_hub *r, const struct hop *hop, char *why)
	EXCLUDES(r->lock)
{
	mutex_lock(&r->lock);
	/* Nobody blames the new place for the old one's end. */
	if (strcmp(hop->base_url, r->url) == 0 || why != NULL)
		r->is_in_doubt = true;
	if (why != NULL)
		set_why_locked(r, why);
	mutex_unlock(&r->lock);
}

/* The hub, or its proxy, may have said it in the server's place. */
static bool may_be_hubs(const struct http_response *r)
{
	switch (r->status) {
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return r->location != NULL &&
		       (strstr(r->location, "/hub/user/") != NULL ||
			       strstr(r->location, "/hub/spawn") != NULL);
	case 405:
		return r->is_html;
	case 424:
	case 502:
	case 503:
	case 504:
		return true;
	default:
		return false;
	}
}

/* What the hub itself said was not passed on to the server. */
static bool may_have_acted(int status)
{
	return status >= 502;
}

static void refuse(struct http_response *r, int error)
{
	r->may_have_acted = may_have_acted(r->status);
	r->error = error;
}

static char *explain_stopped(
	const struct route_hub *r, const struct hub_server *s)
{
	const char *label = hub_label(r->hub);

	if (s->is_ready)
		return g_strdup_printf("the hub says that %s runs, but its "
				       "proxy does not reach it",
			label);
	if (s->is_pending)
		return g_strdup_printf("the hub %s %s",
			s->is_stopping ? "is stopping" : "is starting", label);
	return g_strdup_printf("%s is stopped%s", label,
		r->never_starts ? "; start it in the hub's pages"
				: "; it is started when it is used");
}

static void judge_hubs(struct route_hub *r, const struct hop *hop,
	struct http_response *response, const struct cancel *cancel,
	int64_t end_ms)
{
	int64_t limit = clock_now_ms() + HUB_CALL_TIMEOUT_MS;
	struct hub_server s;
	char *why = NULL;
	int rc = hub_look(r->hub, cancel,
		end_ms == 0 ? limit : MIN(end_ms, limit), &s, &why);

	if (rc == -EINTR) {
		g_free(why);
		return;
	}
	if (rc < 0) {
		refuse(response, errno_of_way(rc));
	} else if (!s.is_ready || response->status != 405) {
		refuse(response, -EHOSTUNREACH);
		why = explain_stopped(r, &s);
	}
	hub_server_clear(&s);
	if (why != NULL)
		doubt(r, hop, why);
}

/* The server itself says whether the token is good for it: not by its version,
 * which it tells everybody. What is no more true is said only until the next
 * good answer. */
static void note_answer(struct route_hub *r, int status) EXCLUDES(r->lock)
{
	mutex_lock(&r->lock);
	if (status / 100 == 2) {
		set_why_locked(r, NULL);
	} else if (status == 401 || status == 403) {
		set_why_locked(r,
			g_strdup_printf(
				"%s refuses the token, though the hub knows "
				"it; it needs the scope access:servers, which "
				"a token has that the user makes at "
				"%s/hub/token",
				hub_label(r->hub), r->base_url));
	}
	mutex_unlock(&r->lock);
}

static void judge(struct route *route, struct hop *hop,
	struct http_response *response, const struct cancel *cancel,
	int64_t end_ms)
{
	struct route_hub *r = (struct route_hub *)route;

	if (response->error == -EINTR)
		return;
	if (response->error != 0)
		doubt(r, hop, NULL);
	else if (may_be_hubs(response))
		judge_hubs(r, hop, response, cancel, end_ms);
	else if (!token_keeper_judge(
			 r->keeper, hop->token, response, cancel, end_ms))
		note_answer(r, response->status);
}

static const struct route_ops ops = {
	.hop = get_hop,
	.judge = judge,
	.free = free_route,
};

char *route_hub_why(struct route *route)
{
	struct route_hub *r = (struct route_hub *)route;
	char *why;

	why = token_keeper_why(r->keeper);
	if (why != NULL)
		return why;
	mutex_lock(&r->lock);
	why = g_strdup(r->why);
	mutex_unlock(&r->lock);
	return why;
}

void route_hub_describe(struct route *route, GString *text)
{
	struct route_hub *r = (struct route_hub *)route;

	mutex_lock(&r->lock);
	g_string_append_printf(text, "hub_starts: %u\n", r->all_starts);
	mutex_unlock(&r->lock);
}
