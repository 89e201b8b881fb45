/* Asking the contents service: attributes, listings, bytes. */
#include "config.h"

#include "test.h"

#include "contents_world.h"

#include <signal.h>

static void paths_are_encoded_and_the_root_has_no_slash(void **state)
{
	static const struct script_step steps[] = {
		{ 200, NULL, MODEL("x", "file", "1"), 0 },
		{ 200, NULL, MODEL("", "directory", "null"), 0 },
		{ 200, NULL,
			"{\"name\":\"\",\"type\":\"directory\",\"content\":[]}",
			0 },
	};
	struct world w = WORLD(steps);
	GPtrArray *entries;
	unsigned dropped;
	struct entry e;

	(void)state;
	assert_int_equal(remote_stat(w.remote, "a b/checkpoints", NULL, &e), 0);
	assert_string_equal(e.name, "checkpoints"); /* ours, not the server's */
	entry_clear(&e);
	assert_int_equal(world_stat(&w, ""), 0);
	assert_int_equal(
		remote_list(w.remote, "", NULL, &entries, &dropped), 0);
	g_ptr_array_unref(entries);
	world_end(&w, "GET /api/contents/a%20b/%63heckpoints?content=0\n"
		      "GET /api/contents?content=0\n"
		      "GET /api/contents?type=directory&content=1\n");
}

static void bad_paths_never_leave(void **state)
{
	static const struct script_step steps[] = { { .status = 500 } };
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(world_stat(&w, "a/../b"), -EINVAL);
	assert_int_equal(world_stat(&w, "a//b"), -EINVAL);
	assert_int_equal(world_stat(&w, "/a"), -EINVAL);
	assert_int_equal(world_stat(&w, "a/"), -EINVAL);
	assert_int_equal(world_write(&w, "..", 1), -EINVAL);
	assert_int_equal(world_write(&w, "a\xff", 1), -EILSEQ);
	world_end(&w, "");
}

static void absence_is_believed_from_the_handler_only(void **state)
{
	static const struct script_step steps[] = {
		{ 404, NULL, MESSAGE("No such file"), 0 },
		{ 404, NULL, "file or directory '/a' does not exist", 0 },
		{ 404, HTML, "<html>no such user</html>", 0 },
		{ 200, HTML, "<html>log in</html>", 0 },
		{ 302, "Location: /login?next=x\r\n", NULL, 0 },
		{ 200, NULL, "[]", 0 },
	};
	static const int expected[] = { -ENOENT, -ENOENT, -EPROTO, -EPROTO,
		-EACCES, -EPROTO };
	struct world w = WORLD(steps);
	g_autoptr(GString) log = g_string_new(NULL);

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
		assert_int_equal(world_stat(&w, "a"), expected[i]);
		g_string_append(log, "GET /api/contents/a?content=0\n");
	}
	world_end(&w, log->str);
}

static void a_lost_answer_is_asked_for_again(void **state)
{
	static const struct script_step steps[] = { { 0 },
		{ 200, NULL, FILE_MODEL("1"), 10 },
		{ 200, NULL, FILE_MODEL("1"), 0 } };
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(world_stat(&w, "a"), 0);
	world_end(&w, "GET /api/contents/a?content=0\n"
		      "GET /api/contents/a?content=0\n"
		      "GET /api/contents/a?content=0\n");
}

static void a_dot_name_that_is_shown_proves_that_they_are_allowed(void **state)
{
	static const struct script_step steps[] = {
		{ 404, NULL, NULL, 0 },
		{ 200, NULL,
			"{\"name\":\"\",\"type\":\"directory\",\"content\":["
			"{\"name\":\".a\",\"type\":\"file\"}]}",
			0 },
	};
	struct world w = WORLD(steps);
	GPtrArray *entries;
	unsigned dropped;

	(void)state;
	assert_int_equal(world_stat(&w, "d/.x"), -ENOENT);
	assert_int_equal(remote_capabilities(w.remote), REMOTE_CAN_RANGE);
	assert_int_equal(
		remote_list(w.remote, "", NULL, &entries, &dropped), 0);
	g_ptr_array_unref(entries);
	assert_int_equal(remote_capabilities(w.remote),
		REMOTE_CAN_RANGE | REMOTE_CAN_HIDDEN);
	world_end(&w, "GET /api/contents/d/.x?content=0\n"
		      "GET /api/contents?type=directory&content=1\n");
}

