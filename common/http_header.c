/* http_header.c - see http_header.h. */
#include "config.h"

#include "http_header.h"

#include "common_limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* strptime() would listen to the locale. */
time_t http_header_date(const char *text)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = { 0 };
	char month[4];
	char zone[4];
	const char *found;

	if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d %3s",
		    &tm.tm_mday, month, &tm.tm_year, &tm.tm_hour, &tm.tm_min,
		    &tm.tm_sec, zone) != 7 ||
		strcmp(zone, "GMT") != 0)
		return 0;
	found = strstr(months, month);
	if (found == NULL || strlen(month) != 3 || (found - months) % 3 != 0)
		return 0;
	tm.tm_mon = (int)(found - months) / 3;
	tm.tm_year -= 1900;
	return timegm(&tm);
}

/* A decimal number without sign; *end is where it stopped. -1: none. */
static int64_t parse_number(const char *text, const char **end)
{
	unsigned long long value;
	char *stop;

	*end = text;
	if (!g_ascii_isdigit(*text))
		return -1;
	errno = 0;
	value = strtoull(text, &stop, 10);
	if (errno != 0 || value > (uint64_t)HTTP_NUMBER_MAX)
		return -1;
	*end = stop;
	return (int64_t)value;
}

/* "bytes 0-9/100"; either side of the slash may be a star instead: an unknown
 * total, or (of a 416) no range. */
static void parse_content_range(struct http_response *r, const char *value)
{
	int64_t first = -1;
	int64_t last = -1;
	int64_t total = -1;
	const char *p;

	if (g_ascii_strncasecmp(value, "bytes ", 6) != 0)
		return;
	p = value + 6;
	if (*p == '*') {
		p++;
	} else {
		first = parse_number(p, &p);
		if (first < 0 || *p++ != '-')
			return;
		last = parse_number(p, &p);
		if (last < first)
			return;
	}
	if (*p++ != '/')
		return;
	if (*p != '*')
		total = parse_number(p, &p);
	r->range_first = first;
	r->range_last = last;
	r->range_total = total;
}

static void parse_retry_after(
	struct http_response *r, const char *value, time_t now)
{
	const char *end;
	int64_t seconds = parse_number(value, &end);
	time_t when;

	if (seconds >= 0 && *end == '\0') {
		r->retry_after_ms =
			seconds > INT32_MAX ? INT64_MAX : seconds * 1000;
		return;
	}
	when = http_header_date(value);
	if (when != 0)
		r->retry_after_ms = when > now ? (when - now) * 1000 : 0;
}

/* "name=value; Path=/; HttpOnly" -> "name=value". Not where it belongs: a
 * relay passes on a path that holds behind it. */
static void add_cookie(struct http_response *r, const char *value)
{
	size_t length = strcspn(value, ";");

	if (!r->wants_cookies || length == 0)
		return;
	if (r->cookies == NULL)
		r->cookies = g_string_sized_new(HTTP_COOKIES_MAX);
	if (r->cookies->len + length + 2 > HTTP_COOKIES_MAX)
		return;
	if (r->cookies->len > 0)
		g_string_append(r->cookies, "; ");
	g_string_append_len(r->cookies, value, (gssize)length);
}

static void parse_field(struct http_response *r, const char *name,
	const char *value, time_t now)
{
	const char *end;

	if (g_ascii_strcasecmp(name, "content-length") == 0) {
		r->content_length = parse_number(value, &end);
	} else if (g_ascii_strcasecmp(name, "content-range") == 0) {
		parse_content_range(r, value);
	} else if (g_ascii_strcasecmp(name, "last-modified") == 0) {
		r->last_modified = http_header_date(value);
	} else if (g_ascii_strcasecmp(name, "date") == 0) {
		r->date = http_header_date(value);
	} else if (g_ascii_strcasecmp(name, "retry-after") == 0) {
		parse_retry_after(r, value, now);
	} else if (g_ascii_strcasecmp(name, "content-type") == 0) {
		r->is_html = g_ascii_strncasecmp(value, "text/html", 9) == 0;
	} else if (g_ascii_strcasecmp(name, "server") == 0) {
		r->has_server = true;
	} else if (g_ascii_strcasecmp(name, "set-cookie") == 0) {
		add_cookie(r, value);
	} else if (g_ascii_strcasecmp(name, "location") == 0) {
		g_free(r->location);
		r->location = g_strdup(value);
	}
}

/* "HTTP/1.1 200 OK" -> 200; 0: not a status line. */
static int parse_status(const char *line)
{
	const char *p = strchr(line, ' ');

	if (strncmp(line, "HTTP/", 5) != 0 || p == NULL ||
		!g_ascii_isdigit(p[1]) || !g_ascii_isdigit(p[2]) ||
		!g_ascii_isdigit(p[3]) || g_ascii_isdigit(p[4]))
		return 0;
	return (p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0');
}

static void forget_fields(struct http_response *r)
{
	r->content_length = -1;
	r->range_first = -1;
	r->range_last = -1;
	r->range_total = -1;
	r->last_modified = 0;
	r->date = 0;
	r->retry_after_ms = -1;
	r->is_html = false;
	r->has_server = false;
	g_clear_pointer(&r->location, g_free);
}

void http_header_line(
	struct http_response *r, const char *line, size_t length, time_t now)
{
	g_autofree char *copy = g_strndup(line, length);
	char *colon;

	if (strncmp(copy, "HTTP/", 5) == 0) {
		r->status = parse_status(copy);
		forget_fields(r);
		return;
	}
	colon = strchr(copy, ':');
	if (colon == NULL)
		return;
	*colon = '\0';
	parse_field(r, copy, g_strstrip(colon + 1), now);
}
