/*
 * run_record.h - reading the record that a run's supervisor keeps. Pure.
 *
 * The record is frames: one byte kind, four bytes length (big endian, at most
 * RUN_FRAME_MAX), and the bytes. It arrives in pieces that end anywhere, and
 * any beginning of it is a record. supervisor.py writes it, and says where it
 * lies; the mount keeps a copy of it (fs/run_log.h).
 *
 *   1 stdout   as the child wrote it
 *   2 stderr
 *   3 mark     decimal "R O E": R is the place in the whole record of the byte
 *              that follows this frame, O and E how much of stdout and stderr
 *              was written before, kept or not. It begins every stretch of
 *              the record; a jump of O or E is what was not kept.
 *   4 figure   name, NUL, and a piece of the picture; one without a piece
 *              ends it
 */
#ifndef PYCLOUD_RUN_RECORD_H
#define PYCLOUD_RUN_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum run_frame {
	RUN_FRAME_STDOUT = 1,
	RUN_FRAME_STDERR = 2,
	RUN_FRAME_MARK = 3,
	RUN_FRAME_FIGURE = 4
};

#define RUN_FRAME_HEAD 5
/* A mark's text, and a figure's name. */
#define RUN_MARK_MAX 64
#define RUN_NAME_MAX 128

/* Zeroed: at the beginning of a frame. */
struct run_record {
	uint8_t head[RUN_FRAME_HEAD];
	size_t head_length; /* of head, read so far */
	uint32_t left;	    /* of the frame's bytes */
};

struct run_record_events {
	void (*begin)(void *arg, enum run_frame, uint32_t length);
	void (*bytes)(
		void *arg, enum run_frame, const uint8_t *bytes, size_t length);
	void (*end)(void *arg, enum run_frame);
};

/* Tells of every frame, as far as it has come. 0, or -EPROTO for what is no
 * record; then the reader is of no more use. */
int run_record_read(struct run_record *, const uint8_t *bytes, size_t length,
	const struct run_record_events *, void *arg);

/* How many of the bytes belong to the frame that is under way; `length` when
 * it does not end within them, 0 when none is. Or -EPROTO. */
int64_t run_record_rest(
	const struct run_record *, const uint8_t *bytes, size_t length);

struct run_mark {
	int64_t place;
	int64_t written[2]; /* stdout, stderr */
};

/* False for what is no mark's text (not terminated). */
bool run_mark_read(const uint8_t *text, size_t length, struct run_mark *);
/* A whole frame; how long it is. `frame` has RUN_FRAME_HEAD + RUN_MARK_MAX
 * bytes. The place given is where the record goes on, whatever the frame's own
 * length. */
size_t run_mark_frame(const struct run_mark *, uint8_t *frame);

#endif
