/*
 * wire.h - the kernel's side of the FUSE protocol, over a socket.
 *
 * The adapter runs in libfuse's own loop on threads of its own; this side sends
 * it the kernel's messages (<linux/fuse.h>) and reads its replies. Nothing is
 * mounted and no privilege is needed. One thread of the test's uses a wire.
 */
#ifndef PYCLOUD_TESTS_WIRE_H
#define PYCLOUD_TESTS_WIRE_H

#include "world.h"

#include <linux/fuse.h>

struct fuse_session;

#define WIRE_BODY_MAX 65536

struct wire {
	struct world *world;
	int fd;
	struct fuse_session *fuse;
	pthread_t loop;
	bool has_threads;
	uint64_t unique; /* of the last request */
	struct fuse_init_out init;
};

/* What came back. */
struct wire_reply {
	uint64_t unique;
	int error; /* 0 or -errno */
	size_t length;
	union {
		char bytes[WIRE_BODY_MAX];
		struct fuse_entry_out entry;
		struct fuse_attr_out attr;
		struct fuse_open_out open;
		struct fuse_write_out write;
		struct {
			struct fuse_entry_out entry;
			struct fuse_open_out open;
		} create;
	} body;
};

/* As cmocka wants its setup and teardown; *state is the struct wire, and the
 * session has answered INIT. One request is handled after the other, so that
 * what a request without a reply (FORGET) did can be seen after the next. */
int wire_setup(void **state);
/* The same with as many threads as a mount has. */
int wire_setup_threads(void **state);
int wire_teardown(void **state);

/* The same for other operations: userdata is theirs, and there is no world. 0,
 * or -1. */
struct fuse_lowlevel_ops;
int wire_open_session(struct wire *, const struct fuse_lowlevel_ops *,
	size_t ops_size, void *userdata, bool has_threads);
void wire_close_session(struct wire *);

/* Sends one message of the parts; its number. */
uint64_t wire_send(struct wire *, enum fuse_opcode, uint64_t ino,
	const void *arg, size_t arg_size, const void *more, size_t more_size);
/* The next reply, whosever it is. */
void wire_receive(struct wire *, struct wire_reply *ret);
/* Sends, and receives this message's reply; its error. */
int wire_call(struct wire *, enum fuse_opcode, uint64_t ino, const void *arg,
	size_t arg_size, const void *more, size_t more_size,
	struct wire_reply *ret);
/* Fails the test unless no reply is under way but one to this. */
void wire_assert_silent(struct wire *);
/* The next reply does not reach the kernel: its program has left. */
void wire_lose_next_reply(struct wire *);

/* --- the requests tests use most ------------------------------------------ */

int wire_lookup(
	struct wire *, uint64_t dir, const char *name, struct wire_reply *);
int wire_getattr(struct wire *, uint64_t ino, struct wire_reply *);
void wire_forget(struct wire *, uint64_t ino, uint64_t count);
int wire_create(
	struct wire *, uint64_t dir, const char *name, struct wire_reply *);
/* OPEN or OPENDIR. */
int wire_open(struct wire *, enum fuse_opcode, uint64_t ino, uint32_t flags,
	struct wire_reply *);
int wire_read(struct wire *, enum fuse_opcode, uint64_t ino, uint64_t fh,
	uint64_t offset, struct wire_reply *);
int wire_write(struct wire *, uint64_t ino, uint64_t fh, const char *text,
	struct wire_reply *);
int wire_flush(struct wire *, uint64_t ino, uint64_t fh);
/* RELEASE or RELEASEDIR. */
int wire_release(struct wire *, enum fuse_opcode, uint64_t ino, uint64_t fh);
/* "a/b" -> its ino, looked up (and never forgotten). */
uint64_t wire_walk(struct wire *, const char *path);
bool wire_node_exists(struct wire *, uint64_t ino);

#endif
