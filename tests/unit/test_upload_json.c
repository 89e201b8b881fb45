/* Uploads: the body is the JSON it promises, as long as it promises. */
#include "config.h"

#include "json.h"
#include "memory_file.h"
#include "test.h"
#include "upload_json.h"

/* Reads the whole body in pieces of `size` bytes. */
static GString *read_body(struct upload_json *u, size_t size)
{
	GString *body = g_string_new(NULL);
	g_autofree char *buffer = g_malloc(size);
	ssize_t n;

	while ((n = upload_json_read(u, buffer, size)) > 0)
		g_string_append_len(body, buffer, n);
	assert_int_equal(n, 0);
	return body;
}

static void assert_body(
	GString *body, const unsigned char *bytes, size_t length, int chunk)
{
	g_autoptr(cJSON) json = json_parse(body->str, body->len);
	g_autofree unsigned char *decoded = NULL;
	gsize decoded_length;
	int64_t number = 0;

	assert_non_null(json);
	assert_string_equal(json_string(json, "type"), "file");
	assert_string_equal(json_string(json, "format"), "base64");
	assert_int_equal(json_int64(json, "chunk", &number), chunk != 0);
	assert_int_equal(number, chunk);
	decoded =
		g_base64_decode(json_string(json, "content"), &decoded_length);
	assert_int_equal(decoded_length, length);
	assert_memory_equal(decoded, bytes, length);
}

static void check(size_t length, size_t read_max, size_t piece, int chunk)
{
	struct memory_file f = memory_file_new(length + 10);
	const struct remote_source source = { memory_file_read, &f,
		(int64_t)length + 10 };
	g_autofree struct upload_json *u = g_new(struct upload_json, 1);
	GString *body;

	f.read_max = read_max;
	upload_json_init(u, &source, 5, (int64_t)length, chunk);
	for (int round = 0; round < 2; round++) {
		body = read_body(u, piece);
		assert_int_equal(body->len, upload_json_bytes(u));
		assert_body(body, f.bytes->data + 5, length, chunk);
		(void)g_string_free(body, TRUE);
		assert_int_equal(upload_json_rewind(u), 0);
	}
	memory_file_free(&f);
}

static void body_is_right_for_every_small_length(void **state)
{
	(void)state;
	for (size_t length = 0; length < 40; length++)
		check(length, 0, 4096, 0);
}

static void body_is_right_around_the_piece(void **state)
{
	(void)state;
	for (size_t i = 0; i < 7; i++) {
		check(UPLOAD_PIECE_BYTES - 3 + i, 0, 16384, 1);
		check(2 * UPLOAD_PIECE_BYTES - 3 + i, 0, 1000, -1);
	}
}

static void short_reads_and_small_buffers_are_fine(void **state)
{
	(void)state;
	check(100, 1, 1, 2);
	check(UPLOAD_PIECE_BYTES + 100, 7, 3, 3);
}

static void what_fits_is_read_at_once(void **state)
{
	struct memory_file f = memory_file_new(UPLOAD_PIECE_BYTES + 1);
	const struct remote_source source = { memory_file_read, &f,
		UPLOAD_PIECE_BYTES + 1 };
	g_autofree struct upload_json *u = g_new(struct upload_json, 1);
	g_autofree char *buffer = g_malloc(4 * UPLOAD_PIECE_BYTES);

	(void)state;
	upload_json_init(u, &source, 0, UPLOAD_PIECE_BYTES + 1, 0);
	assert_int_equal(upload_json_read(u, buffer, 4 * UPLOAD_PIECE_BYTES),
		upload_json_bytes(u));
	assert_int_equal(
		upload_json_read(u, buffer, 4 * UPLOAD_PIECE_BYTES), 0);
	memory_file_free(&f);
}

static void rewinding_halfway_starts_again(void **state)
{
	struct memory_file f = memory_file_new(1000);
	const struct remote_source source = { memory_file_read, &f, 1000 };
	g_autofree struct upload_json *u = g_new(struct upload_json, 1);
	char buffer[700];
	GString *body;

	(void)state;
	upload_json_init(u, &source, 0, 1000, 1);
	(void)upload_json_read(u, buffer, sizeof(buffer));
	(void)upload_json_read(u, buffer, sizeof(buffer));
	(void)upload_json_rewind(u);
	body = read_body(u, 512);
	assert_body(body, f.bytes->data, 1000, 1);
	(void)g_string_free(body, TRUE);
	memory_file_free(&f);
}

static ssize_t read_until_error(struct upload_json *u)
{
	char buffer[512];
	ssize_t n;

	do
		n = upload_json_read(u, buffer, sizeof(buffer));
	while (n > 0);
	return n;
}

static void source_that_ends_early_is_an_error(void **state)
{
	struct memory_file f = memory_file_new(999);
	const struct remote_source source = { memory_file_read, &f, 1000 };
	g_autofree struct upload_json *u = g_new(struct upload_json, 1);

	(void)state;
	upload_json_init(u, &source, 0, 1000, 0);
	assert_int_equal(read_until_error(u), -EIO);
	memory_file_free(&f);
}

static void the_sources_error_is_passed_on(void **state)
{
	struct memory_file f = memory_file_new(10);
	const struct remote_source source = { memory_file_read, &f, 10 };
	g_autofree struct upload_json *u = g_new(struct upload_json, 1);

	(void)state;
	f.error = -ENOMEM;
	upload_json_init(u, &source, 0, 10, 0);
	assert_int_equal(read_until_error(u), -ENOMEM);
	memory_file_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(body_is_right_for_every_small_length),
		cmocka_unit_test(body_is_right_around_the_piece),
		cmocka_unit_test(short_reads_and_small_buffers_are_fine),
		cmocka_unit_test(what_fits_is_read_at_once),
		cmocka_unit_test(rewinding_halfway_starts_again),
		cmocka_unit_test(source_that_ends_early_is_an_error),
		cmocka_unit_test(the_sources_error_is_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
