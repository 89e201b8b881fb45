/* mountpoint.c - see mountpoint.h. */
#include "config.h"

#include "mountpoint.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_mount_point(const char *directory, const struct stat *st)
{
	g_autofree char *parent = g_path_get_dirname(directory);
	struct stat above;

	return stat(parent, &above) == 0 && above.st_dev != st->st_dev;
}

static bool is_empty(const char *directory)
{
	GDir *dir = g_dir_open(directory, 0, NULL);
	bool is_empty;

	if (dir == NULL)
		return true; /* unreadable: mounting will tell */
	is_empty = g_dir_read_name(dir) == NULL;
	g_dir_close(dir);
	return is_empty;
}

char *mountpoint_problem(const char *directory, bool allows_nonempty)
{
	struct stat st;

	if (stat(directory, &st) < 0) {
		if (errno == ENOTCONN)
			return g_strdup_printf("%s is a mount whose daemon "
					       "died; run: fusermount3 -u %s",
				directory, directory);
		if (errno == ENOENT)
			return g_strdup_printf("%s does not exist; run: "
					       "mkdir %s",
				directory, directory);
		return g_strdup_printf("%s: %s", directory, g_strerror(errno));
	}
	if (!S_ISDIR(st.st_mode))
		return g_strdup_printf("%s is not a directory", directory);
	if (is_mount_point(directory, &st))
		return g_strdup_printf("%s is busy: something is mounted "
				       "there; run: umount %s",
			directory, directory);
	if (!allows_nonempty && !is_empty(directory))
		return g_strdup_printf("%s is not empty; choose an empty "
				       "directory, or add -o nonempty",
			directory);
	return NULL;
}