static void assert_bytes(
	struct memory_file *f, int64_t offset, const char *expected)
{
	assert_int_equal(f->bytes->len, (size_t)offset + strlen(expected));
	assert_memory_equal(
		f->bytes->data + offset, expected, strlen(expected));
	memory_file_free(f);
}

static void a_whole_file_is_asked_for_without_range(void **state)
{
	static const struct script_step steps[] = { { 200,
		"Last-Modified: Sun, 22 Nov 2026 07:16:21 GMT\r\n",
		"0123456789", 0 } };
	struct world w = WORLD(steps);
	struct remote_read_info info;
	struct memory_file f;

	(void)state;
	assert_int_equal(world_read(&w, "a#b", 0, -1, &f, &info), 0);
	assert_bytes(&f, 0, "0123456789");
	assert_int_equal(info.received, 10);
	assert_int_equal(info.total, 10);
	assert_int_equal(info.last_modified, 1795331781);
	world_end(&w, "GET /files/a%23b\n");
}

static void a_part_is_asked_for_by_range(void **state)
{
	static const struct script_step steps[] = {
		{ 206, "Content-Range: bytes 2-4/10\r\n", "234", 0 },
		{ 206, "Content-Range: bytes 8-9/10\r\n", "89", 0 },
		{ 206, "Content-Range: bytes 7-9/10\r\n", "789", 0 },
	};
	struct world w = WORLD(steps);
	struct remote_read_info info;
	struct memory_file f;

	(void)state;
	assert_int_equal(world_read(&w, "a", 2, 3, &f, &info), 0);
	assert_bytes(&f, 2, "234");
	assert_int_equal(info.received, 3);
	assert_int_equal(info.total, 10);
	assert_int_equal(world_read(&w, "a", 8, 100, &f, &info), 0);
	assert_bytes(&f, 8, "89");
	assert_int_equal(world_read(&w, "a", 7, -1, &f, &info), 0);
	assert_bytes(&f, 7, "789");
	world_end(&w, "GET /files/a 2-4\nGET /files/a 8-107\n"
		      "GET /files/a 7-\n");
}

static void a_server_without_ranges_is_trimmed(void **state)
{
	static const struct script_step steps[] = {
		{ 200, NULL, "0123456789", 0 },
		{ 200, NULL, "0123456789", 0 },
		{ 200, NULL, "0123456789", 0 },
	};
	struct world w = WORLD(steps);
	struct remote_read_info info;
	struct memory_file f;

	(void)state;
	assert_int_equal(world_read(&w, "a", 2, 3, &f, &info), 0);
	assert_bytes(&f, 2, "234");
	assert_int_equal(info.received, 3);
	assert_int_equal(info.total, 10);
	assert_int_equal(world_read(&w, "a", 8, 5, &f, &info), 0);
	assert_bytes(&f, 8, "89");
	assert_int_equal(world_read(&w, "a", 11, 5, &f, &info), 0);
	assert_int_equal(info.received, 0);
	memory_file_free(&f);
	world_end(&w, "GET /files/a 2-4\nGET /files/a 8-12\n"
		      "GET /files/a 11-15\n");
}

static void what_was_not_asked_for_is_not_waited_for(void **state)
{
	g_autofree char *body = g_strnfill(64 * 1024 * 1024, 'x');
	const struct script_step steps[] = { { 200, NULL, body, 0 } };
	struct world w = WORLD(steps);
	struct remote_read_info info;
	struct http_stats stats;
	struct memory_file f;

	(void)state;
	assert_int_equal(world_read(&w, "a", 0, 4096, &f, &info), 0);
	assert_int_equal(info.received, 4096);
	assert_int_equal(info.total, 64 * 1024 * 1024);
	assert_int_equal(f.bytes->len, 4096);
	http_pool_stats(w.pool, &stats);
	assert_true(stats.bytes_in < 8 * 1024 * 1024);
	memory_file_free(&f);
	world_end(&w, "GET /files/a 0-4095\n");
}

