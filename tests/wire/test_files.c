/* Open files on the wire: written, read, interrupted. */
#include "config.h"

#include "test.h"
#include "wire.h"

#include <errno.h>
#include <string.h>

static void a_file_is_created_written_flushed_and_released(void **state)
{
	struct wire *w = *state;
	struct wire_reply reply;
	uint64_t ino, fh;

	assert_int_equal(wire_create(w, FUSE_ROOT_ID, "new", &reply), 0);
	ino = reply.body.create.entry.nodeid;
	fh = reply.body.create.open.fh;
	assert_int_equal(wire_write(w, ino, fh, "hello", &reply), 0);
	assert_int_equal(reply.body.write.size, 5);
	assert_int_equal(wire_getattr(w, ino, &reply), 0);
	assert_int_equal(reply.body.attr.attr.size, 5);
	assert_remote(w->world, "new", NULL);
	assert_int_equal(wire_flush(w, ino, fh), 0);
	assert_remote(w->world, "new", "hello");
	assert_int_equal(wire_read(w, FUSE_READ, ino, fh, 1, &reply), 0);
	assert_int_equal(reply.length, 4);
	assert_memory_equal(reply.body.bytes, "ello", 4);
	assert_int_equal(wire_release(w, FUSE_RELEASE, ino, fh), 0);
	assert_int_equal(wire_flush(w, ino, fh), -EBADF);
	wire_forget(w, ino, 1);
	assert_int_equal(wire_getattr(w, ino, &reply), -ESTALE);
}

static void a_failed_upload_is_flushs_answer(void **state)
{
	struct wire *w = *state;
	struct wire_reply reply;
	uint64_t ino, fh;

	assert_int_equal(wire_create(w, FUSE_ROOT_ID, "new", &reply), 0);
	ino = reply.body.create.entry.nodeid;
	fh = reply.body.create.open.fh;
	fake_remote_fail(w->world->remote, FAKE_WRITE, 1, ENOSPC);
	assert_int_equal(wire_flush(w, ino, fh), -ENOSPC);
	assert_int_equal(wire_flush(w, ino, fh), 0);
	assert_remote(w->world, "new", "");
}

static void unchanged_files_keep_the_kernels_pages(void **state)
{
	struct wire *w = *state;
	struct wire_reply reply;
	uint64_t ino;

	fake_remote_put(w->world->remote, "a", "hello");
	ino = wire_walk(w, "a");
	assert_int_equal(wire_open(w, FUSE_OPEN, ino, O_RDONLY, &reply), 0);
	assert_int_equal(reply.body.open.open_flags, 0);
	assert_int_equal(wire_open(w, FUSE_OPEN, ino, O_RDONLY, &reply), 0);
	assert_int_equal(reply.body.open.open_flags, FOPEN_KEEP_CACHE);
	assert_int_equal(
		wire_open(w, FUSE_OPEN, ino, O_WRONLY | O_TRUNC, &reply), 0);
	assert_int_equal(reply.body.open.open_flags & FOPEN_KEEP_CACHE, 0);
}

static void control_files_have_no_pages_and_run_is_a_stream(void **state)
{
	struct wire *w = *state;
	struct wire_reply reply;
	uint64_t run = wire_walk(w, ".run");
	uint64_t status = wire_walk(w, ".pycloud/status");

	assert_int_equal(wire_open(w, FUSE_OPEN, run, O_RDWR, &reply), 0);
	assert_int_equal(reply.body.open.open_flags,
		FOPEN_DIRECT_IO | FOPEN_NONSEEKABLE);
	assert_int_equal(wire_open(w, FUSE_OPEN, run, O_RDONLY, &reply), 0);
	assert_int_equal(reply.body.open.open_flags, FOPEN_DIRECT_IO);
	assert_int_equal(wire_open(w, FUSE_OPEN, status, O_RDONLY, &reply), 0);
	assert_int_equal(reply.body.open.open_flags, FOPEN_DIRECT_IO);
	assert_int_equal(
		wire_read(w, FUSE_READ, status, reply.body.open.fh, 0, &reply),
		0);
	assert_non_null(g_strstr_len(
		reply.body.bytes, (gssize)reply.length, "workspace: fake\n"));
}

