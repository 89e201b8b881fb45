/*
 * token_command.h - a program that prints a token.
 *
 * The command is split into words as a shell splits them, but no shell runs:
 * what needs one says so ("sh -c '...'"). The program is found in PATH, gets
 * the server's URL in PYCLOUD_SERVER, and prints the token on the first line
 * of its standard output. It has TOKEN_COMMAND_MS; its output is bounded,
 * wiped, and never shown. No state, no locks.
 */
#ifndef PYCLOUD_TOKEN_COMMAND_H
#define PYCLOUD_TOKEN_COMMAND_H

#include "cancel.h"
#include "secret.h"

struct token_command_call {
	const char *command;
	const char *server;
	int64_t end_ms; /* clock_now_ms() terms; 0: its own limit only */
	/* Somebody watches: it may use our terminal, and its complaints are
	 * shown as they come. */
	bool is_attended;
};

/* 0, or -errno and a sentence in *ret_why (g_free), which has the last line of
 * what the program complained. -EINTR. */
int token_command_run(const struct token_command_call *, const struct cancel *,
	struct secret **ret, char **ret_why);

/* What is wrong with the command, g_free; NULL: nothing. */
char *token_command_fault(const char *command);

#endif
