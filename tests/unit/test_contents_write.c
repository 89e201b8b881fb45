/* Changing things through the contents service, and what is true afterwards. */
#include "config.h"

#include "test.h"

#include "contents_world.h"
#include "json.h"
#include "upload_json.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#define PUT_A  "PUT /api/contents/a\n"
#define STAT_A "GET /api/contents/a?content=0\n"
#define STAT_B "GET /api/contents/b?content=0\n"

/* --- write ---------------------------------------------------------------- */

static void a_small_file_is_one_put(void **state)
{
	static const struct script_step steps[] = { { 201, NULL,
		FILE_MODEL("3"), 0 } };
	struct world w = WORLD(steps);
	struct memory_file f = { .bytes = g_byte_array_new() };
	const struct remote_source source = { memory_file_read, &f, 3 };
	struct entry e;

	(void)state;
	(void)memory_file_write(&f, "A\0C", 3, 0);
	assert_int_equal(remote_write(w.remote, "a", &source, NULL, &e), 0);
	assert_int_equal(e.size, 3);
	assert_int_equal(e.mtime.tv_sec, 1795331781);
	entry_clear(&e);
	memory_file_free(&f);
	assert_string_equal(script_server_body(w.server, 0),
		"{\"type\":\"file\",\"format\":\"base64\","
		"\"content\":\"QQBD\"}");
	world_end(&w, PUT_A);
}

static void an_empty_file_is_written(void **state)
{
	static const struct script_step steps[] = { { 201, NULL,
		FILE_MODEL("0"), 0 } };
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(world_write(&w, "a", 0), 0);
	assert_string_equal(script_server_body(w.server, 0),
		"{\"type\":\"file\",\"format\":\"base64\",\"content\":\"\"}");
	world_end(&w, PUT_A);
}

static void a_put_with_a_lost_answer_is_repeated(void **state)
{
	static const struct script_step steps[] = { { 0 },
		{ 503, HTML, "<html>", 0 }, { 200, NULL, FILE_MODEL("9"), 0 } };
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(world_write(&w, "a", 9), 0);
	assert_string_equal(script_server_body(w.server, 0),
		script_server_body(w.server, 2));
	world_end(&w, PUT_A PUT_A PUT_A);
}

static void a_wrong_size_is_believed_of_a_symbolic_link_only(void **state)
{
	static const struct script_step steps[] = {
		{ 200, NULL, FILE_MODEL("6"), 0 },
		{ 206, "Content-Range: bytes 0-0/9\r\n", "x", 0 },
		{ 200, NULL, FILE_MODEL("6"), 0 },
		{ 206, "Content-Range: bytes 0-0/6\r\n", "x", 0 },
	};
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(world_write(&w, "a", 9), 0);
	assert_int_equal(world_write(&w, "a", 9), -EIO);
	world_end(&w, PUT_A "GET /files/a 0-0\n" PUT_A "GET /files/a 0-0\n");
}

static void a_refused_put_is_not_repeated(void **state)
{
	static const struct script_step steps[] = {
		{ 500, NULL, MESSAGE("Unexpected error [Errno 28] No space"),
			0 },
		{ 500, NULL, MESSAGE("[Errno 2] No such file: '/w/.~a'"), 0 },
		{ 500, NULL, MESSAGE("[Errno 2] No such file: '/w/d/a'"), 0 },
		{ 403, NULL, MESSAGE("Permission denied: a"), 0 },
		{ 500, NULL, MESSAGE("[Errno 21] Is a directory: '/w/a'"), 0 },
	};
	static const int expected[] = { -ENOSPC, -ENOSPC, -ENOENT, -EACCES,
		-EISDIR };
	struct world w = WORLD(steps);

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(steps); i++)
		assert_int_equal(world_write(&w, "a", 9), expected[i]);
	world_end(&w, PUT_A PUT_A PUT_A PUT_A PUT_A);
}

