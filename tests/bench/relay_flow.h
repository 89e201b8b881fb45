/*
 * relay_flow.h - one direction of a relayed connection: bytes that leave a
 * fixed time after they arrived.
 *
 * A queue of chunks, each stamped with the moment from which it may leave.
 * Only latency is added: as many bytes as FLOW_BYTES_MAX may be under way at
 * once, which at 10 ms is 6 GB/s. A flow that is full takes nothing more, so
 * that its sender feels what a slow receiver does.
 *
 * Times are CLOCK_MONOTONIC in nanoseconds. Not locked: one thread.
 */
#ifndef PYCLOUD_RELAY_FLOW_H
#define PYCLOUD_RELAY_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOW_CHUNK_BYTES ((size_t)128 * 1024)
#define FLOW_BYTES_MAX	 ((size_t)64 * 1024 * 1024)
#define FLOW_NEVER	 INT64_MAX

struct flow_chunk;

/* Embedded; all zero is an empty flow. */
struct flow {
	struct flow_chunk *first;
	struct flow_chunk *last;
	size_t chunks;
	bool is_ended;	      /* nothing more comes */
	int64_t ended_due_ns; /* when the far end is to learn that */
};

void flow_fini(struct flow *);

/* Room for FLOW_CHUNK_BYTES, the same for all flows: what is read there is
 * either committed to one of them before the next call, or dropped. */
char *flow_room(void);
void flow_commit(struct flow *, size_t size, int64_t due_ns);
void flow_end(struct flow *, int64_t due_ns);

/* Sends what is due. 0, -EAGAIN when `fd` takes no more now, or -errno. */
int flow_send(struct flow *, int fd, int64_t now_ns);
/* When there is something to do next. */
int64_t flow_due(const struct flow *);
bool flow_is_full(const struct flow *);
/* Ended, all sent, and late enough for the far end to know. */
bool flow_is_over(const struct flow *, int64_t now_ns);

#endif
