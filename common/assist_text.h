/*
 * assist_text.h - what helper_files.py says, as entries. Pure.
 *
 * The helper is Python in somebody else's kernel: paths, names, sizes and times
 * are checked as a server's are. Each parser is -EPROTO for what is not as
 * agreed, and then returns nothing. `text` is not changed.
 */
#ifndef PYCLOUD_ASSIST_TEXT_H
#define PYCLOUD_ASSIST_TEXT_H

#include "json.h"
#include "remote.h"

/* As the helper has times, and the contents API to the microsecond. */
int64_t assist_us_of_time(const struct timespec *);

struct assist_directory {
	char *path;
	bool is_watched;
	unsigned dropped;
	GPtrArray *entries; /* as of remote.h's list() */
};

void assist_directory_free(struct assist_directory *);

/* list_tree's bytes: of struct assist_directory *, of `top` and what is below
 * it. */
int assist_parse_tree(
	const void *text, size_t length, const char *top, GPtrArray **ret);

struct assist_told {
	char *directory;
	struct entry entry; /* its name is always set */
	enum remote_told told;
};

void assist_told_free(struct assist_told *);

/* The bytes of "changed": of struct assist_told *. */
int assist_parse_told(const void *text, size_t length, GPtrArray **ret);

struct assist_file {
	int error;		/* 0 or -errno */
	struct entry version;	/* name NULL */
	int64_t offset, length; /* in the answer's bytes */
};

/* read_many's "files", of which there must be `count` in `bytes` bytes; g_free
 * *ret. */
int assist_parse_files(const cJSON *answer, unsigned count, int64_t bytes,
	struct assist_file **ret);

/* An entry with members kind, size, ...; name NULL. */
int assist_parse_entry(const cJSON *object, struct entry *ret);
/* "now" of a save that did not fit: an array; null: of type and size -1. */
int assist_parse_now(const cJSON *answer, struct entry *ret);
/* The member, an array. */
int assist_parse_entry_at(
	const cJSON *answer, const char *key, struct entry *ret);

int assist_parse_volume(const cJSON *answer, struct remote_volume *ret);
/* The bytes of "xattrs": as of remote.h's xattrs(). What is no name of a
 * listing or no attribute of the user's is left out. */
int assist_parse_xattrs(const void *text, size_t length, GHashTable **ret);

#endif
