/* umount_detach.c - see umount_detach.h. */
#include "config.h"

#include "umount_detach.h"

#include "fusermount.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static int run_fusermount(const char *directory, bool is_lazy, char **ret_why)
{
	g_autofree char *program = g_strdup(fusermount_find());
	g_autofree char *path = g_strdup(directory);
	g_autofree char *said = NULL;
	char flags[] = "-u", lazy[] = "-uz", end[] = "--";
	char *argv[] = { program, is_lazy ? lazy : flags, end, path, NULL };
	int status = 0;

	if (program == NULL) {
		*ret_why = g_strdup(FUSERMOUNT_MISSING);
		return -ENOENT;
	}
	if (!g_spawn_sync("/", argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL,
		    NULL, NULL, &said, &status, NULL))
		return -EIO;
	if (status == 0)
		return 0;
	if (strstr(said, g_strerror(EBUSY)) != NULL)
		return -EBUSY;
	*ret_why = g_strdup(g_strstrip(said));
	return -EPERM;
}

int umount_detach(const char *directory, bool is_lazy, char **ret_why)
{
	int flags = UMOUNT_NOFOLLOW | (is_lazy ? MNT_DETACH : 0);

	if (geteuid() != 0)
		return run_fusermount(directory, is_lazy, ret_why);
	return umount2(directory, flags) == 0 ? 0 : -errno;
}
