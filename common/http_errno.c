/*
 * http_errno.c - see http_errno.h.
 *
 * The first row that fits wins, so the special ones stand above the general.
 * Jupyter's messages are the server's Python exceptions: their `[Errno N]` is
 * believed where it can only mean one thing.
 */
#include "config.h"

#include "http_errno.h"

#include <errno.h>
#include <string.h>

/* Pseudo operation and pseudo statuses of the table. */
#define ANY	 (-1)
#define REDIRECT 300 /* every 3xx; the word is looked for in Location */
#define ANY_5XX	 500 /* every 5xx that has no row of its own */

struct row {
	int operation;
	int status;
	const char *word; /* NULL: whatever the message says */
	int error;
	const char *also; /* a second word; NULL: none */
};

static const struct row rows[] = {
	/* Not logged in, or (JupyterHub) not running. */
	{ ANY, REDIRECT, "/login", EACCES, NULL },
	{ ANY, REDIRECT, "/oauth2/authorize", EACCES, NULL },
	{ ANY, REDIRECT, "/oauth_login", EACCES, NULL },
	{ ANY, REDIRECT, "/hub/user/", EHOSTUNREACH, NULL },
	{ ANY, REDIRECT, "/hub/spawn", EHOSTUNREACH, NULL },
	{ ANY, REDIRECT, NULL, EPROTO, NULL },

	{ ANY, 400, "is a directory, not a", EISDIR, NULL },
	{ ANY, 400, "is not a directory", ENOTDIR, NULL },
	{ ANY, 400, "Cannot read non-file", ENXIO, NULL },
	{ ANY, 400, "invalid unicode", EILSEQ, NULL },
	{ HTTP_OP_MKDIR, 400, "Not a directory", EEXIST, NULL },
	{ HTTP_OP_REMOVE, 400, "not empty", ENOTEMPTY, NULL },
	{ HTTP_OP_REMOVE, 400, "Can't delete root", EBUSY, NULL },
	{ HTTP_OP_REMOVE, 400, "Permission denied", EACCES, NULL },
	{ HTTP_OP_REMOVE, 400, "send2trash failed", EACCES, NULL },
	/* How dot names are refused, wordings of 1.x, 2.x and notebook 6. */
	{ HTTP_OP_WRITE, 400, "Cannot create", EPERM, NULL },
	{ HTTP_OP_MKDIR, 400, "Cannot create", EPERM, NULL },
	{ HTTP_OP_RENAME, 400, "Cannot rename", EPERM, NULL },
	{ HTTP_OP_REMOVE, 400, "Cannot delete", EPERM, NULL },

	{ ANY, 401, NULL, EACCES, NULL },
	{ ANY, 403, NULL, EACCES, NULL },
	{ ANY, 404, NULL, ENOENT, NULL },
	/* A hub's answer to a mutation while the server is not running. */
	{ ANY, 405, "<html>", EHOSTUNREACH, NULL },
	{ ANY, 405, NULL, EOPNOTSUPP, NULL },
	{ ANY, 408, NULL, ETIMEDOUT, NULL },
	{ ANY, 409, NULL, EEXIST, NULL },
	{ ANY, 413, NULL, EFBIG, NULL },
	{ ANY, 424, NULL, EHOSTUNREACH, NULL },
	{ ANY, 429, NULL, EBUSY, NULL },

	{ HTTP_OP_KERNEL, ANY_5XX, "No such kernel", EOPNOTSUPP, NULL },
	/* Only the rollback of a save that failed half-way meets a missing
	 * `.~name`, and what it hides is a disk that was full. */
	{ HTTP_OP_WRITE, ANY_5XX, "[Errno 2]", ENOSPC, "/.~" },
	/* The trash's exceptions have no number. */
	{ HTTP_OP_REMOVE, ANY_5XX, "Permission denied", EACCES, NULL },
	{ HTTP_OP_REMOVE, ANY_5XX, "File name too long", ENAMETOOLONG, NULL },
	{ ANY, ANY_5XX, "[Errno 2]", ENOENT, NULL },
	{ ANY, ANY_5XX, "[Errno 13]", EACCES, NULL },
	{ ANY, ANY_5XX, "[Errno 17]", EEXIST, NULL },
	{ ANY, ANY_5XX, "[Errno 20]", ENOTDIR, NULL },
	{ ANY, ANY_5XX, "[Errno 21]", EISDIR, NULL },
	{ ANY, ANY_5XX, "[Errno 27]", EFBIG, NULL },
	{ ANY, ANY_5XX, "[Errno 28]", ENOSPC, NULL },
	{ ANY, ANY_5XX, "[Errno 30]", EROFS, NULL },
	{ ANY, ANY_5XX, "[Errno 36]", ENAMETOOLONG, NULL },
	{ ANY, ANY_5XX, "[Errno 39]", ENOTEMPTY, NULL },
	{ ANY, ANY_5XX, "[Errno 40]", ELOOP, NULL },
	{ ANY, ANY_5XX, "[Errno 122]", EDQUOT, NULL },
	{ ANY, 502, NULL, EHOSTUNREACH, NULL },
	{ ANY, 503, NULL, EHOSTUNREACH, NULL },
	{ ANY, 504, NULL, EHOSTUNREACH, NULL },
	{ ANY, 507, NULL, ENOSPC, NULL },
};

static bool has_word(const char *text, const char *word)
{
	return word == NULL || (text != NULL && strcasestr(text, word) != NULL);
}

static bool row_fits(const struct row *row, enum http_operation operation,
	const struct http_response *r, const char *message)
{
	const char *text = message;
	int status = r->status;

	if (row->status == REDIRECT && status / 100 == 3) {
		status = REDIRECT;
		text = r->location;
	} else if (row->status == ANY_5XX && status / 100 == 5) {
		status = ANY_5XX;
	}
	if (row->status != status)
		return false;
	if (row->operation != ANY && row->operation != (int)operation)
		return false;
	if (row->word != NULL && strcmp(row->word, "<html>") == 0)
		return r->is_html;
	return has_word(text, row->word) && has_word(text, row->also);
}

int http_errno(enum http_operation operation, const struct http_response *r,
	const char *message)
{
	size_t i;

	if (r->error != 0)
		return r->error;
	if (r->status / 100 == 2)
		return 0;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (row_fits(&rows[i], operation, r, message))
			return -rows[i].error;
	return -EIO;
}
