/* timefmt.c - see timefmt.h. */
#include "config.h"

#include "timefmt.h"

#include <errno.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Takes exactly `count` digits. */
static bool take_number(const char **at, int count, int *ret)
{
	int value = 0;

	for (int i = 0; i < count; i++, (*at)++) {
		if (!g_ascii_isdigit(**at))
			return false;
		value = value * 10 + (**at - '0');
	}
	*ret = value;
	return true;
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static bool take_date(const char **at, struct tm *tm)
{
	if (!take_number(at, 4, &tm->tm_year) || !take_char(at, '-') ||
		!take_number(at, 2, &tm->tm_mon) || !take_char(at, '-') ||
		!take_number(at, 2, &tm->tm_mday))
		return false;
	if (!g_date_valid_dmy((GDateDay)tm->tm_mday, (GDateMonth)tm->tm_mon,
		    (GDateYear)tm->tm_year))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return true;
}

static bool take_time(const char **at, struct tm *tm)
{
	if (!take_number(at, 2, &tm->tm_hour) || !take_char(at, ':') ||
		!take_number(at, 2, &tm->tm_min) || !take_char(at, ':') ||
		!take_number(at, 2, &tm->tm_sec))
		return false;
	return tm->tm_hour <= 23 && tm->tm_min <= 59 && tm->tm_sec <= 60;
}

/* The fraction, if there is one; digits past nanoseconds are dropped. */
static bool take_fraction(const char **at, long *ret_nsec)
{
	long unit = 100000000;

	*ret_nsec = 0;
	if (!take_char(at, '.'))
		return true;
	if (!g_ascii_isdigit(**at))
		return false;
	for (; g_ascii_isdigit(**at); (*at)++, unit /= 10)
		*ret_nsec += (**at - '0') * unit;
	return true;
}

/* "Z", "+01:00" or "+0100", in seconds east of UTC. */
static bool take_offset(const char **at, int *ret_seconds)
{
	int hours, minutes;
	bool is_west = **at == '-';

	*ret_seconds = 0;
	if (take_char(at, 'Z'))
		return true;
	if (!is_west && **at != '+')
		return false;
	(*at)++;
	if (!take_number(at, 2, &hours))
		return false;
	(void)take_char(at, ':');
	if (!take_number(at, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret_seconds = (hours * 60 + minutes) * (is_west ? -60 : 60);
	return true;
}

int time_parse_iso8601(const char *text, struct timespec *ret)
{
	struct tm tm = { 0 };
	long nsec;
	int offset;

	if (!take_date(&text, &tm) || !take_char(&text, 'T') ||
		!take_time(&text, &tm) || !take_fraction(&text, &nsec) ||
		!take_offset(&text, &offset) || *text != '\0')
		return -EINVAL;
	ret->tv_sec = timegm(&tm) - offset;
	ret->tv_nsec = nsec;
	return 0;
}

void time_format_iso8601(const struct timespec *ts, char buffer[static 32])
{
	struct tm tm = { 0 };
	long micros = ts->tv_nsec / 1000;

	if (gmtime_r(&ts->tv_sec, &tm) == NULL)
		tm = (struct tm){ .tm_year = 70, .tm_mday = 1 };
	/* Years have four digits here: the text must fit, whatever a server
	 * or a file system made of the time. */
	(void)snprintf(buffer, 32, "%04u-%02u-%02uT%02u:%02u:%02u.%06luZ",
		(unsigned)(tm.tm_year + 1900) % 10000u,
		(unsigned)(tm.tm_mon + 1) % 100u, (unsigned)tm.tm_mday % 100u,
		(unsigned)tm.tm_hour % 100u, (unsigned)tm.tm_min % 100u,
		(unsigned)tm.tm_sec % 100u, (unsigned long)micros % 1000000ul);
}
