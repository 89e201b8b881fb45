/* Header lines, from well-behaved servers and from others. */
#include "config.h"

#include "http_header.h"
#include "test.h"

#include <string.h>

#define NOW ((time_t)784111777) /* Sun, 06 Nov 1994 08:49:37 GMT */

static void feed(struct http_response *r, const char *line)
{
	http_header_line(r, line, strlen(line), NOW);
}

static void statuses(void **state)
{
	static const struct {
		const char *line;
		int status;
	} lines[] = {
		{ "HTTP/1.1 200 OK\r\n", 200 },
		{ "HTTP/1.1 404\r\n", 404 },
		{ "HTTP/2 204 \r\n", 204 },
		{ "HTTP/1.1 20\r\n", 0 },
		{ "HTTP/1.1 2000 OK\r\n", 0 },
		{ "HTTP/1.1\r\n", 0 },
		{ "HTTP/1.1 -20 OK\r\n", 0 },
	};
	struct http_response r;
	size_t i;

	(void)state;
	http_response_init(&r);
	for (i = 0; i < G_N_ELEMENTS(lines); i++) {
		feed(&r, lines[i].line);
		assert_int_equal(r.status, lines[i].status);
	}
}

static void content_ranges(void **state)
{
	static const struct {
		const char *line;
		int64_t first, last, total;
	} lines[] = {
		{ "Content-Range: bytes 0-9/100", 0, 9, 100 },
		{ "content-range:bytes 5-5/6", 5, 5, 6 },
		{ "Content-Range: bytes 0-9/*", 0, 9, -1 },
		{ "Content-Range: bytes */100", -1, -1, 100 },
		{ "Content-Range: bytes 9-0/100", -1, -1, -1 },
		{ "Content-Range: bytes -1-9/100", -1, -1, -1 },
		{ "Content-Range: bytes 0-/100", -1, -1, -1 },
		{ "Content-Range: bytes 0-9", -1, -1, -1 },
		{ "Content-Range: bytes 0-9/", 0, 9, -1 },
		{ "Content-Range: lines 0-9/100", -1, -1, -1 },
		{ "Content-Range: bytes 0-99999999999999999999/1", -1, -1, -1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(lines); i++) {
		struct http_response r;

		http_response_init(&r);
		feed(&r, lines[i].line);
		assert_int_equal(r.range_first, lines[i].first);
		assert_int_equal(r.range_last, lines[i].last);
		assert_int_equal(r.range_total, lines[i].total);
	}
}

static void waits_asked_for(void **state)
{
	static const struct {
		const char *line;
		int64_t ms;
	} lines[] = {
		{ "Retry-After: 3", 3000 },
		{ "Retry-After: 0\r\n", 0 },
		{ "Retry-After: Sun, 06 Nov 1994 08:49:47 GMT", 10000 },
		{ "Retry-After: Sun, 06 Nov 1994 08:49:27 GMT", 0 },
		{ "Retry-After: 99999999999", INT64_MAX },
		{ "Retry-After: soon", -1 },
		{ "Retry-After: -5", -1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < G_N_ELEMENTS(lines); i++) {
		struct http_response r;

		http_response_init(&r);
		feed(&r, lines[i].line);
		assert_int_equal(r.retry_after_ms, lines[i].ms);
	}
}

static void dates(void **state)
{
	static const char *const bad[] = { "", "yesterday",
		"Sun, 06 Nov 1994 08:49:37 EST",
		"Sun, 06 ovD 1994 08:49:37 GMT", "1994-11-06T08:49:37Z" };
	size_t i;

	(void)state;
	assert_int_equal(
		http_header_date("Sun, 06 Nov 1994 08:49:37 GMT"), NOW);
	assert_int_equal(
		http_header_date("Thu, 29 Feb 2024 00:00:00 GMT"), 1709164800);
	for (i = 0; i < G_N_ELEMENTS(bad); i++)
		assert_int_equal(http_header_date(bad[i]), 0);
}

static void the_servers_clock(void **state)
{
	struct http_response r;

	(void)state;
	http_response_init(&r);
	assert_int_equal(r.date, 0);
	feed(&r, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
	assert_int_equal(r.date, NOW);
	feed(&r, "date: soon\r\n");
	assert_int_equal(r.date, 0);
	feed(&r, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
	feed(&r, "HTTP/1.1 200 OK\r\n");
	assert_int_equal(r.date, 0);
}

static void a_status_line_starts_afresh(void **state)
{
	struct http_response r;

	(void)state;
	http_response_init(&r);
	feed(&r, "HTTP/1.1 100 Continue");
	feed(&r, "Location: /a");
	feed(&r, "Location: /b");
	feed(&r, "Content-Length: 7");
	feed(&r, "Content-Type: text/html");
	feed(&r, "a line without a colon");
	feed(&r, "");
	assert_string_equal(r.location, "/b");
	feed(&r, "HTTP/1.1 200 OK");
	assert_null(r.location);
	assert_int_equal(r.content_length, -1);
	assert_false(r.is_html);
	http_response_clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses),
		cmocka_unit_test(content_ranges),
		cmocka_unit_test(waits_asked_for),
		cmocka_unit_test(dates),
		cmocka_unit_test(the_servers_clock),
		cmocka_unit_test(a_status_line_starts_afresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
