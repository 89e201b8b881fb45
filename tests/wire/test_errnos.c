/* Every operation on every kind of node: one reply, the documented errno. */
#include "config.h"

#include "run_ioctl.h"
#include "test.h"
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The kinds, by a name of each. */
enum kind {
	DIRECTORY,
	PLAIN_FILE,
	RUN,
	CONTROL_DIR,
	TEXT,
	LINK,
	OUTPUT,
	KINDS
};

static const char *const paths[KINDS] = {
	[DIRECTORY] = "d",
	[PLAIN_FILE] = "a",
	[RUN] = ".run",
	[CONTROL_DIR] = ".pycloud/runs",
	[TEXT] = ".pycloud/status",
	[LINK] = ".pycloud/runs/last",
	[OUTPUT] = ".pycloud/runs/1/output",
};

union args {
	struct fuse_getattr_in getattr;
	struct fuse_setattr_in setattr;
	struct fuse_open_in open;
	struct fuse_getxattr_in getxattr;
	char setxattr[FUSE_COMPAT_SETXATTR_IN_SIZE];
	struct fuse_mknod_in mknod;
	struct fuse_mkdir_in mkdir;
	struct fuse_rename2_in rename;
	struct fuse_link_in link;
	struct fuse_create_in create;
	struct fuse_read_in read;
	struct fuse_write_in write;
	struct fuse_flush_in flush;
	struct fuse_fsync_in fsync;
	struct fuse_release_in release;
	struct fuse_fallocate_in fallocate;
	struct fuse_poll_in poll;
	struct fuse_ioctl_in ioctl;
};

struct expectation {
	const char *what;
	enum fuse_opcode opcode;
	union args args;
	size_t args_size;
	const char *more;
	size_t more_size;
	int errors[KINDS];
};

#define ARGS(field, ...)                      \
	.args = { .field = { __VA_ARGS__ } }, \
	.args_size = sizeof(((union args *)NULL)->field)
#define NAMES(text) .more = (text), .more_size = sizeof(text)
#define ALL(e)                      \
	{                           \
		e, e, e, e, e, e, e \
	}
#define DIR_ELSE(d, e)              \
	{                           \
		d, e, e, e, e, e, e \
	}

static const struct expectation on_nodes[] = {
	{ "getattr", FUSE_GETATTR, ARGS(getattr, 0), .errors = ALL(0) },
	{ "chmod", FUSE_SETATTR, ARGS(setattr, .valid = FATTR_MODE),
		.errors = { 0, 0, EPERM, EPERM, EPERM, EPERM, EPERM } },
	{ "chown", FUSE_SETATTR, ARGS(setattr, .valid = FATTR_UID, .uid = 1),
		.errors = ALL(EPERM) },
	{ "readlink", FUSE_READLINK,
		.errors = { EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, 0,
			EINVAL } },
	{ "getxattr", FUSE_GETXATTR, ARGS(getxattr, .size = 10),
		NAMES("user.x"), .errors = ALL(ENODATA) },
	{ "listxattr", FUSE_LISTXATTR, ARGS(getxattr, .size = 0),
		.errors = ALL(0) },
	{ "setxattr", FUSE_SETXATTR, ARGS(setxattr, 1), NAMES("user.x\0y"),
		.errors = ALL(EOPNOTSUPP) },
	{ "removexattr", FUSE_REMOVEXATTR, NAMES("user.x"),
		.errors = ALL(EOPNOTSUPP) },
	{ "lookup", FUSE_LOOKUP, NAMES("none"),
		.errors = { ENOENT, ENOTDIR, ENOTDIR, ENOENT, ENOTDIR, ENOTDIR,
			ENOTDIR } },
	{ "mkfifo", FUSE_MKNOD, ARGS(mknod, .mode = S_IFIFO | 0644),
		NAMES("fifo"), .errors = ALL(EPERM) },
	{ "mknod of a device", FUSE_MKNOD, ARGS(mknod, .mode = S_IFCHR | 0644),
		NAMES("device"), .errors = ALL(EPERM) },
	{ "mkdir", FUSE_MKDIR, ARGS(mkdir, .mode = 0755), NAMES("made"),
		.errors = DIR_ELSE(0, EPERM) },
	{ "unlink", FUSE_UNLINK, NAMES("none"),
		.errors = DIR_ELSE(ENOENT, EPERM) },
	{ "rmdir", FUSE_RMDIR, NAMES("none"),
		.errors = DIR_ELSE(ENOENT, EPERM) },
	{ "rename", FUSE_RENAME2, ARGS(rename, .newdir = FUSE_ROOT_ID),
		NAMES("none\0other"), .errors = DIR_ELSE(ENOENT, EPERM) },
	{ "exchange", FUSE_RENAME2,
		ARGS(rename, .newdir = FUSE_ROOT_ID, .flags = RENAME_EXCHANGE),
		NAMES("none\0other"), .errors = DIR_ELSE(EINVAL, EPERM) },
	{ "link", FUSE_LINK, ARGS(link, .oldnodeid = FUSE_ROOT_ID),
		NAMES("linked"), .errors = ALL(EPERM) },
	{ "symlink", FUSE_SYMLINK, NAMES("linked\0target"),
		.errors = DIR_ELSE(0, EPERM) },
	{ "create", FUSE_CREATE,
		ARGS(create, .flags = O_WRONLY | O_CREAT,
			.mode = S_IFREG | 0644),
		NAMES("created"), .errors = DIR_ELSE(0, EPERM) },
	{ "open", FUSE_OPEN, ARGS(open, .flags = O_RDONLY),
		.errors = { EISDIR, 0, 0, EISDIR, 0, EISDIR, 0 } },
	{ "opendir", FUSE_OPENDIR, ARGS(open, .flags = O_RDONLY),
		.errors = { 0, ENOTDIR, ENOTDIR, 0, ENOTDIR, ENOTDIR,
			ENOTDIR } },
	{ "statfs", FUSE_STATFS, .errors = ALL(0) },
	{ "fsyncdir", FUSE_FSYNCDIR, ARGS(fsync, .fh = 1), .errors = ALL(0) },
};

