/* endpoint.c - see endpoint.h. */
#include "config.h"

#include "endpoint.h"

#include <errno.h>
#include <glib.h>
#include <stdatomic.h>

struct endpoint {
	atomic_int refs;
	struct hop *fixed; /* the way; with a route: what people are shown */
	struct route *route;
	bool is_relayed;
};

int endpoint_new(const struct endpoint_params *params, struct endpoint **ret)
{
	const struct hop_params fixed = {
		.base_url = params->base_url,
		.unix_socket = params->unix_socket,
		.token = params->token,
		.ca_file = params->ca_file,
		.is_insecure = params->is_insecure,
	};
	struct hop *hop;
	struct endpoint *e;
	int rc = hop_new(&fixed, &hop);

	if (rc < 0)
		return rc;
	e = g_new0(struct endpoint, 1);
	atomic_init(&e->refs, 1);
	e->fixed = hop;
	e->route = params->route;
	e->is_relayed = params->is_relayed;
	*ret = e;
	return 0;
}

struct endpoint *endpoint_ref(struct endpoint *e)
{
	(void)atomic_fetch_add(&e->refs, 1);
	return e;
}

void endpoint_unref(struct endpoint *e)
{
	if (e == NULL || atomic_fetch_sub(&e->refs, 1) > 1)
		return;
	route_free(e->route);
	hop_unref(e->fixed);
	g_free(e);
}

int endpoint_hop(struct endpoint *e, const struct cancel *cancel,
	int64_t end_ms, struct hop **ret)
{
	if (e->route != NULL)
		return e->route->ops->hop(e->route, cancel, end_ms, ret);
	*ret = hop_ref(e->fixed);
	return 0;
}

void endpoint_judge(struct endpoint *e, struct hop *hop,
	struct http_response *response, const struct cancel *cancel,
	int64_t end_ms)
{
	if (e->route != NULL)
		e->route->ops->judge(e->route, hop, response, cancel, end_ms);
}

int endpoint_dial(struct endpoint *e, struct hop *hop,
	const struct cancel *cancel, int64_t end_ms, int listen_fd)
{
	if (e->route == NULL || e->route->ops->dial == NULL)
		return -EHOSTUNREACH;
	return e->route->ops->dial(e->route, hop, cancel, end_ms, listen_fd);
}

const char *endpoint_base_url(const struct endpoint *e)
{
	return e->fixed->base_url;
}

bool endpoint_is_relayed(const struct endpoint *e)
{
	return e->is_relayed;
}
