/*
 * run_log_private.h - what run_log.c (files), run_log_index.c (what stands
 * where) and run_log_read.c share; for nobody else. All of it is guarded by
 * the log's lock.
 */
#ifndef PYCLOUD_RUN_LOG_PRIVATE_H
#define PYCLOUD_RUN_LOG_PRIVATE_H

#include "mutex.h"
#include "run_log.h"
#include "run_record.h"

/* What precedes a frame's head. */
struct point {
	int64_t at; /* in the file */
	int64_t view[RUN_VIEWS];
	int64_t written[2]; /* by the child, of each stream */
};

/* One file. */
struct stretch {
	unsigned sequence;
	int fd; /* owned */
	int64_t size;
	GArray *points; /* of struct point; the first is at 0 */
};

struct extent_of_figure {
	unsigned sequence;
	int64_t at, length;
};

struct figure {
	char *name;
	bool is_whole;
	bool is_broken;	 /* of too many pieces */
	GArray *extents; /* of struct extent_of_figure */
	int64_t size;
};

/* Where reading the record stands: at its end. */
struct log_cursor {
	struct run_record record;
	struct point next; /* at: the next byte; counts: so far */
	int64_t frame_at;  /* of the frame under way */
	int64_t place;
	int64_t missing;
	bool is_bad;  /* a frame made no sense */
	bool is_torn; /* so does what stands at `next`; all before it is good */
	/* of the frame under way */
	uint8_t text[RUN_NAME_MAX]; /* a mark's, or a figure's name */
	size_t text_length;
	struct figure *figure; /* known once its name is; borrowed */
	int64_t piece;	       /* bytes of the picture in this frame */
};

struct run_log {
	/* immutable */
	struct run_log_place where;

	struct mutex lock;
	/* guarded by lock */
	bool is_loaded;
	int error;	      /* the files cannot be read */
	GPtrArray *stretches; /* oldest first, of struct stretch */
	GPtrArray *figures;   /* of struct figure */
	struct log_cursor end;
};

/* Of a file, read at once. */
#define LOG_BUFFER ((size_t)64 * 1024)

/* Reads what there is, once. 0 or -errno. */
int run_log_load(struct run_log *l) REQUIRES(l->lock);

/* How many, by the counts before and at a mark. */
int64_t run_log_missing(const int64_t *written, const struct run_mark *);

struct stretch *run_log_last(struct run_log *l) REQUIRES(l->lock);
/* A file begins: its first frame is at 0. */
void run_log_index_begin(struct run_log *l) REQUIRES(l->lock);
/* The bytes were added to the last file. 0 or -EPROTO. */
int run_log_index(struct run_log *l, const uint8_t *bytes, size_t length)
	REQUIRES(l->lock);
/* What stood in that file is no more. */
void run_log_index_drop(struct run_log *l, unsigned sequence) REQUIRES(l->lock);
void run_log_figure_free(void *figure);

#endif
