/*
 * relay.c - a TCP relay on the loopback, as far away as it is told to be, that
 * breaks what it is told to break.
 *
 *     relay [--listen PORT] [--rtt MS] [--control FIFO] HOST:PORT
 *     relay [--listen PORT] [--rtt MS] [--control FIFO] /PATH/TO/SOCKET
 *
 * Listens on 127.0.0.1, on PORT or on one that is free, says `port N` on its
 * standard output, and relays every connection to HOST:PORT or to a Unix
 * socket. Each byte takes half of the round trip time (MS, fractions allowed,
 * default 0) each way, and a new connection costs a round trip as on a real
 * line. Throughput is not limited, nothing is lost, TCP's slow start is not
 * played: what is measured through it is what round trips alone cost.
 *
 * Commands are lines on standard input (its end ends the relay), or of the
 * FIFO (then only a signal or `quit` ends it). Each is answered on standard
 * output by one line, `ok COMMAND...` or `error ...`. A fault that waits for
 * its victim says `done FAULT` when it found it.
 *
 *     count            ok count connections=N open=N up=BYTES down=BYTES
 *     rtt MS           from now on
 *     cut              reset all connections, both ends; new ones are welcome
 *     stall, go        nothing moves any more; what waited moves on
 *     refuse, accept   new connections are refused; are accepted again
 *     truncate N       of what a server says next, N bytes pass; then the
 *                      client's connection ends as if that had been all, and
 *                      the server's is closed. 0: the server did what it was
 *                      asked to do, but nobody hears of it.
 *     corrupt N        of what a server says next, byte N (from 0) has its
 *                      lowest bit flipped
 *     status CODE [RETRY-AFTER [TIMES]]
 *                      the next HTTP request (TIMES: the next ones), on any
 *                      connection, does not reach the server: it is answered
 *                      with CODE and no body; RETRY-AFTER in seconds, - none
 *     clear            forget truncate, corrupt and status that still wait
 *     quit
 *
 * One thread, one epoll set; relay_link.c has the connections, relay_flow.c
 * the delay, relay_http.c what `status` must know of HTTP.
 */
#include "config.h"

#include "relay_flow.h"
#include "relay_link.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MAX_BYTES 256
#define EVENTS_MAX     64
#define NS_PER_MS      1000000.0
#define NS_PER_S       INT64_C(1000000000)
#define RTT_MS_MAX     60000.0

struct relay {
	struct world world;
	int holder;   /* bound, never listening: the port stays ours */
	int listener; /* -1: refusing */
	int timer;
	int control;
	char line[LINE_MAX_BYTES];
	size_t length;
	bool is_over;
};

static void die(const char *what)
{
	fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void say(const char *line)
{
	puts(line);
	(void)fflush(stdout);
}

static void report(const char *fault)
{
	printf("done %s\n", fault);
	(void)fflush(stdout);
}

/* --- the listener --------------------------------------------------------- */

static int bind_loopback(in_port_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = port,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("the listening socket");
	return fd;
}

static in_port_t port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		die("getsockname");
	return address.sin_port;
}

