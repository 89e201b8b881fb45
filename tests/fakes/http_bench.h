/*
 * http_bench.h - what a test of http_exchange() has at hand.
 *
 * For tests only: a scripted server, a pool for it, a leased connection, a
 * request to fill in and its answer; and the sources, sinks and scripts that
 * several tests want.
 */
#ifndef PYCLOUD_TESTS_HTTP_BENCH_H
#define PYCLOUD_TESTS_HTTP_BENCH_H

#include "http_pool.h"
#include "web_server.h"

struct bench {
	struct web_server *server;
	struct http_pool *pool;
	struct http_conn *conn;
	struct http_request request;
	struct http_response response;
};

struct text {
	const char *bytes;
	size_t left;
};

struct http_pool *http_bench_pool(
	const char *url, const char *unix_socket, const char *token);
void http_bench_start(struct bench *, web_script, void *arg);
void http_bench_stop(struct bench *);
int http_bench_exchange(struct bench *);
struct http_stats http_bench_stats(struct bench *);
void http_bench_set_upload(struct bench *, struct text *, int64_t promised);

/* A source: the text's bytes; arg is struct text *. */
ssize_t read_text(void *arg, char *buffer, size_t size);
/* A source without end. */
ssize_t read_endlessly(void *arg, char *buffer, size_t size);
/* A sink: arg is GString *. */
int append(void *arg, const char *bytes, size_t length);

struct saying {
	const char *text;
};

/* The argument of the scripts that say something. */
#define SAY(text_) (&(struct saying){ text_ })

/* Scripts: the text for each request; once, then close or reset; once, then
 * nothing more. */
void say(struct web_connection *, void *arg);
void say_once(struct web_connection *, void *arg);
void say_once_and_reset(struct web_connection *, void *arg);
void say_and_stall(struct web_connection *, void *arg);

#endif