static void reading_past_the_end_gives_nothing(void **state)
{
	static const struct script_step steps[] = {
		{ 416, HTML "Content-Range: bytes */0\r\n", "<html>", 0 },
		{ 416, HTML "Content-Range: bytes */7\r\n", "<html>", 0 },
		{ 416, HTML "Content-Range: bytes */70\r\n", "<html>", 0 },
	};
	struct world w = WORLD(steps);
	struct remote_read_info info;
	struct memory_file f;

	(void)state;
	assert_int_equal(world_read(&w, "a", 0, 4, &f, &info), 0);
	assert_int_equal(info.received, 0);
	assert_int_equal(info.total, 0);
	memory_file_free(&f);
	assert_int_equal(world_read(&w, "a", 7, 4, &f, &info), 0);
	assert_int_equal(info.total, 7);
	memory_file_free(&f);
	assert_int_equal(world_read(&w, "a", 7, 4, &f, &info), -EIO);
	memory_file_free(&f);
	world_end(&w, "GET /files/a 0-3\nGET /files/a 7-10\n"
		      "GET /files/a 7-10\n");
}

static void a_range_that_was_not_asked_for_is_an_error(void **state)
{
	static const struct script_step steps[] = {
		{ 206, "Content-Range: bytes 3-5/10\r\n", "345", 0 },
		{ 206, "Content-Range: bytes 2-3/10\r\n", "23", 0 },
		{ 206, "Content-Range: bytes 2-5/10\r\n", "2345", 0 },
		{ 206, "Content-Range: bytes 2-4/10\r\n", "23", 0 },
		{ 206, NULL, "234", 0 },
		{ 206, "Content-Range: bytes 2-3/*\r\n", "23", 0 },
		{ 204, NULL, NULL, 0 },
	};
	struct world w = WORLD(steps);
	g_autoptr(GString) log = g_string_new(NULL);
	struct remote_read_info info;
	struct memory_file f;

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
		assert_true(world_read(&w, "a", 2, 3, &f, &info) < 0);
		memory_file_free(&f);
		g_string_append(log, "GET /files/a 2-4\n");
	}
	world_end(&w, log->str);
}

static void a_short_answer_is_asked_for_again_from_the_start(void **state)
{
	static const struct script_step steps[] = {
		{ 200, NULL, "0123456789", 4 },
		{ 206, "Content-Range: bytes 0-3/4\r\n", "abcd", 0 },
	};
	struct world w = WORLD(steps);
	struct remote_read_info info;
	struct memory_file f;

	(void)state;
	assert_int_equal(world_read(&w, "a", 0, 10, &f, &info), 0);
	assert_bytes(&f, 0, "abcd");
	assert_int_equal(info.received, 4);
	world_end(&w, "GET /files/a 0-9\nGET /files/a 0-9\n");
}

#define CONTENT(base64)                                           \
	"{\"name\":\"a\",\"type\":\"file\",\"content\":\"" base64 \
	"\",\"format\":\"base64\"}"
#define DECODED_GET "GET /api/contents/a?type=file&format=base64&content=1\n"

static void a_server_without_files_is_learnt_once(void **state)
{
	static const struct script_step steps[] = {
		{ 404, HTML, "<html>", 0 },
		{ 200, NULL, CONTENT("MDEyMzQ1Njc4OQ==\\n"), 0 },
		{ 200, NULL, CONTENT("MDEyMzQ1Njc4OQ==\\n"), 0 },
	};
	struct world w = WORLD(steps);
	struct remote_read_info info;
	struct memory_file f;

	(void)state;
	assert_int_equal(world_read(&w, "a", 0, -1, &f, &info), 0);
	assert_bytes(&f, 0, "0123456789");
	assert_int_equal(info.total, 10);
	assert_int_equal(remote_capabilities(w.remote), 0);
	assert_int_equal(world_read(&w, "a", 3, 4, &f, &info), 0);
	assert_bytes(&f, 3, "3456");
	assert_int_equal(info.received, 4);
	assert_int_equal(info.total, 10);
	world_end(&w, "GET /files/a\n" DECODED_GET DECODED_GET);
}

