/*
 * prefetch.h - asking before we are asked, when a walk is seen.
 *
 * Each step of a walk through the tree (walk.h says what that is) costs a round
 * trip. So the listings of the directories that come next are fetched in
 * parallel, and the small files too when the walk reads them.
 *
 * Where the remote can (REMOTE_CAN_TREE), many listings come in one request, a
 * piece of the tree after the other (prefetch_tree.c), and many files in one
 * (prefetch_files.c). A walk for which that fails once goes on one by one.
 *
 * All of it runs on the workers and never gets further ahead of the walk than
 * its horizon: a number of directories, of files and of bytes, small as long as
 * the walk is young. What a walk has passed by, and what is queued for one that
 * has ended or turned elsewhere, is not asked for. A mount that nobody uses
 * sends nothing.
 *
 * Locking: one internal lock; nothing blocks in the callers' path.
 */
#ifndef PYCLOUD_PREFETCH_H
#define PYCLOUD_PREFETCH_H

struct prefetch;
struct session;

struct prefetch *prefetch_new(struct session *);
void prefetch_free(struct prefetch *);

/* A directory has been opened, and its listing is known. */
void prefetch_directory(struct prefetch *, const char *path);
/* A name is looked up in a directory. */
void prefetch_lookup(struct prefetch *, const char *directory);
/* A file has been opened for reading. */
void prefetch_file(struct prefetch *, const char *path);

/* Somebody fetches this file himself: a job for it that has not begun would
 * only fetch it twice. */
void prefetch_overtaken(struct prefetch *, const char *path);

#endif
