/*
 * mountinfo.h - what is mounted where, without touching any of it.
 */
#ifndef PYCLOUD_MOUNTINFO_H
#define PYCLOUD_MOUNTINFO_H

#include <stdint.h>

/* The id of what is mounted on exactly this directory, on top; 0: nothing. In
 * the text of /proc/self/mountinfo: pure. */
uint64_t mountinfo_find(const char *text, const char *directory);
/* The same of now. 0 also where it cannot be read. */
uint64_t mountinfo_id(const char *directory);

/* A descriptor whose POLLPRI says that mounts have changed since it was opened
 * or mountinfo_read(): what is read is handed back (g_free; NULL: it cannot be
 * read). -1 with errno. */
int mountinfo_open(void);
char *mountinfo_read(int fd);
/* All of it, once; g_free, NULL: it cannot be read. */
char *mountinfo_text(void);

/* The directory as the table names it: what is mounted there may be dead, so
 * only its parent is looked at. g_free. */
char *mountinfo_name(const char *directory);

#endif
