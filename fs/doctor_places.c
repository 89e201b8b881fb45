/*
 * doctor_places.c - pycloud doctor: the directories where pycloud keeps what it
 * remembers.
 *
 * Nothing is made there but a file without a name, which goes with its
 * descriptor.
 */
#include "config.h"

#include "doctor.h"
#include "fs_limits.h"
#include "local_dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define TRIED_BYTES 4096

/* The directory itself, or the nearest above it that is there; g_free. */
static char *nearest(const char *path)
{
	char *at = g_strdup(path);
	struct stat st;

	while (stat(at, &st) < 0 && (errno == ENOENT || errno == ENOTDIR) &&
		strcmp(at, "/") != 0) {
		char *above = g_path_get_dirname(at);

		g_free(at);
		at = above;
	}
	return at;
}

/* A quota, a read-only disk and one that fails are seen only by whoever
 * writes. 0 or -errno. */
static int try_to_write(const char *directory)
{
	static const char bytes[TRIED_BYTES];
	int fd = open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	int rc = 0;

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
		return access(directory, W_OK | X_OK) < 0 ? -errno : 0;
	if (fd < 0)
		return -errno;
	if (write(fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
		rc = errno != 0 ? -errno : -ENOSPC;
	else if (fsync(fd) < 0)
		rc = -errno;
	(void)close(fd);
	return rc;
}

static const char *advice_for(int rc)
{
	switch (-rc) {
	case ENOSPC:
	case EDQUOT:
		return "make room there: what you save stands on this disk "
		       "until the server has it";
	case EROFS:
		return "this disk is read-only: mount it writable, or set "
		       "XDG_STATE_HOME and XDG_CACHE_HOME to directories "
		       "elsewhere";
	default:
		return "make it yours (chown, chmod 700), or set "
		       "XDG_STATE_HOME and XDG_CACHE_HOME to directories "
		       "elsewhere";
	}
}

static void tell_room(
	const struct doctor_probe *p, const char *what, const char *at)
{
	struct statvfs disk;
	g_autofree char *room = NULL;
	guint64 bytes;
	enum doctor_state state = DOCTOR_OK;

	if (statvfs(at, &disk) < 0)
		return;
	bytes = (guint64)disk.f_bavail * disk.f_frsize;
	room = g_format_size(bytes);
	if (bytes < DOCTOR_BYTES_LEAST)
		state = DOCTOR_FAILED;
	else if (bytes < DOCTOR_BYTES_FEW ||
		 (disk.f_files > 0 && disk.f_favail < 1000))
		state = DOCTOR_WARN;
	doctor_tell(p, state, what,
		state == DOCTOR_OK ? NULL : advice_for(-ENOSPC),
		"%s can be written, with room for %s", at, room);
}

static void check_place(
	const struct doctor_probe *p, const char *what, const char *path)
{
	g_autofree char *at = nearest(path);
	struct stat st;
	int rc = stat(at, &st) < 0 ? -errno : 0;

	if (rc == 0 && !S_ISDIR(st.st_mode))
		rc = -ENOTDIR;
	if (rc == 0 && strcmp(at, path) == 0 && st.st_uid != geteuid()) {
		doctor_tell(p, DOCTOR_FAILED, what, advice_for(-EPERM),
			"%s belongs to somebody else", at);
		return;
	}
	if (rc == 0)
		rc = try_to_write(at);
	if (rc < 0)
		doctor_tell(p, DOCTOR_FAILED, what, advice_for(rc),
			"%s cannot be written: %s", at, g_strerror(-rc));
	else
		tell_room(p, what, at);
}

void doctor_places(const struct doctor_probe *p)
{
	g_autofree char *state = local_dirs_state_base();
	g_autofree char *cache = local_dirs_cache_base();

	check_place(p, "state directory", state);
	check_place(p, "cache directory", cache);
}
