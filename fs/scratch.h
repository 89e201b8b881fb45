/*
 * scratch.h - unnamed files on the local disk.
 *
 * Bytes on their way to or from the server stand in files that no name leads
 * to, so that a crash leaves nothing behind to clean up; scratch_name() gives
 * one a name when its bytes are to outlive us. No lock; plain system calls.
 */
#ifndef PYCLOUD_SCRATCH_H
#define PYCLOUD_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

/* A new empty file, open for reading and writing; fd or -errno. */
int scratch_file(int directory_fd);

/* All of it or -errno. */
int scratch_write(int fd, const void *bytes, size_t length, int64_t offset);

/* Takes back what a write that failed left past `end`. A disk that refuses even
 * that is at its end; it is logged, and whoever wrote has an error already. */
void scratch_cut(int fd, int64_t end);

/* Gives the file a name, without waiting for the disk. */
int scratch_name(int fd, int directory_fd, const char *name);

/* The bytes [start, end), which `from` has. */
int scratch_copy(int from, int to, int64_t start, int64_t end);

#endif