/* Standard input must be a pipe, a terminal or a socket. */
static void add_to_epoll(struct relay *r, int fd, void *tag)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = tag };

	if (epoll_ctl(r->world.epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		die("waiting for commands and connections");
}

static void start_accepting(struct relay *r)
{
	if (r->listener >= 0)
		return;
	r->listener = bind_loopback(port_of(r->holder));
	if (listen(r->listener, SOMAXCONN) < 0)
		die("listen");
	add_to_epoll(r, r->listener, &r->listener);
}

static void stop_accepting(struct relay *r)
{
	if (r->listener >= 0)
		(void)close(r->listener);
	r->listener = -1;
}

static void accept_all(struct relay *r)
{
	int fd;

	if (r->listener < 0)
		return;
	while ((fd = accept4(r->listener, NULL, NULL,
			SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		link_open(&r->world, fd);
}

/* --- commands ------------------------------------------------------------- */

/* A number from 0 to max that fills the whole word. */
static bool parse_number(const char *word, double max, double *ret)
{
	char *end;
	double number;

	if (word == NULL || *word == '\0')
		return false;
	number = strtod(word, &end);
	if (*end != '\0' || !(number >= 0) || number > max)
		return false;
	*ret = number;
	return true;
}

static bool do_rtt(struct relay *r, char **words)
{
	double ms;

	if (!parse_number(words[0], RTT_MS_MAX, &ms))
		return false;
	r->world.half_ns = (int64_t)(ms * NS_PER_MS / 2);
	return true;
}

static bool do_cut(struct relay *r, char **words)
{
	(void)words;
	accept_all(r);
	link_cut_all(&r->world);
	return true;
}

static bool do_stall(struct relay *r, char **words)
{
	(void)words;
	r->world.is_stalled = true;
	return true;
}

static bool do_go(struct relay *r, char **words)
{
	(void)words;
	r->world.is_stalled = false;
	return true;
}

static bool do_refuse(struct relay *r, char **words)
{
	(void)words;
	stop_accepting(r);
	return true;
}

static bool do_accept(struct relay *r, char **words)
{
	(void)words;
	start_accepting(r);
	return true;
}

static bool do_truncate(struct relay *r, char **words)
{
	double bytes;

	if (!parse_number(words[0], 1e15, &bytes))
		return false;
	r->world.truncate_after = (int64_t)bytes;
	return true;
}

static bool do_corrupt(struct relay *r, char **words)
{
	double bytes;

	if (!parse_number(words[0], 1e15, &bytes))
		return false;
	r->world.corrupt_after = (int64_t)bytes;
	return true;
}

static bool do_status(struct relay *r, char **words)
{
	double code;
	double patience = -1;
	double times = 1;

	if (!parse_number(words[0], 999, &code) || code < 100)
		return false;
	if (words[1] != NULL && strcmp(words[1], "-") != 0 &&
		!parse_number(words[1], 1e6, &patience))
		return false;
	if (words[1] != NULL && words[2] != NULL &&
		!parse_number(words[2], 1e9, &times))
		return false;
	r->world.status = (int)code;
	r->world.status_retry_after = (int)patience;
	r->world.status_times = (int)times;
	return true;
}

static bool do_clear(struct relay *r, char **words)
{
	(void)words;
	r->world.truncate_after = r->world.corrupt_after = -1;
	r->world.status_times = 0;
	return true;
}

static bool do_quit(struct relay *r, char **words)
{
	(void)words;
	r->is_over = true;
	return true;
}

static const struct {
	const char *name;
	bool (*act)(struct relay *, char **words);
} commands[] = {
	{ "accept", do_accept },
	{ "clear", do_clear },
	{ "corrupt", do_corrupt },
	{ "cut", do_cut },
	{ "go", do_go },
	{ "quit", do_quit },
	{ "refuse", do_refuse },
	{ "rtt", do_rtt },
	{ "stall", do_stall },
	{ "status", do_status },
	{ "truncate", do_truncate },
};

static void say_counts(const struct world *w)
{
	printf("ok count connections=%llu open=%llu up=%llu down=%llu\n",
		(unsigned long long)w->connections, (unsigned long long)w->open,
		(unsigned long long)w->up, (unsigned long long)w->down);
	(void)fflush(stdout);
}

static void obey(struct relay *r, char *line)
{
	char answer[LINE_MAX_BYTES + 16];
	char *words[5] = { NULL };
	char *rest = NULL;
	bool is_done = false;
	size_t i;

	(void)snprintf(answer, sizeof(answer), "ok %s", line);
	for (i = 0; i < 4; i++) {
		words[i] = strtok_r(i == 0 ? line : NULL, " ", &rest);
		if (words[i] == NULL)
			break;
	}
	if (words[0] == NULL)
		return;
	if (strcmp(words[0], "count") == 0) {
		say_counts(&r->world);
		return;
	}
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(words[0], commands[i].name) == 0)
			is_done = commands[i].act(r, words + 1);
	say(is_done ? answer : "error: no such command, or not so");
}

static void read_commands(struct relay *r)
{
	size_t room = sizeof(r->line) - 1 - r->length;
	ssize_t n = read(r->control, r->line + r->length, room);
	char *end;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || (size_t)n == room) {
		r->is_over = true;
		return;
	}
	r->length += (size_t)n;
	r->line[r->length] = '\0';
	while ((end = strchr(r->line, '\n')) != NULL) {
		*end = '\0';
		obey(r, r->line);
		r->length -= (size_t)(end + 1 - r->line);
		memmove(r->line, end + 1, r->length + 1);
	}
}

/* --- start ---------------------------------------------------------------- */

static void resolve_unix(struct world *w, const char *path)
{
	struct sockaddr_un *address = (struct sockaddr_un *)&w->server;

	if (strlen(path) >= sizeof(address->sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	address->sun_family = AF_UNIX;
	(void)strcpy(address->sun_path, path);
	w->server_length = sizeof(*address);
}

static void resolve(struct world *w, const char *server)
{
	const char *colon = strrchr(server, ':');
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	char host[LINE_MAX_BYTES];

	if (server[0] == '/') {
		resolve_unix(w, server);
		return;
	}
	errno = EINVAL;
	if (colon == NULL || colon - server >= LINE_MAX_BYTES)
		die(server);
	memcpy(host, server, (size_t)(colon - server));
	host[colon - server] = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		die(server);
	memcpy(&w->server, found->ai_addr, found->ai_addrlen);
	w->server_length = found->ai_addrlen;
	freeaddrinfo(found);
}

/* Opened for writing too, so that it has no end. */
static int open_control(const char *fifo)
{
	int fd = STDIN_FILENO;

	if (fifo != NULL)
		fd = open(fifo, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		die(fifo);
	return fd;
}

static void usage(void)
{
	fputs("Usage: relay [--listen PORT] [--rtt MS] [--control FIFO] "
	      "HOST:PORT|/SOCKET\n",
		stderr);
	exit(1);
}

static void start(struct relay *r, int argc, char **argv)
{
	static const struct option options[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "rtt", required_argument, NULL, 'r' },
		{ "control", required_argument, NULL, 'c' },
		{ NULL, 0, NULL, 0 },
	};
	const char *fifo = NULL;
	double port = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'c')
			fifo = optarg;
		else if (c == 'l' && parse_number(optarg, 65535, &port))
			continue;
		else if (c != 'r' || !do_rtt(r, &optarg))
			usage();
	}
	if (optind + 1 != argc)
		usage();
	resolve(&r->world, argv[optind]);
	r->holder = bind_loopback(htons((uint16_t)port));
	r->control = open_control(fifo);
	r->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	r->world.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (r->timer < 0 || r->world.epoll < 0)
		die("epoll");
	add_to_epoll(r, r->timer, &r->timer);
	add_to_epoll(r, r->control, &r->control);
}

/* --- the loop ------------------------------------------------------------- */

static void set_timer(struct relay *r, int64_t due_ns)
{
	struct itimerspec when = { 0 };

	if (due_ns != FLOW_NEVER) {
		when.it_value.tv_sec = (time_t)(due_ns / NS_PER_S);
		when.it_value.tv_nsec = (long)(due_ns % NS_PER_S);
	}
	if (timerfd_settime(r->timer, TFD_TIMER_ABSTIME, &when, NULL) < 0)
		die("timerfd_settime");
}

static void handle(struct relay *r, const struct epoll_event *event)
{
	if (event->data.ptr == &r->listener)
		accept_all(r);
	else if (event->data.ptr == &r->control)
		read_commands(r);
	else if (event->data.ptr != &r->timer)
		link_event(event->data.ptr, event->events);
	/* Setting the timer again makes it unreadable. */
}

int main(int argc, char **argv)
{
	struct relay r = {
		.world = { .report = report,
			.truncate_after = -1,
			.corrupt_after = -1 },
		.listener = -1,
	};
	struct epoll_event events[EVENTS_MAX];

	(void)signal(SIGPIPE, SIG_IGN);
	start(&r, argc, argv);
	start_accepting(&r);
	printf("port %u\n", ntohs(port_of(r.holder)));
	(void)fflush(stdout);
	while (!r.is_over) {
		int n = epoll_wait(r.world.epoll, events, EVENTS_MAX, -1);
		int i;

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (i = 0; i < n; i++)
			handle(&r, &events[i]);
		set_timer(&r, link_pump_all(&r.world));
	}
	link_cut_all(&r.world);
	return 0;
}
