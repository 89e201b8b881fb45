/*
 * contents.h - the remote seam over the Jupyter contents API and files/.
 *
 * Reads go through `GET files/<path>` (raw bytes, ranges); where that is
 * missing or refuses, through `GET api/contents/<path>` with base64, learnt
 * once per endpoint. Writes are base64 in JSON: one PUT up to
 * CONTENTS_CHUNK_BYTES, chunks above. Everything streams; no body is held
 * whole. Listings are parsed whole, up to CONTENTS_LISTING_MAX.
 *
 * The contents service borrows the pool, which must outlive it.
 */
#ifndef PYCLOUD_CONTENTS_H
#define PYCLOUD_CONTENTS_H

#include "http_pool.h"
#include "remote.h"

struct contents_limits {
	int timeout_ms; /* metadata calls, all attempts together */
	int stall_ms;	/* data calls: no byte in either direction */
};

int contents_new(struct http_pool *, const struct contents_limits *,
	struct remote **ret);

/* Who is there? `GET api`, which needs no token. ret_version ("6.4.12") is
 * the caller's. -EPROTO: something answers, but it is no Jupyter server. */
int contents_probe(struct http_pool *, int timeout_ms, const struct cancel *,
	char **ret_version);

#endif
