/* Files over a fake remote: what is read, what is written, and when. */
#include "config.h"

#include "attr_cache.h"
#include "test.h"
#include "transfer.h"
#include "world.h"

#include <errno.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <string.h>

static void a_file_is_read_whole_in_one_request(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "one hundred bytes, or so it seems");
	assert_cat(w, "a", "one hundred bytes, or so it seems");
	assert_int_equal(fake_remote_calls(w->remote, FAKE_READ), 1);
	assert_int_equal(fake_remote_calls(w->remote, FAKE_LIST), 1);
	assert_int_equal(fake_remote_all_calls(w->remote), 2);
	fake_remote_put(w->remote, "empty", "");
	attr_cache_expire(w->session->attrs);
	assert_cat(w, "empty", "");
}

static void a_new_file_is_one_write_at_flush(void **state)
{
	struct world *w = *state;
	struct handle *h;

	assert_int_equal(
		world_open(w, "new", O_RDWR | O_CREAT | O_EXCL, &h), 0);
	assert_int_equal(world_write(w, h, "hello", 0), 5);
	assert_int_equal(world_size(w, "new"), 5);
	assert_remote(w, "new", NULL);
	assert_int_equal(world_pending(w), 1);
	assert_int_equal(world_flush(w, h), 0);
	assert_remote(w, "new", "hello");
	assert_int_equal(world_pending(w), 0);
	assert_handle(w, h, "hello");
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "write new;");
	assert_int_equal(fake_remote_calls(w->remote, FAKE_READ), 0);
}

static void an_empty_new_file_is_written_too(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_save(w, "empty", ""), 0);
	assert_remote(w, "empty", "");
	assert_changes(w, "write empty;");
}

static void overwriting_costs_one_write_and_no_read(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "old and longer");
	assert_int_equal(world_save(w, "a", "new"), 0);
	assert_remote(w, "a", "new");
	assert_changes(w, "write a;");
	assert_int_equal(fake_remote_calls(w->remote, FAKE_READ), 0);
	assert_int_equal(world_size(w, "a"), 3);
}

static void writing_in_the_middle_keeps_the_rest(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "hello world");
	assert_int_equal(world_open(w, "a", O_WRONLY, &h), 0);
	assert_int_equal(world_write(w, h, "W", 6), 1);
	assert_int_equal(world_close(w, h), 0);
	assert_remote(w, "a", "hello World");
}

static void appending_handles_do_not_overwrite_each_other(void **state)
{
	struct world *w = *state;
	struct handle *one, *two;

	fake_remote_put(w->remote, "log", "0\n");
	assert_int_equal(world_open(w, "log", O_WRONLY | O_APPEND, &one), 0);
	assert_int_equal(world_open(w, "log", O_WRONLY | O_APPEND, &two), 0);
	assert_int_equal(world_write(w, one, "1\n", 2), 2);
	assert_int_equal(world_write(w, two, "2\n", 2), 2);
	assert_int_equal(world_close(w, one), 0);
	assert_int_equal(world_close(w, two), 0);
	assert_remote(w, "log", "0\n1\n2\n");
}

static void truncation_is_on_the_server_when_it_returns(void **state)
{
	struct world *w = *state;
	char bytes[8] = "xxxxxxx";
	struct handle *h;

	fake_remote_put(w->remote, "a", "hello");
	assert_int_equal(world_truncate(w, "a", 2), 0);
	assert_remote(w, "a", "he");
	assert_int_equal(world_truncate(w, "a", 4), 0);
	assert_int_equal(world_size(w, "a"), 4);
	assert_int_equal(world_open(w, "a", O_RDONLY, &h), 0);
	assert_int_equal(world_read(w, h, bytes, sizeof(bytes), 0), 4);
	assert_memory_equal(bytes, "he\0\0", 4);
	assert_int_equal(world_close(w, h), 0);
	assert_int_equal(world_truncate(w, "a", 0), 0);
	assert_remote(w, "a", "");
	assert_int_equal(world_pending(w), 0);
}

static void fallocate_extends_and_never_shrinks(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "hello");
	assert_int_equal(world_open(w, "a", O_RDWR, &h), 0);
	assert_int_equal(world_fallocate(w, h, 0, 0, 3), 0);
	assert_int_equal(world_fallocate(w, h, FALLOC_FL_KEEP_SIZE, 0, 100), 0);
	assert_int_equal(world_size(w, "a"), 5);
	assert_int_equal(world_fallocate(w, h, 0, 4, 4), 0);
	assert_int_equal(world_size(w, "a"), 8);
	assert_int_equal(
		world_fallocate(w, h, FALLOC_FL_PUNCH_HOLE, 0, 1), -EOPNOTSUPP);
	assert_int_equal(world_fallocate(w, h, FALLOC_FL_COLLAPSE_RANGE, 0, 1),
		-EOPNOTSUPP);
	assert_int_equal(world_fallocate(w, h, FALLOC_FL_INSERT_RANGE, 0, 1),
		-EOPNOTSUPP);
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "write a;");
}

