/* kernel_msg.c - see kernel_msg.h. */
#include "config.h"

#include "kernel_msg.h"

#include <errno.h>
#include <string.h>

/* --- parsing ------------------------------------------------------------- */

static uint32_t read_u32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
	       (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Cuts a binary frame into parts; parts[0] is the JSON. Parts follow each
 * other, so each one's end is the next one's offset. */
static int split_frame(const uint8_t *frame, size_t length,
	struct kernel_buffer parts[KERNEL_BUFFERS_MAX + 1], unsigned *ret_n)
{
	size_t at, end;
	uint32_t n, i;

	if (length < 8)
		return -EPROTO;
	n = read_u32(frame);
	if (n < 1 || n > KERNEL_BUFFERS_MAX + 1 || length < 4 + 4 * (size_t)n)
		return -EPROTO;
	for (i = 0; i < n; i++) {
		at = read_u32(frame + 4 + 4 * (size_t)i);
		end = i + 1 < n ? read_u32(frame + 8 + 4 * (size_t)i) : length;
		if (at < 4 + 4 * (size_t)n || at > end || end > length)
			return -EPROTO;
		parts[i].bytes = frame + at;
		parts[i].length = end - at;
	}
	*ret_n = n;
	return 0;
}

static const char *string_or_empty(const cJSON *object, const char *key)
{
	const char *text = object == NULL ? NULL : json_string(object, key);

	return text == NULL ? "" : text;
}

static int read_members(struct kernel_msg *msg)
{
	const cJSON *header = json_object(msg->json, "header");

	msg->content = json_object(msg->json, "content");
	if (header == NULL || msg->content == NULL)
		return -EPROTO;
	msg->channel = string_or_empty(msg->json, "channel");
	msg->type = string_or_empty(header, "msg_type");
	msg->parent_id = string_or_empty(
		json_object(msg->json, "parent_header"), "msg_id");
	return 0;
}

int kernel_msg_parse(
	bool is_binary, uint8_t *frame, size_t length, struct kernel_msg *ret)
{
	struct kernel_buffer parts[KERNEL_BUFFERS_MAX + 1] = { 0 };
	struct kernel_msg msg = { 0 };
	uint8_t *text;
	unsigned n = 1;

	parts[0] = (struct kernel_buffer){ frame, length };
	if (is_binary && split_frame(frame, length, parts, &n) < 0)
		return -EPROTO;
	text = frame + (parts[0].bytes - frame);
	msg.json = json_parse((char *)text, parts[0].length);
	if (msg.json == NULL || read_members(&msg) < 0) {
		kernel_msg_clear(&msg);
		return -EPROTO;
	}
	msg.n_buffers = n - 1;
	memcpy(msg.buffers, parts + 1, sizeof(msg.buffers));
	*ret = msg;
	return 0;
}

void kernel_msg_clear(struct kernel_msg *msg)
{
	cJSON_Delete(msg->json);
	memset(msg, 0, sizeof(*msg));
}

/* --- building ------------------------------------------------------------ */

static void append_text(GByteArray *frame, const char *text)
{
	g_byte_array_append(frame, (const guint8 *)text, (guint)strlen(text));
}

static void append_quoted(
	GByteArray *frame, const char *before, const char *value)
{
	g_autofree char *quoted = json_quote(value);

	append_text(frame, before);
	append_text(frame, quoted);
}

static void append_json(GByteArray *frame, const cJSON *value)
{
	g_autofree char *text = value == NULL ? NULL : json_print(value);

	append_text(frame, text == NULL ? "{}" : text);
}

/* Everything up to the content's opening brace. The date is left out: servers
 * and kernels do without, and this stays pure. */
static GByteArray *begin(const struct kernel_msg_header *h, const char *type)
{
	GByteArray *frame = g_byte_array_new();

	append_quoted(frame, "{\"header\":{\"msg_id\":", h->msg_id);
	append_quoted(frame, ",\"session\":", h->session);
	append_quoted(frame, ",\"username\":\"pycloud\",\"msg_type\":", type);
	append_text(frame,
		",\"version\":\"5.3\"},\"parent_header\":{},\"metadata\":{},"
		"\"channel\":\"shell\",\"content\":{");
	return frame;
}

GByteArray *kernel_msg_execute_request(
	const struct kernel_msg_header *h, const char *code)
{
	GByteArray *frame = begin(h, "execute_request");

	append_quoted(frame, "\"code\":", code);
	append_text(frame, ",\"silent\":true,\"store_history\":false,"
			   "\"user_expressions\":{},\"allow_stdin\":false,"
			   "\"stop_on_error\":true}}");
	return frame;
}

GByteArray *kernel_msg_comm_open(const struct kernel_msg_header *h,
	const char *comm_id, const char *target, const cJSON *data)
{
	GByteArray *frame = begin(h, "comm_open");

	append_quoted(frame, "\"comm_id\":", comm_id);
	append_quoted(frame, ",\"target_name\":", target);
	append_text(frame, ",\"data\":");
	append_json(frame, data);
	append_text(frame, "}}");
	return frame;
}

/* Puts count, offsets and the buffer around a JSON frame. */
static GByteArray *wrap_binary(
	GByteArray *json, const struct kernel_buffer *buffer)
{
	const uint32_t head[] = { GUINT32_TO_BE(2), GUINT32_TO_BE(12),
		GUINT32_TO_BE(12 + json->len) };
	GByteArray *frame = g_byte_array_sized_new(
		(guint)(sizeof(head) + json->len + buffer->length));

	g_byte_array_append(frame, (const guint8 *)head, sizeof(head));
	g_byte_array_append(frame, json->data, json->len);
	if (buffer->length > 0)
		g_byte_array_append(
			frame, buffer->bytes, (guint)buffer->length);
	g_byte_array_unref(json);
	return frame;
}

GByteArray *kernel_msg_comm_msg(const struct kernel_msg_header *h,
	const char *comm_id, const cJSON *data,
	const struct kernel_buffer *buffer)
{
	GByteArray *frame = begin(h, "comm_msg");

	append_quoted(frame, "\"comm_id\":", comm_id);
	append_text(frame, ",\"data\":");
	append_json(frame, data);
	append_text(frame, "}}");
	return buffer == NULL ? frame : wrap_binary(frame, buffer);
}

GByteArray *kernel_msg_comm_close(
	const struct kernel_msg_header *h, const char *comm_id)
{
	GByteArray *frame = begin(h, "comm_close");

	append_quoted(frame, "\"comm_id\":", comm_id);
	append_text(frame, ",\"data\":{}}}");
	return frame;
}
