/*
 * run_record.h - reading the record that a run's supervisor keeps. Pure.
 *
 * The record is frames: one byte (which stream), four bytes length (big
 * endian), and the bytes. It arrives in pieces that end anywhere. A frame of
 * the third kind says, in decimal, how many bytes the supervisor had to drop.
 */
#ifndef PYCLOUD_RUN_RECORD_H
#define PYCLOUD_RUN_RECORD_H

#include <stddef.h>
#include <stdint.h>

#define RUN_RECORD_GAP	3
#define RUN_RECORD_HEAD 5

/* Zeroed: at the beginning of a record. */
struct run_record {
	uint8_t head[RUN_RECORD_HEAD];
	size_t head_length; /* of head, read so far */
	uint32_t left;	    /* of the frame's bytes */
};

typedef void (*run_record_fn)(
	void *arg, int stream, const uint8_t *bytes, size_t length);

/* Calls `take` for every run of bytes of one stream. 0, or -EPROTO for what
 * is no record. */
int run_record_read(struct run_record *, const uint8_t *bytes, size_t length,
	run_record_fn take, void *arg);

#endif
