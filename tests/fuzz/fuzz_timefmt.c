/* Any text as a time: what is read is written, and read the same again, as far
 * as four digits of a year and six of a second go. */
#include "config.h"

#include "fuzz.h"

#include "http_header.h"
#include "timefmt.h"

#include <string.h>

static void check_iso(const char *text)
{
	struct timespec ts, again;
	char buffer[32];

	if (time_parse_iso8601(text, &ts) < 0)
		return;
	if (ts.tv_nsec < 0 || ts.tv_nsec > 999999999)
		g_error("%ld nanoseconds", ts.tv_nsec);
	time_format_iso8601(&ts, buffer);
	if (strlen(buffer) != strlen("2026-11-22T07:16:21.143629Z"))
		g_error("no time: %s", buffer);
	/* Within the years that have four digits. */
	if (ts.tv_sec < -62135596800 || ts.tv_sec > 253402300799)
		return;
	if (time_parse_iso8601(buffer, &again) < 0 ||
		again.tv_sec != ts.tv_sec ||
		again.tv_nsec != ts.tv_nsec / 1000 * 1000)
		g_error("%s became %s", text, buffer);
}

void fuzz_timefmt(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = fuzz_text(bytes, length);
	struct timespec any = { 0 };
	char buffer[32];

	check_iso(text);
	(void)http_header_date(text);
	if (length >= sizeof(any.tv_sec))
		memcpy(&any.tv_sec, bytes, sizeof(any.tv_sec));
	time_format_iso8601(&any, buffer);
	if (strlen(buffer) > 31)
		g_error("a time that is too long");
}
