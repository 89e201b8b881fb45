/*
 * route_hub.h - the way to a server that its hub may stop and start.
 *
 * A hub stops servers that are idle, and answers in their place. An answer
 * that may be the hub's (302, 405, 424, 502 to 504) has the hub asked whether
 * the server runs. Where it does not, the answer becomes -EHOSTUNREACH, and the
 * next exchange starts the server and waits for it as long as it has itself:
 * nothing is sent without somebody who wants something, so a mount that nobody
 * uses does not start what the hub has stopped. A server that does not stay is
 * started again after HUB_START_DELAY_MS, doubled each time.
 *
 * Redirects are never followed. The token goes to the hub's origin alone; where
 * the hub does not know it any more, another is looked for (token_keeper.h).
 *
 * Locking: one internal lock, never held across I/O.
 */
#ifndef PYCLOUD_ROUTE_HUB_H
#define PYCLOUD_ROUTE_HUB_H

#include "hub.h"
#include "route.h"

struct route_hub_params {
	struct hub *hub;      /* a reference is taken */
	const char *base_url; /* of the hub; its origin is the servers' */
	const char *path;     /* of the server, which is ready */
	struct token_keeper *keeper; /* a reference is taken */
	const char *ca_file;
	bool is_insecure;
	bool never_starts;
};

struct route *route_hub_new(const struct route_hub_params *);

/* "https://hub.example" + path; g_free. */
char *route_hub_url(const char *base_url, const char *path);

/* Why the last exchange came to nothing; NULL: nothing is known. g_free. */
char *route_hub_why(struct route *);
/* Appends how often it was started again. */
void route_hub_describe(struct route *, GString *text);

#endif
