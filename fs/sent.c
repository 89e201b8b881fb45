/* sent.c - see sent.h. */
#include "config.h"

#include "sent.h"

#include "common_limits.h"
#include "fs_limits.h"

#include <string.h>

#define DIGEST_BYTES 32
#define READ_BYTES   (128 << 10)

struct sent_piece {
	int64_t length;
	guint8 digest[DIGEST_BYTES];
};

GChecksum *sent_checksum_new(void)
{
	return g_checksum_new(G_CHECKSUM_SHA256);
}

static void end_digest(GChecksum *sum, guint8 digest[static DIGEST_BYTES])
{
	gsize length = DIGEST_BYTES;

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
}

bool sent_is_empty(const struct sent *s)
{
	return s->pieces == NULL;
}

bool sent_matches(const struct sent *s, GChecksum *sum, int64_t length)
{
	guint8 digest[DIGEST_BYTES];

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
