/*
 * route.h - the way to a server, where it may change under a mount.
 *
 * Most endpoints have one way for good. A workspace in a cluster has not: its
 * pod is replaced by another, credentials are renewed, and a request may have
 * to be dialled through a tunnel. So the transport asks for a `hop` before
 * each exchange and tells the route afterwards how it went:
 *
 *     struct hop     what one exchange needs to know: where to, whom to
 *                    trust, who we are. Immutable, reference-counted.
 *     struct route   hands out the hop of the moment; made by a provider.
 *
 * Whoever relays (an API server in between) takes the Authorization header for
 * itself, so the Jupyter server's token then travels in the query, and on an
 * upgrade, whose query the relay drops, a cookie stands for it
 * (kubernetes/kubernetes issues 67878 and 77142).
 *
 * Threads: any; a route locks for itself.
 */
#ifndef PYCLOUD_ROUTE_H
#define PYCLOUD_ROUTE_H

#include "cancel.h"
#include "http.h"
#include "secret.h"

#include <stdatomic.h>

struct route;

enum hop_kind {
	HOP_DIRECT,	/* to the Jupyter server; the token is a header */
	HOP_RELAYED,	/* through an API server; the token is in the query */
	HOP_API_SERVER, /* to the API server itself; no token */
};

struct hop_params {
	const char *base_url; /* http:// or https://, no query, no userinfo */
	const char *unix_socket; /* NULL: TCP */
	const char *proxy_url;	 /* NULL: what the environment says */
	const char *connect_to;	 /* "host:port"; NULL: the URL's */
	const char *ca_file;	 /* NULL, and no ca_pem: the system's */
	GBytes *ca_pem;		 /* borrowed, as all below; NULL: none */
	GBytes *cert_pem;	 /* ours, with its key */
	GBytes *key_pem;
	bool is_insecure;      /* do not verify TLS */
	struct secret *token;  /* the Jupyter server's; NULL: none */
	struct secret *bearer; /* what the relay asks for; NULL: none */
	struct secret *basic;  /* or this, "user:password" in base64 */
	enum hop_kind kind;
	bool is_dialled; /* by the route's dial() */
	void *login;	 /* the route's own, to know its hop again */
	void (*login_unref)(void *);
};

struct hop {
	atomic_int refs;
	char *base_url; /* normalised, no trailing slash, no secret */
	char *unix_socket;
	char *proxy_url;
	char *connect_to;
	char *ca_file;
	GBytes *ca_pem;
	GBytes *cert_pem;
	GBytes *key_pem;
	bool is_insecure;
	struct secret *token;
	struct secret *bearer;
	struct secret *basic;
	enum hop_kind kind;
	bool is_dialled;
	void *login;
	void (*login_unref)(void *);
};

/* Copies, and takes references. `login` is taken over, also on failure.
 * -EINVAL for a URL that is not absolute http(s), or has userinfo, a query or
 * a fragment. */
int hop_new(const struct hop_params *, struct hop **ret);
struct hop *hop_ref(struct hop *);
void hop_unref(struct hop *);

/* base_url + "/" + relative. `relative` is percent-encoded by the caller and
 * does not start with a slash (the server answers 404 to double slashes). */
char *hop_url(const struct hop *, const char *relative);

struct route_ops {
	/* The hop of the moment. May ask somebody where the server is now:
	 * blocks until end_ms (clock_now_ms() terms) at most. -EHOSTUNREACH:
	 * nowhere at present. */
	int (*hop)(struct route *, const struct cancel *, int64_t end_ms,
		struct hop **ret);
	/* How an exchange over `hop` ended. It may find that the answer is
	 * the relay's own and make a transport error of it (response->error,
	 * may_have_acted); it may renew what was refused, within end_ms. */
	void (*judge)(struct route *, struct hop *, struct http_response *,
		const struct cancel *, int64_t end_ms);
	/* For hops that are dialled: makes a connection to the server, and
	 * sees to it that its bytes are those of the next connection of ours
	 * that the listening Unix socket listen_fd (borrowed) accepts. */
	int (*dial)(struct route *, struct hop *, const struct cancel *,
		int64_t end_ms, int listen_fd);
	void (*free)(struct route *);
};

struct route {
	const struct route_ops *ops;
};

static inline void route_free(struct route *r)
{
	if (r != NULL)
		r->ops->free(r);
}

#endif
