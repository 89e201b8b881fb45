/*
 * upload_json.h - a piece of a file as the body of a contents PUT. Pure.
 *
 *   {"type":"file","format":"base64","chunk":2,"content":"...."}
 *
 * Produced piece by piece, so memory does not grow with the file, and with a
 * length known beforehand, so no chunked transfer encoding is needed. The
 * content is one base64 stream: the server silently drops what follows the
 * first padding. Of a file in several chunks, all but the last must therefore
 * be multiples of three bytes for the whole to be predictable; see
 * UPLOAD_CHUNK_BYTES.
 *
 * Belongs to one thread. The source is borrowed.
 */
#ifndef PYCLOUD_UPLOAD_JSON_H
#define PYCLOUD_UPLOAD_JSON_H

#include "common_limits.h"
#include "remote.h"

#define UPLOAD_CHUNK_BYTES CONTENTS_CHUNK_BYTES

#define UPLOAD_PIECE_BYTES 24576 /* of the source, encoded at a time */

struct upload_json {
	const struct remote_source *source;
	int64_t offset; /* of the source */
	int64_t length;
	char head[96];
	/* Where reading is: bytes of the source already encoded, whether the
	 * tail went out, and what is encoded but not yet read. */
	int64_t encoded;
	bool is_tail_out;
	size_t pending_at;
	size_t pending_end;
	unsigned char raw[UPLOAD_PIECE_BYTES];
	char pending[UPLOAD_PIECE_BYTES / 3 * 4 + 8];
};

/* chunk 0: a body without "chunk", a whole file. */
void upload_json_init(struct upload_json *, const struct remote_source *,
	int64_t offset, int64_t length, int chunk);

/* The body's length in bytes. */
int64_t upload_json_bytes(const struct upload_json *);

/* An http_source_fn, and the rewind of http_client.h; arg is the struct
 * upload_json. -EIO when the source ends early, else the source's error. */
ssize_t upload_json_read(void *arg, char *buffer, size_t size);
int upload_json_rewind(void *arg);

#endif
