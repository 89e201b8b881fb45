/* wire.c - see wire.h. */
#include "config.h"

#include "wire.h"

#include "fs_limits.h"
#include "fuse_ops.h"
#include "test.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define MESSAGE_MAX (WIRE_BODY_MAX + 4096)

/* libfuse hands its callbacks the session's userdata, not ours. */
static atomic_bool loses_reply;

/* libfuse cancels the threads that still read at the end; here all of them read
 * the end by themselves, and nothing is cut off in the middle. */
static ssize_t adapter_read(int fd, void *buffer, size_t size, void *userdata)
{
	int was;
	ssize_t n;

	(void)userdata;
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &was);
	n = recv(fd, buffer, size, 0);
	(void)pthread_setcancelstate(was, &was);
	if (n == 0) { /* what the kernel says when it has unmounted */
		errno = ENODEV;
		return -1;
	}
	return n;
}

static ssize_t adapter_write(
	int fd, struct iovec *parts, int count, void *userdata)
{
	(void)userdata;
	if (atomic_exchange(&loses_reply, false)) {
		errno = ENOENT; /* as the kernel, for a request that is gone */
		return -1;
	}
	return writev(fd, parts, count);
}

static const struct fuse_custom_io custom_io = {
	.read = adapter_read,
	.writev = adapter_write,
};

/* libfuse has the custom io since 3.14, so the configuration is 3.12's. */
static void *run_loop(void *arg)
{
	struct wire *w = arg;
	struct fuse_loop_config *config = fuse_loop_cfg_create();

	fuse_loop_cfg_set_max_threads(config, FUSE_THREADS_MAX);
	if (w->has_threads)
		(void)fuse_session_loop_mt(w->fuse, config);
	else
		(void)fuse_session_loop(w->fuse);
	fuse_loop_cfg_destroy(config);
	return NULL;
}

static void say_hello(struct wire *w)
{
	const struct fuse_init_in hello = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 31,
		.max_readahead = 131072,
		.flags = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC |
			 FUSE_BIG_WRITES | FUSE_AUTO_INVAL_DATA |
			 FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |
			 FUSE_WRITEBACK_CACHE | FUSE_PARALLEL_DIROPS |
			 FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS | FUSE_MAX_PAGES,
	};
	struct wire_reply reply;

	assert_int_equal(
		wire_call(w, FUSE_INIT, 0, &hello, 16, NULL, 0, &reply), 0);
	assert_true(reply.length <= sizeof(w->init));
	memcpy(&w->init, reply.body.bytes, reply.length);
}

