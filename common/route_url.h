/*
 * route_url.h - the way to a server that stays where it is.
 *
 * Its address is one for good; its token may have to be found again
 * (token_keeper.h). Threads: any.
 */
#ifndef PYCLOUD_ROUTE_URL_H
#define PYCLOUD_ROUTE_URL_H

#include "route.h"
#include "token_keeper.h"

struct route_url_params {
	const char *base_url;
	const char *ca_file;
	bool is_insecure;
	struct token_keeper *keeper; /* a reference is taken */
};

struct route *route_url_new(const struct route_url_params *);

#endif
