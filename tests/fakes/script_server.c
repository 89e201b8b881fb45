/* script_server.c - see script_server.h. */
#include "config.h"

#include "script_server.h"

#include "mutex.h"

#include <arpa/inet.h>
#include <assert.h>
#include <glib.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct script_server {
	const struct script_step *steps;
	size_t count;
	int fd;
	char *url;
	pthread_t thread;
	struct mutex lock;
	GString *log;	   /* guarded by lock */
	GPtrArray *bodies; /* guarded by lock */
};

/* One request's head and body; false when the client has gone. */
static bool receive(int fd, GString *head, GString *body)
{
	char buffer[65536];
	char *end = NULL, *length;
	size_t wanted = 0;
	ssize_t n;

	while (end == NULL) {
		n = read(fd, buffer, sizeof(buffer));
		if (n <= 0)
			return false;
		g_string_append_len(head, buffer, n);
		end = strstr(head->str, "\r\n\r\n");
	}
	g_string_append(body, end + 4);
	g_string_truncate(head, (gsize)(end - head->str));
	length = strcasestr(head->str, "\nContent-Length: ");
	if (length != NULL)
		wanted = strtoul(length + 17, NULL, 10);
	while (body->len < wanted) {
		n = read(fd, buffer, sizeof(buffer));
		if (n <= 0)
			return false;
		g_string_append_len(body, buffer, n);
	}
	return true;
}

static void write_down(struct script_server *s, const char *head)
{
	const char *range = strstr(head, "\nRange: bytes=");
	const char *version = strstr(head, " HTTP/");

	g_string_append_len(s->log, head, (gssize)(version - head));
	if (range != NULL) {
		range += strlen("\nRange: bytes=");
		g_string_append_c(s->log, ' ');
		g_string_append_len(
			s->log, range, (gssize)strcspn(range, "\r\n"));
	}
	g_string_append_c(s->log, '\n');
}

static void send_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		bytes += n;
		length -= (size_t)n;
	}
}

/* False: hang up. */
static bool answer(int fd, const struct script_step *step)
{
	const char *body = step->body == NULL ? "" : step->body;
	const char *headers = step->headers == NULL ? "" : step->headers;
	size_t length = step->cut != 0 ? step->cut : strlen(body);
	g_autofree char *head =
		g_strdup_printf("HTTP/1.1 %d Scripted\r\nContent-Length: %zu"
				"\r\n%s\r\n",
			step->status, strlen(body), headers);

	if (step->status == 0)
		return false;
	send_all(fd, head, strlen(head));
	send_all(fd, body, length);
	return step->cut == 0;
}

static bool play(struct script_server *s, int fd)
{
	static const struct script_step over = { .status = 500,
		.body = "the script is over" };
	g_autoptr(GString) head = g_string_new(NULL);
	GString *body = g_string_new(NULL);
	size_t n;

	if (!receive(fd, head, body)) {
		(void)g_string_free(body, TRUE);
		return false;
	}
	mutex_lock(&s->lock);
	write_down(s, head->str);
	n = s->bodies->len;
	g_ptr_array_add(s->bodies, g_string_free(body, FALSE));
	mutex_unlock(&s->lock);
	return answer(fd, n < s->count ? &s->steps[n] : &over);
}

static void *serve(void *arg)
{
	struct script_server *s = arg;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		while (play(s, fd))
			continue;
		(void)close(fd);
	}
	return NULL;
}

struct script_server *script_server_new(
	const struct script_step *steps, size_t count)
{
	struct script_server *s = g_new0(struct script_server, 1);
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int rc;

	s->steps = steps;
	s->count = count;
	mutex_init(&s->lock);
	s->log = g_string_new(NULL);
	s->bodies = g_ptr_array_new_with_free_func(g_free);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	rc = bind(s->fd, (struct sockaddr *)&address, length);
	assert(rc == 0);
	rc = listen(s->fd, 8);
	assert(rc == 0);
	rc = getsockname(s->fd, (struct sockaddr *)&address, &length);
	assert(rc == 0);
	s->url = g_strdup_printf(
		"http://127.0.0.1:%d", (int)ntohs(address.sin_port));
	rc = pthread_create(&s->thread, NULL, serve, s);
	assert(rc == 0);
	return s;
}

void script_server_free(struct script_server *s)
{
	(void)shutdown(s->fd, SHUT_RDWR);
	(void)pthread_join(s->thread, NULL);
	(void)close(s->fd);
	mutex_fini(&s->lock);
	(void)g_string_free(s->log, TRUE);
	g_ptr_array_unref(s->bodies);
	g_free(s->url);
	g_free(s);
}

const char *script_server_url(const struct script_server *s)
{
	return s->url;
}

const char *script_server_log(struct script_server *s)
{
	const char *log;

	mutex_lock(&s->lock);
	log = s->log->str;
	mutex_unlock(&s->lock);
	return log;
}

const char *script_server_body(struct script_server *s, size_t n)
{
	const char *body = "";

	mutex_lock(&s->lock);
	if (n < s->bodies->len)
		body = s->bodies->pdata[n];
	mutex_unlock(&s->lock);
	return body;
}
