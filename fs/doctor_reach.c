/*
 * doctor_reach.c - pycloud doctor: from the name of a server to a connection.
 *
 * What a request fails with is one error of many; here each step is taken by
 * itself. With a proxy in between the steps are the proxy's.
 */
#include "config.h"

#include "doctor_target.h"
#include "fs_limits.h"
#include "hub_text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADDRESSES_MAX 8

/* The variable that names a proxy for the scheme, or NULL. */
static const char *proxy_variable(const char *scheme)
{
	static const char *const secure[] = { "https_proxy", "HTTPS_PROXY",
		"all_proxy", "ALL_PROXY", NULL };
	static const char *const plain[] = { "http_proxy", "all_proxy",
		"ALL_PROXY", NULL };
	const char *const *names =
		strcmp(scheme, "https") == 0 ? secure : plain;

	for (; *names != NULL; names++) {
		const char *value = g_getenv(*names);

		if (value != NULL && *value != '\0')
			return *names;
	}
	return NULL;
}

/* 0, or the errno of that address. */
static int try_address(const struct addrinfo *a, const struct cancel *cancel)
{
	int fd = socket(a->ai_family,
		a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
	struct pollfd polled[] = { { fd, POLLOUT, 0 },
		{ cancel_fd(cancel), POLLIN, 0 } };
	socklen_t size = sizeof(int);
	int error = 0;
	int n;

	if (fd < 0)
		return errno;
	if (connect(fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
		error = errno;
	if (error == 0) {
		n = poll(polled, 2, DOCTOR_CONNECT_MS / 2);
		if (n == 0)
			error = ETIMEDOUT;
		else if (n < 0 || polled[0].revents == 0)
			error = EINTR;
		else
			(void)getsockopt(
				fd, SOL_SOCKET, SO_ERROR, &error, &size);
	}
	(void)close(fd);
	return error;
}

static void connect_to(const struct doctor_probe *p,
	const struct addrinfo *list, const char *host, int port)
{
	unsigned tried = 0;
	int error = EHOSTUNREACH;

	for (const struct addrinfo *a = list;
		a != NULL && tried < ADDRESSES_MAX && error != 0;
		a = a->ai_next, tried++)
		error = try_address(a, p->cancel);
	if (error == 0)
		doctor_tell(p, DOCTOR_OK, "connection", NULL,
			"port %d of %s takes connections", port, host);
	else if (error == ECONNREFUSED)
		doctor_tell(p, DOCTOR_FAILED, "connection",
			"start the server, or correct the port in the address",
			"nobody listens on port %d of %s", port, host);
	else if (error == ETIMEDOUT)
		doctor_tell(p, DOCTOR_FAILED, "connection",
			"is the VPN on, does a firewall let it through, is the "
			"computer up?",
			"port %d of %s does not answer", port, host);
	else if (error != EINTR)
		doctor_tell(p, DOCTOR_FAILED, "connection",
			"is this computer online, and the VPN on?",
			"port %d of %s cannot be reached: %s", port, host,
			g_strerror(error));
}

static bool is_own(const char *host)
{
	return strcmp(host, "localhost") == 0 ||
	       g_str_has_prefix(host, "127.") || strcmp(host, "::1") == 0;
}

static void tell_name(const struct doctor_probe *p, const char *host,
	const struct addrinfo *list)
{
	char text[NI_MAXHOST] = "?";

	(void)getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof(text),
		NULL, 0, NI_NUMERICHOST);
	if (g_strcmp0(host, text) != 0)
		doctor_tell(p, DOCTOR_OK, "name", NULL, "%s is %s%s", host,
			text, list->ai_next != NULL ? ", and others" : "");
	if (!is_own(text))
		doctor_conceal(p, text, "SERVER");
}

static void look_up(const struct doctor_probe *p, const char *host, int port)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV };
	g_autofree char *service = g_strdup_printf("%d", port);
	struct addrinfo *list = NULL;
	int code = getaddrinfo(host, service, &hints, &list);

	if (code == 0) {
		tell_name(p, host, list);
		connect_to(p, list, host, port);
		freeaddrinfo(list);
	} else {
		doctor_tell(p, DOCTOR_FAILED, "name",
			code == EAI_AGAIN
				? "is this computer online, and are its name "
				  "servers (/etc/resolv.conf) up?"
				: "correct the name in the address; some names "
				  "are known only inside a VPN",
			"%s has no address: %s", host, gai_strerror(code));
	}
}

static void look(const struct doctor_probe *p, const char *url)
{
	g_autoptr(GUri) uri = g_uri_parse(
		url, G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_ENCODED, NULL);
	const char *host = uri == NULL ? NULL : g_uri_get_host(uri);
	const char *variable;
	int port;

	if (host == NULL || *host == '\0')
		return; /* doctor_target() says what is wrong with it */
	if (!is_own(host))
		doctor_conceal(p, host, "SERVER");
	variable = proxy_variable(g_uri_get_scheme(uri));
	port = g_uri_get_port(uri);
	if (port < 0)
		port = strcmp(g_uri_get_scheme(uri), "https") == 0 ? 443 : 80;
	if (variable != NULL)
		doctor_tell(p, DOCTOR_SKIPPED, "connection", NULL,
			"$%s names a proxy, which may connect instead of us",
			variable);
	else
		look_up(p, host, port);
}

void doctor_reach(const struct doctor_probe *p)
{
	struct doctor_place place;
	g_autofree char *why = NULL;

	if (doctor_place_resolve(p, &place, &why) == 0) {
		const char *url = place.options.url != NULL ? place.options.url
							    : place.spec;

		if (hub_is_spec(url))
			url += strlen(HUB_SCHEME);
		if (strstr(url, "://") != NULL)
			look(p, url);
	}
	doctor_place_clear(&place);
}
