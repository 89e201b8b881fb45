/*
 * delta.h - what of a file's bytes is another than when its change began.
 *
 * Kept by a content from the first change of a version's bytes on, so that a
 * remote that can replace some bytes of that version need not be sent all. It
 * may claim more than was changed, and never less: what was cut off and came
 * back as zeroes is changed, and so is all that lies past the end which the
 * version had. What cannot be told is said to be all of it.
 *
 * Pure; no lock, the owner's.
 */
#ifndef PYCLOUD_DELTA_H
#define PYCLOUD_DELTA_H

#include "extent.h"

/* Zeroed memory: nothing is known. */
struct delta {
	bool is_known;
	struct extents changed;
};

/* A change begins, of bytes that are some version's; or of none that is known. */
void delta_begin(struct delta *, bool is_known);
/* One goes on, of which only this much can have changed. */
void delta_resume(struct delta *, const struct extents *);
void delta_add(struct delta *, int64_t start, int64_t end);
void delta_cut(struct delta *, int64_t size);
void delta_clear(struct delta *);

/* The ranges to be sent of a file of this size, of which so much is `present`
 * (of struct remote_range, perhaps none; g_array_unref). NULL: all of it, as
 * there would be too many, or too much in them. */
GArray *delta_ranges(
	const struct delta *, const struct extents *present, int64_t size);

#endif
