/*
 * client_status.h - `pycloud status`: how the mounts are.
 */
#ifndef PYCLOUD_CLIENT_STATUS_H
#define PYCLOUD_CLIENT_STATUS_H

#include "client_ask.h"

#include <stdbool.h>

/* The program's exit status, the worst mount's; as documented in pycloud(1). */
enum client_health {
	HEALTH_FINE = 0,
	HEALTH_PENDING =
		3, /* files are not on the server, or are in conflict */
	HEALTH_OFFLINE = 4,
	HEALTH_DEAD = 5, /* stale, or it does not answer */
};

enum client_health client_status_health(const struct client_asked *);
/* Some lines for people, what could play with a terminal escaped. Pure. */
void client_status_append_text(GString *, const struct client_asked *);
/* An object in one line. Pure. */
void client_status_append_json(GString *, const struct client_asked *);

/* Directory NULL: the mount that we are in, or else all. The exit status. With
 * `watches` it ends when nobody reads stdout any more, or by a signal. */
int client_status(const char *directory, bool is_json, bool watches);

#endif
