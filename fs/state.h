/*
 * state.h - what this computer remembers of an endpoint between mounts.
 *
 * A SQLite database, state.db, in a directory of the endpoint's own that
 * belongs to us and has mode 0700. Four tables, four families of calls:
 *
 *   run     the run numbers, and the runs that are remembered      both
 *   cache   which bytes of which version the disk cache holds      durable
 *   attr    modes and times that the server cannot hold            lazy
 *   fact    what was learnt about the endpoint, key and value      lazy
 *
 * Durable: on the disk when the call returns. Lazy: committed when the call
 * returns, so that neither a crash nor kill -9 of ours loses it, but not
 * synced; a power cut may take the last ones, never tear them or reorder
 * them. The next durable write or state_sync() makes all before it durable.
 * So ten thousand puts cost ten thousand writes, not ten thousand syncs.
 *
 * What is damaged or was written by a newer pycloud is not trusted and not
 * deleted: state_open() renames it and begins an empty one.
 *
 * Any thread may call; one internal lock stands for the one connection, and
 * is held while SQLite reads and writes the local disk (milliseconds; a sync
 * may take longer). Two daemons of one endpoint may have it open at once; a
 * write waits for the other's at most STATE_BUSY_MS, then -EBUSY.
 *
 * Paths are bytes without NUL, "" being the root. Strings given are borrowed;
 * those returned are the caller's. Lists are arrays of record pointers that
 * free their records (g_ptr_array_unref). A removal of what is not there is 0
 * unless it says otherwise. Every call may also fail with -ENOSPC (the disk is
 * full), -EDQUOT, -EIO, -EBUSY, -ENOMEM; a call that failed changed nothing.
 */
#ifndef PYCLOUD_STATE_H
#define PYCLOUD_STATE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct state;

/* Makes the directory when it is not there. 0 or -errno: -EPERM the directory
 * is somebody else's, -ENOTDIR, -EBUSY the state must be set aside but another
 * daemon has it open. *ret_note (g_free) becomes a sentence for the user when
 * a state was set aside or opening failed, else NULL. Not to be carried
 * across fork(): daemonise first. */
int state_open(const char *directory, struct state **ret, char **ret_note);
void state_close(struct state *);
/* Whether the state in that directory, which may be in use, can be read; nothing
 * is made, moved or migrated. 0, also where there is none; -EUCLEAN: it is
 * damaged, or not pycloud's; -EOVERFLOW: a newer pycloud wrote it; or why it
 * cannot be opened. */
int state_examine(const char *directory);
/* All that was put is on the disk. */
int state_sync(struct state *);

/* Which version of a file: what the server said its size and time are. */
struct state_version {
	int64_t size;
	struct timespec mtime;
};

/* --- cache: what the disk cache holds ------------------------------------- */

/*
 * Written as a whole when a mount ends well, and taken away when the next one
 * begins: while the bytes are in use no record speaks of them.
 */
struct state_cache {
	char *path;
	struct state_version version;
	char *file;
	char *present; /* extents_to_text() */
};

void state_cache_free(struct state_cache *);
/* These (of struct state_cache *) instead of what there was, in their order;
 * durable. NULL: none. */
int state_cache_replace(struct state *, const GPtrArray *or_null);
/* In the order they were given in. */
int state_cache_list(struct state *, GPtrArray **ret);

/* --- attr: attributes that the server cannot hold ------------------------- */

struct state_attr {
	char *path;
	bool has_mode;
	uint32_t mode;
	unsigned mode_place; /* overlay.h */
	bool has_mtime;
	struct timespec mtime;
	unsigned mtime_place;
	bool has_version;
	struct state_version version; /* which one the mtime belongs to */
};

void state_attr_free(struct state_attr *);
/* Inserts, or replaces all of the record of that path. */
int state_attr_put(struct state *, const struct state_attr *);
/* `count` of them, all or none. */
int state_attr_put_many(
	struct state *, const struct state_attr *const *, size_t count);
/* Sorted by path. */
int state_attr_list(struct state *, GPtrArray **ret);
/* The path and everything below it. */
int state_attr_remove(struct state *, const char *path);
/* What was at `to` and below it is forgotten. */
int state_attr_moved(struct state *, const char *from, const char *to);

/* --- runs ----------------------------------------------------------------- */

struct state_run {
	int64_t number;
	char *remote_id; /* NULL: not known yet */
	char *command;
	int64_t started_ms;
	bool has_ended;
	int64_t ended_ms;
	int exit_status;
	int exit_signal; /* 0: none */
	char *directory; /* workspace path where it runs */
	char *why_lost;	 /* "": it was not */
};

void state_run_free(struct state_run *);
/* From 1, never given twice, not by two daemons either. */
int state_run_next_number(struct state *, int64_t *ret);
/* Inserts, or replaces the record of that number; durable once it has ended. A
 * start must not wait for a disk: the number is on its way with it. */
int state_run_put(struct state *, const struct state_run *);
int state_run_remove(struct state *, int64_t number);
/* By number. */
int state_run_list(struct state *, GPtrArray **ret);

/* --- facts ---------------------------------------------------------------- */

/* value NULL: not known any more. */
int state_fact_set(struct state *, const char *name, const char *value);
/* -ENOENT; g_free. */
int state_fact_get(struct state *, const char *name, char **ret);

#endif
