/*
 * log.h - what the daemon tells its operator.
 *
 * Library code returns errors; the FUSE boundary and the programs log them,
 * once. Lines go to stderr until log_to_syslog(); each carries the request id
 * that log_set_request() put on the calling thread, so that one operation's
 * lines can be followed. Nothing secret has a path to here: secrets are
 * `struct secret`, which has no printf form, and URLs are logged without
 * their query. Control bytes in a message are shown as \xNN, so a hostile
 * name cannot forge a line.
 */
#ifndef PYCLOUD_LOG_H
#define PYCLOUD_LOG_H

#include <glib.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

void log_set_level(enum log_level);
enum log_level log_level(void);
void log_to_syslog(const char *ident);
void log_set_request(uint64_t id); /* 0: none; per thread */

void log_at(enum log_level, const char *format, ...) G_GNUC_PRINTF(2, 3);

#define log_error(...)	 log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
