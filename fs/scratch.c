/* scratch.c - see scratch.h. */
#include "config.h"

#include "scratch.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_BYTES 65536

/* Not every file system has O_TMPFILE (NFS, older overlays). */
static int unlinked_file(int directory_fd)
{
	char name[64];
	int fd;

	(void)snprintf(name, sizeof(name), ".scratch-%d-%08x", (int)getpid(),
		g_random_int());
	fd = openat(directory_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		0600);
	if (fd < 0)
		return -errno;
	(void)unlinkat(directory_fd, name, 0);
	return fd;
}

int scratch_file(int directory_fd)
{
	int fd =
		openat(directory_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	if (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)
		return unlinked_file(directory_fd);
	return -errno;
}

int scratch_write(int fd, const void *bytes, size_t length, int64_t offset)
{
	const char *p = bytes;

	while (length > 0) {
		ssize_t n = pwrite(fd, p, length, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		length -= (size_t)n;
		offset += n;
	}
	return 0;
}

int scratch_copy(int from, int to, int64_t start, int64_t end)
{
	g_autofree char *buffer = g_malloc(COPY_BYTES);

	while (start < end) {
		size_t size = (size_t)MIN(COPY_BYTES, end - start);
		ssize_t n = pread(from, buffer, size, start);
		int rc;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		rc = scratch_write(to, buffer, (size_t)n, start);
		if (rc < 0)
			return rc;
		start += n;
	}
	return 0;
}

void scratch_cut(int fd, int64_t end)
{
	if (ftruncate(fd, end) < 0)
		log_error(
			"cannot take back half a write: %s", g_strerror(errno));
}

int scratch_name(int fd, int directory_fd, const char *name)
{
	char self[64];

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, self, directory_fd, name, AT_SYMLINK_FOLLOW) < 0
		       ? -errno
		       : 0;
}
