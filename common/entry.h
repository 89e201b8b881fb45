/*
 * entry.h - one name of the server's tree, as the server describes it.
 *
 * Plain data, no lock. `name` and `target` are owned by the entry (g_free);
 * entry_clear() releases them. Sizes are bytes, -1 where the server does not say (it never
 * does for directories). Times are UTC; a zero time means "not said".
 */
#ifndef PYCLOUD_ENTRY_H
#define PYCLOUD_ENTRY_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum entry_type {
	ENTRY_FILE, /* notebooks too: byte for byte, never parsed */
	ENTRY_DIRECTORY,
};

struct entry {
	char *name;
	enum entry_type type;
	int64_t size;
	struct timespec mtime; /* the contents API's last_modified */
	struct timespec ctime; /* its `created`, which is st_ctime */
	bool is_writable;
	/* What a file system knows besides, where somebody asked it: the
	 * contents API never tells. Of a link it is the link's own, while type
	 * is what the link leads to. */
	bool has_attr;
	mode_t mode; /* permission bits */
	uid_t uid;   /* over there */
	gid_t gid;
	uint32_t nlink;
	struct timespec exact; /* mtime to the nanosecond */
	char *target;	       /* a symbolic link's; NULL: it is none */
};

void entry_clear(struct entry *);
void entry_copy(const struct entry *from, struct entry *ret_to);
struct entry *entry_dup(const struct entry *);
void entry_free(struct entry *);
/* Without what it owns: a version to be kept beside something else. */
struct entry entry_bare(const struct entry *);

/* What only the other one tells (has_attr), of the same file. */
void entry_inherit(struct entry *, const struct entry *from);
/* mtime, to the nanosecond where that is known. */
struct timespec entry_exact_mtime(const struct entry *);

/* The same version of a file: same type, size and last_modified. */
bool entry_same_version(const struct entry *, const struct entry *);

#endif
