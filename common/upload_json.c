/* upload_json.c - see upload_json.h. */
#include "config.h"

#include "upload_json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char TAIL[] = "\"}";

G_STATIC_ASSERT(UPLOAD_PIECE_BYTES % 3 == 0);
G_STATIC_ASSERT(UPLOAD_CHUNK_BYTES % 3 == 0);

void upload_json_init(struct upload_json *u, const struct remote_source *source,
	int64_t offset, int64_t length, int chunk)
{
	char number[32] = "";

	u->source = source;
	u->offset = offset;
	u->length = length;
	if (chunk != 0)
		(void)snprintf(number, sizeof(number), "\"chunk\":%d,", chunk);
	(void)snprintf(u->head, sizeof(u->head),
		"{\"type\":\"file\",\"format\":\"base64\",%s\"content\":\"",
		number);
	(void)upload_json_rewind(u);
}

int64_t upload_json_bytes(const struct upload_json *u)
{
	return (int64_t)strlen(u->head) + (u->length + 2) / 3 * 4 +
	       (int64_t)strlen(TAIL);
}

int upload_json_rewind(void *arg)
{
	struct upload_json *u = arg;

	u->encoded = 0;
	u->is_tail_out = false;
	u->pending_at = 0;
	u->pending_end = strlen(u->head);
	memcpy(u->pending, u->head, u->pending_end);
	return 0;
}

static int read_exactly(struct upload_json *u, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = u->source->read(u->source->arg, u->raw + done,
			size - done, u->offset + u->encoded + (int64_t)done);

		if (n < 0)
			return (int)n;
		if (n == 0 || (size_t)n > size - done)
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}

static size_t encode(const struct upload_json *u, size_t size, char *out)
{
	int state = 0, save = 0;
	size_t n =
		g_base64_encode_step(u->raw, size, FALSE, out, &state, &save);

	return n + g_base64_encode_close(FALSE, out + n, &state, &save);
}

/* Encodes the next piece, or the tail after the last one. */
static int refill(struct upload_json *u)
{
	size_t size = (size_t)MIN(u->length - u->encoded, UPLOAD_PIECE_BYTES);
	int rc;

	u->pending_at = 0;
	u->pending_end = 0;
	if (size == 0) {
		u->pending_end = u->is_tail_out ? 0 : strlen(TAIL);
		memcpy(u->pending, TAIL, u->pending_end);
		u->is_tail_out = true;
		return 0;
	}
	rc = read_exactly(u, size);
	if (rc < 0)
		return rc;
	u->encoded += (int64_t)size;
	u->pending_end = encode(u, size, u->pending);
	return 0;
}

/* Fills the buffer: a small file leaves in one packet, not in three. */
ssize_t upload_json_read(void *arg, char *buffer, size_t size)
{
	struct upload_json *u = arg;
	size_t done = 0;

	while (done < size) {
		size_t n;

		if (u->pending_at == u->pending_end) {
			int rc = refill(u);

			if (rc < 0)
				return rc;
			if (u->pending_end == 0)
				break;
		}
		n = MIN(size - done, u->pending_end - u->pending_at);
		memcpy(buffer + done, u->pending + u->pending_at, n);
		u->pending_at += n;
		done += n;
	}
	return (ssize_t)done;
}
