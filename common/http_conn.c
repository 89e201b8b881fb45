/*
 * http_conn.c - see http_conn.h.
 *
 * A stall is measured here and not by curl, whose low-speed limit counts in
 * whole seconds of average: progress is what was sent, what was received, and
 * what has left the socket's send queue. The queue counts because on a slow
 * line megabytes sit in it after curl has written its last byte; a server that
 * is stopped acknowledges nothing, so it does not move. A byte now and then,
 * less than HTTP_RATE_LEAST, is no progress: it would never come to an end.
 *
 * curl repeats a request by itself when a kept-alive connection turns out to
 * be dead. We must not: the server may have acted, and an upload's source may
 * not start again. Such a repetition opens a socket after bytes of the request
 * have left, and opening a socket is ours to refuse.
 */
#include "config.h"

#include "http_conn.h"

#include "common_limits.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_BACKLOG 8

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_status;

static void start_curl(void)
{
	curl_status = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void stop_listening(struct http_conn *c)
{
	if (c->listen_fd >= 0)
		(void)close(c->listen_fd);
	if (c->listen_path_fd >= 0)
		(void)close(c->listen_path_fd);
	g_clear_pointer(&c->listen_path, g_free);
	c->listen_fd = c->listen_path_fd = -1;
}

/* A new one ends the connection that was kept in the last. */
static int open_multi(struct http_conn *c)
{
	if (c->multi != NULL)
		(void)curl_multi_cleanup(c->multi);
	c->multi = curl_multi_init();
	if (c->multi == NULL)
		return -ENOMEM;
	(void)curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, 1L);
	return 0;
}

int http_conn_init(struct http_conn *c, struct endpoint *endpoint,
	const struct secret *xsrf)
{
	*c = (struct http_conn){
		.xsrf = xsrf, .listen_fd = -1, .listen_path_fd = -1
	};
	(void)pthread_once(&curl_once, start_curl);
	if (curl_status != CURLE_OK)
		return -ENOMEM;
	c->endpoint = endpoint_ref(endpoint);
	c->easy = curl_easy_init();
	if (c->easy == NULL || open_multi(c) < 0) {
		http_conn_fini(c);
		return -ENOMEM;
	}
	return 0;
}

