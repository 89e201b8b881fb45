/*
 * mountpoint.h - can a workspace be mounted on this directory?
 */
#ifndef PYCLOUD_MOUNTPOINT_H
#define PYCLOUD_MOUNTPOINT_H

#include <stdbool.h>

/* NULL: yes. Otherwise a sentence that says why not and what to do (g_free). */
char *mountpoint_problem(const char *directory, bool allows_nonempty);

#endif
