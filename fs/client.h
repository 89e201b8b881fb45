/*
 * client.h - the commands of `pycloud`, and what they share.
 *
 * The front end is a program as any user could write one: it knows a mount by
 * its control files only (control.h), and links GLib only. Each command returns
 * the program's exit status; what goes wrong is one line on stderr that says
 * what to do next.
 */
#ifndef PYCLOUD_CLIENT_H
#define PYCLOUD_CLIENT_H

#include "client_mount.h"

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

/* As of env(1) and nohup(1): below it are the script's own. */
#define CLIENT_FAILED	125
#define CLIENT_USAGE	2
#define CLIENT_REFUSED	1
#define CLIENT_SIGNALED 128 /* + the signal's number */

/* client_run.c. The words: what python3 is given. */
int client_run(const struct client_mount *, const char *const *words);
/* The number, or "last". is_brief: what it has written so far; then 0. */
int client_attach(
	const struct client_mount *, const char *number, bool is_brief);

/* client_runs.c */
int client_runs(const struct client_mount *, bool is_json);

/* client_kill.c */
int client_kill(const struct client_mount *, const char *number,
	const char *signal_name);
/* Sends a run a signal. 0 or -errno. */
int client_signal(
	const struct client_mount *, const char *number, const char *name);

/* client_text.c */

/* Prints "pycloud: ..." and returns the status. */
int client_error(int status, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* All of a control file (g_free), or NULL with errno. */
char *client_text_read(const char *path);
/* What stands behind "key: " in the text of a status (g_free), or NULL. */
char *client_text_value(const char *text, const char *key);
/* The line that means these words to .run, with its end; g_free. */
char *client_text_line(const char *const *words);
/* As JSON has it, in quotes. */
void client_text_append_json(GString *, const char *text);

/* client_feed.c: reads stdin in a thread of its own, and writes it to the
 * handle, which it owns from then on: closing it is the end of the input.
 * False: there is no thread to be had. */
bool client_feed_start(int handle, const char *number);
/* The script did not get all of it. */
bool client_feed_has_failed(void);

/* client_signals.c */

/* Who watches a run, and which one. */
struct client_watch {
	const struct client_mount *mount;
	const char *number;
	bool is_attached; /* not started by us: TERM, HUP and QUIT are ours */
};

/* From now on signals are for the run: a thread of its own waits for them. To
 * be called before any other thread is made; all is borrowed for good. */
bool client_signals_start(const struct client_watch *);

#endif
