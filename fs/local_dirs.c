/* local_dirs.c - see local_dirs.h. */
#include "config.h"

#include "local_dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID_NAME_BYTES	40
#define ID_DIGEST_BYTES 16

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
	return g_strdup_printf("/var/tmp/pycloud-%u/%s", (unsigned)getuid(),
		below != NULL ? below : "cache");
}

static int open_private(const char *path, int *ret_fd, char **ret_why)
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
	return rc;
}

/* --- the workspace's id --------------------------------------------------- */

char *local_dirs_id(const char *workspace)
{
	g_autofree char *digest =
		g_compute_checksum_for_string(G_CHECKSUM_SHA256, workspace, -1);
	GString *id = g_string_new(NULL);

	for (const char *p = workspace; *p != '\0' && id->len < ID_NAME_BYTES;
		p++)
		g_string_append_c(
			id, g_ascii_isalnum(*p) || (*p == '.' && p > workspace)
				    ? *p
				    : '-');
	g_string_append_printf(id, "-%.*s", ID_DIGEST_BYTES, digest);
	return g_string_free(id, FALSE);
}

/* --- bytes that may be lost ----------------------------------------------- */

#define OWN_PREFIX "second-"
#define OWN_TRIES  8

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

		if (g_str_has_prefix(name, OWN_PREFIX))
			remove_if_left_behind(path);
	}
	if (dir != NULL)
		g_dir_close(dir);
}

/* Between making and locking it another mount may take a directory for left
 * behind, and remove it. */
static bool is_there(int fd, const char *path)
{
	struct stat own, there;

	return fstat(fd, &own) == 0 && lstat(path, &there) == 0 &&
	       own.st_dev == there.st_dev && own.st_ino == there.st_ino;
}

/* -EAGAIN: it is not ours. */
static int try_own_cache(struct local_dirs *d, const char *base, char **ret_why)
{
	int rc;

	d->cache_path = g_strdup_printf("%s/" OWN_PREFIX "XXXXXX", base);
	if (g_mkdtemp_full(d->cache_path, 0700) == NULL) {
		rc = -errno;
		*ret_why = g_strdup_printf("cannot make a directory in %s: %s",
			base, g_strerror(-rc));
		g_clear_pointer(&d->cache_path, g_free);
		return rc;
	}
	rc = open_private(d->cache_path, &d->cache_fd, ret_why);
	if (rc < 0)
		return rc;
	if ((flock(d->cache_fd, LOCK_EX | LOCK_NB) == 0 ||
		    errno != EWOULDBLOCK) &&
		is_there(d->cache_fd, d->cache_path))
		return 0;
	(void)close(d->cache_fd);
	d->cache_fd = -1;
	g_clear_pointer(&d->cache_path, g_free);
	return -EAGAIN;
}

/* The workspace's cache is another mount's: one of our own. */
static int open_own_cache(
	struct local_dirs *d, const char *base, char **ret_why)
{
	int rc = -EAGAIN;

	(void)close(d->cache_fd);
	d->cache_fd = -1;
	g_clear_pointer(&d->cache_path, g_free);
	d->keeps_cache = false;
	for (unsigned i = 0; rc == -EAGAIN && i < OWN_TRIES; i++)
		rc = try_own_cache(d, base, ret_why);
	if (rc == -EAGAIN)
		*ret_why = g_strdup_printf(
			"no directory that is made in %s stays", base);
	return rc;
}

char *local_dirs_cache_base(void)
{
	return place("XDG_CACHE_HOME", ".cache", NULL);
}

static int open_cache(struct local_dirs *d, const char *id, char **ret_why)
{
	g_autofree char *base = local_dirs_cache_base();
	int rc;

	d->cache_path = g_build_filename(base, id, NULL);
	d->keeps_cache = true;
	rc = open_private(d->cache_path, &d->cache_fd, ret_why);
	if (rc < 0)
		return rc;
	remove_left_behind(base);
	if (flock(d->cache_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return open_own_cache(d, base, ret_why);
}

/* --- bytes that may not --------------------------------------------------- */

static int open_below(
	const char *path, const char *name, int *ret_fd, char **ret_why)
{
	g_autofree char *below = g_build_filename(path, name, NULL);

	return open_private(below, ret_fd, ret_why);
}

char *local_dirs_state_path(const char *id)
{
	return place("XDG_STATE_HOME", ".local/state", id);
}

char *local_dirs_state_base(void)
{
	g_autofree char *below = local_dirs_state_path("id");

	return g_path_get_dirname(below);
}

int local_dirs_open(struct local_dirs *d, const char *workspace, char **ret_why)
{
	g_autofree char *id = local_dirs_id(workspace);
	int rc;

	d->state_path = local_dirs_state_path(id);
	rc = open_below(d->state_path, "spool", &d->spool_fd, ret_why);
	if (rc == 0)
		rc = open_below(d->state_path, "names", &d->names_fd, ret_why);
	if (rc == 0)
		rc = open_below(d->state_path, "runs", &d->runs_fd, ret_why);
	if (rc == 0)
		rc = open_cache(d, id, ret_why);
	return rc;
}

void local_dirs_close(struct local_dirs *d)
{
	if (d->spool_fd >= 0)
		(void)close(d->spool_fd);
	if (d->names_fd >= 0)
		(void)close(d->names_fd);
	if (d->runs_fd >= 0)
		(void)close(d->runs_fd);
	if (d->cache_path != NULL && !d->keeps_cache)
		remove_directory(d->cache_path);
	if (d->cache_fd >= 0)
		(void)close(d->cache_fd);
	g_free(d->cache_path);
	g_free(d->state_path);
	*d = (struct local_dirs)LOCAL_DIRS_INIT;
}
