/*
 * http_conn.c - see http_conn.h.
 *
 * A stall is measured here and not by curl, whose low-speed limit counts in
 * whole seconds of average: progress is any change of what was sent, what was
 * received, or what still waits in the socket's send queue. The queue counts
 * because on a slow line megabytes sit in it after curl has written its last
 * byte; a server that is stopped acknowledges nothing, so it does not move.
 *
 * curl repeats a request by itself when a kept-alive connection turns out to
 * be dead. We must not: the server may have acted, and an upload's source may
 * not start again. Such a repetition opens a socket after bytes of the request
 * have left, and opening a socket is ours to refuse.
 */
#include "config.h"

#include "http_conn.h"

#include "limits.h"

#include <errno.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_status;

static void start_curl(void)
{
	curl_status = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int http_conn_init(struct http_conn *c, struct endpoint *endpoint,
	const struct secret *xsrf)
{
	*c = (struct http_conn){ .xsrf = xsrf };
	(void)pthread_once(&curl_once, start_curl);
	if (curl_status != CURLE_OK)
		return -ENOMEM;
	c->endpoint = endpoint_ref(endpoint);
	c->easy = curl_easy_init();
	c->multi = curl_multi_init();
	if (c->easy == NULL || c->multi == NULL) {
		http_conn_fini(c);
		return -ENOMEM;
	}
	(void)curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, 1L);
	return 0;
}

void http_conn_fini(struct http_conn *c)
{
	if (c->easy != NULL)
		curl_easy_cleanup(c->easy);
	if (c->multi != NULL)
		(void)curl_multi_cleanup(c->multi);
	endpoint_unref(c->endpoint);
	*c = (struct http_conn){ 0 };
}

/* --- settings ------------------------------------------------------------- */

static curl_socket_t open_socket(
	void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_conn *c = arg;

	(void)purpose;
	if (http_conn_has_sent(c)) {
		c->is_retry_refused = true;
		return CURL_SOCKET_BAD;
	}
	c->connects++;
	return socket(address->family, address->socktype | SOCK_CLOEXEC,
		address->protocol);
}

static bool is_loopback(const char *url)
{
	const char *host = strstr(url, "://") + 3;
	size_t length = strcspn(host, ":/");

	return strncmp(host, "127.", 4) == 0 ||
	       strncmp(host, "[::1]", 5) == 0 ||
	       (length == 9 && strncmp(host, "localhost", 9) == 0);
}

