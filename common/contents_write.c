/*
 * contents_write.c - whole files to the server.
 *
 * Up to UPLOAD_CHUNK_BYTES a file is one PUT, which may be repeated at will.
 * A larger one goes in chunks, numbered 1, 2, ..., the last one -1. To the
 * server every chunk but number 1 means "append to whatever is there": it has
 * neither offset nor identity. A chunk that was sent twice, or lost, or met
 * another writer's shows only in the size that the reply reports. So such a
 * chunk is sent once, the size is checked after each, and any doubt starts
 * again from chunk 1, which truncates.
 *
 * When the attempts are used up, the server's file is torn: it holds the
 * beginning of the new bytes and none of the old. The API has no way to write
 * beside it and swap (a rename never replaces). The error that is returned
 * therefore means "the caller's copy is the only whole one": it must be kept
 * and offered again.
 *
 * The server's own safety copy, `.~name`, destroys a file of the user's that is
 * really called so; nothing on this side can help that.
 */
#include "config.h"

#include "common_limits.h"
#include "contents_call.h"
#include "upload_json.h"

#include <errno.h>

#define UPLOAD_ATTEMPTS_MAX 3
#define UPLOAD_PAUSE_MS	    200

struct upload {
	struct contents *contents;
	const char *path;
	const struct remote_source *source;
	const struct cancel *cancel;
	struct upload_json json;
};

static int put_piece(struct upload *u, int64_t offset, int64_t length,
	int chunk, struct entry *ret_entry)
{
	struct contents *c = u->contents;
	g_autofree char *target = contents_target(u->path, NULL);
	struct http_call call = { .request = HTTP_REQUEST_INIT,
		.is_idempotent = chunk == 0 || chunk == 1,
		.rewind = upload_json_rewind,
		.rewind_arg = &u->json };
	struct http_response r;
	int rc;

	upload_json_init(&u->json, u->source, offset, length, chunk);
	call.request.method = "PUT";
	call.request.target = target;
	call.request.content_type = "application/json";
	call.request.source = upload_json_read;
	call.request.source_arg = &u->json;
	call.request.source_bytes = upload_json_bytes(&u->json);
	call.request.stall_ms = c->limits.stall_ms;
	http_response_init(&r);
	rc = contents_call_entry(
		c, HTTP_OP_WRITE, u->path, &call, u->cancel, &r, ret_entry);
	http_response_clear(&r);
	return rc;
}

static int discard(void *arg, const void *bytes, size_t length, int64_t offset)
{
	(void)arg;
	(void)bytes;
	(void)length;
	(void)offset;
	return 0;
}

/* The reply's model must have the size we wrote. A symbolic link's model has
 * the size of the link's text instead, while the bytes go to its target; so
 * before a size is called wrong the file is read, which looks at the target
 * (and costs next to nothing where there is files/). */
static int check_size(struct upload *u, const struct entry *e, int64_t expected)
{
	const struct remote_sink nowhere = { discard, NULL };
	struct remote_read_info info;
	int rc;

	if (e->type != ENTRY_FILE)
		return -EISDIR;
	if (e->size == expected)
		return 0;
	rc = contents_read(
		&u->contents->base, u->path, 0, 1, &nowhere, u->cancel, &info);
	if (rc < 0)
		return rc;
	return info.total == expected ? 0 : -EIO;
}

/* Sends one piece and believes it only with the right size. */
static int put_checked(struct upload *u, int64_t offset, int64_t length,
	int chunk, struct entry *ret_entry)
{
	int rc = put_piece(u, offset, length, chunk, ret_entry);

	if (rc < 0)
		return rc;
	/* A manager that never says sizes is believed about a whole file. */
	if (chunk == 0 && ret_entry->size < 0 && ret_entry->type == ENTRY_FILE)
		return 0;
	rc = check_size(u, ret_entry, offset + length);
	if (rc < 0)
		entry_clear(ret_entry);
	return rc;
}

/* Some servers that refuse dot names write the file of a chunked upload before
 * they say so. An empty whole file asks them first. */
static int ask_hidden(struct upload *u)
{
	struct entry e;
	int rc;

	if (!contents_path_is_hidden(u->path) ||
		contents_can(u->contents, REMOTE_CAN_HIDDEN))
		return 0;
	rc = put_piece(u, 0, 0, 0, &e);
	if (rc == 0)
		entry_clear(&e);
	return rc;
}

static int put_chunks(struct upload *u, struct entry *ret_entry)
{
	int64_t size = u->source->size;
	int64_t offset = 0;
	int chunk = 1;
	int rc;

	for (;;) {
		int64_t length = MIN(UPLOAD_CHUNK_BYTES, size - offset);
		bool is_last = offset + length == size;

		rc = put_checked(
			u, offset, length, is_last ? -1 : chunk, ret_entry);
		if (rc < 0 || is_last)
			return rc;
		entry_clear(ret_entry);
		offset += length;
		chunk++;
	}
}

/* Failures that do not say "no", so that starting again may help. Time that ran
 * out is none: somebody is waiting. */
static bool is_doubtful(int rc)
{
	switch (rc) {
	case -EIO:
	case -EPROTO:
	case -EBUSY:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -EHOSTUNREACH:
		return true;
	default:
		return false;
	}
}

static int upload_chunked(struct upload *u, struct entry *ret_entry)
{
	int rc = ask_hidden(u);

	if (rc < 0)
		return rc;
	for (int attempt = 1;; attempt++) {
		rc = put_chunks(u, ret_entry);
		if (!is_doubtful(rc) || attempt == UPLOAD_ATTEMPTS_MAX)
			return rc;
		if (cancel_sleep(u->cancel, UPLOAD_PAUSE_MS * attempt) < 0)
			return rc;
	}
}

int contents_write(struct remote *remote, const char *path,
	const struct remote_source *source, const struct cancel *cancel,
	struct entry *ret_entry)
{
	g_autofree struct upload *u = NULL;
	int rc = contents_path_check(contents_of(remote), path);

	if (rc < 0)
		return rc;
	if (*path == '\0')
		return -EISDIR;
	if (source->size < 0 || source->size > CONTENTS_FILE_MAX)
		return -EFBIG;
	u = g_new(struct upload, 1);
	u->contents = contents_of(remote);
	u->path = path;
	u->source = source;
	u->cancel = cancel;
	if (source->size > UPLOAD_CHUNK_BYTES)
		return upload_chunked(u, ret_entry);
	return put_checked(u, 0, source->size, 0, ret_entry);
}
