/* Any bytes as a file on its way to the server: the body is as long as was
 * said, and decodes to the same bytes. */
#include "config.h"

#include "fuzz.h"

#include "download_json.h"
#include "json.h"
#include "upload_json.h"

#include <string.h>

static ssize_t give(void *arg, void *buffer, size_t size, int64_t offset)
{
	const struct fuzz_input *in = arg;

	if (offset < 0 || (uint64_t)offset > in->left)
		return -1;
	size = MIN(size, in->left - (size_t)offset);
	memcpy(buffer, in->at + offset, size);
	return (ssize_t)size;
}

static int take(void *arg, const void *bytes, size_t length, int64_t offset)
{
	(void)offset;
	g_byte_array_append(arg, bytes, (guint)length);
	return 0;
}

static GString *make_body(struct upload_json *u, size_t step)
{
	GString *body = g_string_new(NULL);
	g_autofree char *piece = g_malloc(step);
	ssize_t n;

	while ((n = upload_json_read(u, piece, step)) > 0)
		g_string_append_len(body, piece, n);
	if (n < 0 || (int64_t)body->len != upload_json_bytes(u))
		g_error("%zu bytes instead of %" G_GINT64_FORMAT, body->len,
			upload_json_bytes(u));
	return body;
}

static void check_body(GString *body, const struct fuzz_input *in)
{
	g_autofree struct download_json *d = g_new(struct download_json, 1);
	g_autoptr(GByteArray) got = g_byte_array_new();
	const struct remote_sink sink = { take, got };
	g_autoptr(cJSON) json = NULL;

	download_json_init(d, &sink);
	if (download_json_write(d, body->str, body->len) < 0 ||
		download_json_finish(d) < 0 || got->len != in->left ||
		(got->len > 0 && memcmp(got->data, in->at, got->len) != 0))
		g_error("a file became another");
	json = json_parse(body->str, body->len);
	if (json == NULL)
		g_error("no JSON");
}

/* The first byte says how much is read at a time, the second which chunk. */
void fuzz_upload_json(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	size_t step = 1 + fuzz_take_byte(&in);
	int chunk = fuzz_take_byte(&in) % 4 - 1;
	g_autofree struct upload_json *u = g_new0(struct upload_json, 1);
	const struct remote_source source = { give, &in, (int64_t)in.left };
	g_autoptr(GString) once = NULL;
	g_autoptr(GString) again = NULL;

	upload_json_init(u, &source, 0, (int64_t)in.left, chunk);
	once = make_body(u, step);
	if (upload_json_rewind(u) < 0)
		g_error("it cannot be sent again");
	again = make_body(u, 4096);
	if (!g_string_equal(once, again))
		g_error("the body depends on the pieces");
	check_body(once, &in);
}
