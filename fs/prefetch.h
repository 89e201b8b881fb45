/*
 * prefetch.h - asking before we are asked, when a walk is seen.
 *
 * `find`, `grep -r`, `tar`, `git status` go through directories in the order of
 * their listings, and each step costs a round trip. Two directories opened one
 * after the other, the second a child or a later sibling of the first, are a
 * walk: the listings of the directories that come next are fetched in parallel.
 * Files of one directory opened in its order are a reading walk: the next small
 * ones are fetched into the cache, also in the directories ahead.
 *
 * All of it runs on the workers: bounded in number, bytes and concurrency. When
 * the walk turns elsewhere what is queued is dropped. A mount that nobody uses
 * sends nothing.
 *
 * Locking: one internal lock; nothing blocks in the callers' path.
 */
#ifndef PYCLOUD_PREFETCH_H
#define PYCLOUD_PREFETCH_H

#include <glib.h>

struct prefetch;
struct session;

struct prefetch *prefetch_new(struct session *);
void prefetch_free(struct prefetch *);

/* A directory is being read; `entries` (of struct entry *) is its listing. */
void prefetch_directory(
	struct prefetch *, const char *path, const GPtrArray *entries);
/* Somebody fetches this file himself: a job for it that has not begun would
 * only fetch it twice. */
void prefetch_overtaken(struct prefetch *, const char *path);
/* A file is being opened for reading. */
void prefetch_file(struct prefetch *, const char *path);

#endif
