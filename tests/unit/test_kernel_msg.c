/* Jupyter messages: what is built is understood, what is broken is refused. */
#include "config.h"

#include "kernel.h"
#include "test.h"

#include <errno.h>
#include <string.h>

static const struct kernel_msg_header header = { .session = "s",
	.msg_id = "s_1" };

/* Parses a frame made of text; the copy keeps what the message borrows. */
static int parse_text(
	const char *text, GByteArray **ret_frame, struct kernel_msg *ret)
{
	GByteArray *frame = g_byte_array_new();

	g_byte_array_append(frame, (const guint8 *)text, (guint)strlen(text));
	*ret_frame = frame;
	return kernel_msg_parse(false, frame->data, frame->len, ret);
}

static void message_is_taken_apart(void **state)
{
	GByteArray *frame;
	struct kernel_msg msg;

	(void)state;
	assert_int_equal(
		parse_text("{\"header\":{\"msg_type\":\"status\"},"
			   "\"parent_header\":{\"msg_id\":\"p\"},"
			   "\"content\":{\"execution_state\":\"idle\"},"
			   "\"channel\":\"iopub\",\"buffers\":[]}",
			&frame, &msg),
		0);
	assert_string_equal(msg.type, "status");
	assert_string_equal(msg.channel, "iopub");
	assert_string_equal(msg.parent_id, "p");
	assert_string_equal(
		json_string(msg.content, "execution_state"), "idle");
	assert_int_equal(msg.n_buffers, 0);
	kernel_msg_clear(&msg);
	g_byte_array_unref(frame);
}

static void missing_members_are_empty_or_refused(void **state)
{
	static const char *const refused[] = { "", "[]", "{", "null",
		"{\"header\":{}}", "{\"content\":{}}",
		"{\"header\":{},\"content\":[]}",
		"{\"header\":1,\"content\":{}}" };
	GByteArray *frame;
	struct kernel_msg msg;
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(refused); i++) {
		assert_int_equal(parse_text(refused[i], &frame, &msg), -EPROTO);
		g_byte_array_unref(frame);
	}
	assert_int_equal(
		parse_text("{\"header\":{\"msg_type\":7},\"content\":{}}",
			&frame, &msg),
		0);
	assert_string_equal(msg.type, "");
	assert_string_equal(msg.channel, "");
	assert_string_equal(msg.parent_id, "");
	kernel_msg_clear(&msg);
	g_byte_array_unref(frame);
}

static void execute_request_is_silent(void **state)
{
	GByteArray *frame = kernel_msg_execute_request(&header, "a\n\"b\"");
	struct kernel_msg msg;

	(void)state;
	assert_int_equal(
		kernel_msg_parse(false, frame->data, frame->len, &msg), 0);
	assert_string_equal(msg.type, "execute_request");
	assert_string_equal(msg.channel, "shell");
	assert_string_equal(json_string(msg.content, "code"), "a\n\"b\"");
	assert_true(json_bool(msg.content, "silent", false));
	assert_false(json_bool(msg.content, "store_history", true));
	assert_false(json_bool(msg.content, "allow_stdin", true));
	assert_string_equal(
		json_string(json_object(msg.json, "header"), "msg_id"), "s_1");
	assert_string_equal(
		json_string(json_object(msg.json, "header"), "session"), "s");
	kernel_msg_clear(&msg);
	g_byte_array_unref(frame);
}

static void comm_carries_bytes_both_ways(void **state)
{
	g_autoptr(cJSON) data = cJSON_Parse("{\"call\":\"feed\"}");
	const struct kernel_buffer bytes = { (const uint8_t *)"\0\xff{", 3 };
	GByteArray *frame = kernel_msg_comm_msg(&header, "c", data, &bytes);
	struct kernel_msg msg;

	(void)state;
	assert_int_equal(
		kernel_msg_parse(true, frame->data, frame->len, &msg), 0);
	assert_string_equal(msg.type, "comm_msg");
	assert_string_equal(json_string(msg.content, "comm_id"), "c");
	assert_string_equal(
		json_string(json_object(msg.content, "data"), "call"), "feed");
	assert_int_equal(msg.n_buffers, 1);
	assert_int_equal(msg.buffers[0].length, 3);
	assert_memory_equal(msg.buffers[0].bytes, "\0\xff{", 3);
	kernel_msg_clear(&msg);
	g_byte_array_unref(frame);
}

static void comm_is_opened_and_closed(void **state)
{
	GByteArray *frame = kernel_msg_comm_open(&header, "c", "pycloud", NULL);
	struct kernel_msg msg;

	(void)state;
	assert_int_equal(
		kernel_msg_parse(false, frame->data, frame->len, &msg), 0);
	assert_string_equal(msg.type, "comm_open");
	assert_string_equal(json_string(msg.content, "target_name"), "pycloud");
	assert_non_null(json_object(msg.content, "data"));
	kernel_msg_clear(&msg);
	g_byte_array_unref(frame);

	frame = kernel_msg_comm_close(&header, "c");
	assert_int_equal(
		kernel_msg_parse(false, frame->data, frame->len, &msg), 0);
	assert_string_equal(msg.type, "comm_close");
	kernel_msg_clear(&msg);
	g_byte_array_unref(frame);
}

