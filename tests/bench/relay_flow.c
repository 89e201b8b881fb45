/*
 * relay_flow.c - see relay_flow.h.
 *
 * Chunks are reused: getting 128 KiB from the kernel for each read would cost
 * more than copying them. What arrives within MERGE_NS of the last bytes joins
 * their chunk, so that many small messages do not fill the queue with air.
 */
#include "config.h"

#include "relay_flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CHUNKS_MAX (FLOW_BYTES_MAX / FLOW_CHUNK_BYTES)
#define SPARE_MAX  128
#define MERGE_NS   50000

struct flow_chunk {
	struct flow_chunk *next;
	int64_t due_ns;
	size_t start;
	size_t end;
	char bytes[FLOW_CHUNK_BYTES];
};

static struct flow_chunk *room; /* filled and not committed */
static struct flow_chunk *spares;
static unsigned spare_count;

static struct flow_chunk *chunk_new(void)
{
	struct flow_chunk *c = spares;

	if (c != NULL) {
		spares = c->next;
		spare_count--;
	} else {
		c = malloc(sizeof(*c));
		if (c == NULL)
			abort();
	}
	c->next = NULL;
	c->due_ns = 0;
	c->start = c->end = 0;
	return c;
}

static void chunk_free(struct flow_chunk *c)
{
	if (spare_count >= SPARE_MAX) {
		free(c);
		return;
	}
	c->next = spares;
	spares = c;
	spare_count++;
}

static void pop(struct flow *f)
{
	struct flow_chunk *c = f->first;

	f->first = c->next;
	if (f->first == NULL)
		f->last = NULL;
	f->chunks--;
	chunk_free(c);
}

void flow_fini(struct flow *f)
{
	while (f->first != NULL)
		pop(f);
}

/* --- in ------------------------------------------------------------------- */

bool flow_is_full(const struct flow *f)
{
	return f->chunks >= CHUNKS_MAX;
}

char *flow_room(void)
{
	if (room == NULL)
		room = chunk_new();
	return room->bytes;
}

static bool joins_last(const struct flow *f, size_t size, int64_t due_ns)
{
	const struct flow_chunk *c = f->last;

	return c != NULL && due_ns - c->due_ns < MERGE_NS &&
	       size <= FLOW_CHUNK_BYTES - c->end;
}

void flow_commit(struct flow *f, size_t size, int64_t due_ns)
{
	if (joins_last(f, size, due_ns)) {
		memcpy(f->last->bytes + f->last->end, room->bytes, size);
		f->last->end += size;
		return;
	}
	room->end = size;
	room->due_ns = due_ns;
	if (f->last != NULL)
		f->last->next = room;
	else
		f->first = room;
	f->last = room;
	f->chunks++;
	room = NULL;
}

void flow_end(struct flow *f, int64_t due_ns)
{
	f->is_ended = true;
	f->ended_due_ns = due_ns;
}

/* --- out ------------------------------------------------------------------ */

int flow_send(struct flow *f, int fd, int64_t now_ns)
{
	while (f->first != NULL && f->first->due_ns <= now_ns) {
		struct flow_chunk *c = f->first;
		ssize_t n = send(fd, c->bytes + c->start, c->end - c->start,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EWOULDBLOCK ? -EAGAIN : -errno;
		c->start += (size_t)n;
		if (c->start == c->end)
			pop(f);
	}
	return 0;
}

int64_t flow_due(const struct flow *f)
{
	if (f->first != NULL)
		return f->first->due_ns;
	return f->is_ended ? f->ended_due_ns : FLOW_NEVER;
}

bool flow_is_over(const struct flow *f, int64_t now_ns)
{
	return f->is_ended && f->first == NULL && f->ended_due_ns <= now_ns;
}
