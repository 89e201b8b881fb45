/* Any text as a status for systemd, and as the name of its socket: one line
 * arrives, and no assignment that was not meant. */
#include "config.h"

#include "fuzz.h"

#include "service_notify.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STATUS "STATUS="

/* An abstract socket of ours; its name is what the environment says. */
static int listen_here(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(name);
	char text[sizeof(name.sun_path) + 1] = "@";

	if (fd < 0 ||
		bind(fd, (struct sockaddr *)(void *)&name,
			sizeof(sa_family_t)) < 0 ||
		getsockname(fd, (struct sockaddr *)(void *)&name, &length) < 0)
		g_error("there is no socket");
	memcpy(text + 1, name.sun_path + 1, length - sizeof(sa_family_t) - 1);
	(void)setenv("NOTIFY_SOCKET", text, 1);
	return fd;
}

static void check_status(const char *line)
{
	int fd = listen_here();
	char heard[4096];
	ssize_t n;

	service_notify_open(true);
	service_notify_status(line);
	n = recv(fd, heard, sizeof(heard) - 1, 0);
	if (n < (ssize_t)strlen(STATUS))
		g_error("nothing was heard");
	heard[n] = '\0';
	if (!g_str_has_prefix(heard, STATUS))
		g_error("heard: %s", heard);
	fuzz_check_sentence(heard, strlen(STATUS) + 512);
	service_notify_close();
	(void)close(fd);
}

/* Nothing is sent there. */
static void open_any(const char *name)
{
	if (setenv("NOTIFY_SOCKET", name, 1) < 0)
		return;
	service_notify_open(true);
	if (getenv("NOTIFY_SOCKET") != NULL)
		g_error("children inherit the socket");
	service_notify_close();
}

void fuzz_service_notify(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = fuzz_text(bytes, length);

	open_any(text);
	check_status(text);
}
