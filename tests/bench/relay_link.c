/*
 * relay_link.c - see relay_link.h.
 *
 * epoll is level-triggered, and an end is in its set exactly while we want
 * something of it: one that is full, stalled or over is taken out, because
 * hang-ups are reported even to those who asked for nothing.
 */
#include "config.h"

#include "relay_link.h"

#include "relay_flow.h"
#include "relay_http.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum side {
	CLIENT,
	SERVER
};

struct link_end {
	struct link *link;
	enum side side;
	int fd; /* -1: not connected yet, or closed */
	uint32_t watched;
	bool is_readable;
	bool is_blocked; /* it took no more when we last wrote */
	bool is_shut;	 /* we told it that nothing more comes */
};

struct link {
	struct link *next;
	struct world *world;
	struct link_end ends[2];
	struct flow flows[2]; /* [CLIENT]: what the client said */
	bool is_reset[2];     /* how that flow ended */
	int64_t accepted_ns;
	bool is_connecting;
	bool is_truncated;
	bool is_dead;
	/* faults that chose this link */
	int64_t truncate_left; /* < 0: none */
	int64_t corrupt_left;
	bool is_clients_turn; /* the server spoke last */
	struct swallow *swallow;
};

int64_t relay_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static struct link_end *other_end(struct link_end *e)
{
	return &e->link->ends[e->side == CLIENT ? SERVER : CLIENT];
}

/* --- ends ----------------------------------------------------------------- */

static void watch(struct link_end *e, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = e };
	int operation = EPOLL_CTL_MOD;

	if (e->fd < 0 || events == e->watched)
		return;
	if (events == 0)
		operation = EPOLL_CTL_DEL;
	else if (e->watched == 0)
		operation = EPOLL_CTL_ADD;
	if (epoll_ctl(e->link->world->epoll, operation, e->fd, &event) < 0)
		abort();
	e->watched = events;
}