void http_conn_fini(struct http_conn *c)
{
	if (c->easy != NULL)
		curl_easy_cleanup(c->easy);
	if (c->multi != NULL)
		(void)curl_multi_cleanup(c->multi);
	stop_listening(c);
	curl_slist_free_all(c->connect_to);
	hop_unref(c->hop);
	endpoint_unref(c->endpoint);
	*c = (struct http_conn){ .listen_fd = -1, .listen_path_fd = -1 };
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
	if (c->hop->is_dialled)
		c->dial_error = endpoint_dial(c->endpoint, c->hop, c->cancel,
			c->end_ms, c->listen_fd);
	if (c->dial_error != 0)
		return CURL_SOCKET_BAD;
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

/* By way of the folder's descriptor: the name of a socket has little room. */
static int bind_in(int dir_fd, int fd, int *ret_path_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int rc = 0;

	(void)g_snprintf(address.sun_path, sizeof(address.sun_path),
		"/proc/self/fd/%d/s", dir_fd);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	*ret_path_fd = openat(dir_fd, "s", O_PATH | O_CLOEXEC);
	if (*ret_path_fd < 0)
		rc = -errno;
	(void)unlinkat(dir_fd, "s", 0);
	return rc;
}

/* Binds the socket, keeps hold of its inode, and takes its name away. */
static int bind_nameless(int fd, int *ret_path_fd)
{
	g_autofree char *dir =
		g_build_filename(g_get_tmp_dir(), "pycloud-XXXXXX", NULL);
	int dir_fd;
	int rc;

	if (g_mkdtemp_full(dir, 0700) == NULL)
		return -errno;
	dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	rc = dir_fd < 0 ? -errno : bind_in(dir_fd, fd, ret_path_fd);
	if (dir_fd >= 0)
		(void)close(dir_fd);
	(void)rmdir(dir);
	return rc;
}

/* Its only path leads through our own descriptors. (In the abstract namespace
 * anybody could connect, and curl would not keep the connection.) */
static int start_listening(struct http_conn *c)
{
	int rc;

	if (c->listen_fd >= 0)
		return 0;
	/* Whoever accepts polls first. */
	c->listen_fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	rc = c->listen_fd < 0 ? -errno
			      : bind_nameless(c->listen_fd, &c->listen_path_fd);
	if (rc == 0 && listen(c->listen_fd, LISTEN_BACKLOG) < 0)
		rc = -errno;
	if (rc == 0)
		c->listen_path =
			g_strdup_printf("/proc/self/fd/%d", c->listen_path_fd);
	else
		stop_listening(c);
	return rc;
}

static void set_route(struct http_conn *c)
{
	CURL *easy = c->easy;
	const struct hop *hop = c->hop;

	if (hop->unix_socket != NULL)
		(void)curl_easy_setopt(
			easy, CURLOPT_UNIX_SOCKET_PATH, hop->unix_socket);
	if (c->connect_to != NULL)
		(void)curl_easy_setopt(easy, CURLOPT_CONNECT_TO, c->connect_to);
	if (hop->is_dialled)
		(void)curl_easy_setopt(
			easy, CURLOPT_UNIX_SOCKET_PATH, c->listen_path);
	/* A proxy of the environment knows neither this computer's sockets
	 * nor its loopback. */
	if (hop->proxy_url != NULL)
		(void)curl_easy_setopt(easy, CURLOPT_PROXY, hop->proxy_url);
	else if (hop->unix_socket != NULL || hop->is_dialled ||
		 is_loopback(hop->base_url))
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

/* The hop outlives the exchange, so curl need not copy. */
static int set_blob(CURL *easy, CURLoption option, GBytes *bytes)
{
	struct curl_blob blob = { .flags = CURL_BLOB_NOCOPY };
	gsize length;

	if (bytes == NULL)
		return 0;
	/* curl does not write into it. */
	blob.data = (void *)(uintptr_t)g_bytes_get_data(bytes, &length);
	blob.len = length;
	return curl_easy_setopt(easy, option, &blob) == CURLE_OK ? 0 : -EPROTO;
}

static int set_trust(struct http_conn *c)
{
	CURL *easy = c->easy;
	const struct hop *hop = c->hop;
	int rc = 0;

	if (hop->ca_file != NULL)
		(void)curl_easy_setopt(easy, CURLOPT_CAINFO, hop->ca_file);
	if (hop->is_insecure) {
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		(void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (hop->ca_pem != NULL)
		rc = set_blob(easy, CURLOPT_CAINFO_BLOB, hop->ca_pem);
	if (rc == 0 && hop->cert_pem != NULL)
		rc = set_blob(easy, CURLOPT_SSLCERT_BLOB, hop->cert_pem);
	if (rc == 0 && hop->key_pem != NULL)
		rc = set_blob(easy, CURLOPT_SSLKEY_BLOB, hop->key_pem);
	return rc;
}

/* A relay takes the header for itself. */
static bool puts_token_into_query(const struct hop *hop)
{
	return hop->kind == HOP_RELAYED && hop->token != NULL &&
	       secret_cookie(hop->token) == NULL;
}

static int set_url(struct http_conn *c, const char *target)
{
	char *url = hop_url(c->hop, target);
	CURLcode code;

	if (puts_token_into_query(c->hop)) {
		g_autofree char *plain = url;
		char *token = g_uri_escape_string(
			secret_peek(c->hop->token), NULL, FALSE);

		url = g_strconcat(plain,
			strchr(target, '?') == NULL ? "?token=" : "&token=",
			token, NULL);
		secret_wipe(token, strlen(token));
		g_free(token);
	}
	if (strlen(url) > HTTP_URL_MAX)
		code = CURLE_URL_MALFORMAT;
	else
		code = curl_easy_setopt(c->easy, CURLOPT_URL, url);
	secret_wipe(url, strlen(url));
	g_free(url);
	if (code == CURLE_URL_MALFORMAT)
		return -ENAMETOOLONG;
	return code == CURLE_OK ? 0 : -ENOMEM;
}

/* What the exchange before left behind, its URL with a token in it too. Its hop
 * is the caller's. */
static struct hop *forget_last(struct http_conn *c)
{
	struct hop *last = c->hop;

	curl_easy_reset(c->easy);
	c->header_bytes = 0;
	c->connects = 0;
	c->is_retry_refused = false;
	c->dial_error = 0;
	g_clear_pointer(&c->connect_to, curl_slist_free_all);
	c->hop = NULL;
	return last;
}

/* To curl, all that is dialled leads to one place: it would go on using a
 * connection to a pod that has been replaced. */
static bool leads_elsewhere(const struct hop *last, const struct hop *hop)
{
	return hop->is_dialled && (last == NULL || last->login != hop->login);
}

static int find_hop(struct http_conn *c)
{
	struct hop *last = forget_last(c);
	int rc = endpoint_hop(c->endpoint, c->cancel, c->end_ms, &c->hop);

	if (rc == 0 && (c->multi == NULL || leads_elsewhere(last, c->hop))) {
		stop_listening(c);
		rc = open_multi(c);
	}
	hop_unref(last);
	return rc;
}

int http_conn_prepare(struct http_conn *c, const char *target,
	const struct cancel *cancel, int64_t end_ms)
{
	CURL *easy = c->easy;
	int rc;

	c->cancel = cancel;
	c->end_ms = end_ms != 0 ? end_ms : clock_now_ms() + HTTP_HOP_TIMEOUT_MS;
	rc = find_hop(c);
	if (rc == 0)
		rc = set_url(c, target);
	if (rc == 0 && c->hop->is_dialled)
		rc = start_listening(c);
	if (rc < 0)
		return rc;
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
	if (c->hop->connect_to != NULL) {
		/* Whatever the URL's host and port. */
		g_autofree char *line =
			g_strconcat("::", c->hop->connect_to, NULL);

		http_lines_add(&c->connect_to, line);
	}
	set_route(c);
	return set_trust(c);
}

void http_lines_add(struct curl_slist **lines, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*lines, line);

	/* GLib ends the program when memory is out; so do we. */
	if (longer == NULL)
		abort();
	*lines = longer;
}

static void add_line(struct curl_slist **lines, char *line)
{
	http_lines_add(lines, line);
	secret_wipe(line, strlen(line));
	g_free(line);
}

static void add_secret_line(struct curl_slist **lines, const char *prefix,
	const struct secret *secret)
{
	add_line(lines, g_strconcat(prefix, secret_peek(secret), NULL));
}

/* Who we are to the one who answers first. */
static struct curl_slist *relay_lines(const struct hop *hop)
{
	struct curl_slist *lines = NULL;

	if (hop->bearer != NULL)
		add_secret_line(&lines, "Authorization: Bearer ", hop->bearer);
	else if (hop->basic != NULL)
		add_secret_line(&lines, "Authorization: Basic ", hop->basic);
	else if (hop->kind == HOP_DIRECT && hop->token != NULL &&
		 secret_cookie(hop->token) == NULL)
		add_secret_line(&lines, "Authorization: token ", hop->token);
	return lines;
}

struct curl_slist *http_conn_auth_lines(const struct http_conn *c)
{
	struct curl_slist *lines = relay_lines(c->hop);
	const char *cookie = secret_cookie(c->hop->token);

	if (c->hop->kind == HOP_API_SERVER ||
		(c->hop->token != NULL && cookie == NULL))
		return lines;
	if (cookie != NULL)
		add_line(&lines, g_strconcat("Cookie: ", cookie, "; _xsrf=",
					 secret_peek(c->xsrf), NULL));
	else
		add_secret_line(&lines, "Cookie: _xsrf=", c->xsrf);
	add_secret_line(&lines, "X-XSRFToken: ", c->xsrf);
	return lines;
}

struct curl_slist *http_conn_upgrade_lines(
	const struct http_conn *c, const struct secret *cookies)
{
	struct curl_slist *lines;

	if (cookies == NULL)
		return http_conn_auth_lines(c);
	lines = relay_lines(c->hop);
	add_secret_line(&lines, "Cookie: ", cookies);
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
	int64_t moved_ms; /* when enough was last seen to have moved */
	int64_t moved;	  /* the sum that tells, of then */
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
	/* What curl writes and the queue takes counts once, and once more when
	 * it leaves the queue; so it never falls. */
	int64_t moved = 2 * bytes_moved(w->conn) - bytes_queued(w->conn);
	int64_t least = w->limits->stall_ms * HTTP_RATE_LEAST / 1000;

	if (moved - w->moved < MAX(least, 1))
		return;
	w->moved = moved;
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
	if (c->dial_error != 0)
		return c->dial_error;
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
