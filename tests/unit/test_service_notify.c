/* What a service manager hears, over a real datagram socket. */
#include "config.h"

#include "scratch_place.h"
#include "service_notify.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct manager {
	struct scratch_place place;
	char *name; /* as in the environment */
	int fd;
};

static void listen_at(struct manager *m, const char *before)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t length;

	scratch_place_make(&m->place);
	m->name = g_strconcat(before, m->place.path, "/s", NULL);
	length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
			     strlen(m->name));
	memcpy(address.sun_path, m->name, strlen(m->name));
	if (*m->name == '@')
		address.sun_path[0] = '\0';
	m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(
		bind(m->fd, (struct sockaddr *)(void *)&address, length), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", m->name, 1), 0);
}

static void end(struct manager *m)
{
	service_notify_close();
	(void)close(m->fd);
	g_free(m->name);
	scratch_place_remove(&m->place);
}

/* A datagram is there as soon as it was sent. */
static void assert_heard(const struct manager *m, const char *expected)
{
	char text[4096];
	ssize_t n = recv(m->fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		fail_msg("nothing was sent, not '%s'", expected);
	text[n] = '\0';
	assert_string_equal(text, expected);
}

static void assert_silent(const struct manager *m)
{
	char byte;

	assert_int_equal(recv(m->fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void say_all(const struct manager *m)
{
	service_notify_open(true);
	/* Children would speak in our name. */
	assert_null(getenv("NOTIFY_SOCKET"));
	service_notify_starting(600000);
	assert_heard(m, "EXTEND_TIMEOUT_USEC=600000000");
	service_notify_status("half \xff done\nREADY=1");
	assert_heard(m, "STATUS=half \xef\xbf\xbd done READY=1");
	service_notify_ready();
	assert_heard(m, "READY=1");
	service_notify_stopping(45000);
	assert_heard(m, "STOPPING=1\nEXTEND_TIMEOUT_USEC=45000000");
	assert_silent(m);
}

static void a_socket_at_a_path_hears_all(void **state)
{
	struct manager m;

	(void)state;
	listen_at(&m, "");
	say_all(&m);
	end(&m);
}

static void an_abstract_socket_hears_all(void **state)
{
	struct manager m;

	(void)state;
	listen_at(&m, "@");
	say_all(&m);
	end(&m);
}

static void a_daemon_says_nothing(void **state)
{
	struct manager m;

	(void)state;
	listen_at(&m, "");
	service_notify_open(false);
	assert_null(getenv("NOTIFY_SOCKET"));
	service_notify_ready();
	assert_silent(&m);
	end(&m);
}

static void a_long_line_is_cut_between_characters(void **state)
{
	g_autofree char *line = g_strnfill(511, 'x');
	g_autofree char *given = g_strconcat(line, "\xc3\xa4zz", NULL);
	g_autofree char *expected = g_strconcat("STATUS=", line, NULL);
	struct manager m;

	(void)state;
	listen_at(&m, "");
	service_notify_open(true);
	service_notify_status(given);
	assert_heard(&m, expected);
	end(&m);
}

/* The mount goes on without one; nobody waits for a full one either. */
static void a_strange_socket_is_no_obstacle(void **state)
{
	g_autofree char *long_name = g_strnfill(200, '/');
	const char *names[] = { "", "@", "/", "relative", "vsock:2:1",
		"/nonexistent/s", long_name };
	struct manager m;

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		assert_int_equal(setenv("NOTIFY_SOCKET", names[i], 1), 0);
		service_notify_open(true);
		assert_null(getenv("NOTIFY_SOCKET"));
		service_notify_ready();
		service_notify_close();
	}
	listen_at(&m, "");
	service_notify_open(true);
	for (int i = 0; i < 4096; i++)
		service_notify_ready();
	assert_heard(&m, "READY=1");
	end(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_at_a_path_hears_all),
		cmocka_unit_test(an_abstract_socket_hears_all),
		cmocka_unit_test(a_daemon_says_nothing),
		cmocka_unit_test(a_long_line_is_cut_between_characters),
		cmocka_unit_test(a_strange_socket_is_no_obstacle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
