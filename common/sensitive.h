/*
 * sensitive.h - bytes that are wiped when freed, of any size.
 *
 * A struct secret is what fits into a header; a private key, or a file with
 * tokens in it, does not. It is held as GBytes that overwrite themselves when
 * the last reference goes. GBytes are immutable and thread-safe, so is this.
 * No state, no locks.
 */
#ifndef PYCLOUD_SENSITIVE_H
#define PYCLOUD_SENSITIVE_H

#include <glib.h>

/* Copies. A NUL, not counted, stands behind the bytes. */
GBytes *sensitive_new(const void *bytes, size_t length);

/* The whole file, or what comes out of a pipe. -EFBIG: more than `max` bytes;
 * -EISDIR; -ETIMEDOUT: a pipe that says nothing; or what open(2) says. */
int sensitive_read(const char *path, size_t max, GBytes **ret);

/* What base64 says; white space in it is skipped. NULL when it is none. */
GBytes *sensitive_from_base64(const char *text);

/* Borrowed, NUL-terminated. */
const char *sensitive_text(GBytes *);

/* Wipes a string and frees it. NULL is fine. */
void sensitive_free_text(char *);

#endif