static void an_attribute_changes_by_setattr(void **state)
{
	struct wire *w = *state;
	struct fuse_setattr_in in = {
		.valid = FATTR_SIZE | FATTR_MODE | FATTR_MTIME,
		.size = 2,
		.mode = 0600,
		.mtime = 77,
		.mtimensec = 88,
	};
	struct wire_reply reply;
	uint64_t ino;

	fake_remote_put(w->world->remote, "a", "hello");
	ino = wire_walk(w, "a");
	assert_int_equal(wire_call(w, FUSE_SETATTR, ino, &in, sizeof(in), NULL,
				 0, &reply),
		0);
	assert_int_equal(reply.body.attr.attr.size, 2);
	assert_int_equal(reply.body.attr.attr.mode, S_IFREG | 0600);
	assert_int_equal(reply.body.attr.attr.mtime, 77);
	assert_int_equal(reply.body.attr.attr.mtimensec, 88);
	assert_remote(w->world, "a", "he");
}

static void a_name_is_given_by_rename(void **state)
{
	struct wire *w = *state;
	struct fuse_rename2_in in = { .newdir = FUSE_ROOT_ID };
	struct wire_reply reply;
	uint64_t ino;

	fake_remote_put(w->world->remote, "a", "x");
	ino = wire_walk(w, "a");
	assert_int_equal(wire_call(w, FUSE_RENAME2, FUSE_ROOT_ID, &in,
				 sizeof(in), "a\0b", 4, &reply),
		0);
	assert_int_equal(wire_walk(w, "b"), ino);
	in.newdir = 4711;
	assert_int_equal(wire_call(w, FUSE_RENAME2, FUSE_ROOT_ID, &in,
				 sizeof(in), "b\0c", 4, &reply),
		-ESTALE);
	assert_changes(w->world, "rename a b;");
}

static void a_regular_file_can_be_made_by_mknod(void **state)
{
	struct wire *w = *state;
	const struct fuse_mknod_in in = { .mode = S_IFREG | 0644 };
	struct wire_reply reply;

	assert_int_equal(wire_call(w, FUSE_MKNOD, FUSE_ROOT_ID, &in, sizeof(in),
				 "new", 4, &reply),
		0);
	assert_remote(w->world, "new", "");
	assert_int_equal(handle_table_count(w->world->session->handles), 0);
	assert_int_equal(wire_call(w, FUSE_MKNOD, FUSE_ROOT_ID, &in, sizeof(in),
				 "new", 4, &reply),
		-EEXIST);
}

static void the_exit_status_is_an_xattr(void **state)
{
	struct wire *w = *state;
	static const char name[] = "user.pycloud.exit";
	struct fuse_getxattr_in in = { .size = 16 };
	struct wire_reply reply;
	uint64_t ino = wire_walk(w, ".run");
	uint64_t fh;

	assert_int_equal(wire_open(w, FUSE_OPEN, ino, O_WRONLY, &reply), 0);
	fh = reply.body.open.fh;
	assert_int_equal(wire_write(w, ino, fh, "main.py\n", &reply), 0);
	fake_run_end(fake_executor_last(w->world->executor), 42, 0, 0);
	assert_int_equal(wire_call(w, FUSE_GETXATTR, ino, &in, sizeof(in), name,
				 sizeof(name), &reply),
		0);
	assert_int_equal(reply.length, 2);
	assert_memory_equal(reply.body.bytes, "42", 2);
	in.size = 1;
	assert_int_equal(wire_call(w, FUSE_GETXATTR, ino, &in, sizeof(in), name,
				 sizeof(name), &reply),
		-ERANGE);
	in.size = 0;
	assert_int_equal(wire_call(w, FUSE_LISTXATTR, ino, &in, sizeof(in),
				 NULL, 0, &reply),
		0);
	assert_int_equal(((struct fuse_getxattr_out *)reply.body.bytes)->size,
		sizeof(name));
	assert_int_equal(wire_release(w, FUSE_RELEASE, ino, fh), 0);
}

