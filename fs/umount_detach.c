/* umount_detach.c - see umount_detach.h. */
#include "config.h"

#include "umount_detach.h"

#include "fusermount.h"
#include "mountinfo.h"

#include <errno.h>
#include <fcntl.h>
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

static bool is_still_there(const char *path, uint64_t mount_id)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool is_there = fd >= 0 && mountinfo_id_of(fd) == mount_id;

	/* While it is open the mount is busy. */
	if (fd >= 0)
		(void)close(fd);
	return is_there;
}

/* From the directory that it is in: there nobody can put another thing in the
 * place of a mount. */
static int unmount(const char *directory, uint64_t mount_id, int flags)
{
	g_autofree char *parent = g_path_get_dirname(directory);
	g_autofree char *name = g_path_get_basename(directory);
	int fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	g_autofree char *path =
		g_strdup_printf("/proc/self/fd/%d/%s", fd, name);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (!is_still_there(path, mount_id))
		rc = -EINVAL;
	else if (umount2(path, flags) < 0)
		rc = -errno;
	(void)close(fd);
	return rc;
}

int umount_detach(
	const char *directory, uint64_t mount_id, bool is_lazy, char **ret_why)
{
	int flags = UMOUNT_NOFOLLOW | (is_lazy ? MNT_DETACH : 0);
	int rc = geteuid() != 0 ? -EPERM : unmount(directory, mount_id, flags);

	/* Root of a container may have no right to unmount, either. */
	return rc == -EPERM ? run_fusermount(directory, is_lazy, ret_why) : rc;
}
