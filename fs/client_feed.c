/* client_feed.c - stdin becomes the script's; see client.h. */
#include "config.h"

#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* What the workspace takes at once: each piece waits for its answer. */
#define PIECE	 ((size_t)1024 * 1024)
#define RETRY_MS 500

struct feed {
	int handle;
	const char *number;
	bool has_said; /* that the workspace is away */
};

static atomic_bool has_failed;

bool client_feed_has_failed(void)
{
	return atomic_load(&has_failed);
}

static void pause_ms(int ms)
{
	(void)poll(NULL, 0, ms);
}

/* A terminal gives to who is in its foreground; the others would be stopped
 * (SIGTTIN), and with it the output. */
static bool is_in_background(void)
{
	pid_t foreground = tcgetpgrp(STDIN_FILENO);

	return foreground >= 0 && foreground != getpgrp();
}

static ssize_t read_input(char *buffer, size_t size)
{
	ssize_t n;

	for (;;) {
		struct pollfd input = { STDIN_FILENO, POLLIN, 0 };

		while (is_in_background())
			pause_ms(RETRY_MS);
		(void)poll(&input, 1, -1);
		if (is_in_background())
			continue;
		n = read(STDIN_FILENO, buffer, size);
		if (n >= 0 || !(errno == EINTR || errno == EAGAIN ||
				      (errno == EIO && is_in_background())))
			return n;
	}
}

/* What comes at once, up to a piece: a pipe gives it in smaller ones, and says
 * its end again at the next read. A terminal says it once. */
static ssize_t read_piece(char *buffer)
{
	struct pollfd input = { STDIN_FILENO, POLLIN, 0 };
	ssize_t have = read_input(buffer, PIECE);
	ssize_t n = have;

	if (isatty(STDIN_FILENO))
		return have;
	while (n > 0 && (size_t)have < PIECE && poll(&input, 1, 0) == 1) {
		n = read_input(buffer + have, PIECE - (size_t)have);
		have += MAX(n, 0);
	}
	return have;
}

/* The workspace cannot be reached now. Offering the same bytes again is safe:
 * the workspace knows their place, and takes each byte once. */
static bool is_passing(int error)
{
	return error == EINTR || error == EAGAIN || error == ETIMEDOUT ||
	       error == EHOSTUNREACH || error == ECONNREFUSED ||
	       error == ECONNRESET || error == ENETUNREACH;
}

static void wait_for_workspace(struct feed *f, int error)
{
	if (error == EINTR)
		return;
	if (!f->has_said)
		(void)client_error(0,
			"run %s does not get its input at the moment (%s); "
			"trying on",
			f->number, g_strerror(error));
	f->has_said = true;
	pause_ms(RETRY_MS);
}

/* 0, or errno when there is no use in going on. */
static int give(struct feed *f, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = write(f->handle, bytes, length);

		if (n < 0 && !is_passing(errno))
			return errno;
		if (n < 0) {
			wait_for_workspace(f, errno);
			continue;
		}
		bytes += n;
		length -= (size_t)n;
	}
	return 0;
}

static void *feed(void *arg)
{
	struct feed *f = arg;
	g_autofree char *buffer = g_malloc(PIECE);
	int error = 0;
	ssize_t n;

	do {
		n = read_piece(buffer);
		if (n > 0)
			error = give(f, buffer, (size_t)n);
	} while (n > 0 && error == 0);
	/* EPIPE: it has ended. A mount that is gone is said by who shows the
	 * output. */
	atomic_store(&has_failed, n < 0 || (error != 0 && error != EPIPE));
	if (error != 0 && error != EPIPE && error != ENOTCONN)
		(void)client_error(0,
			"run %s does not get the rest of its input: %s",
			f->number, g_strerror(error));
	else if (n < 0)
		(void)client_error(0,
			"cannot read stdin: %s; run %s sees its "
			"end",
			g_strerror(errno), f->number);
	(void)close(f->handle);
	g_free(f);
	return NULL;
}

bool client_feed_start(int handle, const char *number)
{
	struct feed *f = g_new0(struct feed, 1);
	pthread_t thread;

	f->handle = handle;
	f->number = number;
	/* While a piece is under way the next one gathers: a pipe's 64 KiB are
	 * not much for that. Not a pipe, or not allowed: slower. */
	(void)fcntl(STDIN_FILENO, F_SETPIPE_SZ, (int)PIECE);
	(void)signal(SIGTTIN, SIG_IGN); /* see is_in_background() */
	if (pthread_create(&thread, NULL, feed, f) != 0) {
		g_free(f);
		return false;
	}
	(void)pthread_detach(thread);
	return true;
}
