/* Any bytes as what an API server sends through a port-forward: the pod's
 * connection says what the frames held, and ends. */
#include "config.h"

#include "fuzz_http.h"
#include "fuzz_stream.h"

#include "cancel.h"
#include "portforward.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PROTOCOL "v4.channel.k8s.io"

/* An abstract name that the kernel chooses. */
static int make_listener(struct sockaddr_un *ret, socklen_t *ret_length)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*ret_length = sizeof(*ret);
	if (fd < 0 ||
		bind(fd, (struct sockaddr *)(void *)ret, sizeof(sa_family_t)) <
			0 ||
		listen(fd, 4) < 0 ||
		getsockname(fd, (struct sockaddr *)(void *)ret, ret_length) < 0)
		g_error("there is no socket");
	return fd;
}

static size_t read_all(const struct sockaddr_un *name, socklen_t length)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char buffer[4096];
	size_t total = 0;
	ssize_t n;

	if (fd < 0 || connect(fd, (const struct sockaddr *)(const void *)name,
			      length) < 0)
		g_error("nobody listens for the tunnel");
	(void)send(fd, "hello", 5, MSG_NOSIGNAL);
	while ((n = recv(fd, buffer, sizeof(buffer), 0)) > 0)
		total += (size_t)n;
	(void)close(fd);
	return total;
}

/* The first byte says whether the upgrade is agreed to, and the pieces. */
void fuzz_portforward(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	uint8_t how = fuzz_take_byte(&in);
	struct portforward *p = portforward_new(fuzz_http_pool());
	struct sockaddr_un name;
	socklen_t name_length;
	int fd = make_listener(&name, &name_length);

	fuzz_stream_begin(&in, how % 4 != 0, PROTOCOL, 1 + how);
	if (portforward_dial(p,
		    "api/v1/namespaces/n/pods/p/portforward?ports=1", NULL,
		    clock_now_ms() + 10000, fd) == 0 &&
		read_all(&name, name_length) > length)
		g_error("the pod said more than came");
	portforward_free(p);
	(void)close(fd);
	fuzz_stream_end();
}
