/*
 * hub_text.h - what people write of a JupyterHub, and what it says. Pure.
 *
 * A spec is what the browser shows, behind "hub+": the hub alone, a user's
 * server, or a named server of that user; a hub may live below a prefix:
 *
 *     hub+https://hub.example                     the token's own user
 *     hub+https://hub.example/jupyter/user/ann    ann's server
 *     hub+https://hub.example/user/ann/big/lab    ann's server "big"
 *
 * A word with which a page of Jupyter's begins ("lab", "tree") is a page and
 * not a server's name; whoever has a server called so encodes a letter of it
 * ("%6cab"). Names are decoded here and encoded again where they are sent.
 *
 * What the hub says is not trusted: a server's URL comes with our token on its
 * way there, so it must be a path of the hub's own origin.
 */
#ifndef PYCLOUD_HUB_TEXT_H
#define PYCLOUD_HUB_TEXT_H

#include "json.h"
#include "secret.h"

struct hub_spec {
	char *base_url;	      /* "https://hub.example/jupyter" */
	char *user;	      /* decoded; NULL: the token's own */
	char *server;	      /* decoded; "": the default one */
	struct secret *token; /* of the query; NULL: none */
};

#define HUB_SCHEME "hub+"

/* The spec says that it is a hub's. */
bool hub_is_spec(const char *spec);
/* -EINVAL, and one sentence that does not repeat the spec (g_free). */
int hub_spec_parse(const char *spec, struct hub_spec *ret, char **ret_why);
void hub_spec_clear(struct hub_spec *);

/* "users/ann/server", "users/ann/servers/big": below the hub's API; g_free. */
char *hub_user_path(const char *user);
char *hub_server_path(const char *user, const char *server);
/* "ann's server", "ann's server 'big'": fit for a sentence; g_free. */
char *hub_server_label(const char *user, const char *server);

/* A path below the hub's origin that a server may have: it begins with one
 * slash, has no "..", no query, and nothing that is no path. */
bool hub_is_url_path(const char *path);

/* What a user's model says of one server. */
struct hub_server {
	bool is_listed; /* false: it is stopped, or there is none */
	bool is_ready;
	bool is_pending; /* it starts, or stops */
	bool is_stopping;
	char *url; /* a path without slashes at its end; NULL: not said */
};

/* -EPROTO: this is no user's model; -EACCES: it does not say which servers
 * there are, which a token without read:servers is not told; -EXDEV: the URL
 * does not stay on the hub. */
int hub_server_read(
	const cJSON *user, const char *server, struct hub_server *ret);
void hub_server_clear(struct hub_server *);

/* --- the stream of a server's progress (text/event-stream) ---------------- */

struct hub_events {
	GString *line;
	size_t bytes; /* so far, of all */
	void (*progress)(void *arg, const char *line);
	void *progress_arg; /* gets lines fit for a terminal */
	bool is_ready;
	bool has_failed;
	char *last; /* message; g_free */
};

void hub_events_init(struct hub_events *);
void hub_events_clear(struct hub_events *);
/* An http_sink_fn. -EFBIG: a line or the whole is longer than it may be;
 * -ECANCELED: the end is known. */
int hub_events_take(void *events, const char *bytes, size_t length);

#endif
