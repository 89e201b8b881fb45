/*
 * doctor_places.c - pycloud doctor: the directories where pycloud keeps what it
 * remembers, and what stands in them.
 *
 * Nothing is made there but a file without a name, which goes with its
 * descriptor.
 */
#include "config.h"

#include "doctor.h"
#include "fs_limits.h"
#include "local_dirs.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
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

/* --- what earlier mounts left --------------------------------------------- */

/* Whether somebody holds a lock on the file. Taking one to find out would keep
 * a mount that starts just now from taking the file up. */
static bool is_locked(const char *locks, int directory_fd, const char *name)
{
	struct stat st;
	g_autofree char *inode = NULL;

	if (locks == NULL || fstatat(directory_fd, name, &st, 0) < 0)
		return false;
	inode = g_strdup_printf(":%ju ", (uintmax_t)st.st_ino);
	return strstr(locks, inode) != NULL;
}

/* Files of a workspace that wait for a mount: one that is alive has those that
 * it is about to upload locked. */
static unsigned count_waiting(const char *locks, const char *state_path)
{
	g_autofree char *spool = g_build_filename(state_path, "spool", NULL);
	GDir *dir = g_dir_open(spool, 0, NULL);
	int fd = open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned count = 0;
	const char *name;

	while (dir != NULL && fd >= 0 &&
		(name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *bytes = NULL;

		if (!g_str_has_suffix(name, ".log"))
			continue;
		bytes = g_strdup_printf(
			"%.*s.data", (int)strlen(name) - 4, name);
		if (!is_locked(locks, fd, bytes))
			count++;
	}
	if (dir != NULL)
		g_dir_close(dir);
	if (fd >= 0)
		(void)close(fd);
	return count;
}

/* 1: something was told. */
static unsigned check_state(const struct doctor_probe *p, const char *locks,
	const char *base, const char *id)
{
	g_autofree char *path = g_build_filename(base, id, NULL);
	unsigned waiting = count_waiting(locks, path);
	int rc = state_examine(path);

	if (rc == -EUCLEAN)
		doctor_tell(p, DOCTOR_WARN, "memory",
			"mount the workspace: the damaged file is kept aside "
			"then, and a new one begun; modes and times that the "
			"server cannot hold may be lost",
			"%s/state.db is damaged", path);
	else if (rc == -EOVERFLOW)
		doctor_tell(p, DOCTOR_WARN, "memory",
			"use that newer pycloud; this one would keep the file "
			"aside and begin a new one",
			"%s/state.db was written by a newer pycloud", path);
	else if (rc < 0)
		doctor_tell(p, DOCTOR_FAILED, "memory", advice_for(rc),
			"%s/state.db cannot be read: %s", path,
			g_strerror(-rc));
	if (waiting > 0)
		doctor_tell(p, DOCTOR_WARN, "not uploaded",
			"mount that workspace again: its next mount uploads "
			"them",
			"%u file%s of an earlier mount wait%s in %s/spool",
			waiting, waiting == 1 ? "" : "s",
			waiting == 1 ? "s" : "", path);
	return rc < 0 || waiting > 0;
}

static void check_states(const struct doctor_probe *p, const char *base)
{
	GDir *dir = g_dir_open(base, 0, NULL);
	g_autofree char *locks = NULL;
	unsigned seen = 0, told = 0;
	const char *id;

	(void)g_file_get_contents("/proc/locks", &locks, NULL, NULL);
	while (dir != NULL && seen < DOCTOR_STATES_MAX &&
		(id = g_dir_read_name(dir)) != NULL) {
		told += check_state(p, locks, base, id);
		seen++;
	}
	if (dir != NULL)
		g_dir_close(dir);
	if (told == 0)
		doctor_tell(p, DOCTOR_OK, "memory", NULL,
			"%u workspace%s remembered, nothing damaged, nothing "
			"left to upload",
			seen, seen == 1 ? "" : "s");
}

void doctor_places(const struct doctor_probe *p)
{
	g_autofree char *state = local_dirs_state_base();
	g_autofree char *cache = local_dirs_cache_base();

	check_place(p, "state directory", state);
	check_place(p, "cache directory", cache);
	check_states(p, state);
}
