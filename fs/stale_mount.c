/* stale_mount.c - see stale_mount.h. */
#include "config.h"

#include "stale_mount.h"

#include "log.h"
#include "mount_ask.h"
#include "mountinfo.h"
#include "umount_detach.h"
#include "umount_table.h"

#include <errno.h>
#include <glib.h>
#include <stdbool.h>
#include <sys/stat.h>

/* One daemon after the other may have died on it. */
#define STACKED_MAX 16
#define ASK_MS	    3000

/* In a child. */
static char *look(const char *point, int *ret_fd)
{
	int rc = mount_ask_enter(point);
	struct stat st;

	(void)ret_fd;
	if (rc < 0)
		errno = -rc;
	return rc == 0 && stat(".", &st) == 0 ? g_strdup("") : NULL;
}

static bool is_stale(const char *point)
{
	struct mount_seen seen;

	mount_ask_all(look, &point, 1, ASK_MS, &seen);
	g_free(seen.text);
	return seen.error == ENOTCONN;
}

/* 0: there is none of ours. */
static uint64_t our_id(const char *point)
{
	g_autofree char *table = mountinfo_text();
	struct mountinfo_entry *e =
		table == NULL ? NULL : umount_table_at(table, point);
	uint64_t id = e != NULL && e->is_ours ? e->id : 0;

	mountinfo_entry_free(e);
	return id;
}

void stale_mount_clear(const char *directory)
{
	g_autofree char *point = mountinfo_name(directory);

	for (int i = 0; i < STACKED_MAX; i++) {
		g_autofree char *why = NULL;
		uint64_t id = our_id(point);

		if (id == 0 || !is_stale(point) ||
			umount_detach(point, id, true, &why) < 0)
			return;
		log_warning("a mount whose daemon had died was taken away "
			    "from %s",
			point);
	}
}
