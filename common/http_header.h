/*
 * http_header.h - what one line of an answer's header says. Pure.
 *
 * Feeds on the lines as they arrive, one call each; a status line starts
 * afresh, so that an interim answer (1xx) leaves nothing behind.
 */
#ifndef PYCLOUD_HTTP_HEADER_H
#define PYCLOUD_HTTP_HEADER_H

#include "http.h"

/* `line` need not be NUL-terminated; its line end may be included. What it
 * does not know, or cannot read, it passes over. `now` is for a Retry-After
 * that names a date. */
void http_header_line(
	struct http_response *, const char *line, size_t length, time_t now);

/* "Sun, 06 Nov 1994 08:49:37 GMT"; 0 when it is anything else. */
time_t http_header_date(const char *text);

#endif
