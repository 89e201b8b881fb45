/*
 * standard_files.h - stdin, stdout and stderr, for who was started without.
 */
#ifndef PYCLOUD_STANDARD_FILES_H
#define PYCLOUD_STANDARD_FILES_H

/* Files that are opened must not become stdin, stdout or stderr. Before any is
 * opened. */
void standard_files_fill(void);

#endif
