/*
 * script_server.h - an HTTP server that plays a script.
 *
 * It listens on a free port of the loopback, answers the n-th request it gets
 * with the n-th step, and writes down what it was asked. A step can break off
 * in the middle or hang up without a word, which no real server does on demand.
 * Past the last step it answers 500. For one client, one request at a time.
 */
#ifndef PYCLOUD_TESTS_SCRIPT_SERVER_H
#define PYCLOUD_TESTS_SCRIPT_SERVER_H

#include <stddef.h>

struct script_server;

/* A `cut`: all of the body without Content-Length, then hang up. */
#define SCRIPT_UNSIZED ((size_t)-1)

struct script_step {
	int status;	     /* 0: hang up without an answer */
	const char *headers; /* whole lines with \r\n; NULL: none */
	const char *body;    /* NULL: none */
	size_t cut;	     /* send only so much of the body, then hang up */
};

/* The steps are borrowed. */
struct script_server *script_server_new(
	const struct script_step *steps, size_t count);
void script_server_free(struct script_server *);
const char *script_server_url(const struct script_server *);

/* "GET /files/a 0-4\nPUT /api/contents/a\n": what was asked, with the range
 * where there was one. Only after the client is done. Borrowed. */
const char *script_server_log(struct script_server *);
/* The body of the n-th request, from 0; "" where it had none. Borrowed. */
const char *script_server_body(struct script_server *, size_t n);

#endif
