/*
 * content.h - the bytes of one file as we hold them.
 *
 * A content belongs to a file's node for the node's whole life. While somebody
 * has the file open its bytes stand in an unlinked temporary file; what takes
 * time is a state, and whoever needs the bytes waits for the state to change:
 *
 *     EMPTY   --begin_load-->  LOADING  --end_load-->  READY (or EMPTY again)
 *     READY   --begin_upload-> READY + is_uploading  --end_upload--> READY
 *     READY   --last close, clean--> EMPTY
 *
 * Every change of bytes raises `dirty_gen`; an upload takes the generation it
 * sends, and only an unchanged generation makes the content clean. Writers
 * wait while an upload runs, so that what the server gets is one moment's
 * bytes. A content that could not be uploaded stays dirty: its bytes are kept
 * until they are placed.
 *
 * This module moves no bytes over the network and knows no path; transfer.c
 * does both. Locking: one internal lock, not held across file I/O that may
 * block for long; waits take a cancel token.
 */
#ifndef PYCLOUD_CONTENT_H
#define PYCLOUD_CONTENT_H

#include "cancel.h"
#include "entry.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct content;

/* What a stat of the file must say while we know better than the server. */
struct content_stat {
	bool is_dirty;
	int64_t size;
	struct timespec mtime; /* of the last local write */
};

/* `directory_fd` is where temporary files are made; borrowed for life. */
struct content *content_new(int directory_fd);
/* Bytes that are not on the server go with it: see transfer_rescue(). */
void content_free(struct content *);

/* Holders: each open handle, and each transfer that needs the bytes. The last
 * close of a clean content gives up its bytes. */
void content_open(struct content *);
void content_close(struct content *);
bool content_is_open(struct content *);

/* Forgets clean bytes that are of another version than `now`; true when there
 * was something to forget. */
bool content_revalidate(struct content *, const struct entry *now);

/* 1: the caller must load and then call content_end_load(); 0: the bytes are
 * here; -errno. */
int content_begin_load(struct content *, const struct cancel *);
int content_load_bytes(
	struct content *, const void *bytes, size_t length, int64_t offset);
/* `size` bytes were loaded; `version` is what the listing said, which for a
 * symbolic link in the pod is another size. */
void content_end_load(
	struct content *, int rc, int64_t size, const struct entry *version);

/* -ESTALE unless READY: somebody gave the bytes up, load again. Past the end
 * is 0. */
ssize_t content_read(
	struct content *, void *buffer, size_t size, int64_t offset);
/* Needs READY. offset -1: at the end (O_APPEND). Waits for an upload. */
ssize_t content_write(struct content *, const void *bytes, size_t size,
	int64_t offset, const struct cancel *);
/* Needs READY, or size 0, which needs nothing (O_TRUNC, creation). */
int content_truncate(struct content *, int64_t size, const struct cancel *);

bool content_is_dirty(struct content *);
bool content_is_ready(struct content *);
void content_stat(struct content *, struct content_stat *ret);

/* 1: the caller must upload what content_read() gives, `ret_size` bytes, and
 * then call content_end_upload(); 0: nothing to do; -errno. With `force` clean
 * bytes are sent too (to another path). */
int content_begin_upload(
	struct content *, bool force, const struct cancel *, int64_t *ret_size);
void content_end_upload(struct content *, int rc, const struct entry *version);

/* Nobody will ask for these bytes again (the file is gone): clean. */
void content_abandon(struct content *);

/* Gives the bytes a name on the local disk. */
int content_link(struct content *, int directory_fd, const char *name);

#endif