static void a_source_that_ends_early_is_an_error(void **state)
{
	static const struct script_step steps[] = { { .status = 500 } };
	struct world w = WORLD(steps);
	struct memory_file f = memory_file_new(10);
	const struct remote_source source = { memory_file_read, &f, 11 };
	struct entry e;

	(void)state;
	assert_int_equal(remote_write(w.remote, "a", &source, NULL, &e), -EIO);
	memory_file_free(&f);
	remote_free(w.remote);
	http_pool_free(w.pool);
	endpoint_unref(w.endpoint);
	script_server_free(w.server);
}

#define CHUNK UPLOAD_CHUNK_BYTES

/* A model with a computed size; the steps borrow it. */
static const char *sized(int64_t size)
{
	static char models[16][300];
	static unsigned next;
	char *model = models[next++ % G_N_ELEMENTS(models)];

	(void)snprintf(model, sizeof(models[0]),
		"{\"name\":\"a\",\"type\":\"file\",\"size\":%" PRId64 "}",
		size);
	return model;
}

static void assert_chunk(struct world *w, size_t n, int chunk)
{
	g_autofree char *member = g_strdup_printf("\"chunk\":%d,", chunk);
	g_autofree char *head =
		g_strndup(script_server_body(w->server, n), 100);

	assert_non_null(strstr(head, member));
}

static void a_large_file_goes_in_chunks(void **state)
{
	const struct script_step steps[] = { { 201, NULL, sized(CHUNK), 0 },
		{ 200, NULL, sized(2 * CHUNK), 0 },
		{ 200, NULL, sized(2 * CHUNK + 1), 0 } };
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(world_write(&w, "a", 2 * CHUNK + 1), 0);
	assert_chunk(&w, 0, 1);
	assert_chunk(&w, 1, 2);
	assert_chunk(&w, 2, -1);
	world_end(&w, PUT_A PUT_A PUT_A);
}

static void any_doubt_about_a_chunk_starts_again(void **state)
{
	const struct script_step steps[] = { { 201, NULL, sized(CHUNK), 0 },
		{ 0 }, /* the answer to -1 is lost: appended or not? */
		{ 200, NULL, sized(CHUNK), 0 },
		{ 200, NULL, sized(2 * CHUNK + 2), 0 }, /* another writer */
		{ 206, "Content-Range: bytes 0-0/16777214\r\n", "x", 0 },
		{ 200, NULL, sized(CHUNK), 0 },
		{ 200, NULL, sized(CHUNK + 1), 0 } };
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(world_write(&w, "a", CHUNK + 1), 0);
	assert_chunk(&w, 1, -1);
	assert_chunk(&w, 2, 1);
	assert_chunk(&w, 5, 1);
	assert_chunk(&w, 6, -1);
	world_end(&w, PUT_A PUT_A PUT_A PUT_A "GET /files/a 0-0\n" PUT_A PUT_A);
}

static void starting_again_has_an_end(void **state)
{
	const struct script_step steps[] = { { 201, NULL, sized(CHUNK), 0 },
		{ 0 }, { 200, NULL, sized(CHUNK), 0 }, { 0 },
		{ 200, NULL, sized(CHUNK), 0 }, { 0 } };
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(world_write(&w, "a", CHUNK + 1), -ECONNRESET);
	world_end(&w, PUT_A PUT_A PUT_A PUT_A PUT_A PUT_A);
}

static void a_full_disk_ends_a_chunked_upload_at_once(void **state)
{
	const struct script_step steps[] = { { 201, NULL, sized(CHUNK), 0 },
		{ 500, NULL, MESSAGE("[Errno 28] No space left"), 0 } };
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(world_write(&w, "a", CHUNK + 1), -ENOSPC);
	world_end(&w, PUT_A PUT_A);
}

