/*
 * status.h - the texts of the control files: "key: value", one a line.
 */
#ifndef PYCLOUD_STATUS_H
#define PYCLOUD_STATUS_H

#include "session.h"

void status_mount(struct session *, uint64_t run, GString *text);
/* What is not on the server yet: path, bytes, attempts, the last error, and the
 * file in the spool, separated by tabs, names as name_escape() writes them. */
void status_pending(struct session *, uint64_t run, GString *text);
/* "uploading 3 files, 12 MB": what is pending, as a line (g_free). Pure. */
char *status_uploads(unsigned files, int64_t bytes);
/* path, ours, theirs (conflict.h). */
void status_conflicts(struct session *, uint64_t run, GString *text);
void status_run(struct session *, uint64_t run, GString *text);
void status_run_command(struct session *, uint64_t run, GString *text);
void status_run_exit(struct session *, uint64_t run, GString *text);
void status_run_started(struct session *, uint64_t run, GString *text);
void status_run_ended(struct session *, uint64_t run, GString *text);

#endif
