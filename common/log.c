/* log.c - see log.h. */
#include "config.h"

#include "log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

static atomic_int current_level = LOG_LEVEL_WARNING;
static atomic_bool use_syslog;
static _Thread_local uint64_t current_request;

static const struct {
	const char *name;
	int priority;
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", LOG_ERR },
	[LOG_LEVEL_WARNING] = { "warning", LOG_WARNING },
	[LOG_LEVEL_INFO] = { "info", LOG_INFO },
	[LOG_LEVEL_DEBUG] = { "debug", LOG_DEBUG },
};

void log_set_level(enum log_level level)
{
	atomic_store(&current_level, (int)level);
}

enum log_level log_level(void)
{
	return (enum log_level)atomic_load(&current_level);
}

void log_to_syslog(const char *ident)
{
	openlog(ident, LOG_PID, LOG_DAEMON);
	atomic_store(&use_syslog, true);
}

void log_set_request(uint64_t id)
{
	current_request = id;
}

static void append_visible(GString *line, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f)
			g_string_append_printf(line, "\\x%02x", c);
		else
			g_string_append_c(line, *text);
	}
}

void log_at(enum log_level level, const char *format, ...)
{
	g_autofree char *text = NULL;
	g_autoptr(GString) line = NULL;
	va_list args;

	if (level > log_level())
		return;
	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);

	line = g_string_new(NULL);
	if (current_request != 0)
		g_string_append_printf(line, "[%" PRIu64 "] ", current_request);
	append_visible(line, text);
	if (atomic_load(&use_syslog)) {
		syslog(levels[level].priority, "%s", line->str);
		return;
	}
	g_string_prepend(line, ": ");
	g_string_prepend(line, levels[level].name);
	g_string_prepend(line, "pycloud: ");
	g_string_append_c(line, '\n');
	/* One write, so that lines of several threads do not mix; a log that
	 * cannot be written has nobody left to tell. */
	if (write(STDERR_FILENO, line->str, line->len) < 0)
		return;
}
