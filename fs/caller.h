/*
 * caller.h - the program that waits for an operation: is it dying?
 *
 * The kernel says FUSE_INTERRUPT for every signal that a program catches, a
 * timer's and a window's new size as well. A local disk does not fail with
 * EINTR for those, and programs do not expect it; only a caller that is about
 * to die is not waiting any more.
 */
#ifndef PYCLOUD_CALLER_H
#define PYCLOUD_CALLER_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether the text of /proc/TID/status shows a pending signal that will end
 * the process: not caught, ignored or blocked, and not one that only stops or
 * continues by default. What cannot be understood counts as one. */
bool caller_status_is_dying(const char *text);

/* The same of a living thread. One that cannot be looked at (gone, hidden, or
 * of another pid namespace: 0) counts as dying. Reads /proc only. */
bool caller_is_dying(pid_t thread);

#endif
