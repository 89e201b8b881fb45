/* detacher.c - see detacher.h. */
#include "config.h"

#include "detacher.h"

#include "fusermount.h"
#include "log.h"
#include "mountinfo.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- its process ---------------------------------------------------------- */

static bool hear(int fd, uint64_t *ret_mount_id)
{
	ssize_t n;

	do
		n = recv(fd, ret_mount_id, sizeof(*ret_mount_id), 0);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*ret_mount_id);
}

static void be_detacher(void *arg, int fd)
{
	const char *directory = arg;
	const char *program = fusermount_find();
	uint64_t id = 0;

	(void)setsid();
	if (hear(fd, &id) && id != 0 && mountinfo_id(directory) == id &&
		program != NULL)
		(void)execl(program, "fusermount3", "-uzq", "--", directory,
			(char *)NULL);
}

/* --- the daemon's side ---------------------------------------------------- */

int detacher_start(struct aide *a, const char *directory)
{
	if (geteuid() == 0)
		return 0;
	return aide_start(
		a, "pycloud-detach", be_detacher, (void *)(uintptr_t)directory);
}

void detacher_finish(struct aide *a, uint64_t mount_id)
{
	if (a->pid == 0)
		return;
	if (mount_id != 0 &&
		send(a->fd, &mount_id, sizeof(mount_id), MSG_NOSIGNAL) < 0)
		log_debug("there is no detacher any more");
	aide_finish(a);
}
