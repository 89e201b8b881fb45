/*
 * local_names.h - the directory that holds the names that stay here.
 *
 * It mirrors the workspace's tree: what stays here stands at its own path as a
 * real file, directory or symbolic link. Directories of the server that such
 * names are in are mirrored by *skeletons*, told from local directories by
 * their sticky bit, which a local directory never has; to all calls below
 * a skeleton is not there (-ENOENT, -EEXIST for nobody). They are made when
 * they are needed and removed when nothing is in them any more.
 *
 * Paths are relative to the workspace's root, their components checked
 * (names.h). They are walked one component after another and no symbolic link
 * is followed, so nothing here leaves the directory, whatever stands in it.
 *
 * Every call is one local operation and returns 0 (or a descriptor) or -errno.
 * Locking: one internal lock for those that make or remove skeletons, held
 * while they do.
 */
#ifndef PYCLOUD_LOCAL_NAMES_H
#define PYCLOUD_LOCAL_NAMES_H

#include <glib.h>
#include <stdbool.h>
#include <sys/stat.h>

struct local_names;

/* Borrows the directory. */
struct local_names *local_names_new(int directory_fd);
void local_names_free(struct local_names *);

/* -ENOENT too for what is neither file, directory nor symbolic link. */
int local_names_stat(struct local_names *, const char *path, struct stat *ret);
/* The names in a directory, local or skeleton (of char *; g_ptr_array_unref),
 * sorted. None where there is no such directory. */
GPtrArray *local_names_list(struct local_names *, const char *path);
/* 1: there are some, 0: there are none, or why that cannot be told. */
int local_names_any(struct local_names *, const char *path);

/* A descriptor. Never creates. */
int local_names_open(struct local_names *, const char *path, int flags);
/* Creates a file that is not there: -EEXIST. */
int local_names_create(
	struct local_names *, const char *path, int flags, mode_t);
int local_names_mkdir(struct local_names *, const char *path, mode_t);
int local_names_symlink(
	struct local_names *, const char *target, const char *path);
int local_names_readlink(
	struct local_names *, const char *path, char **ret_target);
int local_names_unlink(struct local_names *, const char *path);
int local_names_rmdir(struct local_names *, const char *path);
/* As renameat2(2). */
int local_names_rename(
	struct local_names *, const char *from, const char *to, unsigned flags);
int local_names_chmod(struct local_names *, const char *path, mode_t);
int local_names_utimens(
	struct local_names *, const char *path, const struct timespec times[2]);
int local_names_truncate(struct local_names *, const char *path, int64_t size);

/* A file on its way here: written at `ret_fd`, then given its name, which it
 * replaces; when that returns 0 the file and its name are on the disk. */
struct local_file_draft {
	char *path;	 /* what it is to become; owned */
	char *temporary; /* owned */
	int fd;
};

int local_names_begin_draft(
	struct local_names *, const char *path, struct local_file_draft *ret);
int local_names_end_draft(struct local_names *, struct local_file_draft *);
void local_names_drop_draft(struct local_names *, struct local_file_draft *);

/* The server's directory has another path now, or is gone: so does its
 * skeleton. Names in a skeleton whose directory is gone stay. */
void local_names_directory_moved(
	struct local_names *, const char *from, const char *to);
/* The two have each other's path now. */
void local_names_directories_exchanged(
	struct local_names *, const char *a, const char *b);
void local_names_directory_removed(struct local_names *, const char *path);

#endif
