/*
 * sent.h - what an upload whose end is not known may have left on the server.
 *
 * All of the bytes, or of a large file the first few pieces of the size that the
 * remote sends at a time (CONTENTS_CHUNK_BYTES). When other bytes are to be
 * saved afterwards, they no longer show that what stands there is ours; so the
 * digests of those beginnings are remembered. Of a save that sent some ranges
 * alone it is these, one after the other. No lock; the owner's.
 */
#ifndef PYCLOUD_SENT_H
#define PYCLOUD_SENT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Zeroed memory is one that knows nothing. */
struct sent {
	GArray *pieces;	   /* of struct sent_piece; NULL: none */
	GPtrArray *ranges; /* of struct sent_ranges *, the last one at the end;
			    * NULL: none */
};

#define SENT_DIGEST_BYTES 32

/* Immutable. */
struct sent_ranges {
	int64_t size;	/* of the file, with them */
	GArray *ranges; /* of struct remote_range */
	guint8 digest[SENT_DIGEST_BYTES];
};

typedef ssize_t (*sent_read_fn)(
	void *arg, void *buffer, size_t size, int64_t offset);

/* Reads `size` bytes and remembers their beginnings; what was remembered before
 * stays. Bytes that cannot be read, or are too many, are not remembered. */
void sent_add(struct sent *, sent_read_fn, void *arg, int64_t size);
/* The same of a save of these ranges (of struct remote_range), with which the
 * file has `size` bytes. */
void sent_add_ranges(struct sent *, sent_read_fn, void *arg, int64_t size,
	const GArray *ranges);
/* The saves of ranges (of struct sent_ranges *; g_ptr_array_unref). */
GPtrArray *sent_list_ranges(const struct sent *);
/* Are these its bytes? Ends the checksum. */
bool sent_ranges_match(const struct sent_ranges *, GChecksum *);
/* Adds to what `to` knows; not ranges, which are a certain file's. */
void sent_copy(const struct sent *from, struct sent *to);
void sent_clear(struct sent *);
bool sent_is_empty(const struct sent *);

/* Is the digest of `length` bytes one of those? Ends the checksum. */
bool sent_matches(const struct sent *, GChecksum *, int64_t length);
GChecksum *sent_checksum_new(void);

#endif
