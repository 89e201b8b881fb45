/* stale_mount.c - see stale_mount.h. */
#include "config.h"

#include "stale_mount.h"

#include "log.h"
#include "mount_ask.h"
#include "mountinfo.h"
#include "umount_detach.h"
#include "umount_table.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <grp.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

/* One daemon after the other may have died on it. */
#define STACKED_MAX 16
#define ASK_MS	    3000

static struct mountinfo_entry *find_at(const char *point)
{
	g_autofree char *table = mountinfo_text();

	return table == NULL ? NULL : umount_table_at(table, point);
}

/* Others than its owner are not even told that nobody is there, nor is root. */
static bool become_owner(const char *point)
{
	struct mountinfo_entry *e = find_at(point);
	uid_t uid = e == NULL ? 0 : e->owner;
	gid_t gid = e == NULL ? 0 : e->group;

	mountinfo_entry_free(e);
	if (geteuid() != 0 || uid == 0)
		return true;
	return setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 &&
	       setresuid(uid, uid, uid) == 0;
}

/* In a child. The way there is root's, who may go everywhere. */
static char *look(const char *point)
{
	int fd = open(point, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || !become_owner(point) || fstat(fd, &st) < 0)
		return NULL;
	return g_strdup("it answers");
}

static bool is_stale(const char *point)
{
	struct mount_seen seen;

	mount_ask_all(look, &point, 1, ASK_MS, &seen);
	g_free(seen.text);
	return seen.error == ENOTCONN;
}

static bool is_ours(const char *point)
{
	struct mountinfo_entry *e = find_at(point);
	bool is_one = e != NULL && e->is_ours;

	mountinfo_entry_free(e);
	return is_one;
}

void stale_mount_clear(const char *directory)
{
	g_autofree char *point = mountinfo_name(directory);

	for (int i = 0; i < STACKED_MAX && is_ours(point) && is_stale(point);
		i++) {
		g_autofree char *why = NULL;

		if (umount_detach(point, true, &why) < 0)
			return;
		log_warning("a mount whose daemon had died was taken away "
			    "from %s",
			point);
	}
}