static void a_large_dot_file_is_asked_about_first(void **state)
{
	const struct script_step steps[] = {
		{ 400, NULL, MESSAGE("Cannot create file or directory"), 0 },
		{ 201, NULL, sized(0), 0 },
		{ 200, NULL, sized(CHUNK), 0 },
		{ 200, NULL, sized(CHUNK + 1), 0 },
	};
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(world_write(&w, ".a", CHUNK + 1), -EPERM);
	assert_int_equal(world_write(&w, ".a", CHUNK + 1), 0);
	world_end(&w, "PUT /api/contents/.a\nPUT /api/contents/.a\n"
		      "PUT /api/contents/.a\nPUT /api/contents/.a\n");
}

static void dot_names_are_refused_with_eperm(void **state)
{
	static const struct script_step steps[] = {
		{ 400, NULL, MESSAGE("whatever"), 0 },
		{ 400, NULL, MESSAGE("whatever"), 0 },
		{ 400, NULL, MESSAGE("whatever"), 0 },
		{ 400, NULL, MESSAGE("whatever"), 0 },
		{ 400, NULL, MESSAGE("whatever"), 0 },
	};
	struct world w = WORLD(steps);
	struct entry e;

	(void)state;
	assert_int_equal(world_write(&w, "d/.a", 1), -EPERM);
	assert_int_equal(remote_mkdir(w.remote, ".d", NULL, &e), -EPERM);
	assert_int_equal(remote_rename(w.remote, "a", ".a", NULL, &e), -EPERM);
	assert_int_equal(remote_rename(w.remote, ".a", "a", NULL, &e), -EPERM);
	assert_int_equal(remote_remove(w.remote, ".d/a", NULL), -EPERM);
	world_end(&w, "PUT /api/contents/d/.a\nPUT /api/contents/.d\n"
		      "PATCH /api/contents/a\nPATCH /api/contents/.a\n"
		      "DELETE /api/contents/.d/a\n");
}

/* --- mkdir ---------------------------------------------------------------- */

static void a_directory_is_made(void **state)
{
	static const struct script_step steps[] = {
		{ 201, NULL, MODEL("a", "directory", "null"), 0 },
		{ 400, NULL, MESSAGE("Not a directory: /w/a"), 0 },
	};
	struct world w = WORLD(steps);
	struct entry e;

	(void)state;
	assert_int_equal(remote_mkdir(w.remote, "a", NULL, &e), 0);
	assert_int_equal(e.type, ENTRY_DIRECTORY);
	entry_clear(&e);
	assert_int_equal(remote_mkdir(w.remote, "a", NULL, &e), -EEXIST);
	assert_int_equal(remote_mkdir(w.remote, "", NULL, &e), -EEXIST);
	assert_string_equal(
		script_server_body(w.server, 0), "{\"type\":\"directory\"}");
	world_end(&w, PUT_A PUT_A);
}

static void a_directory_that_a_500_made_is_there(void **state)
{
	static const struct script_step steps[] = {
		{ 500, NULL, MESSAGE("odd"), 0 },
		{ 200, NULL, MODEL("a", "directory", "null"), 0 },
		{ 500, NULL, MESSAGE("[Errno 2] '/w/d/a'"), 0 },
		{ 404, NULL, NULL, 0 },
	};
	struct world w = WORLD(steps);
	struct entry e;

	(void)state;
	assert_int_equal(remote_mkdir(w.remote, "a", NULL, &e), 0);
	entry_clear(&e);
	assert_int_equal(remote_mkdir(w.remote, "a", NULL, &e), -ENOENT);
	world_end(&w, PUT_A STAT_A PUT_A STAT_A);
}

/* --- rename --------------------------------------------------------------- */

#define PATCH_A "PATCH /api/contents/a\n"
#define THERE                                 \
	{                                     \
		200, NULL, FILE_MODEL("1"), 0 \
	}
#define GONE                       \
	{                          \
		404, NULL, NULL, 0 \
	}

static int rename_a_to_b(struct world *w)
{
	struct entry e;
	int rc = remote_rename(w->remote, "a", "b", NULL, &e);

	if (rc == 0) {
		assert_string_equal(e.name, "b");
		entry_clear(&e);
	}
	return rc;
}

