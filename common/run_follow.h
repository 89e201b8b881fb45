/*
 * run_follow.h - how far we are with a run's record, and what to ask next.
 * Pure.
 *
 * Messages from the helper get lost, come twice after a repair, and may all
 * fail to come. A follower hands on what continues the record, throws away what
 * it has, and says what to ask: again from the offset it has reached (after a
 * gap, or after a silence that grows each time), or an acknowledgement. What
 * its sink does not take (its disk is full) is asked for again after a silence.
 *
 * Where the workspace has thrown the record's beginning away, the sender says
 * so and goes on further ahead: a message that was only lost never looks so.
 *
 * No lock: used by one thread.
 */
#ifndef PYCLOUD_RUN_FOLLOW_H
#define PYCLOUD_RUN_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum run_follow_need {
	RUN_FOLLOW_NOTHING,
	RUN_FOLLOW_DONE,  /* the whole record was taken */
	RUN_FOLLOW_ACK,	  /* tell the helper `offset` */
	RUN_FOLLOW_AGAIN, /* ask for everything from `offset` on */
};

struct run_follow {
	int64_t offset; /* of the record; everything before it was taken */
	int64_t acked;
	int64_t asked_offset; /* AGAIN was said there; -1: not since then */
	int64_t quiet_since_ms;
	int64_t quiet_ms; /* how long a silence is believed */
};

/* take: how many were taken, or -errno. */
struct run_sink {
	ssize_t (*take)(void *arg, const uint8_t *bytes, size_t length);
	int (*skip)(void *arg);
	void *arg;
};

struct run_piece {
	int64_t offset;
	bool is_after_skip; /* what is missing before it is to be had no more */
	const uint8_t *bytes;
	size_t length;
};

/* `offset`: what is there of the record already. */
void run_follow_init(struct run_follow *, int64_t offset, int64_t now_ms);

/* A piece of the record came. Returns a need, or the sink's error. */
int run_follow_output(
	struct run_follow *, const struct run_piece *, const struct run_sink *);

/* The end came, after `length` bytes of record. */
enum run_follow_need run_follow_end(struct run_follow *, int64_t length);

/* Anything came: the silence begins anew. */
void run_follow_heard(struct run_follow *, int64_t now_ms);

/* Is the silence too long? NOTHING with *ret_wait_ms, or AGAIN. */
enum run_follow_need run_follow_tick(
	struct run_follow *, int64_t now_ms, int *ret_wait_ms);

/* AGAIN was asked by the caller (a new helper knows nothing of us). */
void run_follow_asked(struct run_follow *, int64_t now_ms);

#endif
