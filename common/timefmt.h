/*
 * timefmt.h - the server's timestamps. Pure.
 *
 * "2026-11-22T07:16:21.143629Z": UTC, microseconds, the fraction omitted when
 * it is exactly zero; an offset such as +00:00 is accepted too. Years from
 * 1938 to 2446 were seen.
 */
#ifndef PYCLOUD_TIMEFMT_H
#define PYCLOUD_TIMEFMT_H

#include <time.h>

/* 0 or -EINVAL. */
int time_parse_iso8601(const char *text, struct timespec *ret);
/* "2026-11-22T07:16:21.143629Z" into at least 32 bytes. */
void time_format_iso8601(const struct timespec *, char buffer[static 32]);

#endif
