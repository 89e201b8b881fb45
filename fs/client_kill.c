/* client_kill.c - signals to a run; see client.h. */
#include "config.h"

#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int client_signal(
	const struct client_mount *m, const char *number, const char *name)
{
	g_autofree char *path = client_mount_path(m, number, "ctl");
	g_autofree char *line = g_strdup_printf("%s\n", name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	do {
		rc = write(fd, line, strlen(line)) < 0 ? -errno : 0;
	} while (rc == -EINTR); /* by Ctrl-Z, and back */
	(void)close(fd);
	return rc;
}

int client_kill(
	const struct client_mount *m, const char *number, const char *name)
{
	g_autofree char *path = client_mount_path(m, number, NULL);
	/* "last" may be another's in a moment. */
	g_autofree char *target = g_file_read_link(path, NULL);
	int rc;

	if (target != NULL)
		number = target;
	rc = client_signal(m, number, name);
	switch (-rc) {
	case 0:
		return 0;
	case ENOENT:
		return client_error(CLIENT_REFUSED,
			"there is no run %s; `pycloud runs` lists them",
			number);
	case EINVAL:
		return client_error(CLIENT_USAGE,
			"there is no signal %s; INT, TERM, KILL, HUP, USR1 or "
			"a number is understood",
			name);
	case ESRCH:
		return client_error(CLIENT_REFUSED, "run %s is over", number);
	default:
		return client_error(CLIENT_REFUSED,
			"run %s could not be signalled: %s; look at "
			".pycloud/status in %s, and try again",
			number, g_strerror(-rc), m->root);
	}
}
