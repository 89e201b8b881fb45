/*
 * fake_remote.h - a place that keeps files in memory, and fails on demand.
 *
 * It implements remote.h as a well-behaved server would: versions change with
 * every write, rename never replaces, remove takes a full directory without a
 * word, and listings leave out what a Jupyter server's leave out (names.h).
 * What a test wants to go wrong is scripted before it happens: the Nth next
 * call of an operation fails, or stands still until it is released or
 * cancelled. Calls are counted, and changes written down in order.
 *
 * Any thread may call any of these.
 */
#ifndef PYCLOUD_TESTS_FAKE_REMOTE_H
#define PYCLOUD_TESTS_FAKE_REMOTE_H

#include "remote.h"

enum fake_op {
	FAKE_STAT,
	FAKE_LIST,
	FAKE_READ,
	FAKE_WRITE,
	FAKE_MKDIR,
	FAKE_RENAME,
	FAKE_REMOVE,
	FAKE_PROBE,
	FAKE_REPLACE,	/* where REMOTE_CAN_SWAP is set */
	FAKE_LIST_TREE, /* these two where REMOTE_CAN_TREE is set */
	FAKE_READ_MANY,
	FAKE_SETATTR, /* where REMOTE_CAN_MODE is set */
	FAKE_VOLUME,  /* from here on where REMOTE_CAN_VOLUME, ... is set */
	FAKE_MOVE,
	FAKE_LINK,
	FAKE_XATTRS,
	FAKE_GETXATTR,
	FAKE_SETXATTR,
	FAKE_OPS
};

/* remote_free() frees it. */
struct remote *fake_remote_new(void);
void fake_remote_set_capabilities(struct remote *, unsigned);
/* What a probe finds out; without this there is no telling. */
void fake_remote_set_hidden(struct remote *, bool is_allowed);

/* Behind everybody's back: not counted, and directories above are made. */
void fake_remote_put(struct remote *, const char *path, const char *text);
void fake_remote_put_bytes(
	struct remote *, const char *path, const void *bytes, size_t);
bool fake_remote_has_bytes(
	struct remote *, const char *path, const void *bytes, size_t);
/* A symbolic link in the pod: listed with its own size and time, read with its
 * target's. */
void fake_remote_put_link(struct remote *, const char *path, const char *text);
/* What is there, and what others make of it. With REMOTE_CAN_MODE trees and
 * saves tell it, and stat and list do not. */
mode_t fake_remote_mode(struct remote *, const char *path);
struct timespec fake_remote_mtime(struct remote *, const char *path);
void fake_remote_chmod(struct remote *, const char *path, mode_t);
/* Of no file, from now on: a file system that does not know them. */
void fake_remote_refuse_bits(struct remote *, mode_t bits);
void fake_remote_put_directory(struct remote *, const char *path);
void fake_remote_drop(struct remote *, const char *path);
bool fake_remote_has(struct remote *, const char *path);
/* The file's bytes as text (g_free), "" too when it is empty; NULL: none. */
char *fake_remote_text(struct remote *, const char *path);

/* The nth call of `op` from now (1: the next) fails without effect. */
void fake_remote_fail(struct remote *, enum fake_op, unsigned nth, int error);
/* Every call fails without effect until this is called with 0. */
void fake_remote_fail_all(struct remote *, int error);
/* The next write fails after so many bytes (-1: all) are there: the answer was
 * lost, or the connection in the middle. A replace is carried out. */
void fake_remote_tear_write(struct remote *, int64_t bytes, int error);
/* The next call of `op` stands still before it has any effect. */
void fake_remote_stall(struct remote *, enum fake_op);
void fake_remote_await_stalled(struct remote *, enum fake_op);
void fake_remote_release(struct remote *, enum fake_op);
/* The next read gives this many bytes fewer than it says the file has. */
void fake_remote_shorten_read(struct remote *, int64_t bytes);

unsigned fake_remote_calls(struct remote *, enum fake_op);
/* Waits until that many calls of `op` have begun. */
void fake_remote_await_calls(struct remote *, enum fake_op, unsigned count);
/* Given by reads since the last reset. */
int64_t fake_remote_read_bytes(struct remote *);
/* How many ranges the last replace brought, and bytes in them; -1: the whole. */
int fake_remote_last_ranges(struct remote *);
int64_t fake_remote_replaced_bytes(struct remote *);
/* Waits until that many calls of FAKE_LIST_TREE or FAKE_READ_MANY have ended. */
void fake_remote_await_ended(struct remote *, enum fake_op, unsigned count);
unsigned fake_remote_all_calls(struct remote *);
void fake_remote_set_volume(struct remote *, const struct remote_volume *);
/* "write a;remove b;rename a b;mkdir d;" since the last reset; g_free. */
char *fake_remote_changes(struct remote *);
/* Counts and changes begin anew. */
void fake_remote_reset(struct remote *);

#endif