/* --- interrupted ---------------------------------------------------------- */

static void an_interrupt_ends_a_stalled_read_at_once(void **state)
{
	struct wire *w = *state;
	struct fuse_read_in read_in = { .size = 4096 };
	struct fuse_interrupt_in interrupt;
	struct wire_reply reply;
	uint64_t ino;

	fake_remote_put(w->world->remote, "a", "hello");
	ino = wire_walk(w, "a");
	assert_int_equal(wire_open(w, FUSE_OPEN, ino, O_RDONLY, &reply), 0);
	read_in.fh = reply.body.open.fh;
	fake_remote_stall(w->world->remote, FAKE_READ);
	interrupt.unique = wire_send(
		w, FUSE_READ, ino, &read_in, sizeof(read_in), NULL, 0);
	fake_remote_await_stalled(w->world->remote, FAKE_READ);
	wire_assert_silent(w); /* others are served meanwhile */
	(void)wire_send(
		w, FUSE_INTERRUPT, 0, &interrupt, sizeof(interrupt), NULL, 0);
	wire_receive(w, &reply);
	assert_int_equal(reply.unique, interrupt.unique);
	assert_int_equal(reply.error, -EINTR);
	assert_int_equal(
		wire_read(w, FUSE_READ, ino, read_in.fh, 0, &reply), 0);
	assert_memory_equal(reply.body.bytes, "hello", 5);
}

static void a_reader_of_a_running_run_can_be_interrupted(void **state)
{
	struct wire *w = *state;
	struct fuse_read_in read_in = { .size = 4096 };
	struct fuse_interrupt_in interrupt;
	struct wire_reply reply;
	uint64_t ino = wire_walk(w, ".run");

	assert_int_equal(wire_open(w, FUSE_OPEN, ino, O_RDWR, &reply), 0);
	read_in.fh = reply.body.open.fh;
	assert_int_equal(
		wire_write(w, ino, read_in.fh, "main.py\n", &reply), 0);
	interrupt.unique = wire_send(
		w, FUSE_READ, ino, &read_in, sizeof(read_in), NULL, 0);
	(void)wire_send(
		w, FUSE_INTERRUPT, 0, &interrupt, sizeof(interrupt), NULL, 0);
	wire_receive(w, &reply);
	/* An interrupt that overtakes its request is asked for again. */
	if (reply.unique != interrupt.unique) {
		assert_int_equal(reply.error, -EAGAIN);
		(void)wire_send(w, FUSE_INTERRUPT, 0, &interrupt,
			sizeof(interrupt), NULL, 0);
		wire_receive(w, &reply);
	}
	assert_int_equal(reply.unique, interrupt.unique);
	assert_int_equal(reply.error, -EINTR);
	fake_run_end(fake_executor_last(w->world->executor), 0, 0, 0);
	assert_int_equal(
		wire_read(w, FUSE_READ, ino, read_in.fh, 0, &reply), 0);
	assert_int_equal(reply.length, 0);
}

#define with_wire(name) \
	cmocka_unit_test_setup_teardown(name, wire_setup, wire_teardown)
#define with_threads(name) \
	cmocka_unit_test_setup_teardown(name, wire_setup_threads, wire_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_wire(a_file_is_created_written_flushed_and_released),
		with_wire(a_failed_upload_is_flushs_answer),
		with_wire(unchanged_files_keep_the_kernels_pages),
		with_wire(control_files_have_no_pages_and_run_is_a_stream),
		with_wire(an_attribute_changes_by_setattr),
		with_wire(a_name_is_given_by_rename),
		with_wire(a_regular_file_can_be_made_by_mknod),
		with_wire(the_exit_status_is_an_xattr),
		with_threads(an_interrupt_ends_a_stalled_read_at_once),
		with_threads(a_reader_of_a_running_run_can_be_interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
