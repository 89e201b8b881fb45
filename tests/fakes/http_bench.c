/* http_bench.c - see http_bench.h. */
#include "config.h"

#include "http_bench.h"

#include "test.h"

#include <string.h>

struct http_pool *http_bench_pool(
	const char *url, const char *unix_socket, const char *token)
{
	struct endpoint_params params = { .base_url = url,
		.unix_socket = unix_socket };
	struct endpoint *endpoint;
	struct http_pool *pool;

	if (token != NULL)
		params.token = secret_new(token, strlen(token));
	assert_int_equal(endpoint_new(&params, &endpoint), 0);
	assert_int_equal(http_pool_new(endpoint, &pool), 0);
	secret_unref(params.token);
	endpoint_unref(endpoint);
	return pool;
}

void http_bench_start(struct bench *b, web_script script, void *arg)
{
	*b = (struct bench){ .request = HTTP_REQUEST_INIT };
	b->server = web_server_start(script, arg);
	b->pool = http_bench_pool(web_server_url(b->server), NULL, NULL);
	b->request.method = "GET";
	b->request.target = "x";
	http_response_init(&b->response);
	assert_int_equal(http_pool_lease(b->pool, NULL, -1, &b->conn), 0);
}

void http_bench_stop(struct bench *b)
{
	http_response_clear(&b->response);
	http_pool_return(&b->conn);
	http_pool_free(b->pool);
	web_server_stop(b->server);
}

int http_bench_exchange(struct bench *b)
{
	http_response_clear(&b->response);
	return http_exchange(b->conn, &b->request, NULL, &b->response);
}

struct http_stats http_bench_stats(struct bench *b)
{
	struct http_stats s;

	http_pool_stats(b->pool, &s);
	return s;
}

/* --- sources and sinks ---------------------------------------------------- */

ssize_t read_text(void *arg, char *buffer, size_t size)
{
	struct text *t = arg;

	size = MIN(size, t->left);
	memcpy(buffer, t->bytes, size);
	t->bytes += size;
	t->left -= size;
	return (ssize_t)size;
}

ssize_t read_endlessly(void *arg, char *buffer, size_t size)
{
	(void)arg;
	memset(buffer, 'x', size);
	return (ssize_t)size;
}

int append(void *arg, const char *bytes, size_t length)
{
	g_string_append_len(arg, bytes, (gssize)length);
	return 0;
}

void http_bench_set_upload(struct bench *b, struct text *t, int64_t promised)
{
	b->request.method = "PUT";
	b->request.content_type = "application/json";
	b->request.source = read_text;
	b->request.source_arg = t;
	b->request.source_bytes = promised;
}

/* --- scripts -------------------------------------------------------------- */

static const char *text_of(const void *arg)
{
	return ((const struct saying *)arg)->text;
}

/* Sends the text for each request. */
void say(struct web_connection *c, void *arg)
{
	while (web_read_request(c))
		web_send(c, text_of(arg));
}

/* Sends the text once and closes. */
void say_once(struct web_connection *c, void *arg)
{
	if (web_read_request(c))
		web_send(c, text_of(arg));
}

void say_once_and_reset(struct web_connection *c, void *arg)
{
	if (web_read_request(c))
		web_send(c, text_of(arg));
	web_reset_on_close(c);
}

/* Sends the text and then nothing. */
void say_and_stall(struct web_connection *c, void *arg)
{
	if (web_read_request(c))
		web_send(c, text_of(arg));
	web_wait_hangup(c);
}
