/*
 * token_file.h - a token in a file: its first line.
 *
 * A file that others than its owner can read, that is somebody else's, a
 * symbolic link or no regular file is refused, with what to do. Blocks no
 * longer than the disk does. No state, no locks.
 */
#ifndef PYCLOUD_TOKEN_FILE_H
#define PYCLOUD_TOKEN_FILE_H

#include "secret.h"

#include <stdbool.h>

enum token_file_kind {
	TOKEN_FILE_OWN,	   /* a person's: ours alone, mode 0600 or less */
	TOKEN_FILE_PLACED, /* the system's manager made it, for us */
	TOKEN_FILE_ROOTS,  /* the same, and it is root's */
};

/* 0, or -errno (-ENOENT: there is none; -EPERM: refused; -EINVAL: no token in
 * it) and a sentence without secrets in *ret_why (g_free). */
int token_file_read(const char *path, enum token_file_kind, struct secret **ret,
	char **ret_why);

/* Makes the file, or takes the place of one, with mode 0600. */
int token_file_write(const char *path, const struct secret *, char **ret_why);

#endif
