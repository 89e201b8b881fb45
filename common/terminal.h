/*
 * terminal.h - asks a person at our terminal.
 *
 * Standard input must be the terminal: a daemon in the making is in a session
 * of its own, and has no /dev/tty. What is typed is not shown where it is a
 * secret; the terminal is put back as it was in every case but a SIGKILL. One
 * thread at a time.
 */
#ifndef PYCLOUD_TERMINAL_H
#define PYCLOUD_TERMINAL_H

#include "cancel.h"
#include "secret.h"

/* There is one to ask at. */
bool terminal_is_there(void);

/* -ENOENT: nothing was typed; -EINVAL: it cannot be a token or password of
 * ours; -EINTR; or why the terminal does not do. */
int terminal_ask_secret(
	const char *prompt, const struct cancel *, struct secret **ret);
/* The same, shown; g_free. */
int terminal_ask(const char *prompt, const struct cancel *, char **ret);

#endif
