/* service_notify.c - see service_notify.h. */
#include "config.h"

#include "service_notify.h"

#include "printable.h"

#include <glib.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define VARIABLE	 "NOTIFY_SOCKET"
#define STATUS_BYTES_MAX 512

static int notify_fd = -1;
static struct sockaddr_un notify_address;
static socklen_t notify_length;

/* A path, or '@' and a name in the abstract space. False: neither. */
static bool take_address(const char *name)
{
	size_t length = strlen(name);

	if ((*name != '/' && *name != '@') || length < 2 ||
		length >= sizeof(notify_address.sun_path))
		return false;
	notify_address.sun_family = AF_UNIX;
	memcpy(notify_address.sun_path, name, length + 1);
	notify_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				    length + (*name == '/'));
	if (*name == '@')
		notify_address.sun_path[0] = '\0';
	return true;
}

void service_notify_open(bool is_meant)
{
	const char *name = getenv(VARIABLE);

	if (name != NULL && is_meant && take_address(name))
		notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	(void)unsetenv(VARIABLE);
}

void service_notify_close(void)
{
	if (notify_fd >= 0)
		(void)close(notify_fd);
	notify_fd = -1;
}

static void send_text(const char *text)
{
	if (notify_fd < 0)
		return;
	/* The mount is none the worse for a manager that does not listen. */
	(void)sendto(notify_fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
		(const struct sockaddr *)(const void *)&notify_address,
		notify_length);
}

static void send_limit(const char *before, int64_t limit_ms)
{
	g_autofree char *text = g_strdup_printf(
		"%sEXTEND_TIMEOUT_USEC=%" PRId64, before, limit_ms * 1000);

	send_text(text);
}

void service_notify_starting(int64_t limit_ms)
{
	send_limit("", limit_ms);
}

void service_notify_stopping(int64_t limit_ms)
{
	send_limit("STOPPING=1\n", limit_ms);
}

void service_notify_ready(void)
{
	send_text("READY=1");
}

/* One line: another would be an assignment of its own. */
void service_notify_status(const char *line)
{
	g_autofree char *valid = g_utf8_make_valid(line, -1);
	g_autofree char *text = NULL;

	printable_make(valid, ' ');
	if (strlen(valid) > STATUS_BYTES_MAX)
		*g_utf8_find_prev_char(valid, valid + STATUS_BYTES_MAX) = '\0';
	text = g_strconcat("STATUS=", valid, NULL);
	send_text(text);
}
