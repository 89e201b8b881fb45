/*
 * names.h - names and paths between this side and the server's. Pure.
 *
 * On our side a name is bytes, on the server's it is UTF-8; a path is
 * components joined by single slashes, "" being the root.
 */
#ifndef PYCLOUD_NAMES_H
#define PYCLOUD_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* A name a program gave us: 0; -EILSEQ not UTF-8; -ENAMETOOLONG above 255
 * bytes; -EINVAL empty, ".", ".." or with a slash. */
int name_check_local(const char *name);

/* A name the server gave us: false for what must not be shown (the above, or
 * U+FFFD where the JSON reader put one for an unpaired surrogate). */
bool name_is_trusted(const char *name);

/* Names that exist without being listed: dot names while hidden ones are
 * refused, __pycache__ *.pyc *.pyo *~ .DS_Store, on older servers *.so and
 * *.dylib. A listing proves nothing about them. */
bool name_may_be_unlisted(const char *name, bool lists_hidden);

/* Of an extended attribute: of the user's (user.*), which are the server's to
 * keep, and none that is a mount's own (user.pycloud.*). */
bool name_is_users_xattr(const char *name);

/* For one column of one line: control characters and backslashes as C writes
 * them (\012), everything else as it is; g_free, and back by g_strcompress(). */
char *name_escape(const char *name);

/* parent + "/" + name ("" + name for the root); g_free. */
char *path_join(const char *parent, const char *name);
/* "a/b" -> "a" (g_free) and, borrowed, "b". */
char *path_parent(const char *path);
const char *path_basename(const char *path);
/* path is `dir` itself or lies below it. */
bool path_is_below(const char *path, const char *dir);

/* For a URL: every byte outside A-Z a-z 0-9 . _ - ~ is percent-encoded, slashes
 * stay. The components `checkpoints` and `trust` collide with routes of the
 * contents API, so one letter of them is encoded too (%63heckpoints): the
 * router matches the raw path, the handler decodes it. g_free. */
char *path_encode(const char *path);

/* For words in a query string; g_free. */
char *query_encode(const char *text);

#endif
