/*
 * child.h - runs a program and collects what it prints.
 *
 * For a daemon with threads: the child shares nothing but what is listed
 * here, leads a process group of its own, and is not left behind: it ends
 * with its time, with the caller's cancel token, and with the thread that
 * waits for it. What it started itself and left running is not waited for.
 * No state, no locks.
 */
#ifndef PYCLOUD_CHILD_H
#define PYCLOUD_CHILD_H

#include "cancel.h"

#include <glib.h>
#include <stdbool.h>

struct child_call {
	const char *program; /* a path */
	char *const *argv;
	char *const *env;
	int64_t timeout_ms;
	size_t output_max;
	/* It may talk to the person at our terminal: it has our standard input
	 * and stays in our process group, and its complaints are shown as they
	 * come. */
	bool is_attended;
};

struct child_result {
	int status;	/* as waitpid(2) has it */
	GBytes *output; /* wiped when freed */
	char *words;	/* last line of standard error, printable, maybe "" */
};

/* 0 when it ended by itself, whatever its status: child_result_clear. -EINTR
 * and -ETIMEDOUT; -EFBIG: it printed too much; or why it could not be
 * started. *ret->words is there with every error too. */
int child_run(const struct child_call *, const struct cancel *,
	struct child_result *ret);
void child_result_clear(struct child_result *);

/* Of all that a program complained about, its last line, fit to be shown; ""
 * when it said nothing. Pure; g_free. */
char *child_last_words(const char *complaint);

/* The path of the program that a command means, in PATH if it has no slash and
 * then where a system keeps programs (a mount from fstab has no PATH). NULL
 * when there is none that may be executed. g_free. */
char *child_find_program(const char *command);

/* Our environment without what is secret or meant for us alone, and with the
 * PATH and HOME that a mount from fstab lacks. g_strfreev. */
char **child_environment(void);

#endif
