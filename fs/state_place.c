/* state_place.c - see state_place.h. */
#include "config.h"

#include "state_place.h"

#include "fs_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OPENING_BYTE 0
#define USERS_BYTE   1
#define TICK_MS	     10

/* Locks of the open file, not of the process: closing another descriptor of
 * it, and two states in one process, do no harm. 0 or -errno. */
static int lock_byte(int fd, short type, off_t byte)
{
	struct flock lock = { .l_type = type,
		.l_whence = SEEK_SET,
		.l_start = byte,
		.l_len = 1 };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
}

static int lock_opening(int fd)
{
	int64_t until = g_get_monotonic_time() + STATE_BUSY_MS * 1000;
	int rc;

	for (;;) {
		rc = lock_byte(fd, F_WRLCK, OPENING_BYTE);
		if (rc != -EBUSY || g_get_monotonic_time() >= until)
			return rc;
		g_usleep(TICK_MS * 1000);
	}
}

static int check_private(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (st.st_uid != geteuid())
		return -EPERM;
	if ((st.st_mode & 077) != 0 && fchmod(fd, 0700) != 0)
		return -errno;
	return 0;
}

int state_place_enter(struct state_place *p, const char *directory)
{
	int rc;

	*p = (struct state_place)STATE_PLACE_INIT;
	if (g_mkdir_with_parents(directory, 0700) != 0)
		return -errno;
	p->directory_fd = open(
		directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (p->directory_fd < 0)
		return -errno;
	rc = check_private(p->directory_fd);
	if (rc == 0) {
		p->lock_fd = openat(p->directory_fd, "state.lock",
			O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		rc = p->lock_fd >= 0 ? lock_opening(p->lock_fd) : -errno;
	}
	if (rc != 0)
		(void)state_place_leave(p, false, NULL);
	return rc;
}

int state_place_leave(struct state_place *p, bool stay, int *ret_users_fd)
{
	int rc = 0;

	if (stay)
		rc = lock_byte(p->lock_fd, F_RDLCK, USERS_BYTE);
	if (stay && rc == 0) {
		(void)lock_byte(p->lock_fd, F_UNLCK, OPENING_BYTE);
		*ret_users_fd = p->lock_fd;
		p->lock_fd = -1;
	}
	if (p->lock_fd >= 0)
		(void)close(p->lock_fd);
	if (p->directory_fd >= 0)
		(void)close(p->directory_fd);
	*p = (struct state_place)STATE_PLACE_INIT;
	return rc;
}

static bool is_there(const struct state_place *p, const char *name)
{
	struct stat st;

	return fstatat(p->directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool has_bytes(const struct state_place *p, const char *name)
{
	struct stat st;

	return fstatat(p->directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_size > 0;
}

bool state_place_has_orphans(const struct state_place *p)
{
	return has_bytes(p, "state.db-wal") && !has_bytes(p, "state.db");
}

static int rename_part(
	const struct state_place *p, const char *suffix, const char *aside)
{
	g_autofree char *from = g_strconcat("state.db", suffix, NULL);
	g_autofree char *to = g_strconcat(aside, suffix, NULL);

	if (renameat(p->directory_fd, from, p->directory_fd, to) == 0 ||
		errno == ENOENT)
		return 0;
	return -errno;
}

/* "state.db.aside-20260131T235959", with "-2" when that second had one. */
static char *aside_name(const struct state_place *p)
{
	time_t now = time(NULL);
	unsigned number;
	struct tm tm;
	char when[32];
	char *name;

	(void)gmtime_r(&now, &tm);
	(void)strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &tm);
	name = g_strdup_printf("state.db.aside-%s", when);
	for (number = 2; is_there(p, name); number++) {
		g_free(name);
		name = g_strdup_printf("state.db.aside-%s-%u", when, number);
	}
	return name;
}

int state_place_set_aside(const struct state_place *p, char **ret_name)
{
	int rc = lock_byte(p->lock_fd, F_WRLCK, USERS_BYTE);
	char *name;

	if (rc != 0)
		return rc;
	/* The database first: a crash after it leaves a journal without a
	 * database, which the next opener recognises. The other way around
	 * it would find a database that has lost its journal. */
	name = aside_name(p);
	rc = rename_part(p, "", name);
	if (rc == 0)
		rc = rename_part(p, "-wal", name);
	if (rc == 0)
		rc = rename_part(p, "-shm", name);
	if (rc == 0 && fsync(p->directory_fd) != 0)
		rc = -errno;
	(void)lock_byte(p->lock_fd, F_UNLCK, USERS_BYTE);
	if (rc == 0)
		*ret_name = name;
	else
		g_free(name);
	return rc;
}
