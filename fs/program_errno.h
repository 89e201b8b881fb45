/*
 * program_errno.h - our errors as programs understand them. Pure.
 *
 * Within the daemon an error says what happened to a connection; a program that
 * reads a file knows no connection, and takes EMFILE for its own fault.
 */
#ifndef PYCLOUD_PROGRAM_ERRNO_H
#define PYCLOUD_PROGRAM_ERRNO_H

/* 0 or -errno, both ways. */
int program_errno(int rc);

#endif
