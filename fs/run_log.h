/*
 * run_log.h - this computer's copy of a run's record, and the three ways to
 * read it: all output in its order, and each stream apart.
 *
 * The record (run_record.h) is kept as it came, in files NUMBER.0, NUMBER.1,
 * ... of one directory, each of which begins with a mark and a frame. What any
 * kill leaves of them is a beginning of the record, so following goes on from
 * run_log_place() without a byte lost or doubled. Past `max` bytes the oldest
 * file goes: the tail is kept, and reading starts at run_log_start().
 *
 * A view's places are counted as if nothing were ever thrown away. Where the
 * record itself has a gap (the workspace could not keep everything), a line
 * in the views of output and stderr says how much is missing.
 *
 * To find a place, a point is remembered every 64 KiB; from there the frames
 * are walked. Memory: 1 MiB for a GiB of record.
 *
 * One internal lock; it is held while local files are read and written. A log
 * of an earlier mount is read when it is first asked for anything; what cannot
 * be read then has no bytes, and every call says why (-errno).
 */
#ifndef PYCLOUD_RUN_LOG_H
#define PYCLOUD_RUN_LOG_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum run_view {
	RUN_VIEW_OUTPUT,
	RUN_VIEW_STDOUT,
	RUN_VIEW_STDERR
};
#define RUN_VIEWS 3

struct run_log;

struct run_log_place {
	int directory_fd; /* borrowed */
	uint64_t number;  /* 0: unnamed files, gone with us */
	int64_t max;	  /* bytes on the disk */
};

/* Nothing is read or made yet. */
struct run_log *run_log_new(const struct run_log_place *);
void run_log_free(struct run_log *);
/* The files of that run. */
void run_log_remove(int directory_fd, uint64_t number);
/* Throws away what there is, and begins anew. */
int run_log_restart(struct run_log *);

/* The next bytes of the record. How many were taken, -EPROTO, or -errno. */
ssize_t run_log_append(struct run_log *, const uint8_t *bytes, size_t length);
/* The record goes on at a mark further ahead. 0 or -errno. */
int run_log_skip(struct run_log *);
/* Where in the record the copy ends. */
int64_t run_log_place(struct run_log *);
int run_log_sync(struct run_log *);

struct run_log_sizes {
	int64_t start[RUN_VIEWS]; /* what is before it is not kept any more */
	int64_t size[RUN_VIEWS];
	int64_t written[2]; /* by the script: stdout, stderr, kept or not */
	int64_t missing;    /* bytes that the workspace did not keep */
	int error;	    /* -errno: the files cannot be read */
};

void run_log_sizes(struct run_log *, struct run_log_sizes *ret);

/* How much was read; 0: nothing there yet; -ENODATA: before the start. */
ssize_t run_log_read(
	struct run_log *, enum run_view, char *buffer, size_t, int64_t offset);

/* The line that stands where bytes are missing; how long it is. */
#define RUN_LOG_GAP_MAX 96
size_t run_log_gap_text(int64_t missing, char *text);

/* --- figures -------------------------------------------------------------- */

/* The names of the whole ones, in their order (of char *). */
GPtrArray *run_log_figures(struct run_log *);
/* -ENOENT. */
int64_t run_log_figure_size(struct run_log *, const char *name);
ssize_t run_log_figure_read(struct run_log *, const char *name, char *buffer,
	size_t, int64_t offset);

#endif