static void an_answer_without_length_proves_no_size(void **state)
{
	static const struct script_step steps[] = {
		{ 200, NULL, "0123456789", SCRIPT_UNSIZED },
	};
	struct world w = WORLD(steps);
	struct remote_read_info info;
	struct memory_file f;

	(void)state;
	assert_int_equal(world_read(&w, "a", 0, -1, &f, &info), 0);
	assert_bytes(&f, 0, "0123456789");
	assert_int_equal(info.received, 10);
	assert_int_equal(info.total, -1);
	world_end(&w, "GET /files/a\n");
}

static void a_hidden_files_refusal_teaches_nothing(void **state)
{
	static const struct script_step steps[] = {
		{ 404, HTML, "<html>", 0 },
		{ 200, NULL, CONTENT("MDE="), 0 },
		{ 200, NULL, "01", 0 },
	};
	struct world w = WORLD(steps);
	struct remote_read_info info;
	struct memory_file f;

	(void)state;
	assert_int_equal(world_read(&w, "d/.a", 0, -1, &f, &info), 0);
	memory_file_free(&f);
	assert_true((remote_capabilities(w.remote) & REMOTE_CAN_RANGE) != 0);
	assert_int_equal(world_read(&w, "a", 0, -1, &f, &info), 0);
	assert_bytes(&f, 0, "01");
	assert_int_equal(info.total, 2);
	world_end(&w,
		"GET /files/d/.a\n"
		"GET /api/contents/d/.a?type=file&format=base64&content=1\n"
		"GET /files/a\n");
}

static void one_refusal_does_not_unlearn_files(void **state)
{
	static const struct script_step steps[] = {
		{ 200, NULL, "x", 0 },
		{ 404, HTML, "<html>", 0 },
		{ 200, NULL, CONTENT("MDE="), 0 },
	};
	struct world w = WORLD(steps);
	struct remote_read_info info;
	struct memory_file f;

	(void)state;
	assert_int_equal(world_read(&w, "a", 0, -1, &f, &info), 0);
	memory_file_free(&f);
	assert_int_equal(world_read(&w, "a", 0, -1, &f, &info), 0);
	assert_bytes(&f, 0, "01");
	assert_int_equal(remote_capabilities(w.remote), REMOTE_CAN_RANGE);
	world_end(&w, "GET /files/a\nGET /files/a\n" DECODED_GET);
}

static void the_contents_api_says_why(void **state)
{
	static const struct script_step steps[] = {
		{ 500, HTML, "<html>", 0 },
		{ 403, NULL, MESSAGE("Permission denied: a"), 0 },
		{ 404, HTML, "<html>", 0 },
		{ 404, NULL, MESSAGE("No such file"), 0 },
		{ 403, HTML, "<html>", 0 },
		{ 400, NULL, MESSAGE("/w/a is a directory, not a file"), 0 },
	};
	static const int expected[] = { -EACCES, -ENOENT, -EISDIR };
	struct world w = WORLD(steps);
	g_autoptr(GString) log = g_string_new(NULL);
	struct remote_read_info info;
	struct memory_file f;

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
		assert_int_equal(
			world_read(&w, "a", 0, -1, &f, &info), expected[i]);
		memory_file_free(&f);
		g_string_append(log, "GET /files/a\n" DECODED_GET);
	}
	world_end(&w, log->str);
}

static void a_login_page_is_never_file_data(void **state)
{
	static const struct script_step steps[] = { { 302,
		HTML "Location: /login?next=%2Ffiles%2Fa\r\n", "<html>", 0 } };
	struct world w = WORLD(steps);
	struct remote_read_info info;
	struct memory_file f;

	(void)state;
	assert_int_equal(world_read(&w, "a", 0, -1, &f, &info), -EACCES);
	assert_int_equal(f.bytes->len, 0);
	memory_file_free(&f);
	world_end(&w, "GET /files/a\n");
}