static void a_rename_never_replaces(void **state)
{
	static const struct script_step steps[] = {
		{ 200, NULL, MODEL("b", "file", "1"), 0 },
		{ 409, NULL, MESSAGE("File already exists: b"), 0 },
	};
	struct world w = WORLD(steps);
	struct entry e;

	(void)state;
	assert_int_equal(rename_a_to_b(&w), 0);
	assert_string_equal(
		script_server_body(w.server, 0), "{\"path\":\"b\"}");
	assert_int_equal(rename_a_to_b(&w), -EEXIST);
	assert_int_equal(
		remote_rename(w.remote, "a", "a/b", NULL, &e), -EINVAL);
	world_end(&w, PATCH_A PATCH_A);
}

static void a_rename_that_a_500_made_is_done(void **state)
{
	static const struct script_step steps[] = {
		{ 500, NULL, MESSAGE("Unhandled error"), 0 },
		GONE,
		THERE,
		THERE,
	};
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(rename_a_to_b(&w), 0);
	world_end(&w, PATCH_A STAT_A STAT_B STAT_B);
}

static void a_missing_source_is_enoent(void **state)
{
	static const struct script_step steps[] = {
		{ 500, NULL, MESSAGE("Unknown error [Errno 2] a"), 0 },
		GONE,
		GONE,
		GONE,
	};
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(rename_a_to_b(&w), -ENOENT);
	assert_int_equal(rename_a_to_b(&w), -ENOENT); /* as 2.x says it */
	world_end(&w, PATCH_A STAT_A STAT_B PATCH_A);
}

static void a_lost_rename_is_repeated_when_not_done(void **state)
{
	static const struct script_step steps[] = { { 0 }, THERE, GONE,
		{ 200, NULL, MODEL("b", "file", "1"), 0 } };
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(rename_a_to_b(&w), 0);
	world_end(&w, PATCH_A STAT_A STAT_B PATCH_A);
}

static unsigned probe(int status, int expected)
{
	const struct script_step steps[] = { { status, NULL, MESSAGE("x"),
		0 } };
	struct world w = WORLD(steps);
	unsigned can;

	assert_int_equal(remote_probe_hidden(w.remote, NULL), expected);
	can = remote_capabilities(w.remote);
	assert_true(g_str_has_prefix(
		script_server_log(w.server), "DELETE /api/contents/.pycloud-"));
	remote_free(w.remote);
	http_pool_free(w.pool);
	endpoint_unref(w.endpoint);
	script_server_free(w.server);
	return can & (REMOTE_CAN_HIDDEN | REMOTE_NO_HIDDEN);
}

static void a_removal_of_nothing_tells_what_dot_names_are_worth(void **state)
{
	(void)state;
	assert_int_equal(probe(404, 0), REMOTE_CAN_HIDDEN);
	assert_int_equal(probe(400, 0), REMOTE_NO_HIDDEN);
	assert_int_equal(probe(403, -EOPNOTSUPP), 0);
	assert_int_equal(probe(405, -EOPNOTSUPP), 0);
}

static void a_late_rename_makes_its_repetition_fail(void **state)
{
	static const struct script_step steps[] = { { 0 }, THERE, GONE,
		{ 409, NULL, MESSAGE("File already exists: b"), 0 }, GONE,
		THERE, THERE };
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(rename_a_to_b(&w), 0);
	world_end(&w, PATCH_A STAT_A STAT_B PATCH_A STAT_A STAT_B STAT_B);
}

static void a_lost_rename_with_both_names_there_is_eexist(void **state)
{
	static const struct script_step steps[] = { { 0 }, THERE, THERE };
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(rename_a_to_b(&w), -EEXIST);
	world_end(&w, PATCH_A STAT_A STAT_B);
}

/* --- remove --------------------------------------------------------------- */

#define DELETE_A "DELETE /api/contents/a\n"

