/*
 * portforward.h - TCP connections into a pod, through the API server.
 *
 * Kubernetes' port-forward over a WebSocket with the subprotocol
 * v4.channel.k8s.io: one WebSocket carries one TCP connection to one port. A
 * binary message's first byte is its channel: 0 the connection's bytes, 1 an
 * error's text; the first message of each channel only repeats the port (two
 * bytes, little endian). The end of the pod's connection is a close frame
 * (all measured on 1.32). There is no port to listen on: our end is a
 * connection between two sockets of this process, of which two threads pump
 * the accepted one; whoever else connects is turned away.
 *
 * A portforward owns its tunnels and ends them with itself. Locking: one
 * internal lock; pumping happens without.
 */
#ifndef PYCLOUD_PORTFORWARD_H
#define PYCLOUD_PORTFORWARD_H

#include "http_pool.h"

struct portforward;

/* The pool is the API server's, and must outlive it. */
struct portforward *portforward_new(struct http_pool *api);
void portforward_free(struct portforward *); /* NULL is fine */

/* A connection to the port of target
 * ("api/v1/namespaces/NS/pods/POD/portforward?ports=PORT") for the next
 * connection of this process that listen_fd (duplicated) accepts. -EACCES,
 * -EHOSTUNREACH (no such pod, no node), or a transport error. That nobody
 * listens on the port shows as an immediate end. */
int portforward_dial(struct portforward *, const char *target,
	const struct cancel *, int64_t end_ms, int listen_fd);

#endif
