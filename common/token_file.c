/* token_file.c - see token_file.h. */
#include "config.h"

#include "token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE 0600
/* With room for white space around the longest token. */
#define READ_MAX ((ssize_t)(SECRET_BYTES_MAX + 64))

/* NULL: it may be used. */
static const char *distrust(const struct stat *st, enum token_file_kind kind)
{
	if (!S_ISREG(st->st_mode))
		return "is no regular file";
	if (kind == TOKEN_FILE_PLACED)
		return NULL;
	if (kind == TOKEN_FILE_ROOTS)
		return st->st_uid == 0 ? NULL
				       : "belongs to somebody else than root";
	if (st->st_uid != geteuid())
		return "belongs to somebody else; make a file of your own, or "
		       "chown it";
	if ((st->st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return "is open to others; take the token in it for known, and "
		       "chmod 600 it";
	return NULL;
}

static ssize_t read_all(int fd, char *bytes, size_t size)
{
	size_t length = 0;
	ssize_t n = 1;

	while (n > 0 && length < size) {
		n = read(fd, bytes + length, size - length);
		if (n < 0)
			return -errno;
		length += (size_t)n;
	}
	return (ssize_t)length;
}

static int take(int fd, struct secret **ret, const char **ret_problem)
{
	char bytes[READ_MAX];
	ssize_t n = read_all(fd, bytes, sizeof(bytes));
	int rc = n < 0 ? (int)n : secret_from_text(bytes, (size_t)n, ret);

	/* A line that goes on is not cut to what may be another's token. */
	if (rc == 0 && n == READ_MAX && memchr(bytes, '\n', READ_MAX) == NULL) {
		secret_unref(*ret);
		*ret = NULL;
		rc = -EINVAL;
	}

	secret_wipe(bytes, sizeof(bytes));
	if (n < 0)
		*ret_problem = g_strerror(-rc);
	else if (rc == -ENOENT)
		*ret_problem = "has nothing on its first line; the token "
			       "belongs there";
	else if (rc == -EINVAL)
		*ret_problem = "has something on its first line that cannot "
			       "be a token";
	return rc == -ENOENT ? -EINVAL : rc;
}

static int read_open(int fd, enum token_file_kind kind, struct secret **ret,
	const char **ret_problem)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		int error = errno;

		*ret_problem = g_strerror(error);
		return -error;
	}
	*ret_problem = distrust(&st, kind);
	return *ret_problem != NULL ? -EPERM : take(fd, ret, ret_problem);
}

int token_file_read(const char *path, enum token_file_kind kind,
	struct secret **ret, char **ret_why)
{
	/* A pipe must not keep us waiting. */
	int fd = open(path,
		O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	const char *problem = NULL;
	int rc = fd < 0 ? -errno : 0;

	if (rc == -ELOOP)
		problem = "is a symbolic link; name the file itself";
	else if (rc == -EACCES)
		problem = "may not be read by the user that mounts; it must be "
			  "that user's own, with mode 0600";
	else if (rc < 0)
		problem = g_strerror(-rc);
	else
		rc = read_open(fd, kind, ret, &problem);
	if (fd >= 0)
		(void)close(fd);
	if (rc < 0)
		*ret_why = g_strdup_printf("%s: %s", path, problem);
	return rc;
}

/* --- writing -------------------------------------------------------------- */

static int write_all(int fd, const struct secret *secret)
{
	const char *text = secret_peek(secret);
	size_t length = strlen(text);

	/* What a regular file takes of this size, it takes at once. */
	if (write(fd, text, length) != (ssize_t)length ||
		write(fd, "\n", 1) != 1)
		return errno != 0 ? -errno : -EIO;
	return fsync(fd) < 0 ? -errno : 0;
}

int token_file_write(
	const char *path, const struct secret *secret, char **ret_why)
{
	g_autofree char *fresh = g_strconcat(path, ".XXXXXX", NULL);
	int fd = g_mkstemp_full(fresh, O_WRONLY | O_CLOEXEC, MODE);
	int rc = fd < 0 ? -errno : 0;

	errno = 0;
	if (rc == 0)
		rc = write_all(fd, secret);
	if (fd >= 0 && close(fd) < 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(fresh, path) < 0)
		rc = -errno;
	if (rc < 0 && fd >= 0)
		(void)unlink(fresh);
	if (rc < 0)
		*ret_why = g_strdup_printf("%s: %s", path, g_strerror(-rc));
	return rc;
}