static void close_end(struct link_end *e, bool is_reset)
{
	const struct linger none = { .l_onoff = 1, .l_linger = 0 };

	if (e->fd < 0)
		return;
	watch(e, 0);
	if (is_reset)
		(void)setsockopt(
			e->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	(void)close(e->fd);
	e->fd = -1;
}

static void kill_link(struct link *l, bool is_reset)
{
	close_end(&l->ends[CLIENT], is_reset);
	close_end(&l->ends[SERVER], is_reset);
	l->is_dead = true;
	l->world->open--;
}

/* An acknowledgement that waits for company would stop a sender that uses
 * Nagle's algorithm for 40 ms; the network we stand for has none of its own.
 * Without an effect on Unix sockets. */
static void hurry(int fd)
{
	const int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

static void prepare_socket(int fd)
{
	const int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	hurry(fd);
}

/* --- life ----------------------------------------------------------------- */

void link_open(struct world *w, int client_fd)
{
	struct link *l = calloc(1, sizeof(*l));

	if (l == NULL)
		abort();
	l->world = w;
	l->accepted_ns = relay_now_ns();
	l->truncate_left = l->corrupt_left = -1;
	l->is_clients_turn = true;
	l->ends[CLIENT] =
		(struct link_end){ .link = l, .side = CLIENT, .fd = client_fd };
	l->ends[SERVER] =
		(struct link_end){ .link = l, .side = SERVER, .fd = -1 };
	prepare_socket(client_fd);
	l->next = w->links;
	w->links = l;
	w->connections++;
	w->open++;
}

static void free_link(struct link *l)
{
	flow_fini(&l->flows[CLIENT]);
	flow_fini(&l->flows[SERVER]);
	swallow_free(l->swallow);
	free(l);
}

static void sweep(struct world *w)
{
	struct link **at = &w->links;

	while (*at != NULL) {
		struct link *l = *at;

		if (!l->is_dead) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		free_link(l);
	}
}

static void start_connecting(struct link *l)
{
	const struct world *w = l->world;
	struct link_end *e = &l->ends[SERVER];

	e->fd = socket(w->server.ss_family,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (e->fd < 0) {
		kill_link(l, true);
		return;
	}
	prepare_socket(e->fd);
	l->is_connecting = true;
	if (connect(e->fd, (const struct sockaddr *)&w->server,
		    w->server_length) == 0)
		l->is_connecting = false;
	else if (errno != EINPROGRESS)
		kill_link(l, true);
}

static void end_connecting(struct link *l)
{
	struct link_end *e = &l->ends[SERVER];
	socklen_t length = sizeof(int);
	int error = 0;

	(void)getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	l->is_connecting = false;
	if (error != 0)
		kill_link(l, true);
}

/* --- in ------------------------------------------------------------------- */

/* When what arrived now from this side is to leave on the other. */
static int64_t due_of(const struct link_end *e)
{
	const struct link *l = e->link;
	int64_t start = relay_now_ns();

	if (e->side == CLIENT && start < l->accepted_ns + 2 * l->world->half_ns)
		start = l->accepted_ns + 2 * l->world->half_ns;
	return start + l->world->half_ns;
}

static void answer_itself(struct link *l)
{
	struct world *w = l->world;
	size_t size =
		http_answer(w->status, w->status_retry_after, flow_room());

	swallow_free(l->swallow);
	l->swallow = NULL;
	l->is_clients_turn = true;
	flow_commit(
		&l->flows[SERVER], size, due_of(&l->ends[CLIENT]) + w->half_ns);
	w->report("status");
}

static void take_from_client(struct link *l, const char *bytes, size_t size)
{
	struct world *w = l->world;

	w->up += size;
	if (l->is_truncated)
		return;
	if (l->swallow == NULL && w->status_times > 0 && l->is_clients_turn &&
		http_begins(bytes, size)) {
		l->swallow = swallow_new();
		w->status_times--;
	}
	l->is_clients_turn = false;
	if (l->swallow == NULL)
		flow_commit(&l->flows[CLIENT], size, due_of(&l->ends[CLIENT]));
	else if (swallow_take(l->swallow, bytes, size))
		answer_itself(l);
}

/* A fault that is armed chooses the first link to which a server speaks. */
static int64_t choose(int64_t *armed, int64_t *chosen)
{
	if (*armed >= 0) {
		*chosen = *armed;
		*armed = -1;
	}
	return *chosen;
}

static void corrupt(struct link *l, char *bytes, size_t size)
{
	int64_t left = choose(&l->world->corrupt_after, &l->corrupt_left);

	if (left < 0)
		return;
	l->corrupt_left -= (int64_t)size;
	if (left >= (int64_t)size)
		return;
	bytes[left] ^= 1;
	l->corrupt_left = -1;
	l->world->report("corrupt");
}

static void truncate_here(struct link *l)
{
	l->is_truncated = true;
	close_end(&l->ends[SERVER], false);
	flow_end(&l->flows[SERVER], due_of(&l->ends[SERVER]));
	flow_fini(&l->flows[CLIENT]);
	l->world->report("truncate");
}

static void take_from_server(struct link *l, char *bytes, size_t size)
{
	int64_t left;

	l->world->down += size;
	l->is_clients_turn = true;
	corrupt(l, bytes, size);
	left = choose(&l->world->truncate_after, &l->truncate_left);
	if (left >= 0 && left < (int64_t)size)
		size = (size_t)left;
	if (size > 0)
		flow_commit(&l->flows[SERVER], size, due_of(&l->ends[SERVER]));
	if (left < 0)
		return;
	l->truncate_left -= (int64_t)size;
	if (l->truncate_left == 0)
		truncate_here(l);
}

static void read_end(struct link_end *e)
{
	struct link *l = e->link;
	char *room = flow_room();
	ssize_t n = read(e->fd, room, FLOW_CHUNK_BYTES);

	e->is_readable = false;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		l->is_reset[e->side] = n < 0;
		flow_end(&l->flows[e->side], due_of(e));
		return;
	}
	hurry(e->fd);
	if (e->side == CLIENT)
		take_from_client(l, room, (size_t)n);
	else
		take_from_server(l, room, (size_t)n);
}

/* --- out ------------------------------------------------------------------ */

/* What this end is to be told. */
static void write_end(struct link_end *e, int64_t now)
{
	struct link_end *from = other_end(e);
	struct link *l = e->link;
	struct flow *f = &l->flows[from->side];
	int rc = flow_send(f, e->fd, now);

	e->is_blocked = rc == -EAGAIN;
	if (rc < 0 && rc != -EAGAIN) {
		kill_link(l, true);
		return;
	}
	if (!flow_is_over(f, now) || e->is_shut)
		return;
	if (l->is_reset[from->side]) {
		kill_link(l, true);
		return;
	}
	(void)shutdown(e->fd, SHUT_WR);
	e->is_shut = true;
}

static bool can_write(const struct link_end *e)
{
	return e->fd >= 0 && !(e->side == SERVER && e->link->is_connecting);
}

static void update_watch(struct link_end *e)
{
	const struct link *l = e->link;
	uint32_t events = 0;

	if (l->world->is_stalled) {
		watch(e, 0);
		return;
	}
	if (!l->flows[e->side].is_ended && !flow_is_full(&l->flows[e->side]))
		events |= EPOLLIN;
	if (e->is_blocked || !can_write(e))
		events |= EPOLLOUT;
	watch(e, events);
}

/* --- one link ------------------------------------------------------------- */

void link_event(struct link_end *e, uint32_t events)
{
	if (e->fd < 0)
		return;
	if (e->side == SERVER && e->link->is_connecting) {
		end_connecting(e->link);
		return;
	}
	if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0)
		e->is_blocked = false;
	if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0)
		e->is_readable = true;
}

