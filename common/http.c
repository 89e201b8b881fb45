/*
 * http.c - see http.h.
 *
 * `struct exchange` ties a request to its answer while curl calls back: the
 * source fills its buffer, header lines and body pieces come in, each checked
 * against its maximum before anything is kept. A callback that stops the
 * exchange leaves its reason in `error`, which then goes before curl's verdict
 * (curl only knows that a callback failed).
 */
#include "config.h"

#include "http.h"

#include "common_limits.h"
#include "http_conn.h"
#include "http_header.h"
#include "secret.h"

#include <errno.h>
#include <string.h>

struct exchange {
	struct http_conn *conn;
	const struct http_request *request;
	struct http_response *response;
	int64_t sent;	/* body bytes taken from the source */
	int error;	/* why a callback stopped the exchange */
	bool is_enough; /* a callback stopped it, and all is well */
};

void http_response_init(struct http_response *r)
{
	*r = (struct http_response){
		.content_length = -1,
		.range_first = -1,
		.range_last = -1,
		.range_total = -1,
		.retry_after_ms = -1,
	};
}

void http_response_clear(struct http_response *r)
{
	g_free(r->location);
	if (r->cookies != NULL) {
		secret_wipe(r->cookies->str, r->cookies->len);
		(void)g_string_free(r->cookies, TRUE);
	}
	if (r->body != NULL)
		(void)g_string_free(r->body, TRUE);
	http_response_init(r);
}

/* --- what curl calls ------------------------------------------------------ */

static size_t stop(struct exchange *x, int error, size_t code)
{
	x->error = error;
	return code;
}

static size_t on_read(char *buffer, size_t size, size_t count, void *arg)
{
	struct exchange *x = arg;
	size_t room = size * count;
	int64_t promised = x->request->source_bytes;
	ssize_t n;

	if (promised >= 0 && (int64_t)room > promised - x->sent)
		room = (size_t)(promised - x->sent);
	if (room == 0)
		return 0;
	n = x->request->source(x->request->source_arg, buffer, room);
	if (n < 0)
		return stop(x, (int)n, CURL_READFUNC_ABORT);
	if ((size_t)n > room || (n == 0 && promised >= 0))
		return stop(x, -EIO, CURL_READFUNC_ABORT);
	x->sent += n;
	return (size_t)n;
}

/* curl wants to send the body again. It may, as long as none was taken. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct exchange *x = arg;

	if (offset == 0 && origin == SEEK_SET && x->sent == 0)
		return CURL_SEEKFUNC_OK;
	return CURL_SEEKFUNC_FAIL;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct exchange *x = arg;
	size_t length = size * count;

	x->conn->header_bytes += (int64_t)length;
	if (x->conn->header_bytes > HTTP_HEADER_BYTES_MAX)
		return stop(x, -EPROTO, 0);
	http_header_line(x->response, line, length, time(NULL));
	return length;
}

static size_t collect_error(
	struct exchange *x, const char *bytes, size_t length)
{
	size_t room = (size_t)HTTP_ERROR_BODY_MAX - x->response->body->len;

	g_string_append_len(
		x->response->body, bytes, (gssize)MIN(length, room));
	if (length <= room)
		return length;
	x->is_enough = true;
	return 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct exchange *x = arg;
	const struct http_request *q = x->request;
	struct http_response *r = x->response;
	size_t length = size * count;
	int64_t max = q->body_max > 0 ? q->body_max : HTTP_BODY_MAX_DEFAULT;
	int rc = 0;

	if (r->status / 100 != 2)
		return collect_error(x, bytes, length);
	if ((int64_t)length > max - r->received)
		return stop(x, -EFBIG, 0);
	if (q->sink != NULL)
		rc = q->sink(q->sink_arg, bytes, length);
	else
		g_string_append_len(r->body, bytes, (gssize)length);
	if (rc < 0)
		return stop(x, rc, 0);
	r->received += (int64_t)length;
	return length;
}

/* --- the request ---------------------------------------------------------- */

static struct curl_slist *make_lines(struct exchange *x)
{
	const struct http_request *q = x->request;
	struct curl_slist *lines = http_conn_auth_lines(x->conn);

	/* Without an Accept header JupyterHub crashes on the request. */
	http_lines_add(&lines, "Accept: application/json, */*");
	/* No waiting for a "100 Continue", no form type from curl. */
	http_lines_add(&lines, "Expect:");
	if (q->content_type != NULL) {
		g_autofree char *line =
			g_strconcat("Content-Type: ", q->content_type, NULL);

		http_lines_add(&lines, line);
	} else {
		http_lines_add(&lines, "Content-Type:");
	}
	if (q->range_first >= 0) {
		g_autofree char *line = g_strdup_printf(
			"Range: bytes=%" G_GINT64_FORMAT "-", q->range_first);
		g_autofree char *whole = g_strdup_printf(
			"%s%" G_GINT64_FORMAT, line, q->range_last);

		http_lines_add(&lines, q->range_last >= 0 ? whole : line);
	}
	return lines;
}

