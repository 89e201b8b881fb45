/*
 * umount_table.h - which mount is meant, in the text of /proc/self/mountinfo.
 *
 * Pure: no mount is touched.
 */
#ifndef PYCLOUD_UMOUNT_TABLE_H
#define PYCLOUD_UMOUNT_TABLE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct umount_entry {
	uint64_t id;
	char *point;
	char *source; /* "pycloud:NAME" */
	bool is_ours; /* of the type fuse.pycloud */
	uid_t owner;  /* who mounted it */
	gid_t group;
};

void umount_entry_free(struct umount_entry *);

/* What lies on top at exactly this directory; NULL: nothing. */
struct umount_entry *umount_table_at(const char *text, const char *directory);
/* Ours of that source, "NAME" or "pycloud:NAME": as many as there are
 * (GPtrArray of struct umount_entry *). */
GPtrArray *umount_table_from(const char *text, const char *source);
/* Ours below the directory, the latest first: the order to unmount in. */
GPtrArray *umount_table_below(const char *text, const char *directory);

#endif