/* On a handle, which is put in where all of them have it: first. */
static const struct expectation on_handles[] = {
	{ "read", FUSE_READ, ARGS(read, .size = 10),
		.errors = { EISDIR, 0, 0, EISDIR, 0, 0, 0 } },
	{ "readdir", FUSE_READDIR, ARGS(read, .size = 1000),
		.errors = { 0, ENOTDIR, ENOTDIR, 0, ENOTDIR, 0, ENOTDIR } },
	{ "readdirplus", FUSE_READDIRPLUS, ARGS(read, .size = 1000),
		.errors = { 0, ENOTDIR, ENOTDIR, 0, ENOTDIR, 0, ENOTDIR } },
	{ "write", FUSE_WRITE, ARGS(write, .size = 1), .more = "x",
		.more_size = 1,
		.errors = { EBADF, 0, 0, EBADF, EBADF, 0, EBADF } },
	{ "fallocate", FUSE_FALLOCATE, ARGS(fallocate, .length = 9),
		.errors = { EOPNOTSUPP, 0, EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP,
			0, EOPNOTSUPP } },
	{ "fsync", FUSE_FSYNC, ARGS(fsync, 0), .errors = ALL(0) },
	{ "poll", FUSE_POLL, ARGS(poll, .flags = FUSE_POLL_SCHEDULE_NOTIFY),
		.errors = ALL(0) },
	{ "ioctl", FUSE_IOCTL, ARGS(ioctl, .cmd = 1, .out_size = 8),
		.errors = ALL(ENOTTY) },
	{ "ioctl of runs", FUSE_IOCTL,
		ARGS(ioctl, .cmd = RUN_IOC_NUMBER, .out_size = 8),
		.errors = { ENOTTY, ENOTTY, ENODATA, ENOTTY, ENOTTY, ENOTTY,
			ENOTTY } },
};

static void assert_error(
	const struct expectation *e, const char *on, int error, int expected)
{
	if (error != expected)
		fail_msg("%s on %s: %s, not %s", e->what, on,
			g_strerror(-error), g_strerror(-expected));
}

static int try(struct wire *w, const struct expectation *e, uint64_t ino,
	uint64_t fh, struct wire_reply *reply)
{
	union args args = e->args;

	if (fh != 0)
		memcpy(&args, &fh, sizeof(fh));
	return wire_call(w, e->opcode, ino, &args, e->args_size, e->more,
		e->more_size, reply);
}

