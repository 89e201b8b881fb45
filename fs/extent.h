/*
 * extent.h - a set of byte ranges [start, end) of a file. Pure.
 *
 * Which bytes of a content are present, and which are dirty. Runs are sorted,
 * never empty and never touch: 0-10 and 10-20 are one run 0-20, so two equal
 * sets are written the same. No lock; the owner's lock protects it.
 *
 * A set holds at most EXTENTS_MAX runs. What would need more is refused with
 * -E2BIG and the set stays as it was; what to do is the owner's to say:
 *
 *   present   may forget: extents_forget_small(), then again. What is
 *             forgotten is fetched once more.
 *   dirty     must never forget, but may claim more than was written, as long
 *             as those bytes are present: fetch what is missing between the
 *             first dirty byte and the last, and add that as one run.
 */
#ifndef PYCLOUD_EXTENT_H
#define PYCLOUD_EXTENT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct extent {
	int64_t start;
	int64_t end;
};

/* Zeroed memory is an empty set. */
struct extents {
	GArray *runs; /* of struct extent; NULL: none yet */
};

#define EXTENTS_INIT \
	{            \
		NULL \
	}

void extents_init(struct extents *);
/* Gives up the memory too; the set is empty and may be used again. */
void extents_clear(struct extents *);
/* `to` was initialised; what it held is replaced. */
void extents_copy(struct extents *to, const struct extents *from);

/* Ranges have 0 <= start; one with end <= start is empty: no change, 0. */

/* 0 or -E2BIG. Cannot fail when the range touches a run that is there. */
int extents_add(struct extents *, int64_t start, int64_t end);
/* 0 or -E2BIG: a hole in the middle of a run makes two. */
int extents_remove(struct extents *, int64_t start, int64_t end);
/* Nothing at or after `size`. */
void extents_truncate(struct extents *, int64_t size);
/* Makes room: the smallest runs go until EXTENTS_MAX / 2 stay. */
void extents_forget_small(struct extents *);

/* Every byte of the range; true for an empty one. */
bool extents_contains(const struct extents *, int64_t start, int64_t end);
/* The first piece of [from, to) that is missing, or false. */
bool extents_next_gap(const struct extents *, int64_t from, int64_t to,
	int64_t *ret_start, int64_t *ret_end);
/* The first piece of [from, to) that is there, or false. */
bool extents_next_run(const struct extents *, int64_t from, int64_t to,
	int64_t *ret_start, int64_t *ret_end);

int64_t extents_bytes(const struct extents *);
unsigned extents_count(const struct extents *);
bool extents_is_empty(const struct extents *);
/* Where the last run ends; 0 when there is none. */
int64_t extents_end(const struct extents *);

/* "0-4096,8192-12288"; "" for none; g_free. */
char *extents_to_text(const struct extents *);
/* Only what extents_to_text() writes: no spaces, signs, leading zeros, empty,
 * unsorted or touching runs. 0; -EINVAL; -E2BIG more than EXTENTS_MAX. `ret`
 * was initialised and is replaced on success, unchanged on failure. */
int extents_parse(const char *text, struct extents *ret);

#endif
