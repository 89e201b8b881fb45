/* script_server.c - see script_server.h. The socket work is web_server's. */
#include "config.h"

#include "script_server.h"

#include "web_server.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

struct script_server {
	const struct script_step *steps;
	size_t count;
	struct web_server *web;
	GString *log;	   /* these two are made when they are asked for, by */
	GPtrArray *bodies; /* the test's thread: copies of the web's record */
};

/* False: hang up. */
static bool answer(struct web_connection *c, const struct script_step *step)
{
	const char *body = step->body == NULL ? "" : step->body;
	const char *headers = step->headers == NULL ? "" : step->headers;
	bool is_unsized = step->cut == SCRIPT_UNSIZED;
	size_t length =
		step->cut != 0 && !is_unsized ? step->cut : strlen(body);
	g_autofree char *size =
		g_strdup_printf("Content-Length: %zu\r\n", strlen(body));
	g_autofree char *head = g_strdup_printf(
		"HTTP/1.1 %d Scripted\r\n%s%s\r\n", step->status,
		is_unsized ? "Connection: close\r\n" : size, headers);

	if (step->status == 0)
		return false;
	web_send(c, head);
	web_send_bytes(c, body, length);
	return step->cut == 0;
}

static void play(struct web_connection *c, void *arg)
{
	static const struct script_step over = { .status = 500,
		.body = "the script is over" };
	const struct script_server *s = arg;

	while (web_read_request(c)) {
		/* One client, one request at a time: the last one is ours. */
		size_t n = web_server_request_count(c->server) - 1;

		if (!answer(c, n < s->count ? &s->steps[n] : &over))
			return;
	}
}

struct script_server *script_server_new(
	const struct script_step *steps, size_t count)
{
	struct script_server *s = g_new0(struct script_server, 1);

	s->steps = steps;
	s->count = count;
	s->log = g_string_new(NULL);
	s->bodies = g_ptr_array_new_with_free_func(g_free);
	s->web = web_server_start(play, s);
	return s;
}

void script_server_free(struct script_server *s)
{
	web_server_stop(s->web);
	(void)g_string_free(s->log, TRUE);
	g_ptr_array_unref(s->bodies);
	g_free(s);
}

const char *script_server_url(const struct script_server *s)
{
	return web_server_url(s->web);
}

static void write_down(struct script_server *s, const char *request)
{
	const char *range = strstr(request, "\r\nRange: bytes=");
	const char *version = strstr(request, " HTTP/");
	const char *body = strstr(request, "\r\n\r\n") + 4;

	g_string_append_len(s->log, request, (gssize)(version - request));
	if (range != NULL && range < body) {
		range += strlen("\r\nRange: bytes=");
		g_string_append_c(s->log, ' ');
		g_string_append_len(
			s->log, range, (gssize)strcspn(range, "\r\n"));
	}
	g_string_append_c(s->log, '\n');
	g_ptr_array_add(s->bodies, g_strdup(body));
}

static void catch_up(struct script_server *s)
{
	unsigned count = web_server_request_count(s->web);

	for (unsigned i = s->bodies->len; i < count; i++) {
		g_autofree char *request = web_server_request(s->web, i);

		write_down(s, request);
	}
}

const char *script_server_log(struct script_server *s)
{
	catch_up(s);
	return s->log->str;
}

const char *script_server_body(struct script_server *s, size_t n)
{
	catch_up(s);
	return n < s->bodies->len ? s->bodies->pdata[n] : "";
}