static void the_sinks_error_comes_back(void **state)
{
	static const struct script_step steps[] = { { 200, NULL, "x", 0 } };
	struct world w = WORLD(steps);
	struct memory_file f = { .bytes = g_byte_array_new(),
		.error = -ENOSPC };
	const struct remote_sink sink = { memory_file_write, &f };
	struct remote_read_info info;

	(void)state;
	assert_int_equal(
		remote_read(w.remote, "a", 0, -1, &sink, NULL, &info), -ENOSPC);
	memory_file_free(&f);
	world_end(&w, "GET /files/a\n");
}

static void probing_tells_a_jupyter_server_from_others(void **state)
{
	static const struct script_step steps[] = {
		{ 200, NULL, "{\"version\":\"6.4.12\"}", 0 },
		{ 200, HTML, "<html>", 0 },
		{ 404, HTML, "<html>", 0 },
		{ 200, NULL, "{\"status\":\"ok\"}", 0 },
	};
	struct world w = WORLD(steps);
	char *version = NULL;

	(void)state;
	assert_int_equal(contents_probe(w.pool, 5000, NULL, &version), 0);
	assert_string_equal(version, "6.4.12");
	g_free(version);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			contents_probe(w.pool, 5000, NULL, &version), -EPROTO);
	world_end(&w, "GET /api\nGET /api\nGET /api\nGET /api\n");
}

static void whatever_a_server_says_it_is_there(void **state)
{
	static const struct script_step steps[] = {
		{ 200, NULL, "{\"version\":\"6.4.12\"}", 0 },
		{ 401, NULL, MESSAGE("who are you?"), 0 },
		{ 500, NULL, MESSAGE("trouble"), 0 },
		{ 200, HTML, "<html>", 0 },
		{ 503, HTML, "<html>", 0 },
		{ 0, NULL, NULL, 0 },
	};
	static const int expected[] = { 0, 0, 0, -EPROTO, -EHOSTUNREACH,
		-ECONNRESET };
	struct world w = WORLD(steps);

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(expected); i++)
		assert_int_equal(
			contents_ping(w.endpoint, 5000, NULL), expected[i]);
	world_end(&w, "GET /api\nGET /api\nGET /api\nGET /api\n"
		      "GET /api\nGET /api\n");
}

static void a_cancelled_call_asks_nothing(void **state)
{
	static const struct script_step steps[] = { { .status = 500 } };
	struct world w = WORLD(steps);
	struct cancel cancel;
	struct entry e;

	(void)state;
	cancel_init(&cancel, 0);
	cancel_fire(&cancel);
	assert_int_equal(remote_stat(w.remote, "a", &cancel, &e), -EINTR);
	assert_int_equal(
		remote_rename(w.remote, "a", "b", &cancel, &e), -EINTR);
	cancel_fini(&cancel);
	world_end(&w, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_encoded_and_the_root_has_no_slash),
		cmocka_unit_test(bad_paths_never_leave),
		cmocka_unit_test(absence_is_believed_from_the_handler_only),
		cmocka_unit_test(a_lost_answer_is_asked_for_again),
		cmocka_unit_test(
			a_dot_name_that_is_shown_proves_that_they_are_allowed),
		cmocka_unit_test(a_whole_file_is_asked_for_without_range),
		cmocka_unit_test(a_part_is_asked_for_by_range),
		cmocka_unit_test(a_server_without_ranges_is_trimmed),
		cmocka_unit_test(what_was_not_asked_for_is_not_waited_for),
		cmocka_unit_test(reading_past_the_end_gives_nothing),
		cmocka_unit_test(a_range_that_was_not_asked_for_is_an_error),
		cmocka_unit_test(
			a_short_answer_is_asked_for_again_from_the_start),
		cmocka_unit_test(a_server_without_files_is_learnt_once),
		cmocka_unit_test(an_answer_without_length_proves_no_size),
		cmocka_unit_test(a_hidden_files_refusal_teaches_nothing),
		cmocka_unit_test(one_refusal_does_not_unlearn_files),
		cmocka_unit_test(the_contents_api_says_why),
		cmocka_unit_test(a_login_page_is_never_file_data),
		cmocka_unit_test(the_sinks_error_comes_back),
		cmocka_unit_test(probing_tells_a_jupyter_server_from_others),
		cmocka_unit_test(whatever_a_server_says_it_is_there),
		cmocka_unit_test(a_cancelled_call_asks_nothing),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