#define MESSAGE "{\"header\":{},\"content\":{}}"

static void put_u32(GByteArray *frame, uint32_t value)
{
	const uint32_t big = GUINT32_TO_BE(value);

	g_byte_array_append(frame, (const guint8 *)&big, sizeof(big));
}

/* A frame with the given count and offsets, the message, and 4 bytes. */
static int parse_binary(uint32_t n, const uint32_t *offsets, size_t n_offsets)
{
	GByteArray *frame = g_byte_array_new();
	struct kernel_msg msg;
	size_t i;
	int rc;

	put_u32(frame, n);
	for (i = 0; i < n_offsets; i++)
		put_u32(frame, offsets[i]);
	g_byte_array_append(
		frame, (const guint8 *)MESSAGE "abcd", sizeof(MESSAGE) + 3);
	rc = kernel_msg_parse(true, frame->data, frame->len, &msg);
	if (rc == 0)
		kernel_msg_clear(&msg);
	g_byte_array_unref(frame);
	return rc;
}

static void offsets_are_checked(void **state)
{
	const uint32_t length = sizeof(MESSAGE) - 1;
	const uint32_t good[] = { 12, 12 + length };
	const uint32_t empty[] = { 12, 12 + length, 16 + length };
	const uint32_t overlapping[] = { 4, 12 + length };
	const uint32_t backwards[] = { 12 + length, 12 };
	const uint32_t beyond[] = { 12, 17 + length };
	const uint32_t huge[] = { 12, UINT32_MAX };

	(void)state;
	assert_int_equal(parse_binary(2, good, 2), 0);
	assert_int_equal(parse_binary(3, empty, 3), -EPROTO);
	assert_int_equal(parse_binary(2, overlapping, 2), -EPROTO);
	assert_int_equal(parse_binary(2, backwards, 2), -EPROTO);
	assert_int_equal(parse_binary(2, beyond, 2), -EPROTO);
	assert_int_equal(parse_binary(2, huge, 2), -EPROTO);
}

static void count_is_checked(void **state)
{
	uint8_t tiny[4] = { 0 };
	uint32_t offsets[KERNEL_BUFFERS_MAX + 2];
	struct kernel_msg msg;
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(offsets); i++)
		offsets[i] = 4 + 4 * (uint32_t)G_N_ELEMENTS(offsets);
	assert_int_equal(parse_binary(0, offsets, 1), -EPROTO);
	assert_int_equal(parse_binary(UINT32_MAX, offsets, 1), -EPROTO);
	assert_int_equal(parse_binary(G_N_ELEMENTS(offsets), offsets,
				 G_N_ELEMENTS(offsets)),
		-EPROTO);
	assert_int_equal(kernel_msg_parse(true, tiny, 0, &msg), -EPROTO);
	assert_int_equal(kernel_msg_parse(true, tiny, 4, &msg), -EPROTO);
}

static char *choose(const char *text)
{
	g_autoptr(cJSON) reply = cJSON_Parse(text);

	return kernel_choose_spec(reply);
}

#define SPEC(name, language) \
	"\"" name "\":{\"spec\":{\"language\":\"" language "\"}}"

static void python_kernel_is_chosen(void **state)
{
	g_autofree char *preferred =
		choose("{\"default\":\"py-z\",\"kernelspecs\":{" SPEC(
			"py-a", "python") "," SPEC("py-z", "Python") "}}");
	g_autofree char *first =
		choose("{\"default\":\"ir\",\"kernelspecs\":{" SPEC(
			"ir", "R") "," SPEC("py-b", "python") "," SPEC("py-a",
			"python") "}}");

	(void)state;
	assert_string_equal(preferred, "py-z");
	assert_string_equal(first, "py-a");
	assert_null(choose(
		"{\"default\":\"ir\",\"kernelspecs\":{" SPEC("ir", "R") "}}"));
	assert_null(choose("{}"));
	assert_null(choose("{\"default\":1,\"kernelspecs\":[1]}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(message_is_taken_apart),
		cmocka_unit_test(missing_members_are_empty_or_refused),
		cmocka_unit_test(execute_request_is_silent),
		cmocka_unit_test(comm_carries_bytes_both_ways),
		cmocka_unit_test(comm_is_opened_and_closed),
		cmocka_unit_test(offsets_are_checked),
		cmocka_unit_test(count_is_checked),
		cmocka_unit_test(python_kernel_is_chosen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