static void holes_and_zeros_are_zeros(void **state)
{
	const int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	const int zeros = FALLOC_FL_ZERO_RANGE;
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "0123456789");
	/* Zeros are not appended. */
	assert_int_equal(world_open(w, "a", O_RDWR | O_APPEND, &h), 0);
	assert_int_equal(world_fallocate(w, h, hole, 1, 2), 0);
	assert_int_equal(world_fallocate(w, h, hole, 8, 100), 0);
	assert_int_equal(world_fallocate(w, h, hole, 50, 100), 0);
	assert_int_equal(
		world_fallocate(w, h, zeros | FALLOC_FL_KEEP_SIZE, 4, 1), 0);
	assert_int_equal(
		world_fallocate(w, h, zeros | FALLOC_FL_KEEP_SIZE, 9, 9), 0);
	assert_int_equal(world_size(w, "a"), 10);
	assert_int_equal(world_fallocate(w, h, zeros, 7, 5), 0);
	assert_int_equal(world_size(w, "a"), 12);
	assert_int_equal(world_close(w, h), 0);
	assert_true(fake_remote_has_bytes(w->remote, "a",
		"0\0\0"
		"3\0"
		"56\0\0\0\0\0",
		12));
}

/* Of more than is written at once, and mostly not here. */
static void a_large_hole_is_zeros(void **state)
{
	const int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	const size_t size = 6 << 20, start = 1 << 20, length = 3 << 20;
	struct world *w = *state;
	char *bytes = g_malloc(size);
	struct handle *h;

	memset(bytes, 'x', size);
	fake_remote_put_bytes(w->remote, "a", bytes, size);
	assert_int_equal(world_open(w, "a", O_RDWR, &h), 0);
	assert_int_equal(
		world_fallocate(w, h, hole, (int64_t)start, (int64_t)length),
		0);
	assert_int_equal(world_close(w, h), 0);
	memset(bytes + start, 0, length);
	assert_true(fake_remote_has_bytes(w->remote, "a", bytes, size));
	g_free(bytes);
}

static void a_short_read_is_eio_and_never_success(void **state)
{
	struct world *w = *state;
	char buffer[16];
	struct handle *h;

	fake_remote_put(w->remote, "a", "hello");
	assert_int_equal(world_open(w, "a", O_RDONLY, &h), 0);
	fake_remote_shorten_read(w->remote, 2);
	assert_int_equal(world_read(w, h, buffer, sizeof(buffer), 0), -EIO);
	fake_remote_shorten_read(w->remote, 5);
	assert_int_equal(world_read(w, h, buffer, sizeof(buffer), 0), -EIO);
	assert_handle(w, h, "hello");
	assert_int_equal(world_close(w, h), 0);
}

static void a_failed_read_says_why_and_can_be_repeated(void **state)
{
	struct world *w = *state;
	char buffer[16];
	struct handle *h;

	fake_remote_put(w->remote, "a", "hello");
	assert_int_equal(world_open(w, "a", O_RDONLY, &h), 0);
	fake_remote_fail(w->remote, FAKE_READ, 1, EACCES);
	assert_int_equal(world_read(w, h, buffer, sizeof(buffer), 0), -EACCES);
	assert_handle(w, h, "hello");
	assert_int_equal(world_close(w, h), 0);
}

static void close_tells_a_failed_upload_and_keeps_the_bytes(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	fake_remote_fail(w->remote, FAKE_WRITE, 1, ENOSPC);
	assert_int_equal(world_save(w, "a", "precious"), -ENOSPC);
	assert_remote(w, "a", "old");
	assert_int_equal(world_pending(w), 1);
	assert_cat(w, "a", "precious");
	assert_remote(w, "a", "old"); /* a reader's close is no save */
	assert_int_equal(transfer_upload_all(w->session, NULL), 0);
	assert_remote(w, "a", "precious");
	assert_int_equal(world_pending(w), 0);

	fake_remote_fail(w->remote, FAKE_WRITE, 1, EIO);
	assert_int_equal(world_open(w, "a", O_WRONLY | O_TRUNC, &h), 0);
	assert_int_equal(world_write(w, h, "later", 0), 5);
	assert_int_equal(world_flush(w, h), -EIO);
	assert_int_equal(world_flush(w, h), 0);
	assert_remote(w, "a", "later");
	world_release(w, h);
}

