/*
 * contents_json.h - the contents API's models as entries, and back. Pure.
 *
 * A model is what the server says about one name:
 *
 *   {"name":"a.txt","path":"d/a.txt","type":"file","size":4,"writable":true,
 *    "last_modified":"2026-11-22T07:19:43.986676Z","created":"...Z",...}
 *
 * `size` is null for directories; a listing is a directory's model whose
 * `content` is the array of its children's models. What the server sends is
 * not trusted: name and type must be there, the rest may be missing.
 *
 * The parsers write into `text` (see json_parse).
 */
#ifndef PYCLOUD_CONTENTS_JSON_H
#define PYCLOUD_CONTENTS_JSON_H

#include "entry.h"

#include <stddef.h>

/* One model. The name is not judged (the root's is ""). -EPROTO: not JSON, not
 * a model, or of a type that is neither file, notebook nor directory. */
int contents_parse_entry(char *text, size_t length, struct entry *ret_entry);

/* A directory's model with its children, as remote.h's list() returns them.
 * Children that cannot be shown (untrusted names, names already seen, no model)
 * are left out and counted. -EPROTO as above; -ENOTDIR: the model of a file;
 * -EFBIG: more than CONTENTS_ENTRIES_MAX children. */
int contents_parse_listing(char *text, size_t length, GPtrArray **ret_entries,
	unsigned *ret_dropped);

/* The "message" of an error's body; NULL where there is none (jupyter_server 2
 * answers a 404 with plain text, the router with HTML). An "Unhandled error" of
 * notebook 6 and jupyter_server 1 is followed by the exception, which is the
 * last line of the traceback they send along. g_free. */
char *contents_parse_message(char *text, size_t length);

/* The "version" of `GET api`; NULL where it is no Jupyter server. g_free. */
char *contents_parse_version(char *text, size_t length);

/* Request bodies; g_free. */
char *contents_rename_body(const char *new_path);
char *contents_mkdir_body(void);

#endif
