/*
 * hub.h - one server of a user, seen through its JupyterHub's API.
 *
 * Asks whether it runs, starts it and waits for it. Bounded by what each call
 * says; every failure comes with one sentence (g_free) without secrets.
 *
 * Protocol: JupyterHub's REST API, below BASE/hub/api, as 3.0.0 of Debian 12
 * was seen to speak it behind configurable-http-proxy:
 *
 *     GET user                  200: the token's own user, its scopes too, for
 *                               any token; 403: no such token. It needs no
 *                               scope, so it tells a wrong token from a narrow
 *                               one.
 *     GET users/ann             200 {"name", "servers": {"": {"ready", "pending",
 *                               "url": "/BASE/user/ann/"}}}; a server that is
 *                               stopped is not in it. 404 for a user who does
 *                               not exist, and for one whom the token may not
 *                               see: the answers are the same.
 *     POST users/ann/server     201: runs; 202: will run (after ten seconds);
 *                               400: runs already, or a bad name; 500: did not
 *                               start. A named one: users/ann/servers/NAME.
 *     GET .../progress          text/event-stream of lines "data: {"progress",
 *                               "message", "ready"|"failed"}"; it ends with
 *                               the start. 400: nothing starts.
 *     /user/ann/... (stopped)   GET: 302 to /hub/user/ann/..., which answers
 *                               424 (503 before 4.0, or where it is set so);
 *                               PUT, PATCH, POST, DELETE: 405 with a page.
 *
 * A token in the Authorization header needs no _xsrf. Both the hub and the
 * servers send X-JupyterHub-Version, so that does not tell them apart.
 *
 * Threads: any. Reference-counted, immutable.
 */
#ifndef PYCLOUD_HUB_H
#define PYCLOUD_HUB_H

#include "cancel.h"
#include "hub_text.h"
#include "token_keeper.h"

#include <stdint.h>

struct hub;

struct hub_params {
	const char *base_url; /* without "/hub" */
	const char *user;     /* NULL: the token's own, hub_name_user() */
	const char *server;   /* "": the default one */
	struct token_keeper *keeper; /* a reference is taken */
	const char *ca_file;
	bool is_insecure;
};

int hub_new(const struct hub_params *, struct hub **ret, char **ret_why);
struct hub *hub_ref(struct hub *);
void hub_unref(struct hub *);

const char *hub_user(const struct hub *);
const char *hub_label(const struct hub *); /* "ann's server" */

/* Asks whose the token is, and takes that user where none was named. To be
 * called before others know of the hub. -ENETUNREACH: the hub knows no such token;
 * -EPROTO: no hub answers there. */
int hub_name_user(struct hub *, const struct cancel *, char **ret_why);

/* One request, up to end_ms. */
int hub_look(struct hub *, const struct cancel *, int64_t end_ms,
	struct hub_server *ret, char **ret_why);

struct hub_wait {
	bool may_start;
	bool has_started; /* out: it was asked to */
	int64_t end_ms;
	/* Lines about the start; NULL: nobody listens. */
	void (*progress)(void *arg, const char *line);
	void *progress_arg;
};

/* Until the server is ready, started if it must be and may be. -EHOSTDOWN: it
 * is stopped, or did not start; -ETIMEDOUT: it starts still. */
int hub_bring_up(struct hub *, struct hub_wait *, const struct cancel *,
	struct hub_server *ret, char **ret_why);

#endif