static void fsync_uploads_and_says_the_truth(void **state)
{
	struct world *w = *state;
	struct handle *h;

	assert_int_equal(world_open(w, "a", O_WRONLY | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "1", 0), 1);
	fake_remote_fail(w->remote, FAKE_WRITE, 1, EDQUOT);
	assert_int_equal(world_fsync(w, h), -EDQUOT);
	assert_int_equal(world_fsync(w, h), 0);
	assert_remote(w, "a", "1");
	assert_int_equal(world_fsync(w, h), 0);
	assert_int_equal(world_close(w, h), 0);
	assert_changes(w, "write a;");
}

static void the_servers_time_and_size_are_known_at_once(void **state)
{
	struct world *w = *state;
	struct entry on_server;
	struct stat st;

	assert_int_equal(world_save(w, "a", "hello"), 0);
	fake_remote_reset(w->remote);
	assert_int_equal(world_stat(w, "a", &st), 0);
	assert_int_equal(fake_remote_all_calls(w->remote), 0);
	assert_int_equal(remote_stat(w->remote, "a", NULL, &on_server), 0);
	assert_int_equal(st.st_mtim.tv_sec, on_server.mtime.tv_sec);
	assert_int_equal(st.st_size, 5);
	entry_clear(&on_server);
}

static void opening_again_reads_what_changed_on_the_server(void **state)
{
	struct world *w = *state;

	fake_remote_put(w->remote, "a", "one");
	assert_cat(w, "a", "one");
	fake_remote_put(w->remote, "a", "three");
	attr_cache_expire(w->session->attrs);
	assert_cat(w, "a", "three");
}

static void a_file_that_grew_since_its_listing_is_read_as_it_is(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "one");
	assert_int_equal(world_open(w, "a", O_RDONLY, &h), 0);
	fake_remote_put(w->remote, "a", "three");
	assert_handle(w, h, "three");
	/* Programs read as far as the size they are told. */
	assert_int_equal(world_size(w, "a"), 5);
	assert_int_equal(world_close(w, h), 0);
}

static void *cat_thread(void *arg)
{
	int rc;

	return world_cat(arg, "a", &rc);
}

static void a_file_that_changes_while_it_is_read_is_read_again(void **state)
{
	struct world *w = *state;
	g_autofree char *text = NULL;
	char bytes[8] = "xxxxxxx";
	pthread_t reader;
	struct handle *h;
	void *result;

	fake_remote_put(w->remote, "a", "first");
	assert_int_equal(world_open(w, "a", O_RDWR, &h), 0);
	fake_remote_put(w->remote, "a", "second");
	fake_remote_stall(w->remote, FAKE_STAT);
	assert_int_equal(pthread_create(&reader, NULL, cat_thread, w), 0);
	fake_remote_await_stalled(w->remote, FAKE_STAT);
	fake_remote_put(w->remote, "a", "3");
	fake_remote_release(w->remote, FAKE_STAT);
	(void)pthread_join(reader, &result);
	text = result;
	assert_string_equal(text, "3");
	/* Nothing of the longer answer is left behind. */
	assert_int_equal(world_truncate(w, "a", 6), 0);
	assert_int_equal(world_read(w, h, bytes, sizeof(bytes), 0), 6);
	assert_memory_equal(bytes, "3\0\0\0\0\0", 6);
	assert_int_equal(world_close(w, h), 0);
}

static void a_link_in_the_pod_is_read_as_long_as_its_target_is(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put_link(w->remote, "link", "longer than the link's name");
	assert_int_equal(world_open(w, "link", O_RDONLY, &h), 0);
	assert_handle(w, h, "longer than the link's name");
	assert_handle(w, h, "longer than the link's name");
	assert_int_equal(fake_remote_calls(w->remote, FAKE_READ), 1);
	assert_int_equal(world_close(w, h), 0);
}

static void unsaved_bytes_survive_the_file_on_the_server(void **state)
{
	struct world *w = *state;
	struct handle *h;

	fake_remote_put(w->remote, "a", "old");
	assert_int_equal(world_open(w, "a", O_RDWR, &h), 0);
	assert_int_equal(world_write(w, h, "new", 0), 3);
	fake_remote_drop(w->remote, "a");
	attr_cache_expire(w->session->attrs);
	assert_handle(w, h, "new");
	assert_int_equal(world_close(w, h), 0);
	assert_remote(w, "a", "new");
}