/* A file, a directory, and a run that has ended. */
static void furnish(struct wire *w)
{
	struct wire_reply reply;
	uint64_t run = wire_walk(w, ".run");
	uint64_t fh;

	fake_remote_put(w->world->remote, "a", "hello");
	fake_remote_put_directory(w->world->remote, "d");
	assert_int_equal(wire_open(w, FUSE_OPEN, run, O_RDWR, &reply), 0);
	fh = reply.body.open.fh;
	assert_int_equal(wire_write(w, run, fh, "main.py\n", &reply), 0);
	/* Lost: a run whose exit status nobody knows has no xattr. */
	fake_run_end(fake_executor_last(w->world->executor), 0, 0, -EIO);
	assert_int_equal(wire_release(w, FUSE_RELEASE, run, fh), 0);
}

static void every_operation_on_every_kind_of_node(void **state)
{
	struct wire *w = *state;
	struct wire_reply reply;

	furnish(w);
	for (size_t i = 0; i < G_N_ELEMENTS(on_nodes); i++) {
		const struct expectation *e = &on_nodes[i];

		for (int kind = 0; kind < KINDS; kind++) {
			uint64_t ino = wire_walk(w, paths[kind]);

			assert_error(e, paths[kind], try(w, e, ino, 0, &reply),
				-e->errors[kind]);
			wire_assert_silent(w);
		}
	}
}

static uint64_t open_node(struct wire *w, enum kind kind, uint64_t ino)
{
	bool is_directory = kind == DIRECTORY || kind == CONTROL_DIR;
	bool is_writable = kind == PLAIN_FILE || kind == RUN;
	struct wire_reply reply;

	assert_int_equal(wire_open(w, is_directory ? FUSE_OPENDIR : FUSE_OPEN,
				 ino, is_writable ? O_RDWR : O_RDONLY, &reply),
		0);
	return reply.body.open.fh;
}

static void every_operation_on_every_kind_of_handle(void **state)
{
	struct wire *w = *state;
	struct wire_reply reply;

	furnish(w);
	for (int kind = 0; kind < KINDS; kind++) {
		uint64_t ino = wire_walk(w, paths[kind]);
		uint64_t fh;

		if (kind == LINK)
			continue;
		fh = open_node(w, (enum kind)kind, ino);
		for (size_t i = 0; i < G_N_ELEMENTS(on_handles); i++) {
			const struct expectation *e = &on_handles[i];

			assert_error(e, paths[kind], try(w, e, ino, fh, &reply),
				-e->errors[kind]);
			wire_assert_silent(w);
		}
		assert_int_equal(wire_release(w, FUSE_RELEASE, ino, fh), 0);
	}
}

static void unknown_nodes_are_stale(void **state)
{
	struct wire *w = *state;
	struct wire_reply reply;

	for (size_t i = 0; i < G_N_ELEMENTS(on_nodes); i++) {
		const struct expectation *e = &on_nodes[i];
		int expected = -ESTALE;

		/* The same whatever the node is. */
		if (e->opcode == FUSE_STATFS || e->opcode == FUSE_FSYNCDIR)
			expected = -e->errors[0];
		assert_error(e, "an unknown node", try(w, e, 4711, 0, &reply),
			expected);
		wire_assert_silent(w);
	}
}

static void unknown_handles_are_bad(void **state)
{
	struct wire *w = *state;
	struct wire_reply reply;
	uint64_t ino;

	furnish(w);
	ino = wire_walk(w, "a");
	for (size_t i = 0; i < G_N_ELEMENTS(on_handles); i++) {
		const struct expectation *e = &on_handles[i];

		assert_error(e, "an unknown handle",
			try(w, e, ino, 4711, &reply), -EBADF);
		wire_assert_silent(w);
	}
	assert_int_equal(wire_flush(w, ino, 4711), -EBADF);
	assert_int_equal(wire_release(w, FUSE_RELEASE, ino, 4711), -EBADF);
}

#define with_wire(name) \
	cmocka_unit_test_setup_teardown(name, wire_setup, wire_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_wire(every_operation_on_every_kind_of_node),
		with_wire(every_operation_on_every_kind_of_handle),
		with_wire(unknown_nodes_are_stale),
		with_wire(unknown_handles_are_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
