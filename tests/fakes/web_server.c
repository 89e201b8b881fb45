/* web_server.c - see web_server.h. */
#include "config.h"

#include "web_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct web_server {
	int listener;
	char *url;
	web_script script;
	void *arg;
	pthread_t acceptor;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* guarded by lock: */
	bool is_stopping;
	unsigned connections;
	unsigned alive;	     /* connection threads */
	GArray *fds;	     /* of int: the open connections */
	GPtrArray *requests; /* of char * */
};

static void must(bool is_true, const char *what)
{
	if (!is_true) {
		perror(what);
		abort();
	}
}

/* --- connections ---------------------------------------------------------- */

static void forget_fd(struct web_server *s, int fd)
{
	guint i;

	pthread_mutex_lock(&s->lock);
	for (i = 0; i < s->fds->len; i++)
		if (g_array_index(s->fds, int, i) == fd)
			break;
	g_array_remove_index_fast(s->fds, i);
	pthread_mutex_unlock(&s->lock);
	(void)close(fd);
	pthread_mutex_lock(&s->lock);
	s->alive--;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static void *connection_thread(void *arg)
{
	struct web_connection *c = arg;
	struct web_server *s = c->server;

	s->script(c, s->arg);
	(void)g_string_free(c->request, TRUE);
	(void)g_string_free(c->ahead, TRUE);
	forget_fd(s, c->fd);
	g_free(c);
	return NULL;
}

static void start_connection(struct web_server *s, int fd)
{
	struct web_connection *c = g_new0(struct web_connection, 1);
	pthread_attr_t attr;
	pthread_t thread;

	c->server = s;
	c->fd = fd;
	c->request = g_string_new(NULL);
	c->ahead = g_string_new(NULL);
	pthread_mutex_lock(&s->lock);
	c->number = ++s->connections;
	s->alive++;
	g_array_append_val(s->fds, fd);
	if (s->is_stopping)
		(void)shutdown(fd, SHUT_RDWR);
	pthread_mutex_unlock(&s->lock);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	must(pthread_create(&thread, &attr, connection_thread, c) == 0,
		"pthread_create");
	(void)pthread_attr_destroy(&attr);
}

static void *accept_thread(void *arg)
{
	struct web_server *s = arg;
	int fd;

	while ((fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		start_connection(s, fd);
	return NULL;
}

/* --- life ----------------------------------------------------------------- */

static struct web_server *start(
	int listener, char *url, web_script script, void *arg)
{
	struct web_server *s = g_new0(struct web_server, 1);

	must(listen(listener, 64) == 0, "listen");
	s->listener = listener;
	s->url = url;
	s->script = script;
	s->arg = arg;
	s->fds = g_array_new(FALSE, FALSE, sizeof(int));
	s->requests = g_ptr_array_new_with_free_func(g_free);
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->changed, NULL);
	must(pthread_create(&s->acceptor, NULL, accept_thread, s) == 0,
		"pthread_create");
	return s;
}

struct web_server *web_server_start(web_script script, void *arg)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(fd >= 0, "socket");
	must(bind(fd, (struct sockaddr *)&address, size) == 0, "bind");
	must(getsockname(fd, (struct sockaddr *)&address, &size) == 0,
		"getsockname");
	return start(fd,
		g_strdup_printf("http://127.0.0.1:%u", ntohs(address.sin_port)),
		script, arg);
}

struct web_server *web_server_start_unix(
	const char *path, web_script script, void *arg)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0, "socket");
	must(strlen(path) < sizeof(address.sun_path), path);
	(void)g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
	must(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0,
		"bind");
	return start(fd, g_strdup("http://localhost"), script, arg);
}

void web_server_stop(struct web_server *s)
{
	guint i;

	(void)shutdown(s->listener, SHUT_RDWR);
	(void)pthread_join(s->acceptor, NULL);
	pthread_mutex_lock(&s->lock);
	s->is_stopping = true;
	for (i = 0; i < s->fds->len; i++)
		(void)shutdown(g_array_index(s->fds, int, i), SHUT_RDWR);
	while (s->alive > 0)
		(void)pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
	(void)close(s->listener);
	(void)pthread_cond_destroy(&s->changed);
	(void)pthread_mutex_destroy(&s->lock);
	g_array_unref(s->fds);
	g_ptr_array_unref(s->requests);
	g_free(s->url);
	g_free(s);
}

const char *web_server_url(const struct web_server *s)
{
	return s->url;
}

