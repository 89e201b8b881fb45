/*
 * caller_kind.h - the program that waits for an operation: what is it about?
 *
 * FUSE does not say for which system call the kernel asks. Where /proc may be
 * read, of one's own programs mostly, it says so; elsewhere nothing is known.
 * Reads /proc only.
 */
#ifndef PYCLOUD_CALLER_KIND_H
#define PYCLOUD_CALLER_KIND_H

#include <stdbool.h>
#include <sys/types.h>

/* It is in a call that makes a name, for which the kernel looks before: mkdir,
 * mknod, symlink, link. False: it is not, or nothing is known. */
bool caller_makes_name(pid_t thread);
/* It asks for rights, and does not use them: access. */
bool caller_asks_rights(pid_t thread);

/* 1: the thread's process is a descendant of `ancestor`, or that process
 * itself; 0: it is not; -1: nothing is known. */
int caller_descends(pid_t thread, pid_t ancestor);

#endif
