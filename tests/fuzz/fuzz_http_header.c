/* Any lines as an answer's header: numbers have bounds, and what is made of
 * them, an errno or a wait, has too. */
#include "config.h"

#include "fuzz.h"

#include "common_limits.h"
#include "http_errno.h"
#include "http_header.h"
#include "http_retry.h"
#include "secret.h"

#include <string.h>

#define NOW ((time_t)1795600000)

static void check_numbers(const struct http_response *r)
{
	if (r->status < 0 || r->status > 999 || r->content_length < -1 ||
		r->range_first < -1 || r->range_last < r->range_first ||
		r->range_total < -1 || r->retry_after_ms < -1)
		g_error("a number out of bounds");
	if (r->cookies != NULL && r->cookies->len > HTTP_COOKIES_MAX)
		g_error("too many cookies");
}

/* They go into a header of ours. */
static void check_cookies(const struct http_response *r)
{
	struct secret *s = r->cookies == NULL ? NULL
					      : secret_new(r->cookies->str,
							r->cookies->len);

	if (s != NULL && strpbrk(secret_peek(s), "\r\n") != NULL)
		g_error("cookies that end a line");
	secret_unref(s);
}

static void check_verdict(const struct http_response *r, uint8_t how)
{
	static const char *const messages[] = { NULL, "", "no space left",
		"File or directory already exists", "is a directory" };
	const char *message = messages[how % G_N_ELEMENTS(messages)];
	int64_t delay =
		http_retry_delay_ms(r, how % 2 == 0, 1 + how % 8, how * 77777u);

	for (int op = HTTP_OP_STAT; op <= HTTP_OP_REMOVE + 1; op++) {
		int rc = http_errno((enum http_operation)op, r, message);

		if (rc > 0 || (rc == 0 && r->status / 100 != 2))
			g_error("%d of a status of %d", rc, r->status);
	}
	if (delay < -1 || delay > HTTP_RETRY_AFTER_MAX_MS)
		g_error("a wait of %" G_GINT64_FORMAT, delay);
}

/* The first byte chooses what was asked; then a line for each. */
void fuzz_http_header(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	uint8_t how = fuzz_take_byte(&in);
	struct http_response r;

	http_response_init(&r);
	r.wants_cookies = true;
	while (in.left > 0) {
		const uint8_t *end = memchr(in.at, '\n', in.left);
		size_t n = end == NULL ? in.left : (size_t)(end + 1 - in.at);
		g_autofree char *line = g_memdup2(in.at, n);

		http_header_line(&r, line, n, NOW);
		in.at += n;
		in.left -= n;
		check_numbers(&r);
	}
	check_cookies(&r);
	check_verdict(&r, how);
	http_response_clear(&r);
}