static void set_body(CURL *easy, struct exchange *x)
{
	const struct http_request *q = x->request;

	if (q->source != NULL) {
		(void)curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
		(void)curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE,
			(curl_off_t)q->source_bytes);
		(void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
		(void)curl_easy_setopt(easy, CURLOPT_READDATA, x);
		(void)curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
		(void)curl_easy_setopt(easy, CURLOPT_SEEKDATA, x);
	} else if (q->method[0] == 'P') {
		/* These three have a body, be it an empty one. */
		(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
		(void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
	}
	(void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, q->method);
}

static void set_request(struct exchange *x, struct curl_slist *lines)
{
	CURL *easy = x->conn->easy;

	set_body(easy, x);
	(void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines);
	(void)curl_easy_setopt(
		easy, CURLOPT_USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
}

/* --- the answer ----------------------------------------------------------- */

static int conclude(struct exchange *x, CURLcode code)
{
	struct http_response *r = x->response;

	if (x->error != 0)
		return x->error;
	if (x->is_enough)
		return 0;
	/* A bare "400 Bad Request" and a reset: tornado hanging up on a body
	 * it finds too large. The status is the answer; there is no more. */
	if ((code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR) &&
		r->status / 100 == 4 && r->content_length < 0)
		return 0;
	if (code == CURLE_OK && r->status == 0)
		return -EPROTO;
	r->detail = code == CURLE_OK ? NULL : curl_easy_strerror(code);
	return http_conn_errno(x->conn, code);
}

static void count(const struct exchange *x, bool is_sent)
{
	const struct http_response *r = x->response;
	struct http_stats one = {
		.requests = is_sent,
		.failures = r->error != 0,
		.bytes_in = (uint64_t)(r->received + (int64_t)r->body->len),
		.bytes_out = (uint64_t)x->sent,
		.connects = x->conn->connects,
	};
	curl_off_t took_us = 0;

	if (x->request->sink == NULL && r->status / 100 == 2)
		one.bytes_in = (uint64_t)r->received;
	(void)curl_easy_getinfo(x->conn->easy, CURLINFO_TOTAL_TIME_T, &took_us);
	if (r->error == 0 &&
		r->received + x->sent < (int64_t)HTTP_LATENCY_BYTES)
		one.latency_us = took_us;
	http_pool_count_exchange(x->conn->pool, &one);
}

static int run(struct exchange *x, const struct cancel *cancel)
{
	const struct http_request *q = x->request;
	struct http_conn_limits limits = { 0, q->stall_ms };
	struct curl_slist *lines = make_lines(x);
	CURLcode code = CURLE_OK;
	int rc;

	/* Finding the way has taken of the time. */
	if (q->timeout_ms > 0)
		limits.timeout_ms = MAX(x->conn->end_ms - clock_now_ms(), 1);
	set_request(x, lines);
	rc = http_conn_drive(x->conn, &limits, cancel, &code);
	if (rc == 0)
		rc = conclude(x, code);
	x->response->error = rc;
	x->response->may_have_acted =
		x->conn->is_retry_refused || http_conn_has_sent(x->conn);
	http_conn_finish(x->conn);
	(void)curl_easy_setopt(x->conn->easy, CURLOPT_HTTPHEADER, NULL);
	http_lines_free(lines);
	count(x, x->response->may_have_acted);
	return rc;
}

char *http_library_version(void)
{
	const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);

	return g_strdup_printf("%s %s", curl->version,
		curl->ssl_version != NULL ? curl->ssl_version : "without TLS");
}

int http_exchange(struct http_conn *conn, const struct http_request *request,
	const struct cancel *cancel, struct http_response *response)
{
	struct exchange x = {
		.conn = conn,
		.request = request,
		.response = response,
	};
	int64_t end_ms = request->timeout_ms > 0
				 ? clock_now_ms() + request->timeout_ms
				 : 0;
	int rc = http_conn_prepare(conn, request->target, cancel, end_ms);

	if (response->body == NULL)
		response->body = g_string_new(NULL);
	response->wants_cookies = request->wants_cookies;
	response->error = rc;
	if (rc == 0)
		(void)run(&x, cancel);
	if (conn->hop != NULL)
		endpoint_judge(
			conn->endpoint, conn->hop, response, cancel, end_ms);
	return response->error;
}
