/*
 * contents_call.h - what every operation of the contents service shares.
 *
 * Private to contents*.c: the service's struct, how a path becomes a request's
 * target, and how an answer becomes an errno or an entry.
 *
 * The struct has no lock: what is learnt about the server is a hint, each a
 * single atomic word, and being late by one request is harmless.
 */
#ifndef PYCLOUD_CONTENTS_CALL_H
#define PYCLOUD_CONTENTS_CALL_H

#include "contents.h"
#include "http_client.h"
#include "http_errno.h"

#include <stdatomic.h>

/* Does the server have files/ ? Said by the first file whose bytes came. */
enum files_route {
	FILES_UNKNOWN,
	FILES_PRESENT,
	FILES_ABSENT,
};

struct contents {
	struct remote base;
	struct http_pool *pool;
	struct contents_limits limits;
	bool is_relayed;	  /* by what rewrites HTML and decodes paths */
	atomic_uint capabilities; /* enum remote_capability */
	atomic_int files;	  /* enum files_route */
};

/* The operations, each group in its file. */
int contents_stat(struct remote *, const char *path, const struct cancel *,
	struct entry *ret_entry);
int contents_list(struct remote *, const char *path, const struct cancel *,
	GPtrArray **ret_entries, unsigned *ret_dropped);
int contents_read(struct remote *, const char *path, int64_t offset,
	int64_t length, const struct remote_sink *, const struct cancel *,
	struct remote_read_info *ret_info);
int contents_write(struct remote *, const char *path,
	const struct remote_source *, const struct cancel *,
	struct entry *ret_entry);
int contents_mkdir(struct remote *, const char *path, const struct cancel *,
	struct entry *ret_entry);
int contents_rename(struct remote *, const char *from, const char *to,
	const struct cancel *, struct entry *ret_entry);
int contents_remove(struct remote *, const char *path, const struct cancel *);
int contents_probe_hidden(struct remote *, const struct cancel *);

/* contents_stat() with a limit of its own. */
int contents_stat_within(struct contents *, const char *path, int timeout_ms,
	const struct cancel *, struct entry *ret_entry);

struct contents *contents_of(struct remote *);

/* The seam's rules for paths, checked again where they would do harm: the
 * server follows "..". 0, -EINVAL, -EILSEQ or -ENAMETOOLONG; -EOPNOTSUPP where
 * it would be taken for something else than a path on its way. */
int contents_path_check(const struct contents *, const char *path);
/* Some component begins with a dot. */
bool contents_path_is_hidden(const char *path);

/* "api/contents/a%20b?content=0"; the root has no slash. g_free. */
char *contents_target(const char *path, const char *query);

bool contents_can(const struct contents *, enum remote_capability);
/* A dot name was accepted: the server allows them. */
void contents_note_accepted(struct contents *, const char *path);

/* A body held in memory; fill `text` and `length`. */
struct contents_body {
	const char *text;
	size_t length;
	size_t at;
};

/* Makes `body` the request's, with rewind. */
void contents_set_body(struct http_call *, struct contents_body *);

/* Runs the call and says what its answer means for `path`. Reads the error's
 * message out of response->body, which is not fit for use afterwards. */
int contents_call(struct contents *, enum http_operation, const char *path,
	struct http_call *, const struct cancel *, struct http_response *);

/* The same for calls answered by the model of `path`. -EPROTO: the answer is
 * no model. The name is ours, never the server's. */
int contents_call_entry(struct contents *, enum http_operation,
	const char *path, struct http_call *, const struct cancel *,
	struct http_response *, struct entry *ret_entry);

/* A failure after which what was asked for may be so nevertheless: the answer
 * was lost, or it was a 500, or a success that could not be read. */
bool contents_may_be_done(const struct http_response *, int error);

#endif