static void removing_what_is_not_there_is_enoent(void **state)
{
	static const struct script_step steps[] = { { 204, NULL, NULL, 0 },
		{ 404, NULL, MESSAGE("does not exist"), 0 } };
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(remote_remove(w.remote, "a", NULL), 0);
	assert_int_equal(remote_remove(w.remote, "a", NULL), -ENOENT);
	assert_int_equal(remote_remove(w.remote, "", NULL), -EBUSY);
	world_end(&w, DELETE_A DELETE_A);
}

static void a_removal_with_a_lost_answer_is_done_when_gone(void **state)
{
	static const struct script_step steps[] = { { 0 }, GONE,
		{ 500, NULL, MESSAGE("Unhandled error"), 0 }, GONE };
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(remote_remove(w.remote, "a", NULL), 0);
	assert_int_equal(remote_remove(w.remote, "a", NULL), 0);
	world_end(&w, DELETE_A STAT_A DELETE_A STAT_A);
}

static void a_late_removal_makes_its_repetition_succeed(void **state)
{
	static const struct script_step steps[] = { { 0 }, THERE,
		{ 404, NULL, MESSAGE("does not exist"), 0 } };
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(remote_remove(w.remote, "a", NULL), 0);
	world_end(&w, DELETE_A STAT_A DELETE_A);
}

static void a_refused_removal_is_an_error(void **state)
{
	static const struct script_step steps[] = {
		{ 400, NULL, MESSAGE("Directory /w/a not empty"), 0 },
		{ 403, NULL, MESSAGE("Permission denied: a"), 0 },
		{ 500, NULL, MESSAGE("odd"), 0 },
		THERE,
	};
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(remote_remove(w.remote, "a", NULL), -ENOTEMPTY);
	assert_int_equal(remote_remove(w.remote, "a", NULL), -EACCES);
	assert_int_equal(remote_remove(w.remote, "a", NULL), -EIO);
	world_end(&w, DELETE_A DELETE_A DELETE_A STAT_A);
}

static void a_dot_name_out_of_sight_proves_nothing(void **state)
{
	static const struct script_step steps[] = { { 0 } };
	struct world w = WORLD(steps);

	(void)state;
	assert_int_equal(remote_remove(w.remote, ".a", NULL), -ECONNRESET);
	world_end(&w, "DELETE /api/contents/.a\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_file_is_one_put),
		cmocka_unit_test(an_empty_file_is_written),
		cmocka_unit_test(a_put_with_a_lost_answer_is_repeated),
		cmocka_unit_test(
			a_wrong_size_is_believed_of_a_symbolic_link_only),
		cmocka_unit_test(a_refused_put_is_not_repeated),
		cmocka_unit_test(a_source_that_ends_early_is_an_error),
		cmocka_unit_test(a_large_file_goes_in_chunks),
		cmocka_unit_test(any_doubt_about_a_chunk_starts_again),
		cmocka_unit_test(starting_again_has_an_end),
		cmocka_unit_test(a_full_disk_ends_a_chunked_upload_at_once),
		cmocka_unit_test(a_large_dot_file_is_asked_about_first),
		cmocka_unit_test(dot_names_are_refused_with_eperm),
		cmocka_unit_test(a_directory_is_made),
		cmocka_unit_test(a_directory_that_a_500_made_is_there),
		cmocka_unit_test(a_rename_never_replaces),
		cmocka_unit_test(a_rename_that_a_500_made_is_done),
		cmocka_unit_test(a_missing_source_is_enoent),
		cmocka_unit_test(a_lost_rename_is_repeated_when_not_done),
		cmocka_unit_test(
			a_removal_of_nothing_tells_what_dot_names_are_worth),
		cmocka_unit_test(a_late_rename_makes_its_repetition_fail),
		cmocka_unit_test(a_lost_rename_with_both_names_there_is_eexist),
		cmocka_unit_test(removing_what_is_not_there_is_enoent),
		cmocka_unit_test(
			a_removal_with_a_lost_answer_is_done_when_gone),
		cmocka_unit_test(a_late_removal_makes_its_repetition_succeed),
		cmocka_unit_test(a_refused_removal_is_an_error),
		cmocka_unit_test(a_dot_name_out_of_sight_proves_nothing),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
