/* mountpoint.c - see mountpoint.h. */
#include "config.h"

#include "mountpoint.h"

#include "mountinfo.h"
#include "umount_table.h"

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>

#define AUTOFS "autofs"

/* By the table: what is mounted there may hang. An automount waits for a mount
 * to be put onto it. */
static bool is_mount_point(const char *directory)
{
	g_autofree char *table = mountinfo_text();
	g_autofree char *point = mountinfo_name(directory);
	struct mountinfo_entry *e =
		table == NULL ? NULL : umount_table_at(table, point);
	bool is_one = e != NULL && strcmp(e->type, AUTOFS) != 0;

	mountinfo_entry_free(e);
	return is_one;
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

	if (is_mount_point(directory))
		return g_strdup_printf("%s is busy: something is mounted "
				       "there; run: umount %s",
			directory, directory);
	if (stat(directory, &st) < 0) {
		if (errno == ENOENT)
			return g_strdup_printf("%s does not exist; run: "
					       "mkdir %s",
				directory, directory);
		return g_strdup_printf("%s: %s", directory, g_strerror(errno));
	}
	if (!S_ISDIR(st.st_mode))
		return g_strdup_printf("%s is not a directory", directory);
	if (!allows_nonempty && !is_empty(directory))
		return g_strdup_printf("%s is not empty; choose an empty "
				       "directory, or add -o nonempty",
			directory);
	return NULL;
}
