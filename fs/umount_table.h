/*
 * umount_table.h - which mount is meant, in the text of /proc/self/mountinfo.
 *
 * Pure: no mount is touched.
 */
#ifndef PYCLOUD_UMOUNT_TABLE_H
#define PYCLOUD_UMOUNT_TABLE_H

#include "mountinfo.h"

/* What lies on top at exactly this directory; NULL: nothing. */
struct mountinfo_entry *umount_table_at(
	const char *text, const char *directory);
/* Ours of that source, "NAME" or "pycloud:NAME": as many as there are
 * (GPtrArray of struct mountinfo_entry *). */
GPtrArray *umount_table_from(const char *text, const char *source);
/* Ours below the directory, the latest first: the order to unmount in. */
GPtrArray *umount_table_below(const char *text, const char *directory);

#endif
