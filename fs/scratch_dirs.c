/* scratch_dirs.c - see scratch_dirs.h. */
#include "config.h"

#include "scratch_dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <pwd.h>
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

int scratch_dirs_open(struct scratch_dirs *d, char **ret_why)
{
	int rc = open_private(place("XDG_CACHE_HOME", ".cache", "scratch"),
		&d->scratch_fd, ret_why);

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
	if (d->rescue_fd >= 0)
		(void)close(d->rescue_fd);
	*d = (struct scratch_dirs)SCRATCH_DIRS_INIT;
}