static void pump_end(struct link_end *e, int64_t now)
{
	const struct flow *f = &e->link->flows[e->side];

	if (e->is_readable && e->fd >= 0 && !f->is_ended && !flow_is_full(f))
		read_end(e);
	if (!e->link->is_dead && can_write(other_end(e)))
		write_end(other_end(e), now);
}

static bool is_finished(const struct link *l)
{
	return l->ends[CLIENT].is_shut &&
	       (l->is_truncated ? l->flows[CLIENT].is_ended
				: l->ends[SERVER].is_shut);
}

static void pump(struct link *l)
{
	int64_t now = relay_now_ns();

	if (l->ends[SERVER].fd < 0 && !l->is_truncated &&
		now >= l->accepted_ns + l->world->half_ns)
		start_connecting(l);
	if (!l->is_dead)
		pump_end(&l->ends[CLIENT], now);
	if (!l->is_dead)
		pump_end(&l->ends[SERVER], relay_now_ns());
	if (l->is_dead)
		return;
	if (is_finished(l)) {
		kill_link(l, false);
		return;
	}
	update_watch(&l->ends[CLIENT]);
	update_watch(&l->ends[SERVER]);
}

static int64_t due_of_end(struct link_end *e)
{
	const struct flow *f = &e->link->flows[other_end(e)->side];

	if (!can_write(e) || e->is_blocked || e->is_shut)
		return FLOW_NEVER;
	return flow_due(f);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t due_of_link(struct link *l)
{
	int64_t due = earlier(
		due_of_end(&l->ends[CLIENT]), due_of_end(&l->ends[SERVER]));

	if (l->ends[SERVER].fd < 0 && !l->is_truncated)
		due = earlier(due, l->accepted_ns + l->world->half_ns);
	return due;
}

/* --- all links ------------------------------------------------------------ */

int64_t link_pump_all(struct world *w)
{
	int64_t due = FLOW_NEVER;
	struct link *l;

	sweep(w);
	for (l = w->links; l != NULL; l = l->next) {
		if (w->is_stalled) {
			update_watch(&l->ends[CLIENT]);
			update_watch(&l->ends[SERVER]);
			continue;
		}
		pump(l);
		if (!l->is_dead)
			due = earlier(due, due_of_link(l));
	}
	sweep(w);
	return due;
}

/* They are freed later: events of theirs may be in the loop's hands. */
void link_cut_all(struct world *w)
{
	struct link *l;

	for (l = w->links; l != NULL; l = l->next)
		if (!l->is_dead)
			kill_link(l, true);
}
