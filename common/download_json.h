/*
 * download_json.h - a file's bytes out of a contents model, as it streams by.
 * Pure.
 *
 * The answer to `GET api/contents/<path>?type=file&format=base64&content=1` is
 * one JSON object whose member "content" is the file in base64. The decoder
 * takes the text in pieces of any size, finds that member at the top level and
 * decodes it into a sink, with memory that does not grow with the file. Members
 * may come in any order; all but "content" and "format" are skipped, and must
 * not be longer than CONTENTS_MODEL_MAX together.
 *
 * It is strict where guessing would change bytes: "format" must be "base64"
 * where it stands, "content" must be one string, there must be one of it,
 * padding ends it, and its length must be a multiple of four. Only newlines
 * inside of it are skipped (the server breaks lines every 76 characters).
 *
 * Belongs to one thread. The sink is borrowed and gets offsets from 0 upwards.
 */
#ifndef PYCLOUD_DOWNLOAD_JSON_H
#define PYCLOUD_DOWNLOAD_JSON_H

#include "common_limits.h"
#include "remote.h"

#define DOWNLOAD_PIECE_BYTES 32768 /* decoded, given to the sink at a time */
#define DOWNLOAD_WORD_BYTES  16	   /* of a key or of "format" we look at */

struct download_json {
	const struct remote_sink *sink;
	int error; /* sticky */

	/* Where in the object (enum shape) and, inside a string, where in that
	 * (enum text) and what it is for (enum role). */
	int shape;
	int text;
	int role;
	int member;	/* the role of the value after this key */
	unsigned depth; /* open brackets of a value being skipped */
	int64_t skipped;
	unsigned unit; /* of a \uXXXX being read */
	unsigned unit_digits;
	size_t word_length; /* a key, or the format; longer ones do not fit */
	char word[DOWNLOAD_WORD_BYTES];

	bool is_content_seen;
	uint32_t quad; /* base64 digits not yet decoded */
	unsigned quad_digits;
	unsigned padding;
	int64_t written; /* bytes given to the sink */
	size_t piece_length;
	unsigned char piece[DOWNLOAD_PIECE_BYTES];
};

void download_json_init(struct download_json *, const struct remote_sink *);

/* An http_sink_fn; arg is the struct download_json. -EPROTO: not what was asked
 * for; -EFBIG: too much to skip; else the sink's error. Errors are final. */
int download_json_write(void *arg, const char *bytes, size_t length);

/* After the last piece: 0 when the object was complete and all of the content
 * went to the sink, -EPROTO otherwise, or the error met before. */
int download_json_finish(struct download_json *);

#endif
