/* caller.c - see caller.h. */
#include "config.h"

#include "caller.h"

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_BYTES_MAX 8192

static uint64_t bit(int number)
{
	return (uint64_t)1 << (number - 1);
}

/* What these do by default ends nobody. */
static uint64_t harmless(void)
{
	static const int numbers[] = { SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP,
		SIGTTIN, SIGTTOU, SIGURG, SIGWINCH };
	uint64_t set = 0;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		set |= bit(numbers[i]);
	return set;
}

/* The hexadecimal set behind "\nKey:\t". */
static bool find_set(const char *text, const char *key, uint64_t *ret)
{
	const char *at = strstr(text, key);
	char *end;

	if (at == NULL)
		return false;
	at += strlen(key);
	*ret = strtoull(at, &end, 16);
	return end != at && *end == '\n';
}

bool caller_status_is_dying(const char *text)
{
	uint64_t own, shared, blocked, ignored, caught;

	if (!find_set(text, "\nSigPnd:", &own) ||
		!find_set(text, "\nShdPnd:", &shared) ||
		!find_set(text, "\nSigBlk:", &blocked) ||
		!find_set(text, "\nSigIgn:", &ignored) ||
		!find_set(text, "\nSigCgt:", &caught))
		return true;
	return ((own | shared) & ~(blocked | ignored | caught | harmless())) !=
	       0;
}

bool caller_is_dying(pid_t thread)
{
	char text[STATUS_BYTES_MAX];
	char path[64];
	size_t length = 0;
	ssize_t n = 1;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)thread);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	while (n > 0 && length < sizeof(text) - 1) {
		n = read(fd, text + length, sizeof(text) - 1 - length);
		if (n > 0)
			length += (size_t)n;
	}
	(void)close(fd);
	text[length] = '\0';
	return n < 0 || caller_status_is_dying(text);
}
