/*
 * Any bytes as a file in a contents model. The first byte says into what
 * pieces the rest is cut: the outcome must not depend on it.
 */
#include "config.h"

#include "fuzz.h"

#include "download_json.h"

#include <string.h>

static int take(void *arg, const void *bytes, size_t length, int64_t offset)
{
	GByteArray *got = arg;

	if (offset != (int64_t)got->len)
		g_error("a gap in the decoded bytes");
	g_byte_array_append(got, bytes, (guint)length);
	return 0;
}

static int decode(
	const uint8_t *bytes, size_t length, size_t piece, GByteArray *got)
{
	const struct remote_sink sink = { take, got };
	g_autofree struct download_json *d = g_new(struct download_json, 1);

	download_json_init(d, &sink);
	for (size_t at = 0; at < length; at += piece) {
		size_t n = MIN(piece, length - at);
		g_autofree char *copy = g_memdup2(bytes + at, n);

		if (download_json_write(d, copy, n) < 0)
			break;
	}
	return download_json_finish(d);
}

void fuzz_download_json(const uint8_t *bytes, size_t length)
{
	g_autoptr(GByteArray) whole = g_byte_array_new();
	g_autoptr(GByteArray) cut = g_byte_array_new();

	if (length < 2)
		return;
	if (decode(bytes + 1, length - 1, length, whole) !=
		decode(bytes + 1, length - 1, bytes[0] % 16 + 1u, cut))
		g_error("the outcome depends on the pieces");
	if (whole->len != cut->len ||
		(cut->len > 0 && memcmp(whole->data, cut->data, cut->len) != 0))
		g_error("the bytes depend on the pieces");
}
