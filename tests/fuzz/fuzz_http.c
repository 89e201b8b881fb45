/* fuzz_http.c - see fuzz_http.h. */
#include "config.h"

#include "fuzz_http.h"

#include "common_limits.h"
#include "http_client.h"
#include "http_header.h"

#include <errno.h>
#include <string.h>

#define SEPARATOR "\n%%\n"
#define CALLS_MAX 64
#define NOW	  ((time_t)1795600000) /* for dates in headers */

int __wrap_http_client_call(struct http_pool *, struct http_call *,
	const struct cancel *, struct http_response *);
int __wrap_cancel_sleep(const struct cancel *, int64_t ms);
int64_t __wrap_clock_now_ms(void);
int64_t __real_clock_now_ms(void);

static struct fuzz_input *input;
static struct cancel *token;
static unsigned calls;
static int64_t slept_ms;

void fuzz_http_begin(struct fuzz_input *in, struct cancel *cancel)
{
	input = in;
	token = cancel;
	calls = 0;
}

void fuzz_http_end(void)
{
	input = NULL;
	token = NULL;
}

struct http_pool *fuzz_http_pool(void)
{
	static struct http_pool *pool;
	struct endpoint_params params = { .base_url = "http://127.0.0.1:1" };
	struct endpoint *endpoint;

	if (pool != NULL)
		return pool;
	if (endpoint_new(&params, &endpoint) < 0 ||
		http_pool_new(endpoint, &pool) < 0)
		g_error("there is no pool");
	endpoint_unref(endpoint);
	return pool;
}

int64_t fuzz_http_slept_ms(void)
{
	return slept_ms;
}

/* --- time ----------------------------------------------------------------- */

int __wrap_cancel_sleep(const struct cancel *cancel, int64_t ms)
{
	if (ms < 0 || ms > INT32_MAX)
		g_error("somebody sleeps for %" G_GINT64_FORMAT " ms", ms);
	slept_ms += ms;
	return cancel_check(cancel);
}

int64_t __wrap_clock_now_ms(void)
{
	return __real_clock_now_ms() + slept_ms;
}

/* --- what is asked -------------------------------------------------------- */

/* Nothing in it ends the request's line, and no step leads upwards or to
 * another server. */
static void check_target(const char *target)
{
	g_auto(GStrv) steps = NULL;
	g_autofree char *path = g_strndup(target, strcspn(target, "?"));

	for (const char *p = target; *p != '\0'; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f)
			g_error("unfit for a request: %s", target);
	if (target[0] == '/' || strchr(target, '#') != NULL)
		g_error("not below the server: %s", target);
	steps = g_strsplit(path, "/", -1);
	for (char **step = steps; *step != NULL; step++) {
		g_autofree char *plain = g_uri_unescape_string(*step, NULL);

		if (plain != NULL &&
			(strcmp(plain, "..") == 0 || strcmp(plain, ".") == 0))
			g_error("a step that leads away: %s", target);
	}
}

static void drain_source(const struct http_request *q)
{
	char buffer[1000];
	int64_t total = 0;
	ssize_t n = 1;

	while (q->source != NULL && n > 0) {
		n = q->source(q->source_arg, buffer, sizeof(buffer));
		total += MAX(n, 0);
		if (n > (ssize_t)sizeof(buffer))
			g_error("a source that gives too much");
	}
	if (q->source != NULL && n == 0 && q->source_bytes >= 0 &&
		total != q->source_bytes)
		g_error("a body is not as long as was said");
}

static void check_request(const struct http_call *call)
{
	const struct http_request *q = &call->request;

	check_target(q->target);
	if (q->timeout_ms < 0 || q->stall_ms < 0 || q->body_max < 0)
		g_error("a request with a limit that is none");
	if (q->range_last >= 0 && q->range_last < q->range_first)
		g_error("a range that is none");
	if (call->rewind != NULL && call->rewind(call->rewind_arg) < 0)
		g_error("a request that cannot be repeated");
	drain_source(q);
}

/* --- what is answered ----------------------------------------------------- */

/* The next answer's bytes; false: there is none. */
static bool next_answer(struct fuzz_input *ret)
{
	const uint8_t *end;

	if (input == NULL || input->left == 0 || ++calls > CALLS_MAX)
		return false;
	end = memmem(input->at, input->left, SEPARATOR, strlen(SEPARATOR));
	ret->at = input->at;
	ret->left = end == NULL ? input->left : (size_t)(end - input->at);
	input->at += ret->left;
	input->left -= ret->left;
	if (end != NULL) {
		input->at += strlen(SEPARATOR);
		input->left -= strlen(SEPARATOR);
	}
	return true;
}

static void read_header(struct fuzz_input *answer, struct http_response *r)
{
	size_t length = 0;

	while (answer->left > 0) {
		g_autofree char *line = fuzz_take_line(answer);

		length += strlen(line) + 1;
		g_strchomp(line);
		if (*line == '\0' || length > (size_t)HTTP_HEADER_BYTES_MAX)
			return;
		http_header_line(r, line, strlen(line), NOW);
	}
}

static int take(const struct http_request *q, struct http_response *r,
	const char *piece, size_t n)
{
	int64_t max = q->body_max > 0 ? q->body_max : HTTP_BODY_MAX_DEFAULT;

	if (r->status / 100 != 2) {
		if (r->body->len + n <= (size_t)HTTP_ERROR_BODY_MAX)
			g_string_append_len(r->body, piece, (gssize)n);
		return 0;
	}
	r->received += (int64_t)n;
	if (r->received > max)
		return -EFBIG;
	if (q->sink != NULL)
		return q->sink(q->sink_arg, piece, n);
	g_string_append_len(r->body, piece, (gssize)n);
	return 0;
}

/* In pieces, each in memory of its own. */
static void read_body(struct fuzz_input *answer, const struct http_request *q,
	struct http_response *r)
{
	size_t step = 1 + answer->left % 61 * 7;
	int64_t left = r->content_length < 0 ? INT64_MAX : r->content_length;

	while (answer->left > 0 && left > 0 && r->error == 0) {
		size_t n = MIN(MIN(step, answer->left), (uint64_t)left);
		g_autofree char *piece = g_memdup2(answer->at, n);

		r->error = take(q, r, piece, n);
		answer->at += n;
		answer->left -= n;
		left -= (int64_t)n;
	}
	if (r->error == 0 && r->content_length > 0 && left > 0)
		r->error = -ECONNRESET;
}

int __wrap_http_client_call(struct http_pool *pool, struct http_call *call,
	const struct cancel *cancel, struct http_response *r)
{
	struct fuzz_input answer;

	(void)pool;
	check_request(call);
	if (r->body == NULL)
		r->body = g_string_new(NULL);
	r->error = cancel_check(cancel);
	if (r->error != 0)
		return r->error;
	if (!next_answer(&answer)) {
		if (token != NULL)
			cancel_fire(token);
		r->error = -ECONNREFUSED;
		return r->error;
	}
	r->may_have_acted = true;
	r->wants_cookies = call->request.wants_cookies;
	read_header(&answer, r);
	if (r->status == 0)
		r->error = -EPROTO;
	else
		read_body(&answer, &call->request, r);
	return r->error;
}
