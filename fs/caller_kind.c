/* caller_kind.c - see caller_kind.h. */
#include "config.h"

#include "caller_kind.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TEXT_BYTES_MAX	8192
#define GENERATIONS_MAX 16

/* Newer kernels have them where an old header does not. */
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif

static const long making[] = {
#ifdef SYS_mkdir
	SYS_mkdir,
	SYS_mknod,
	SYS_symlink,
	SYS_link,
#endif
	SYS_mkdirat,
	SYS_mknodat,
	SYS_symlinkat,
	SYS_linkat,
};

static const long asking[] = {
#ifdef SYS_access
	SYS_access,
#endif
	SYS_faccessat,
	SYS_faccessat2,
};

/* The file's beginning; false: it cannot be read. */
static bool read_proc(pid_t thread, const char *file, char *text, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	if (thread <= 0)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)thread, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, size - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static bool is_in(pid_t thread, const long *calls, size_t count)
{
	char text[TEXT_BYTES_MAX];
	char *end;
	long call;

	if (!read_proc(thread, "syscall", text, sizeof(text)))
		return false;
	call = strtol(text, &end, 10);
	if (end == text)
		return false; /* "running" */
	for (size_t i = 0; i < count; i++)
		if (calls[i] == call)
			return true;
	return false;
}

bool caller_makes_name(pid_t thread)
{
	return is_in(thread, making, sizeof(making) / sizeof(making[0]));
}

bool caller_asks_rights(pid_t thread)
{
	return is_in(thread, asking, sizeof(asking) / sizeof(asking[0]));
}

static bool find_number(const char *text, const char *key, pid_t *ret)
{
	const char *at = strstr(text, key);

	if (at == NULL)
		return false;
	*ret = (pid_t)strtol(at + strlen(key), NULL, 10);
	return true;
}

int caller_descends(pid_t thread, pid_t ancestor)
{
	char text[TEXT_BYTES_MAX];
	pid_t at = thread;

	if (thread <= 0)
		return 0; /* of another pid namespace */
	for (int i = 0; i < GENERATIONS_MAX; i++) {
		pid_t process, parent;

		if (!read_proc(at, "status", text, sizeof(text)) ||
			!find_number(text, "\nTgid:", &process) ||
			!find_number(text, "\nPPid:", &parent))
			return -1;
		if (process == ancestor || parent == ancestor)
			return 1;
		if (parent <= 1)
			return 0;
		at = parent;
	}
	return 0;
}