/* --- the record ----------------------------------------------------------- */

static void record(struct web_connection *c)
{
	struct web_server *s = c->server;

	pthread_mutex_lock(&s->lock);
	g_ptr_array_add(s->requests, g_strdup(c->request->str));
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

void web_server_wait_requests(struct web_server *s, unsigned count)
{
	pthread_mutex_lock(&s->lock);
	while (s->requests->len < count)
		(void)pthread_cond_wait(&s->changed, &s->lock);
	pthread_mutex_unlock(&s->lock);
}

unsigned web_server_request_count(struct web_server *s)
{
	unsigned count;

	pthread_mutex_lock(&s->lock);
	count = s->requests->len;
	pthread_mutex_unlock(&s->lock);
	return count;
}

unsigned web_server_connection_count(struct web_server *s)
{
	unsigned count;

	pthread_mutex_lock(&s->lock);
	count = s->connections;
	pthread_mutex_unlock(&s->lock);
	return count;
}

char *web_server_request(struct web_server *s, unsigned index)
{
	char *copy = NULL;

	pthread_mutex_lock(&s->lock);
	if (index < s->requests->len)
		copy = g_strdup(g_ptr_array_index(s->requests, index));
	pthread_mutex_unlock(&s->lock);
	return copy;
}

/* --- for scripts ---------------------------------------------------------- */

static bool read_more(struct web_connection *c)
{
	char piece[65536];
	ssize_t n = recv(c->fd, piece, sizeof(piece), 0);

	if (n <= 0)
		return false;
	g_string_append_len(c->ahead, piece, n);
	return true;
}

/* Moves bytes from what was read to the request. */
static bool take(struct web_connection *c, size_t count)
{
	while (c->ahead->len < count)
		if (!read_more(c))
			return false;
	g_string_append_len(c->request, c->ahead->str, (gssize)count);
	g_string_erase(c->ahead, 0, (gssize)count);
	return true;
}

/* Moves everything up to and with the next `mark`. */
static bool take_until(struct web_connection *c, const char *mark)
{
	const char *end;

	while ((end = strstr(c->ahead->str, mark)) == NULL)
		if (!read_more(c))
			return false;
	return take(c, (size_t)(end - c->ahead->str) + strlen(mark));
}

static bool take_header(struct web_connection *c)
{
	g_string_truncate(c->request, 0);
	return take_until(c, "\r\n\r\n");
}

static bool take_chunks(struct web_connection *c)
{
	for (;;) {
		size_t at = c->request->len;
		unsigned long size;

		if (!take_until(c, "\r\n"))
			return false;
		size = strtoul(c->request->str + at, NULL, 16);
		if (!take(c, size + 2))
			return false;
		if (size == 0)
			return true;
	}
}

bool web_read_header(struct web_connection *c)
{
	if (!take_header(c))
		return false;
	record(c);
	return true;
}

bool web_read_request(struct web_connection *c)
{
	const char *field;
	bool is_whole = true;

	if (!take_header(c))
		return false;
	field = strcasestr(c->request->str, "\r\nContent-Length:");
	if (field != NULL)
		is_whole = take(c, strtoul(field + 17, NULL, 10));
	else if (strcasestr(c->request->str, "\r\nTransfer-Encoding:") != NULL)
		is_whole = take_chunks(c);
	if (is_whole)
		record(c);
	return is_whole;
}

bool web_read_bytes(struct web_connection *c, void *bytes, size_t size)
{
	while (c->ahead->len < size)
		if (!read_more(c))
			return false;
	if (size == 0)
		return true;
	memcpy(bytes, c->ahead->str, size);
	g_string_erase(c->ahead, 0, (gssize)size);
	return true;
}

void web_send_bytes(struct web_connection *c, const void *bytes, size_t size)
{
	const char *p = bytes;

	/* A client that hung up is for the test to notice. */
	while (size > 0) {
		ssize_t n = send(c->fd, p, size, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		p += n;
		size -= (size_t)n;
	}
}

void web_send(struct web_connection *c, const char *text)
{
	web_send_bytes(c, text, strlen(text));
}

void web_answer(struct web_connection *c, const char *status, const char *body)
{
	g_autofree char *text =
		g_strdup_printf("HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s",
			status, strlen(body), body);

	web_send(c, text);
}

void web_wait_hangup(struct web_connection *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLRDHUP };

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		continue;
}

void web_reset_on_close(struct web_connection *c)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}
