/* sent.c - see sent.h. */
#include "config.h"

#include "sent.h"

#include "common_limits.h"
#include "fs_limits.h"
#include "remote.h"

#include <string.h>

#define READ_BYTES (128 << 10)

struct sent_piece {
	int64_t length;
	guint8 digest[SENT_DIGEST_BYTES];
};

GChecksum *sent_checksum_new(void)
{
	return g_checksum_new(G_CHECKSUM_SHA256);
}

static void end_digest(GChecksum *sum, guint8 digest[static SENT_DIGEST_BYTES])
{
	gsize length = SENT_DIGEST_BYTES;

	g_checksum_get_digest(sum, digest, &length);
}

static void add_piece(struct sent *s, const GChecksum *sum, int64_t length)
{
	struct sent_piece piece = { .length = length };
	GChecksum *copy = g_checksum_copy(sum);

	end_digest(copy, piece.digest);
	g_checksum_free(copy);
	if (s->pieces == NULL)
		s->pieces =
			g_array_new(FALSE, FALSE, sizeof(struct sent_piece));
	if (s->pieces->len < SENT_PIECES_MAX)
		g_array_append_val(s->pieces, piece);
}

void sent_add(struct sent *s, sent_read_fn read, void *arg, int64_t size)
{
	g_autofree char *buffer = g_malloc(READ_BYTES);
	GChecksum *sum = sent_checksum_new();
	int64_t at = 0;

	while (at < size && size <= SENT_BYTES_MAX) {
		int64_t piece_end = MIN(size,
			at - at % CONTENTS_CHUNK_BYTES + CONTENTS_CHUNK_BYTES);
		ssize_t n = read(arg, buffer,
			(size_t)MIN(READ_BYTES, piece_end - at), at);

		if (n <= 0)
			break;
		g_checksum_update(sum, (const guchar *)buffer, n);
		at += n;
		if (at == piece_end)
			add_piece(s, sum, at);
	}
	g_checksum_free(sum);
}

static void clear_ranges(gpointer p)
{
	struct sent_ranges *r = p;

	g_array_unref(r->ranges);
}

static void release_ranges(gpointer p)
{
	g_atomic_rc_box_release_full(p, clear_ranges);
}

/* False: they cannot be read, or are too many. */
static bool digest_ranges(
	GChecksum *sum, sent_read_fn read, void *arg, const GArray *ranges)
{
	g_autofree char *buffer = g_malloc(READ_BYTES);
	int64_t total = 0;

	for (guint i = 0; i < ranges->len; i++) {
		const struct remote_range *r =
			&g_array_index(ranges, struct remote_range, i);
		int64_t done = 0;

		total += r->length;
		while (done < r->length && total <= SENT_BYTES_MAX) {
			ssize_t n = read(arg, buffer,
				(size_t)MIN(READ_BYTES, r->length - done),
				r->start + done);

			if (n <= 0)
				return false;
			g_checksum_update(sum, (const guchar *)buffer, n);
			done += n;
		}
	}
	return total <= SENT_BYTES_MAX;
}

void sent_add_ranges(struct sent *s, sent_read_fn read, void *arg, int64_t size,
	const GArray *ranges)
{
	GChecksum *sum = sent_checksum_new();
	struct sent_ranges *r;

	if (digest_ranges(sum, read, arg, ranges)) {
		r = g_atomic_rc_box_new0(struct sent_ranges);
		r->size = size;
		r->ranges =
			g_array_new(FALSE, FALSE, sizeof(struct remote_range));
		g_array_append_vals(r->ranges, ranges->data, ranges->len);
		end_digest(sum, r->digest);
		if (s->ranges == NULL)
			s->ranges =
				g_ptr_array_new_with_free_func(release_ranges);
		if (s->ranges->len >= SENT_RANGES_MAX)
			g_ptr_array_remove_index(s->ranges, 0);
		g_ptr_array_add(s->ranges, r);
	}
	g_checksum_free(sum);
}

GPtrArray *sent_list_ranges(const struct sent *s)
{
	GPtrArray *all = g_ptr_array_new_with_free_func(release_ranges);

	for (guint i = 0; s->ranges != NULL && i < s->ranges->len; i++)
		g_ptr_array_add(
			all, g_atomic_rc_box_acquire(s->ranges->pdata[i]));
	return all;
}

bool sent_ranges_match(const struct sent_ranges *r, GChecksum *sum)
{
	guint8 digest[SENT_DIGEST_BYTES];

	end_digest(sum, digest);
	return memcmp(r->digest, digest, sizeof(digest)) == 0;
}

void sent_copy(const struct sent *from, struct sent *to)
{
	if (from->pieces == NULL)
		return;
	if (to->pieces == NULL)
		to->pieces =
			g_array_new(FALSE, FALSE, sizeof(struct sent_piece));
	g_array_append_vals(to->pieces, from->pieces->data, from->pieces->len);
}

void sent_clear(struct sent *s)
{
	if (s->pieces != NULL)
		g_array_unref(s->pieces);
	s->pieces = NULL;
	g_clear_pointer(&s->ranges, g_ptr_array_unref);
}

bool sent_is_empty(const struct sent *s)
{
	return s->pieces == NULL && s->ranges == NULL;
}

bool sent_matches(const struct sent *s, GChecksum *sum, int64_t length)
{
	guint8 digest[SENT_DIGEST_BYTES];

	end_digest(sum, digest);
	for (guint i = 0; s->pieces != NULL && i < s->pieces->len; i++) {
		const struct sent_piece *piece =
			&g_array_index(s->pieces, struct sent_piece, i);

		if (piece->length == length &&
			memcmp(piece->digest, digest, sizeof(digest)) == 0)
			return true;
	}
	return false;
}
