/* scratch_dirs.c - see scratch_dirs.h. */
#include "config.h"

#include "scratch_dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* fstab and systemd give no HOME. */
static char *home(void)
{
	const char *home = g_getenv("HOME");
	const struct passwd *pw;

	if (home != NULL && g_path_is_absolute(home))
		return g_strdup(home);
	pw = getpwuid(getuid());
	if (pw != NULL && g_path_is_absolute(pw->pw_dir) &&
		g_file_test(pw->pw_dir, G_FILE_TEST_IS_DIR))
		return g_strdup(pw->pw_dir);
	return NULL;
}

static char *place(
	const char *variable, const char *below_home, const char *below)
{
	const char *base = g_getenv(variable);
	g_autofree char *own_home = home();

	if (base != NULL && g_path_is_absolute(base))
		return g_build_filename(base, "pycloud", below, NULL);
	if (own_home != NULL)
		return g_build_filename(
			own_home, below_home, "pycloud", below, NULL);
	return g_strdup_printf(
		"/var/tmp/pycloud-%u/%s", (unsigned)getuid(), below);
}

static int open_private(char *path, int *ret_fd, char **ret_why)
{
	struct stat st;
	int rc = 0;
	int fd = -1;

	if (g_mkdir_with_parents(path, 0700) == 0)
		fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		rc = -errno;
	else if (fstat(fd, &st) < 0 || st.st_uid != getuid())
		rc = -EPERM;
	if (rc < 0) {
		*ret_why = g_strdup_printf("cannot use %s: %s", path,
			rc == -EPERM ? "it belongs to somebody else"
				     : g_strerror(-rc));
		if (fd >= 0)
			(void)close(fd);
	} else {
		*ret_fd = fd;
	}
	g_free(path);
	return rc;
}

/* --- the mount's own directory of cached bytes ---------------------------- */

#define CACHE_PREFIX "files-"

/* Removes a directory of plain files. */
static void remove_directory(const char *path)
{
	GDir *dir = g_dir_open(path, 0, NULL);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *file = g_build_filename(path, name, NULL);

		(void)unlink(file);
	}
	if (dir != NULL)
		g_dir_close(dir);
	(void)rmdir(path);
}

/* A mount holds a lock on its directory as long as it lives: one that can be
 * locked was left by a daemon that was killed. */
static void remove_if_left_behind(const char *path)
{
	int fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		remove_directory(path);
	(void)close(fd);
}

static void remove_left_behind(const char *base)
{
	GDir *dir = g_dir_open(base, 0, NULL);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = g_build_filename(base, name, NULL);

		if (g_str_has_prefix(name, CACHE_PREFIX))
			remove_if_left_behind(path);
	}
	if (dir != NULL)
		g_dir_close(dir);
}

static int open_cache(struct scratch_dirs *d, char **ret_why)
{
	g_autofree char *base = place("XDG_CACHE_HOME", ".cache", "cache");
	int rc;

	if (g_mkdir_with_parents(base, 0700) < 0) {
		rc = -errno;
		*ret_why = g_strdup_printf(
			"cannot use %s: %s", base, g_strerror(-rc));
		return rc;
	}
	remove_left_behind(base);
	d->cache_path = g_strdup_printf("%s/" CACHE_PREFIX "XXXXXX", base);
	if (g_mkdtemp_full(d->cache_path, 0700) == NULL) {
		rc = -errno;
		*ret_why = g_strdup_printf("cannot make a directory in %s: %s",
			base, g_strerror(-rc));
		g_clear_pointer(&d->cache_path, g_free);
		return rc;
	}
	rc = open_private(g_strdup(d->cache_path), &d->cache_fd, ret_why);
	if (rc == 0)
		(void)flock(d->cache_fd, LOCK_EX | LOCK_NB);
	return rc;
}

int scratch_dirs_open(struct scratch_dirs *d, char **ret_why)
{
	int rc = open_private(place("XDG_CACHE_HOME", ".cache", "scratch"),
		&d->scratch_fd, ret_why);

	if (rc == 0)
		rc = open_cache(d, ret_why);
	if (rc == 0)
		rc = open_private(
			place("XDG_STATE_HOME", ".local/state", "lost+found"),
			&d->rescue_fd, ret_why);
	return rc;
}

void scratch_dirs_close(struct scratch_dirs *d)
{
	if (d->scratch_fd >= 0)
		(void)close(d->scratch_fd);
	if (d->cache_fd >= 0)
		(void)close(d->cache_fd);
	if (d->rescue_fd >= 0)
		(void)close(d->rescue_fd);
	if (d->cache_path != NULL)
		remove_directory(d->cache_path);
	g_free(d->cache_path);
	*d = (struct scratch_dirs)SCRATCH_DIRS_INIT;
}
