/*
 * web_server.h - a web server whose every byte is the test's.
 *
 * For tests only. It listens on a port of the loopback, or on a Unix socket,
 * and runs the test's script once for each connection, on a thread of its own;
 * the connection closes when the script returns. Stopping wakes every script
 * that waits for its client. Assertions belong on the test's thread: a script
 * reads, sends, and leaves what it saw in the server's record.
 */
#ifndef PYCLOUD_TESTS_WEB_SERVER_H
#define PYCLOUD_TESTS_WEB_SERVER_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

struct web_server;

struct web_connection {
	struct web_server *server;
	int fd;
	unsigned number;  /* 1: the server's first */
	GString *request; /* the last one: header and body */
	GString *ahead;	  /* read, but not part of it */
};

typedef void (*web_script)(struct web_connection *, void *arg);

struct web_server *web_server_start(web_script, void *arg);
struct web_server *web_server_start_unix(
	const char *path, web_script, void *arg);
void web_server_stop(struct web_server *);
const char *web_server_url(const struct web_server *); /* no final slash */

/* The record. Waiting is for `count` requests to have been read. */
void web_server_wait_requests(struct web_server *, unsigned count);
unsigned web_server_request_count(struct web_server *);
unsigned web_server_connection_count(struct web_server *);
/* A copy; g_free. */
char *web_server_request(struct web_server *, unsigned index);

/* --- for scripts ---------------------------------------------------------- */

/* One request, its body by Content-Length or chunks; false: no more come. */
bool web_read_request(struct web_connection *);
/* The header only; what follows stays unread. */
bool web_read_header(struct web_connection *);
/* Exactly `size` bytes. */
bool web_read_bytes(struct web_connection *, void *bytes, size_t size);
void web_send(struct web_connection *, const char *text);
void web_send_bytes(struct web_connection *, const void *bytes, size_t size);
/* "200 OK" and so on, with a Content-Length. */
void web_answer(struct web_connection *, const char *status, const char *body);
/* Until the client hangs up or the server is stopped. */
void web_wait_hangup(struct web_connection *);
/* Makes the close at the script's end a reset. */
void web_reset_on_close(struct web_connection *);

#endif
