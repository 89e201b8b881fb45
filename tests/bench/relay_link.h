/*
 * relay_link.h - one relayed connection, and the faults it may meet.
 *
 * A link has two ends, the client's and the server's, and a flow from each to
 * the other. The world is what all links share: how far away the server is,
 * and which faults wait for their victim.
 *
 *     accepted     the client believes it is connected (the relay's kernel
 *                  said so); a real one would know after a round trip, so its
 *                  first bytes set out that much later
 *     connecting   half a round trip later the server hears of it
 *     open         bytes go both ways, each direction ends by itself
 *     truncated    the server's end is closed; what is queued still reaches
 *                  the client, what the client says goes nowhere
 *     dead         closed, and freed by the next link_pump_all
 *
 * Not locked: one thread.
 */
#ifndef PYCLOUD_RELAY_LINK_H
#define PYCLOUD_RELAY_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct link;
struct link_end;

struct world {
	int epoll;
	int64_t half_ns; /* of the round trip */
	struct sockaddr_storage server;
	socklen_t server_length;
	struct link *links;
	/* Called when a fault found its victim. */
	void (*report)(const char *what);

	/* faults */
	bool is_stalled;
	int64_t truncate_after; /* bytes; < 0: not armed, as below */
	int64_t corrupt_after;
	int status;
	int status_retry_after;
	int status_times; /* 0: not armed */

	/* counts */
	uint64_t connections;
	uint64_t open;
	uint64_t up; /* bytes from clients and from servers */
	uint64_t down;
};

int64_t relay_now_ns(void);

/* Takes the client's socket. */
void link_open(struct world *, int client_fd);
/* An event of epoll; the end is its data.ptr. */
void link_event(struct link_end *, uint32_t events);
/* Moves what can be moved on all links; returns when to come again. */
int64_t link_pump_all(struct world *);
/* Resets every connection. */
void link_cut_all(struct world *);

#endif
