/*
 * http_errno.h - HTTP outcomes as errno: the one table.
 *
 * The server's answers mean different things to different requests (a 400 to
 * a read of a directory is EISDIR, to a dot name it is EPERM), so a row is
 * (operation, status, word in the message) -> errno. Facts behind the rows:
 * the error shapes of Jupyter servers 1.x, 2.x and of notebook 6.
 * Unknown is EIO, never a guess.
 */
#ifndef PYCLOUD_HTTP_ERRNO_H
#define PYCLOUD_HTTP_ERRNO_H

#include "http.h"

enum http_operation {
	HTTP_OP_STAT,
	HTTP_OP_LIST,
	HTTP_OP_READ,
	HTTP_OP_WRITE,
	HTTP_OP_MKDIR,
	HTTP_OP_RENAME,
	HTTP_OP_REMOVE,
	HTTP_OP_KERNEL,
};

/* 0 for a 2xx answer that arrived whole, else -errno. `message` is the text
 * of the server's JSON error or NULL. A redirect is -EACCES when it leads to a
 * login page, -EHOSTUNREACH when it says that the server is not running, else
 * -EPROTO. */
int http_errno(
	enum http_operation, const struct http_response *, const char *message);

#endif
