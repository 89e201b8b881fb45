/* route_url.c - see route_url.h. */
#include "config.h"

#include "route_url.h"

struct route_url {
	struct route base;
	/* immutable */
	char *base_url;
	char *ca_file;
	bool is_insecure;
	struct token_keeper *keeper;
};

static int get_hop(struct route *route, const struct cancel *cancel,
	int64_t end_ms, struct hop **ret)
{
	struct route_url *r = (struct route_url *)route;
	struct hop_params params = {
		.base_url = r->base_url,
		.ca_file = r->ca_file,
		.is_insecure = r->is_insecure,
		.kind = HOP_DIRECT,
	};
	int rc = token_keeper_get(r->keeper, cancel, end_ms, &params.token);

	if (rc == 0)
		rc = hop_new(&params, ret);
	secret_unref(params.token);
	return rc;
}

static void judge(struct route *route, struct hop *hop,
	struct http_response *response, const struct cancel *cancel,
	int64_t end_ms)
{
	struct route_url *r = (struct route_url *)route;

	(void)token_keeper_judge(
		r->keeper, hop->token, response, cancel, end_ms);
}

static void free_route(struct route *route)
{
	struct route_url *r = (struct route_url *)route;

	token_keeper_unref(r->keeper);
	g_free(r->base_url);
	g_free(r->ca_file);
	g_free(r);
}

static const struct route_ops ops = {
	.hop = get_hop,
	.judge = judge,
	.free = free_route,
};

struct route *route_url_new(const struct route_url_params *params)
{
	struct route_url *r = g_new0(struct route_url, 1);

	r->base.ops = &ops;
	r->base_url = g_strdup(params->base_url);
	r->ca_file = g_strdup(params->ca_file);
	r->is_insecure = params->is_insecure;
	r->keeper = token_keeper_ref(params->keeper);
	return &r->base;
}
