/*
 * runtime_file.h - what a Jupyter server of this computer wrote about itself.
 *
 * A running server leaves jpserver-PID.json (nbserver-PID.json) in its user's
 * runtime folder, with its token: $JUPYTER_RUNTIME_DIR, or jupyter/runtime in
 * the user's data. It is believed for a URL of the loopback whose port and
 * path it names, where it is ours, nobody else can read it (the file is closed to
 * others, or its folder is) and the process lives. Blocks no longer than the disk
 * does. No state, no locks.
 */
#ifndef PYCLOUD_RUNTIME_FILE_H
#define PYCLOUD_RUNTIME_FILE_H

#include "secret.h"

/* 0, or -ENOENT. */
int runtime_file_find(const char *base_url, struct secret **ret);

/* Whether the text of such a file is of a server at this URL (which is of the
 * loopback); its token then, or NULL. *ret_pid: its process. Pure, but for
 * writing into `json`. */
struct secret *runtime_file_token(
	char *json, size_t length, const char *base_url, int64_t *ret_pid);

#endif
