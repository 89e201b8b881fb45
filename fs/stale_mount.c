/* stale_mount.c - see stale_mount.h. */
#include "config.h"

#include "stale_mount.h"

#include "log.h"
#include "mountinfo.h"
#include "umount_detach.h"
#include "umount_table.h"

#include <errno.h>
#include <glib.h>
#include <stdbool.h>
#include <sys/stat.h>

/* One daemon after the other may have died on it. */
#define STACKED_MAX 16

static bool is_stale(const char *directory)
{
	struct stat st;

	return stat(directory, &st) < 0 && errno == ENOTCONN;
}

/* False: it stays. */
static bool clear_one(const char *point)
{
	g_autofree char *table = mountinfo_text();
	struct mountinfo_entry *e =
		table == NULL ? NULL : umount_table_at(table, point);
	g_autofree char *why = NULL;
	bool is_cleared = e != NULL && e->is_ours &&
			  umount_detach(point, true, &why) == 0;

	if (is_cleared)
		log_warning("a mount whose daemon had died was taken away "
			    "from %s",
			point);
	mountinfo_entry_free(e);
	return is_cleared;
}

void stale_mount_clear(const char *directory)
{
	g_autofree char *point = mountinfo_name(directory);

	for (int i = 0; i < STACKED_MAX && is_stale(directory); i++)
		if (!clear_one(point))
			return;
}
