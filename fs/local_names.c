/* local_names.c - see local_names.h. */
#include "config.h"

#include "local_names.h"

#include "log.h"
#include "mutex.h"
#include "names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SKELETON_MODE (S_ISVTX | 0700)
#define WALK_FLAGS    (O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
/* A draft stands in the topmost directory until it has its name; what begins so
 * is listed nowhere. The process's number follows. */
#define DRAFT_PREFIX "\001draft-"
/* What an open may ask of the local disk. */
#define OPEN_FLAGS (O_ACCMODE | O_APPEND | O_TRUNC | O_SYNC)

struct local_names {
	int fd;
	struct mutex lock; /* the making and removing of skeletons */
	unsigned drafts;   /* guarded by lock */
};

void local_names_free(struct local_names *l)
{
	if (l == NULL)
		return;
	mutex_fini(&l->lock);
	g_free(l);
}

/* --- walking -------------------------------------------------------------- */

static bool is_skeleton(const struct stat *st)
{
	return S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) != 0;
}

static bool is_shown(const char *name)
{
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       !g_str_has_prefix(name, DRAFT_PREFIX);
}

static int check(int result)
{
	return result < 0 ? -errno : result;
}

static int enter(int at, const char *name, bool makes)
{
	int fd = openat(at, name, WALK_FLAGS | O_PATH);

	if (fd >= 0 || errno != ENOENT || !makes)
		return check(fd);
	if (mkdirat(at, name, SKELETON_MODE) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(at, name, WALK_FLAGS | O_PATH);
	return check(fd);
}

/* The directory of that path: a descriptor (O_PATH) or -errno. With `makes`
 * what is missing is made, as skeletons. */
static int walk(struct local_names *l, const char *path, bool makes)
{
	g_auto(GStrv) names = g_strsplit(path, "/", -1); /* of "": none */
	int fd = openat(l->fd, ".", WALK_FLAGS | O_PATH);

	for (char **name = names; fd >= 0 && *name != NULL; name++) {
		int next = name_check_local(*name) < 0
				   ? -ENOENT
				   : enter(fd, *name, makes);

		(void)close(fd);
		if (next < 0)
			return next;
		fd = next;
	}
	return check(fd);
}

static int walk_parent(struct local_names *l, const char *path, bool makes)
{
	g_autofree char *parent = path_parent(path);

	if (path[0] == '/' || name_check_local(path_basename(path)) < 0)
		return -ENOENT;
	return walk(l, parent, makes);
}

static int stat_at(int dir, const char *name, struct stat *ret)
{
	if (fstatat(dir, name, ret, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (is_skeleton(ret))
		return -ENOENT;
	return S_ISREG(ret->st_mode) || S_ISDIR(ret->st_mode) ||
			       S_ISLNK(ret->st_mode)
		       ? 0
		       : -ENOENT;
}

/* A path below a file or a link is as good as not there. */
static int absent(int rc)
{
	return rc == -ENOTDIR ? -ENOENT : rc;
}

/* The parent of a name that is there. */
static int find(struct local_names *l, const char *path, struct stat *ret)
{
	int dir = walk_parent(l, path, false);
	int rc;

	if (dir < 0)
		return absent(dir);
	rc = stat_at(dir, path_basename(path), ret);
	if (rc == 0)
		return dir;
	(void)close(dir);
	return rc;
}

/* Removes the skeletons from the path upwards that are empty now. */
static void prune_locked(struct local_names *l, const char *path)
	REQUIRES(l->lock)
{
	char *at = g_strdup(path);

	while (*at != '\0') {
		char *above = path_parent(at);
		int dir = walk_parent(l, at, false);
		bool is_gone = false;
		struct stat st;

		if (dir >= 0) {
			is_gone = fstatat(dir, path_basename(at), &st,
					  AT_SYMLINK_NOFOLLOW) == 0 &&
				  is_skeleton(&st) &&
				  unlinkat(dir, path_basename(at),
					  AT_REMOVEDIR) == 0;
			(void)close(dir);
		}
		g_free(at);
		at = above;
		if (!is_gone)
			break;
	}
	g_free(at);
}

static void prune_above_locked(struct local_names *l, const char *path)
	REQUIRES(l->lock)
{
	g_autofree char *parent = path_parent(path);

	prune_locked(l, parent);
}

/* Where a name is to be made: its skeleton, if there is one, has to go, because
 * the server's directory is not there any more. -EEXIST: it holds names. */
static int make_room(int dir, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		!is_skeleton(&st))
		return 0;
	return unlinkat(dir, name, AT_REMOVEDIR) < 0 ? -EEXIST : 0;
}

/* --- one name ------------------------------------------------------------- */

int local_names_stat(struct local_names *l, const char *path, struct stat *ret)
{
	int dir = find(l, path, ret);

	if (dir < 0)
		return dir;
	(void)close(dir);
	return 0;
}

int local_names_open(struct local_names *l, const char *path, int flags)
{
	struct stat st;
	int dir = find(l, path, &st);
	int fd;

	if (dir < 0)
		return dir;
	fd = check(openat(dir, path_basename(path),
		(flags & OPEN_FLAGS) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
	(void)close(dir);
	return fd;
}

int local_names_create(
	struct local_names *l, const char *path, int flags, mode_t mode)
{
	const char *name = path_basename(path);
	int dir, fd;

	flags = (flags & OPEN_FLAGS) | O_CREAT | O_EXCL;
	mutex_lock(&l->lock);
	fd = dir = walk_parent(l, path, true);
	if (dir >= 0) {
		fd = make_room(dir, name);
		if (fd == 0)
			fd = check(openat(dir, name,
				flags | O_NOFOLLOW | O_CLOEXEC, 0600));
		(void)close(dir);
		if (fd < 0)
			prune_above_locked(l, path);
	}
	mutex_unlock(&l->lock);
	/* The mode has met the program's umask already, not ours. */
	if (fd >= 0)
		(void)fchmod(fd, mode & 07777);
	return fd;
}

/* How a name is made in its parent, which is there. */
typedef int (*make_fn)(int dir, const char *name, const void *arg);

static int make(
	struct local_names *l, const char *path, make_fn how, const void *arg)
{
	const char *name = path_basename(path);
	int dir, rc;

	mutex_lock(&l->lock);
	rc = dir = walk_parent(l, path, true);
	if (dir >= 0) {
		rc = make_room(dir, name);
		if (rc == 0)
			rc = check(how(dir, name, arg));
		(void)close(dir);
		if (rc < 0)
			prune_above_locked(l, path);
	}
	mutex_unlock(&l->lock);
	return rc;
}

static int make_directory(int dir, const char *name, const void *mode)
{
	return mkdirat(dir, name, *(const mode_t *)mode & 0777);
}

static int make_link(int dir, const char *name, const void *target)
{
	return symlinkat(target, dir, name);
}

int local_names_mkdir(struct local_names *l, const char *path, mode_t mode)
{
	int rc = make(l, path, make_directory, &mode);

	return rc < 0 ? rc : local_names_chmod(l, path, mode);
}

int local_names_symlink(
	struct local_names *l, const char *target, const char *path)
{
	return make(l, path, make_link, target);
}

int local_names_readlink(
	struct local_names *l, const char *path, char **ret_target)
{
	char target[PATH_MAX];
	struct stat st;
	int dir = find(l, path, &st);
	ssize_t length;
	int error;

	if (dir < 0)
		return dir;
	length = readlinkat(
		dir, path_basename(path), target, sizeof(target) - 1);
	error = errno;
	(void)close(dir);
	if (length < 0)
		return -error;
	*ret_target = g_strndup(target, (gsize)length);
	return 0;
}

static int remove_name(struct local_names *l, const char *path, int flags)
{
	struct stat st;
	int dir, rc;

	mutex_lock(&l->lock);
	rc = dir = find(l, path, &st);
	if (dir >= 0) {
		rc = check(unlinkat(dir, path_basename(path), flags));
		(void)close(dir);
		if (rc == 0)
			prune_above_locked(l, path);
	}
	mutex_unlock(&l->lock);
	return rc;
}

int local_names_unlink(struct local_names *l, const char *path)
{
	return remove_name(l, path, 0);
}

int local_names_rmdir(struct local_names *l, const char *path)
{
	return remove_name(l, path, AT_REMOVEDIR);
}

static int rename_locked(struct local_names *l, const char *from,
	const char *to, unsigned flags) REQUIRES(l->lock)
{
	struct stat st;
	int from_dir = find(l, from, &st);
	int to_dir, rc;

	if (from_dir < 0)
		return from_dir;
	rc = to_dir = walk_parent(l, to, true);
	if (to_dir >= 0) {
		rc = make_room(to_dir, path_basename(to));
		if (rc == 0)
			rc = check(renameat2(from_dir, path_basename(from),
				to_dir, path_basename(to), flags));
		(void)close(to_dir);
	}
	(void)close(from_dir);
	return rc;
}

int local_names_rename(
	struct local_names *l, const char *from, const char *to, unsigned flags)
{
	int rc;

	mutex_lock(&l->lock);
	rc = rename_locked(l, from, to, flags);
	prune_above_locked(l, rc == 0 ? from : to);
	mutex_unlock(&l->lock);
	return rc;
}

/* chmod(2) would follow a symbolic link, and fchmodat(2) cannot be told not
 * to. */
static int chmod_at(int dir, const char *name, mode_t mode)
{
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char self[64];
	int rc;

	if (fd < 0)
		return -errno;
	(void)g_snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	rc = check(chmod(self, mode));
	(void)close(fd);
	return rc;
}

int local_names_chmod(struct local_names *l, const char *path, mode_t mode)
{
	struct stat st;
	int dir = find(l, path, &st);
	int rc;

	if (dir < 0)
		return dir;
	/* A directory with a sticky bit would be a skeleton. */
	mode &= S_ISDIR(st.st_mode) ? 06777 : 07777;
	rc = S_ISLNK(st.st_mode) ? -EOPNOTSUPP
				 : chmod_at(dir, path_basename(path), mode);
	(void)close(dir);
	return rc;
}

int local_names_utimens(
	struct local_names *l, const char *path, const struct timespec times[2])
{
	struct stat st;
	int dir = find(l, path, &st);
	int rc;

	if (dir < 0)
		return dir;
	rc = check(utimensat(
		dir, path_basename(path), times, AT_SYMLINK_NOFOLLOW));
	(void)close(dir);
	return rc;
}

int local_names_truncate(struct local_names *l, const char *path, int64_t size)
{
	int fd = local_names_open(l, path, O_WRONLY);
	int rc;

	if (fd < 0)
		return fd;
	rc = check(ftruncate(fd, size));
	(void)close(fd);
	return rc;
}

/* --- directories ---------------------------------------------------------- */

/* Calls `each` for every name in the directory (a descriptor that is closed)
 * until it says otherwise than 0. */
typedef int (*each_fn)(void *arg, int dir, const char *name);

static int for_each(int path_fd, each_fn each, void *arg)
{
	int fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	int rc = 0;

	(void)close(path_fd);
	if (stream == NULL) {
		rc = -errno;
		if (fd >= 0)
			(void)close(fd);
		return rc;
	}
	while (rc == 0 && (errno = 0, e = readdir(stream)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = each(arg, dirfd(stream), e->d_name);
	if (rc == 0)
		rc = -errno;
	(void)closedir(stream);
	return rc;
}

static int note_name(void *arg, int dir, const char *name)
{
	struct stat st;

	if (is_shown(name) && name_check_local(name) == 0 &&
		stat_at(dir, name, &st) == 0)
		g_ptr_array_add(arg, g_strdup(name));
	return 0;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

GPtrArray *local_names_list(struct local_names *l, const char *path)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	int dir = walk(l, path, false);

	if (dir >= 0)
		(void)for_each(dir, note_name, names);
	g_ptr_array_sort(names, compare_names);
	return names;
}

static int is_name(void *arg, int dir, const char *name)
{
	struct stat st;

	(void)arg;
	return is_shown(name) && name_check_local(name) == 0 &&
	       stat_at(dir, name, &st) == 0;
}

int local_names_any(struct local_names *l, const char *path)
{
	int dir = walk(l, path, false);
	int rc = dir < 0 ? absent(dir) : for_each(dir, is_name, NULL);

	/* What this computer cannot name was never made here. */
	return rc == -ENOENT || rc == -ENAMETOOLONG ? 0 : rc;
}

/* Skeletons below one that are empty, or hold nothing but such. */
static int remove_if_empty(void *arg, int dir, const char *name)
{
	struct stat st;
	int below;

	(void)arg;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		!is_skeleton(&st))
		return 0;
	below = openat(dir, name, WALK_FLAGS | O_PATH);
	if (below >= 0)
		(void)for_each(below, remove_if_empty, NULL);
	(void)unlinkat(dir, name, AT_REMOVEDIR);
	return 0;
}

static void remove_empty_locked(struct local_names *l, const char *path)
	REQUIRES(l->lock)
{
	int dir = walk(l, path, false);

	if (dir < 0)
		return;
	(void)for_each(dir, remove_if_empty, NULL);
	prune_locked(l, path);
}

void local_names_directory_removed(struct local_names *l, const char *path)
{
	mutex_lock(&l->lock);
	remove_empty_locked(l, path);
	mutex_unlock(&l->lock);
}

/* Into a directory that has names from an earlier one of that path: what is in
 * the way stays where it is. */
static int merge_one(void *arg, int dir, const char *name)
{
	int to = *(const int *)arg;
	int from_below, to_below;

	if (renameat2(dir, name, to, name, RENAME_NOREPLACE) == 0)
		return 0;
	from_below = openat(dir, name, WALK_FLAGS | O_PATH);
	to_below = openat(to, name, WALK_FLAGS | O_PATH);
	if (from_below >= 0 && to_below >= 0) {
		(void)for_each(from_below, merge_one, &to_below);
		(void)unlinkat(dir, name, AT_REMOVEDIR);
	} else if (from_below >= 0) {
		(void)close(from_below);
	}
	if (to_below >= 0)
		(void)close(to_below);
	return 0;
}

static void merge_locked(struct local_names *l, const char *from,
	const char *to) REQUIRES(l->lock)
{
	int from_dir = walk(l, from, false);
	int to_dir = from_dir < 0 ? -1 : walk(l, to, true);

	if (to_dir < 0) {
		if (from_dir >= 0)
			(void)close(from_dir);
		return;
	}
	(void)for_each(from_dir, merge_one, &to_dir);
	(void)close(to_dir);
	prune_locked(l, from);
	prune_locked(l, to);
}

void local_names_directory_moved(
	struct local_names *l, const char *from, const char *to)
{
	mutex_lock(&l->lock);
	remove_empty_locked(l, to);
	merge_locked(l, from, to);
	mutex_unlock(&l->lock);
}

static bool has_skeleton_locked(struct local_names *l, const char *path)
	REQUIRES(l->lock)
{
	int dir = walk(l, path, false);

	if (dir >= 0)
		(void)close(dir);
	return dir >= 0;
}

/* Of two skeletons that are there. */
static int exchange_locked(struct local_names *l, const char *a, const char *b)
	REQUIRES(l->lock)
{
	int a_dir = walk_parent(l, a, false);
	int b_dir = walk_parent(l, b, false);
	int rc = MIN(a_dir, b_dir);

	if (rc >= 0)
		rc = check(renameat2(a_dir, path_basename(a), b_dir,
			path_basename(b), RENAME_EXCHANGE));
	if (a_dir >= 0)
		(void)close(a_dir);
	if (b_dir >= 0)
		(void)close(b_dir);
	return rc;
}

void local_names_directories_exchanged(
	struct local_names *l, const char *a, const char *b)
{
	bool has_a, has_b;
	int rc = 0;

	mutex_lock(&l->lock);
	has_a = has_skeleton_locked(l, a);
	has_b = has_skeleton_locked(l, b);
	if (has_a && has_b)
		rc = exchange_locked(l, a, b);
	else if (has_a)
		merge_locked(l, a, b);
	else if (has_b)
		merge_locked(l, b, a);
	mutex_unlock(&l->lock);
	if (rc < 0)
		log_error("what stays here of '%s' and '%s' could not be "
			  "exchanged with them: %s",
			a, b, g_strerror(-rc));
}

/* --- a file on its way here ----------------------------------------------- */

int local_names_begin_draft(
	struct local_names *l, const char *path, struct local_file_draft *ret)
{
	unsigned number;

	mutex_lock(&l->lock);
	number = ++l->drafts;
	mutex_unlock(&l->lock);
	ret->temporary =
		g_strdup_printf(DRAFT_PREFIX "%d-%u", (int)getpid(), number);
	ret->fd = check(openat(l->fd, ret->temporary,
		O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
	if (ret->fd < 0) {
		g_free(ret->temporary);
		return ret->fd;
	}
	ret->path = g_strdup(path);
	return 0;
}

static void free_draft(struct local_file_draft *d)
{
	(void)close(d->fd);
	g_free(d->path);
	g_free(d->temporary);
}

void local_names_drop_draft(struct local_names *l, struct local_file_draft *d)
{
	(void)local_names_unlink(l, d->temporary);
	free_draft(d);
}

/* The directories up to the root are on the disk. */
static int sync_above(struct local_names *l, const char *path)
{
	char *at = g_strdup(path);
	int rc = 0;

	while (rc == 0 && *at != '\0') {
		char *above = path_parent(at);
		int dir = walk(l, above, false);
		int fd = dir < 0 ? -1 : openat(dir, ".", WALK_FLAGS);

		rc = fd < 0 ? -errno : check(fsync(fd));
		if (fd >= 0)
			(void)close(fd);
		if (dir >= 0)
			(void)close(dir);
		g_free(at);
		at = above;
	}
	g_free(at);
	return rc;
}

int local_names_end_draft(struct local_names *l, struct local_file_draft *d)
{
	int rc = check(fsync(d->fd));

	if (rc == 0)
		rc = local_names_rename(l, d->temporary, d->path, 0);
	if (rc < 0) {
		local_names_drop_draft(l, d);
		return rc;
	}
	rc = sync_above(l, d->path);
	free_draft(d);
	return rc;
}

/* --- the beginning -------------------------------------------------------- */

/* A draft of a daemon that was killed. Nothing is lost with it: what it was to
 * become is still on the server. */
static int remove_old_draft(void *arg, int dir, const char *name)
{
	int pid;

	(void)arg;
	if (sscanf(name, DRAFT_PREFIX "%d-", &pid) == 1 && kill(pid, 0) < 0 &&
		errno == ESRCH)
		(void)unlinkat(dir, name, 0);
	return 0;
}

struct local_names *local_names_new(int directory_fd)
{
	struct local_names *l = g_new0(struct local_names, 1);
	int dir;

	l->fd = directory_fd;
	mutex_init(&l->lock);
	dir = walk(l, "", false);
	if (dir >= 0)
		(void)for_each(dir, remove_old_draft, NULL);
	return l;
}
