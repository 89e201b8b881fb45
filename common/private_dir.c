/* private_dir.c - see private_dir.h. */
#include "config.h"

#include "private_dir.h"

#include "common_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RANDOM_PART "XXXXXX"
#define DEPTH_MAX   16 /* descriptors nftw() may hold */

static char *name_prefix(void)
{
	return g_strdup_printf("pycloud-%u-", (unsigned)geteuid());
}

/* A directory of ours that nobody else may write into. */
static bool is_ours(const struct stat *st)
{
	return S_ISDIR(st->st_mode) && st->st_uid == geteuid() &&
	       (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* $XDG_RUNTIME_DIR when it can be used, or NULL. */
static const char *runtime_dir(void)
{
	const char *path = g_getenv("XDG_RUNTIME_DIR");
	struct stat st;

	if (path == NULL || path[0] != '/' || stat(path, &st) != 0)
		return NULL;
	return is_ours(&st) ? path : NULL;
}

static int remove_entry(
	const char *path, const struct stat *st, int type, struct FTW *position)
{
	(void)st;
	(void)type;
	(void)position;
	/* What cannot be removed stays; the directory above says so. */
	(void)remove(path);
	return 0;
}

static void remove_tree(const char *path)
{
	(void)nftw(path, remove_entry, DEPTH_MAX,
		FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static int open_dir(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void remove_if_stale(const char *path)
{
	struct stat st;
	int fd = open_dir(path);

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && is_ours(&st) &&
		flock(fd, LOCK_EX | LOCK_NB) == 0)
		remove_tree(path);
	(void)close(fd);
}

static void remove_stale(const char *parent)
{
	g_autoptr(GDir) dir = g_dir_open(parent, 0, NULL);
	g_autofree char *prefix = name_prefix();
	size_t length = strlen(prefix) + strlen(RANDOM_PART);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = NULL;

		if (!g_str_has_prefix(name, prefix) || strlen(name) != length)
			continue;
		path = g_build_filename(parent, name, NULL);
		remove_if_stale(path);
	}
}

/* Between mkdtemp() and flock() another mount's remove_stale() may take the
 * directory away; a removed one has no links left. */
static int make_locked(char *path)
{
	struct stat st;
	int fd;

	if (mkdtemp(path) == NULL)
		return -errno;
	fd = open_dir(path);
	if (fd < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 &&
		st.st_nlink > 0)
		return fd;
	(void)close(fd);
	return -EAGAIN;
}

static int make_below(const char *parent, struct private_dir *ret)
{
	g_autofree char *prefix = name_prefix();
	int fd = -EAGAIN;
	int i;

	for (i = 0; i < PRIVATE_DIR_TRIES && fd == -EAGAIN; i++) {
		g_autofree char *path =
			g_strconcat(parent, "/", prefix, RANDOM_PART, NULL);

		if (strlen(path) + PRIVATE_DIR_NAME_MAX + 2 >
			sizeof(((struct sockaddr_un *)0)->sun_path))
			return -ENAMETOOLONG;
		fd = make_locked(path);
		if (fd >= 0) {
			ret->path = g_steal_pointer(&path);
			ret->fd = fd;
			return 0;
		}
	}
	return fd;
}

int private_dir_make(struct private_dir *ret)
{
	const char *runtime = runtime_dir();

	remove_stale("/tmp");
	if (runtime != NULL) {
		remove_stale(runtime);
		if (make_below(runtime, ret) == 0)
			return 0;
	}
	return make_below("/tmp", ret);
}

void private_dir_remove(struct private_dir *d)
{
	if (d->path != NULL)
		remove_tree(d->path);
	if (d->fd >= 0)
		(void)close(d->fd);
	g_free(d->path);
	*d = (struct private_dir)PRIVATE_DIR_INIT;
}

char *private_dir_join(const struct private_dir *d, const char *name)
{
	return g_build_filename(d->path, name, NULL);
}
