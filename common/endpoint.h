/*
 * endpoint.h - how to reach a workspace's Jupyter server.
 *
 * A base URL or a Unix socket, TLS settings and the authorisation. Immutable
 * after endpoint_new() and reference-counted, so any thread may read it.
 * A provider makes it, the transport uses it; nothing in between looks inside.
 */
#ifndef PYCLOUD_ENDPOINT_H
#define PYCLOUD_ENDPOINT_H

#include "secret.h"

#include <stdbool.h>

struct endpoint;

struct endpoint_params {
	const char *base_url; /* http:// or https://, no query, no userinfo */
	const char *unix_socket; /* NULL: TCP */
	struct secret *token;	 /* borrowed; NULL: a server without auth */
	const char *ca_file;	 /* NULL: the system's */
	bool is_insecure;	 /* do not verify TLS; warned about elsewhere */
};

/* Copies everything (takes a reference of the token). -EINVAL for a URL that
 * is not absolute http(s), or has userinfo, a query or a fragment. */
int endpoint_new(const struct endpoint_params *, struct endpoint **ret);
struct endpoint *endpoint_ref(struct endpoint *);
void endpoint_unref(struct endpoint *);

/* "http://host:8888/user/ann", never a trailing slash, never a secret. */
const char *endpoint_base_url(const struct endpoint *);
const char *endpoint_unix_socket(const struct endpoint *);
const struct secret *endpoint_token(const struct endpoint *);
const char *endpoint_ca_file(const struct endpoint *);
bool endpoint_is_insecure(const struct endpoint *);

/* base_url + "/" + relative. `relative` is percent-encoded by the caller and
 * does not start with a slash (the server answers 404 to double slashes). */
char *endpoint_url(const struct endpoint *, const char *relative);

#endif
