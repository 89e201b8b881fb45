/*
 * status.h - the texts of the control files: "key: value", one a line.
 */
#ifndef PYCLOUD_STATUS_H
#define PYCLOUD_STATUS_H

#include "session.h"

void status_mount(struct session *, uint64_t run, GString *text);
void status_run(struct session *, uint64_t run, GString *text);
void status_run_command(struct session *, uint64_t run, GString *text);
void status_run_exit(struct session *, uint64_t run, GString *text);

#endif
