/*
 * endpoint.h - how to reach a workspace's Jupyter server.
 *
 * A base URL or a Unix socket, TLS settings and the authorisation; or a route
 * (route.h), where these change while the endpoint stays. Immutable after
 * endpoint_new() and reference-counted, so any thread may use it. A provider
 * makes it, the transport uses it; nothing in between looks inside.
 */
#ifndef PYCLOUD_ENDPOINT_H
#define PYCLOUD_ENDPOINT_H

#include "route.h"
#include "secret.h"

#include <stdbool.h>

struct endpoint;

struct endpoint_params {
	const char *base_url; /* http:// or https://, no query, no userinfo */
	const char *unix_socket; /* NULL: TCP */
	struct secret *token;	 /* borrowed; NULL: a server without auth */
	const char *ca_file;	 /* NULL: the system's */
	bool is_insecure;	 /* do not verify TLS; warned about elsewhere */
	/* Taken over on success. Says where to; base_url is then what people
	 * are shown, and the rest is not looked at. */
	struct route *route;
	/* A relay in between changes what comes through as text/html, and
	 * decodes paths. */
	bool is_relayed;
};

/* Copies everything (takes a reference of the token). -EINVAL for a URL that
 * is not absolute http(s), or has userinfo, a query or a fragment. */
int endpoint_new(const struct endpoint_params *, struct endpoint **ret);
struct endpoint *endpoint_ref(struct endpoint *);
void endpoint_unref(struct endpoint *);

/* The hop for an exchange that begins now, see route.h. */
int endpoint_hop(struct endpoint *, const struct cancel *, int64_t end_ms,
	struct hop **ret);
/* How an exchange went. */
void endpoint_judge(struct endpoint *, struct hop *, struct http_response *,
	const struct cancel *, int64_t end_ms);
/* Dials for a hop that wants it. */
int endpoint_dial(struct endpoint *, struct hop *, const struct cancel *,
	int64_t end_ms, int listen_fd);

/* "http://host:8888/user/ann", never a trailing slash, never a secret. */
const char *endpoint_base_url(const struct endpoint *);
bool endpoint_is_relayed(const struct endpoint *);

#endif
