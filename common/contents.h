/*
 * contents.h - the remote seam over the Jupyter contents API and files/.
 *
 * Reads go through `GET files/<path>` (raw bytes, ranges); where that is
 * missing or refuses, through `GET api/contents/<path>` with base64, learnt
 * once per endpoint. Writes are base64 in JSON: one PUT up to
 * CONTENTS_CHUNK_BYTES, chunks above. Everything streams; no body is held
 * whole. Listings are parsed whole, up to CONTENTS_LISTING_MAX.
 *
 * REMOTE_CAN_RANGE holds until the first file shows that there is no files/;
 * REMOTE_CAN_HIDDEN is said once a dot name was shown or accepted, so whoever
 * must know beforehand probes: servers that refuse dot names refuse the removal
 * of one that is not there with 400, the others miss it with 404.
 *
 * What the API does that nothing here can help:
 *
 * - A symbolic link is shown as its target's type with its own size and times.
 *   Entries say so too, also the one after a write through it; only a read
 *   tells the target's size (remote_read_info).
 * - After a failed write of more than one chunk the file on the server is torn:
 *   the caller's bytes are the only whole ones, see contents_write.c.
 * - A rename out of a directory that is not writable is -EACCES, but leaves a
 *   copy under the new name.
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

/* Is anybody there? The same question, asked once and on a connection of its
 * own, so that neither a busy pool nor a connection that died unseen stands in
 * its way. 0 when a server answers, whatever it says; the transport's error,
 * or -EPROTO. */
int contents_ping(struct endpoint *, int timeout_ms, const struct cancel *);

#endif