int wire_open_session(struct wire *w, const struct fuse_lowlevel_ops *ops,
	size_t ops_size, void *userdata, bool has_threads)
{
	char program[] = "test";
	char *argv[] = { program, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	int sockets[2];

	w->has_threads = has_threads;
	/* Messages keep their borders, as on /dev/fuse. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
		return -1;
	w->fd = sockets[0];
	w->fuse = fuse_session_new(&args, ops, ops_size, userdata);
	fuse_opt_free_args(&args);
	if (w->fuse == NULL ||
		fuse_session_custom_io(w->fuse, &custom_io, sockets[1]) != 0 ||
		pthread_create(&w->loop, NULL, run_loop, w) != 0)
		return -1;
	say_hello(w);
	return 0;
}

void wire_close_session(struct wire *w)
{
	(void)close(w->fd);
	(void)pthread_join(w->loop, NULL);
	/* The adapter's end is libfuse's, which closes it. */
	fuse_session_destroy(w->fuse);
}

static int set_up(void **state, bool has_threads)
{
	struct wire *w = g_new0(struct wire, 1);
	void *world = NULL;

	if (world_setup(&world) < 0)
		return -1;
	w->world = world;
	*state = w;
	return wire_open_session(
		w, &fuse_ops, sizeof(fuse_ops), w->world->session, has_threads);
}

int wire_setup(void **state)
{
	return set_up(state, false);
}

int wire_setup_threads(void **state)
{
	return set_up(state, true);
}

int wire_teardown(void **state)
{
	struct wire *w = *state;
	void *world = w->world;

	wire_close_session(w);
	g_free(w);
	return world_teardown(&world);
}

/* --- messages ------------------------------------------------------------- */

uint64_t wire_send(struct wire *w, enum fuse_opcode opcode, uint64_t ino,
	const void *arg, size_t arg_size, const void *more, size_t more_size)
{
	struct fuse_in_header header = {
		.len = (uint32_t)(sizeof(header) + arg_size + more_size),
		.opcode = opcode,
		.unique = w->unique += 2, /* odd ones are the kernel's own */
		.nodeid = ino,
		.uid = 1000,
		.gid = 1000,
		.pid = 0, /* of another namespace: an interrupt counts as fatal */
	};
	struct iovec parts[] = {
		{ &header, sizeof(header) },
		{ (void *)(uintptr_t)arg, arg_size },
		{ (void *)(uintptr_t)more, more_size },
	};

	assert_int_equal(writev(w->fd, parts, G_N_ELEMENTS(parts)), header.len);
	return header.unique;
}

void wire_receive(struct wire *w, struct wire_reply *ret)
{
	g_autofree char *message = g_malloc(MESSAGE_MAX);
	struct fuse_out_header header;
	ssize_t n = recv(w->fd, message, MESSAGE_MAX, 0);

	assert_true(n >= (ssize_t)sizeof(header));
	memcpy(&header, message, sizeof(header));
	assert_int_equal(header.len, n);
	ret->unique = header.unique;
	ret->error = header.error;
	ret->length = (size_t)n - sizeof(header);
	assert_true(ret->length <= sizeof(ret->body));
	memcpy(ret->body.bytes, message + sizeof(header), ret->length);
}

int wire_call(struct wire *w, enum fuse_opcode opcode, uint64_t ino,
	const void *arg, size_t arg_size, const void *more, size_t more_size,
	struct wire_reply *ret)
{
	uint64_t unique =
		wire_send(w, opcode, ino, arg, arg_size, more, more_size);

	wire_receive(w, ret);
	assert_int_equal(ret->unique, unique);
	return ret->error;
}

void wire_assert_silent(struct wire *w)
{
	struct wire_reply reply;

	assert_int_equal(
		wire_call(w, FUSE_STATFS, 1, NULL, 0, NULL, 0, &reply), 0);
	assert_int_equal(reply.length, sizeof(struct fuse_statfs_out));
	assert_true(recv(w->fd, &reply, 1, MSG_DONTWAIT | MSG_PEEK) < 0);
}

void wire_lose_next_reply(struct wire *w)
{
	(void)w;
	atomic_store(&loses_reply, true);
}

/* --- requests ------------------------------------------------------------- */

int wire_lookup(
	struct wire *w, uint64_t dir, const char *name, struct wire_reply *ret)
{
	return wire_call(
		w, FUSE_LOOKUP, dir, name, strlen(name) + 1, NULL, 0, ret);
}

int wire_getattr(struct wire *w, uint64_t ino, struct wire_reply *ret)
{
	const struct fuse_getattr_in in = { 0 };

	return wire_call(w, FUSE_GETATTR, ino, &in, sizeof(in), NULL, 0, ret);
}

void wire_forget(struct wire *w, uint64_t ino, uint64_t count)
{
	const struct fuse_forget_in in = { .nlookup = count };

	(void)wire_send(w, FUSE_FORGET, ino, &in, sizeof(in), NULL, 0);
}

int wire_create(
	struct wire *w, uint64_t dir, const char *name, struct wire_reply *ret)
{
	const struct fuse_create_in in = { .flags = O_RDWR | O_CREAT,
		.mode = S_IFREG | 0644 };

	return wire_call(w, FUSE_CREATE, dir, &in, sizeof(in), name,
		strlen(name) + 1, ret);
}

int wire_open(struct wire *w, enum fuse_opcode opcode, uint64_t ino,
	uint32_t flags, struct wire_reply *ret)
{
	const struct fuse_open_in in = { .flags = flags };

	return wire_call(w, opcode, ino, &in, sizeof(in), NULL, 0, ret);
}

int wire_read(struct wire *w, enum fuse_opcode opcode, uint64_t ino,
	uint64_t fh, uint64_t offset, struct wire_reply *ret)
{
	const struct fuse_read_in in = {
		.fh = fh, .offset = offset, .size = 4096
	};

	return wire_call(w, opcode, ino, &in, sizeof(in), NULL, 0, ret);
}

int wire_write(struct wire *w, uint64_t ino, uint64_t fh, const char *text,
	struct wire_reply *ret)
{
	const struct fuse_write_in in = { .fh = fh,
		.size = (uint32_t)strlen(text) };

	return wire_call(
		w, FUSE_WRITE, ino, &in, sizeof(in), text, strlen(text), ret);
}

int wire_flush(struct wire *w, uint64_t ino, uint64_t fh)
{
	const struct fuse_flush_in in = { .fh = fh };
	struct wire_reply reply;

	return wire_call(w, FUSE_FLUSH, ino, &in, sizeof(in), NULL, 0, &reply);
}

int wire_release(
	struct wire *w, enum fuse_opcode opcode, uint64_t ino, uint64_t fh)
{
	const struct fuse_release_in in = { .fh = fh };
	struct wire_reply reply;

	return wire_call(w, opcode, ino, &in, sizeof(in), NULL, 0, &reply);
}

uint64_t wire_walk(struct wire *w, const char *path)
{
	g_auto(GStrv) names = g_strsplit(path, "/", -1);
	struct wire_reply reply;
	uint64_t ino = FUSE_ROOT_ID;

	for (char **name = names; *name != NULL; name++) {
		assert_int_equal(wire_lookup(w, ino, *name, &reply), 0);
		ino = reply.body.entry.nodeid;
	}
	return ino;
}

bool wire_node_exists(struct wire *w, uint64_t ino)
{
	struct node_table *nodes = w->world->session->nodes;
	struct node *n = node_table_get(nodes, ino);

	node_table_unref(nodes, n);
	return n != NULL;
}
