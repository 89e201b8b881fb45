/*
 * cache.h - clean bytes of files that nobody has open, on the local disk.
 *
 * Bytes are kept by path and used again only for the same version (size and
 * last_modified as a listing says). While somebody has the file open its bytes
 * are out of the cache, in the content's file; a crash then costs only what can be
 * fetched again. The budget is in bytes of present ranges; the
 * least recently given go first.
 *
 * With a state the cache outlives the mount: cache_free() syncs the bytes and
 * writes the index, cache_new() reads it and takes it away. So no index ever
 * speaks of bytes that a mount has in use, and one that was killed leaves
 * nothing that could be believed wrongly.
 *
 * Prefetch announces what it is fetching (cache_expect), so that whoever opens
 * the file meanwhile waits for those bytes instead of asking for them twice.
 *
 * Locking: one internal lock; it is not held while somebody fetches. Opening,
 * linking and removing local files happens under it.
 */
#ifndef PYCLOUD_CACHE_H
#define PYCLOUD_CACHE_H

#include "cancel.h"
#include "entry.h"
#include "extent.h"

#include <stdbool.h>

struct cache;
struct state;

/* A file's name in the cache's directory. It keeps it while a content uses the
 * file, because a file without a name cannot be given one again; nothing looks
 * it up by that name meanwhile. */
struct cache_name {
	int directory_fd;
	uint64_t id; /* 0: the file has no name */
};

/* Bytes on their way between a content and the cache. Owns fd, name and
 * present. */
struct cached_bytes {
	int fd; /* -1: none */
	struct cache_name name;
	int64_t size;
	struct entry version; /* name unused */
	struct extents present;
	bool has_source; /* what the bytes' own headers said: content.h */
	int64_t source_total;
	time_t source_modified;
};

void cached_bytes_init(struct cached_bytes *);
void cached_bytes_clear(struct cached_bytes *);
/* All bytes of a version, into a file in that directory; 0 or -errno. */
int cached_bytes_fill(struct cached_bytes *, int directory_fd,
	const struct entry *version, const void *bytes, size_t length);
/* A name that nobody has: random, so that whoever needs one needs no table. */
void cache_name_choose(int directory_fd, struct cache_name *ret);
char *cache_name_text(const struct cache_name *); /* g_free */
/* Takes the name away; the file lives as long as it is open. */
void cache_name_clear(struct cache_name *);

/* Borrows the state; NULL: what is here goes with the mount. */
struct cache *cache_new(
	int directory_fd, int64_t budget_bytes, struct state *or_null);
void cache_free(struct cache *);

/* 1: *ret_bytes is what is held of that version, and no longer in the cache;
 * 0: nothing (a file of another version is forgotten); -EINTR. Waits for a
 * prefetch of the same version. */
int cache_take(struct cache *, const char *path, const struct entry *version,
	const struct cancel *, struct cached_bytes *ret_bytes);
/* Takes the bytes. */
void cache_give(struct cache *, const char *path, struct cached_bytes *);

/* Something of that version is here. */
bool cache_has(struct cache *, const char *path, const struct entry *version);

/* Something of that version is on its way. */
bool cache_expects(
	struct cache *, const char *path, const struct entry *version);

/* True: the caller fetches path's version and ends with cache_give() and then
 * cache_expected(). False: it is here, or somebody is at it. */
bool cache_expect(
	struct cache *, const char *path, const struct entry *version);
void cache_expected(struct cache *, const char *path);

void cache_moved(struct cache *, const char *from, const char *to);
void cache_removed(struct cache *, const char *path);
int64_t cache_bytes(struct cache *);

#endif