static void modes_and_times_are_remembered(void **state)
{
	struct world *w = *state;
	const struct node_change change = { .has_mode = true,
		.mode = 0755,
		.has_mtime = true,
		.mtime = { 1234, 5678 } };
	struct stat st;

	assert_int_equal(world_save(w, "a", "x"), 0);
	fake_remote_reset(w->remote);
	assert_int_equal(world_change(w, "a", &change), 0);
	assert_int_equal(fake_remote_all_calls(w->remote), 0);
	assert_int_equal(world_stat(w, "a", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0755);
	assert_int_equal(st.st_mtim.tv_sec, 1234);
	assert_int_equal(st.st_mtim.tv_nsec, 5678);
	assert_int_equal(world_save(w, "a", "y"), 0);
	assert_int_equal(world_stat(w, "a", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0755);
	assert_int_not_equal(st.st_mtim.tv_sec, 1234);
}

static void the_owner_cannot_be_changed(void **state)
{
	struct world *w = *state;
	const struct node_change other = { .has_uid = true, .uid = 0 };
	const struct node_change same = { .has_uid = true, .uid = 1000 };

	fake_remote_put(w->remote, "a", "x");
	assert_int_equal(world_change(w, "a", &other), -EPERM);
	assert_int_equal(world_change(w, "a", &same), 0);
}

static void the_end_keeps_what_found_no_place(void **state)
{
	struct world *w = *state;
	g_autofree char *kept = NULL;

	fake_remote_fail(w->remote, FAKE_WRITE, 1, EIO);
	assert_int_equal(world_save(w, "saved later", "one"), -EIO);
	assert_int_equal(session_drain(w->session), 0);
	assert_remote(w, "saved later", "one");
	assert_int_equal(scratch_place_count(&w->spool), 0);

	fake_remote_put_directory(w->remote, "d");
	attr_cache_expire(w->session->attrs);
	fake_remote_fail(w->remote, FAKE_WRITE, 1, EIO);
	assert_int_equal(world_save(w, "d/precious", "two"), -EIO);
	fake_remote_drop(w->remote, "d");
	assert_int_equal(session_drain(w->session), 1);
	assert_int_equal(scratch_place_count(&w->spool), 2);
	kept = scratch_place_read(&w->spool, ".data");
	assert_string_equal(kept, "two");
}

static void an_interrupted_upload_is_eintr_and_keeps_the_bytes(void **state)
{
	struct world *w = *state;
	struct request r;
	struct handle *h;

	assert_int_equal(world_open(w, "a", O_WRONLY | O_CREAT, &h), 0);
	assert_int_equal(world_write(w, h, "kept", 0), 4);
	world_begin(w, &r);
	cancel_fire(&r.cancel);
	assert_int_equal(h->node->ops->flush(&r, h), -EINTR);
	world_end(&r);
	assert_int_equal(world_close(w, h), 0);
	assert_remote(w, "a", "kept");
}

#define with_world(name) \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_world(a_file_is_read_whole_in_one_request),
		with_world(a_new_file_is_one_write_at_flush),
		with_world(an_empty_new_file_is_written_too),
		with_world(overwriting_costs_one_write_and_no_read),
		with_world(writing_in_the_middle_keeps_the_rest),
		with_world(appending_handles_do_not_overwrite_each_other),
		with_world(truncation_is_on_the_server_when_it_returns),
		with_world(fallocate_extends_and_never_shrinks),
		with_world(holes_and_zeros_are_zeros),
		with_world(a_large_hole_is_zeros),
		with_world(a_short_read_is_eio_and_never_success),
		with_world(a_failed_read_says_why_and_can_be_repeated),
		with_world(close_tells_a_failed_upload_and_keeps_the_bytes),
		with_world(fsync_uploads_and_says_the_truth),
		with_world(the_servers_time_and_size_are_known_at_once),
		with_world(opening_again_reads_what_changed_on_the_server),
		with_world(a_file_that_grew_since_its_listing_is_read_as_it_is),
		with_world(a_file_that_changes_while_it_is_read_is_read_again),
		with_world(a_link_in_the_pod_is_read_as_long_as_its_target_is),
		with_world(unsaved_bytes_survive_the_file_on_the_server),
		with_world(modes_and_times_are_remembered),
		with_world(the_owner_cannot_be_changed),
		with_world(the_end_keeps_what_found_no_place),
		with_world(an_interrupted_upload_is_eintr_and_keeps_the_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