static void set_route(CURL *easy, const struct endpoint *endpoint)
{
	const char *path = endpoint_unix_socket(endpoint);

	if (path != NULL)
		(void)curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, path);
	/* A proxy of the environment knows neither this computer's sockets
	 * nor its loopback. */
	if (path != NULL || is_loopback(endpoint_base_url(endpoint)))
		(void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
#if LIBCURL_VERSION_NUM >= 0x075500
	(void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	(void)curl_easy_setopt(
		easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	/* A cancelled look-up of a name need not wait for its resolver. */
	(void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
}

static void set_trust(CURL *easy, const struct endpoint *endpoint)
{
	const char *ca_file = endpoint_ca_file(endpoint);

	if (ca_file != NULL)
		(void)curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
	if (!endpoint_is_insecure(endpoint))
		return;
	(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
	(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
}

int http_conn_prepare(struct http_conn *c, const char *target)
{
	g_autofree char *url = endpoint_url(c->endpoint, target);
	CURL *easy = c->easy;

	if (strlen(url) > HTTP_URL_MAX)
		return -ENAMETOOLONG;
	curl_easy_reset(easy);
	c->header_bytes = 0;
	c->connects = 0;
	c->is_retry_refused = false;
	if (curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK)
		return -ENOMEM;
	/* What is encoded stays encoded, dots included. */
	(void)curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(
		easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(
		easy, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_TIMEOUT_MS);
	(void)curl_easy_setopt(
		easy, CURLOPT_BUFFERSIZE, (long)HTTP_RECEIVE_BUFFER);
	(void)curl_easy_setopt(
		easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)HTTP_SEND_BUFFER);
	(void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	(void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, c);
	set_route(easy, c->endpoint);
	set_trust(easy, c->endpoint);
	return 0;
}

void http_lines_add(struct curl_slist **lines, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*lines, line);

	/* GLib ends the program when memory is out; so do we. */
	if (longer == NULL)
		abort();
	*lines = longer;
}

static void add_secret_line(struct curl_slist **lines, const char *prefix,
	const struct secret *secret)
{
	char *line = g_strconcat(prefix, secret_peek(secret), NULL);

	http_lines_add(lines, line);
	secret_wipe(line, strlen(line));
	g_free(line);
}

struct curl_slist *http_conn_auth_lines(const struct http_conn *c)
{
	const struct secret *token = endpoint_token(c->endpoint);
	struct curl_slist *lines = NULL;

	if (token != NULL) {
		add_secret_line(&lines, "Authorization: token ", token);
		return lines;
	}
	add_secret_line(&lines, "Cookie: _xsrf=", c->xsrf);
	add_secret_line(&lines, "X-XSRFToken: ", c->xsrf);
	return lines;
}

void http_lines_free(struct curl_slist *lines)
{
	struct curl_slist *l;

	for (l = lines; l != NULL; l = l->next)
		secret_wipe(l->data, strlen(l->data));
	curl_slist_free_all(lines);
}

/* --- driving -------------------------------------------------------------- */

struct watch {
	struct http_conn *conn;
	const struct http_conn_limits *limits;
	const struct cancel *cancel;
	int64_t started_ms;
	int64_t moved_ms; /* when a byte was last seen to move */
	int64_t moved;	  /* the sum that tells */
	int queued;	  /* in the socket's send queue */
};

bool http_conn_has_sent(const struct http_conn *c)
{
	curl_off_t uploaded = 0;
	long request = 0;

	(void)curl_easy_getinfo(c->easy, CURLINFO_REQUEST_SIZE, &request);
	(void)curl_easy_getinfo(c->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
	return request > 0 || uploaded > 0;
}

static int64_t bytes_moved(const struct http_conn *c)
{
	curl_off_t uploaded = 0;
	curl_off_t downloaded = 0;
	long request = 0;

	(void)curl_easy_getinfo(c->easy, CURLINFO_REQUEST_SIZE, &request);
	(void)curl_easy_getinfo(c->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
	(void)curl_easy_getinfo(c->easy, CURLINFO_SIZE_DOWNLOAD_T, &downloaded);
	return request + uploaded + downloaded + c->header_bytes;
}

static int bytes_queued(const struct http_conn *c)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	int queued = 0;

	(void)curl_easy_getinfo(c->easy, CURLINFO_ACTIVESOCKET, &fd);
	if (fd == CURL_SOCKET_BAD || ioctl(fd, SIOCOUTQ, &queued) < 0)
		return 0;
	return queued;
}

static void note_progress(struct watch *w)
{
	int64_t moved = bytes_moved(w->conn);
	int queued = bytes_queued(w->conn);

	if (moved == w->moved && queued == w->queued)
		return;
	w->moved = moved;
	w->queued = queued;
	w->moved_ms = clock_now_ms();
}

/* 0 and how long to wait at most, or why to stop. */
static int check_limits(struct watch *w, int *ret_wait_ms)
{
	const struct http_conn_limits *l = w->limits;
	int64_t now = clock_now_ms();
	int64_t wait = HTTP_TICK_MS;
	int rc = cancel_check(w->cancel);

	if (rc < 0)
		return rc;
	if (l->timeout_ms > 0)
		wait = MIN(wait, w->started_ms + l->timeout_ms - now);
	if (l->stall_ms > 0)
		wait = MIN(wait, w->moved_ms + l->stall_ms - now);
	if (wait <= 0)
		return -ETIMEDOUT;
	*ret_wait_ms = cancel_remaining_ms(w->cancel, wait);
	return 0;
}

static bool take_verdict(struct http_conn *c, CURLcode *ret_code)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(c->multi, &left)) != NULL)
		if (message->msg == CURLMSG_DONE) {
			*ret_code = message->data.result;
			return true;
		}
	return false;
}

int http_conn_drive(struct http_conn *c, const struct http_conn_limits *limits,
	const struct cancel *cancel, CURLcode *ret_code)
{
	struct watch w = { .conn = c, .limits = limits, .cancel = cancel };
	struct curl_waitfd extra = { .events = CURL_WAIT_POLLIN };
	int running;
	int wait_ms;
	int rc;

	extra.fd = cancel_fd(cancel);
	w.started_ms = w.moved_ms = clock_now_ms();
	rc = cancel_check(cancel);
	if (rc < 0)
		return rc;
	if (curl_multi_add_handle(c->multi, c->easy) != CURLM_OK)
		return -ENOMEM;
	for (;;) {
		if (curl_multi_perform(c->multi, &running) != CURLM_OK)
			return -EIO;
		if (take_verdict(c, ret_code))
			return 0;
		note_progress(&w);
		rc = check_limits(&w, &wait_ms);
		if (rc < 0)
			return rc;
		if (curl_multi_poll(c->multi, &extra, extra.fd >= 0 ? 1 : 0,
			    wait_ms, NULL) != CURLM_OK)
			return -EIO;
	}
}

void http_conn_finish(struct http_conn *c)
{
	/* In the middle of a transfer this closes the connection. */
	(void)curl_multi_remove_handle(c->multi, c->easy);
}

/* --- verdicts ------------------------------------------------------------- */

static int connect_errno(const struct http_conn *c)
{
	long os_error = 0;

	if (c->is_retry_refused)
		return -ECONNRESET;
	(void)curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &os_error);
	switch (os_error) {
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
		return -EHOSTUNREACH;
	case ETIMEDOUT:
		return -ETIMEDOUT;
	case EMFILE:
	case ENFILE:
		return -EMFILE;
	default:
		return -ECONNREFUSED;
	}
}

static const struct {
	CURLcode code;
	int error;
} verdicts[] = {
	{ CURLE_OK, 0 },
	{ CURLE_URL_MALFORMAT, -EINVAL },
	{ CURLE_OUT_OF_MEMORY, -ENOMEM },
	{ CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH },
	{ CURLE_COULDNT_RESOLVE_PROXY, -EHOSTUNREACH },
	{ CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT },
	{ CURLE_SEND_ERROR, -ECONNRESET },
	{ CURLE_RECV_ERROR, -ECONNRESET },
	{ CURLE_GOT_NOTHING, -ECONNRESET },
	{ CURLE_PARTIAL_FILE, -ECONNRESET },
	{ CURLE_SEND_FAIL_REWIND, -ECONNRESET },
	{ CURLE_WEIRD_SERVER_REPLY, -EPROTO },
	{ CURLE_UNSUPPORTED_PROTOCOL, -EPROTO },
	{ CURLE_BAD_CONTENT_ENCODING, -EPROTO },
	{ CURLE_SSL_CONNECT_ERROR, -EPROTO },
	{ CURLE_SSL_CERTPROBLEM, -EPROTO },
	{ CURLE_SSL_CIPHER, -EPROTO },
	{ CURLE_SSL_CACERT_BADFILE, -EPROTO },
	{ CURLE_SSL_ISSUER_ERROR, -EPROTO },
	{ CURLE_PEER_FAILED_VERIFICATION, -EPROTO },
};

int http_conn_errno(const struct http_conn *c, CURLcode code)
{
	size_t i;

	if (code == CURLE_COULDNT_CONNECT)
		return connect_errno(c);
	for (i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		if (verdicts[i].code == code)
			return verdicts[i].error;
	return -EIO;
}
