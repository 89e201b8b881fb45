/*
 * websocket.c - see websocket.h.
 *
 * Three layers, all non-blocking, all under one lock:
 *
 *     websocket_send    websocket_receive      messages
 *          |                   ^
 *          v                   |
 *     wslay (masks, fragments, pings)          frames
 *          |                   ^
 *        out                  in               two buffers of bytes
 *          |                   ^
 *          v                   |
 *        curl_easy_send   curl_easy_recv       socket or TLS
 *
 * wslay works in pieces of 4 KiB and writes a frame's header by itself; the
 * buffers make one packet of a small message, and few calls of a large one.
 *
 * Each thread pumps for itself and waits in poll() without the lock: a sender
 * until `out` is empty, the receiver until a message is whole. A thread that
 * finds bytes to write writes them, whoever queued them; so answers to pings
 * go out with whatever comes first. Reading stops once a message is waiting,
 * which keeps a fast server from filling memory. It also stops after a turn of
 * WEBSOCKET_BUFFER bytes, so that one that sends nothing but pings, or empty
 * fragments, keeps nobody from being cancelled; and who takes none of the
 * answers to its pings is not served any longer.
 */
#include "config.h"

#include "websocket.h"

#include "common_limits.h"
#include "http_cookies.h"
#include "http_header.h"
#include "http_stream.h"
#include "mutex.h"
#include "websocket_handshake.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <wslay/wslay.h>

/* Bytes [start, end) wait. */
struct buffer {
	size_t start;
	size_t end;
	uint8_t bytes[WEBSOCKET_BUFFER];
};

struct message {
	bool is_binary;
	GByteArray *bytes;
};

struct websocket {
	struct http_stream stream; /* its send and recv: guarded by lock */
	struct mutex lock;
	/* guarded by lock: */
	wslay_event_context_ptr frames;
	struct buffer in;
	struct buffer out;
	int64_t moved_ms; /* when some of the output was last written, or began */
	GQueue messages; /* of struct message *, received and whole */
	size_t turn;	 /* bytes that may still be read in this one */
	int ended;	 /* 0: open; -EPIPE: over; -EPROTO: nonsense came */
};

/* --- frames: what wslay calls, with the lock held ------------------------- */

static ssize_t on_recv(wslay_event_context_ptr frames, uint8_t *bytes,
	size_t size, int flags, void *arg)
{
	struct websocket *ws = arg;
	struct buffer *in = &ws->in;
	ssize_t n;

	(void)flags;
	if (!g_queue_is_empty(&ws->messages) || ws->turn == 0) {
		wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	if (in->start == in->end) {
		n = http_stream_recv(&ws->stream, in->bytes, sizeof(in->bytes));
		if (n <= 0) {
			if (n != -EAGAIN)
				ws->ended = -EPIPE;
			wslay_event_set_error(frames,
				n == -EAGAIN ? WSLAY_ERR_WOULDBLOCK
					     : WSLAY_ERR_CALLBACK_FAILURE);
			return -1;
		}
		in->start = 0;
		in->end = (size_t)n;
	}
	size = MIN(MIN(size, in->end - in->start), ws->turn);
	memcpy(bytes, in->bytes + in->start, size);
	in->start += size;
	ws->turn -= size;
	return (ssize_t)size;
}

static ssize_t on_send(wslay_event_context_ptr frames, const uint8_t *bytes,
	size_t size, int flags, void *arg)
{
	struct websocket *ws = arg;
	struct buffer *out = &ws->out;

	(void)flags;
	size = MIN(size, sizeof(out->bytes) - out->end);
	if (size == 0) {
		wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(out->bytes + out->end, bytes, size);
	out->end += size;
	return (ssize_t)size;
}

static int on_mask(
	wslay_event_context_ptr frames, uint8_t *bytes, size_t size, void *arg)
{
	(void)frames;
	(void)arg;
	return getrandom(bytes, size, 0) == (ssize_t)size ? 0 : -1;
}

static void on_message(wslay_event_context_ptr frames,
	const struct wslay_event_on_msg_recv_arg *received, void *arg)
{
	struct websocket *ws = arg;
	struct message *m;

	(void)frames;
	if (wslay_is_ctrl_frame(received->opcode))
		return;
	m = g_new0(struct message, 1);
	m->is_binary = received->opcode == WSLAY_BINARY_FRAME;
	m->bytes = g_byte_array_new();
	g_byte_array_append(
		m->bytes, received->msg, (guint)received->msg_length);
	g_queue_push_tail(&ws->messages, m);
}

static int start_frames(struct websocket *ws)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = on_recv,
		.send_callback = on_send,
		.genmask_callback = on_mask,
		.on_msg_recv_callback = on_message,
	};

	if (wslay_event_context_client_init(&ws->frames, &callbacks, ws) != 0)
		return -ENOMEM;
	wslay_event_config_set_max_recv_msg_length(ws->frames, KERNEL_RECV_MAX);
	return 0;
}

/* --- pumping -------------------------------------------------------------- */

static bool has_output_locked(const struct websocket *ws) REQUIRES(ws->lock)
{
	return ws->out.start < ws->out.end ||
	       wslay_event_want_write(ws->frames);
}

static void flush_locked(struct websocket *ws) REQUIRES(ws->lock)
{
	struct buffer *out = &ws->out;

	while (out->start < out->end) {
		ssize_t n = http_stream_send(&ws->stream,
			out->bytes + out->start, out->end - out->start);

		if (n == -EAGAIN)
			return;
		if (n < 0) {
			ws->ended = -EPIPE;
			return;
		}
		out->start += (size_t)n;
		ws->moved_ms = clock_now_ms();
	}
	out->start = out->end = 0;
}

static void pump_out_locked(struct websocket *ws) REQUIRES(ws->lock)
{
	for (;;) {
		flush_locked(ws);
		if (ws->ended != 0 || ws->out.start < ws->out.end ||
			!wslay_event_want_write(ws->frames))
			return;
		if (wslay_event_send(ws->frames) != 0) {
			ws->ended = -EPIPE;
			return;
		}
	}
}

static void pump_in_locked(struct websocket *ws) REQUIRES(ws->lock)
{
	ws->turn = WEBSOCKET_BUFFER;
	if (ws->ended != 0 || !g_queue_is_empty(&ws->messages))
		return;
	if (wslay_event_recv(ws->frames) != 0 && ws->ended == 0)
		ws->ended = -EPROTO;
	/* Answers to pings, and to a goodbye. */
	if (ws->ended == 0)
		pump_out_locked(ws);
	if (ws->ended == 0 && wslay_event_get_queued_msg_count(ws->frames) >
				      WEBSOCKET_QUEUE_MAX)
		ws->ended = -EPROTO;
	if (ws->ended == 0 && !wslay_event_get_read_enabled(ws->frames))
		ws->ended = wslay_event_get_close_received(ws->frames)
				    ? -EPIPE
				    : -EPROTO;
}

/* --- the handshake -------------------------------------------------------- */

static int send_request(struct websocket *ws, const GString *request,
	int64_t end_ms, const struct cancel *cancel)
{
	size_t sent = 0;

	while (sent < request->len) {
		ssize_t n;
		int rc = 0;

		mutex_lock(&ws->lock);
		n = http_stream_send(
			&ws->stream, request->str + sent, request->len - sent);
		mutex_unlock(&ws->lock);
		if (n == -EAGAIN)
			rc = http_stream_wait(
				&ws->stream, POLLOUT, cancel, end_ms);
		else if (n < 0)
			rc = (int)n;
		else
			sent += (size_t)n;
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Reads up to the empty line; what follows it is the first frame's and goes
 * to `in`. */
static int read_answer(struct websocket *ws, GString *header, int64_t end_ms,
	const struct cancel *cancel)
{
	char piece[4096];

	while (header->len <= (size_t)HTTP_HEADER_BYTES_MAX) {
		ssize_t n;
		char *end;
		int rc;

		mutex_lock(&ws->lock);
		n = http_stream_recv(&ws->stream, piece, sizeof(piece));
		mutex_unlock(&ws->lock);
		if (n == 0 || (n < 0 && n != -EAGAIN))
			return -ECONNRESET;
		if (n < 0) {
			rc = http_stream_wait(
				&ws->stream, POLLIN, cancel, end_ms);
			if (rc < 0)
				return rc;
			continue;
		}
		g_string_append_len(header, piece, n);
		end = g_strstr_len(
			header->str, (gssize)header->len, "\r\n\r\n");
		if (end != NULL) {
			ws->in.end =
				header->len - (size_t)(end + 4 - header->str);
			memcpy(ws->in.bytes, end + 4, ws->in.end);
			g_string_truncate(
				header, (gsize)(end + 2 - header->str));
			return 0;
		}
	}
	return -EPROTO;
}

/* How an upgrade is asked for. */
struct wish {
	struct http_pool *pool;
	const char *target;
	const char *protocol; /* NULL: none */
	const struct cancel *cancel;
	int64_t end_ms;
	struct secret *cookies; /* owned; NULL: none */
};

static GString *make_request(
	struct websocket *ws, const struct wish *wish, const char *key)
{
	g_autofree char *url = hop_url(ws->stream.conn.hop, wish->target);
	GString *request = websocket_upgrade_request(url, key);
	struct curl_slist *lines =
		http_conn_upgrade_lines(&ws->stream.conn, wish->cookies);
	struct curl_slist *l;

	for (l = lines; l != NULL; l = l->next) {
		g_string_append(request, l->data);
		g_string_append(request, "\r\n");
	}
	http_lines_free(lines);
	if (wish->protocol != NULL)
		g_string_append_printf(request,
			"Sec-WebSocket-Protocol: %s\r\n", wish->protocol);
	return g_string_append(request, "\r\n");
}

/* Whose answer it was: the route may have a word to say. */
static int judge(struct websocket *ws, const struct wish *wish,
	const char *header, int rc)
{
	g_auto(GStrv) lines = g_strsplit(header, "\r\n", -1);
	struct http_response r;

	http_response_init(&r);
	for (char **line = lines; *line != NULL; line++)
		http_header_line(&r, *line, strlen(*line), 0);
	r.error = r.status == 0 ? rc : 0;
	r.is_upgrade = true;
	endpoint_judge(http_pool_endpoint(wish->pool), ws->stream.conn.hop, &r,
		wish->cancel, wish->end_ms);
	if (r.error != 0)
		rc = r.error;
	http_response_clear(&r);
	return rc;
}

static int shake_hands(struct websocket *ws, const struct wish *wish)
{
	g_autoptr(GString) answer = g_string_new(NULL);
	char key[WEBSOCKET_KEY_SIZE];
	GString *request;
	int rc;

	websocket_make_key(key);
	request = make_request(ws, wish, key);
	rc = send_request(ws, request, wish->end_ms, wish->cancel);
	secret_wipe(request->str, request->len);
	(void)g_string_free(request, TRUE);
	if (rc == 0)
		rc = read_answer(ws, answer, wish->end_ms, wish->cancel);
	if (rc == 0)
		rc = websocket_check_answer(answer->str, key);
	if (rc == 0 && wish->protocol != NULL &&
		!websocket_has_protocol(answer->str, wish->protocol))
		rc = -EPROTO;
	return judge(ws, wish, answer->str, rc);
}

/* --- for callers ---------------------------------------------------------- */

static int open_once(struct wish *wish, struct websocket **ret)
{
	struct websocket *ws = g_new0(struct websocket, 1);
	const struct hop *hop;
	int rc;

	mutex_init(&ws->lock);
	g_queue_init(&ws->messages);
	http_pool_count_request(wish->pool);
	rc = http_stream_open(&ws->stream, wish->pool, wish->target,
		wish->end_ms, wish->cancel);
	hop = ws->stream.conn.hop;
	if (rc == 0 && hop->kind == HOP_RELAYED && hop->token != NULL)
		rc = http_cookies_get(
			wish->pool, wish->cancel, wish->end_ms, &wish->cookies);
	if (rc == 0)
		rc = shake_hands(ws, wish);
	else if (hop != NULL)
		rc = judge(ws, wish, "", rc);
	if (rc == 0)
		rc = start_frames(ws);
	if (rc < 0) {
		websocket_free(ws);
		return rc;
	}
	*ret = ws;
	return 0;
}

int websocket_open_protocol(struct http_pool *pool, const char *target,
	const char *protocol, int timeout_ms, const struct cancel *cancel,
	struct websocket **ret)
{
	struct wish wish = {
		.pool = pool,
		.target = target,
		.protocol = protocol,
		.cancel = cancel,
		.end_ms = clock_now_ms() + timeout_ms,
	};
	int rc = open_once(&wish, ret);

	/* Cookies of a server that has restarted since. */
	if (rc == -EACCES && wish.cookies != NULL) {
		http_pool_set_cookies(pool, NULL);
		g_clear_pointer(&wish.cookies, secret_unref);
		rc = open_once(&wish, ret);
	}
	secret_unref(wish.cookies);
	return rc;
}

int websocket_open(struct http_pool *pool, const char *target, int timeout_ms,
	const struct cancel *cancel, struct websocket **ret)
{
	return websocket_open_protocol(
		pool, target, NULL, timeout_ms, cancel, ret);
}

static int64_t end_of(int timeout_ms)
{
	return timeout_ms < 0 ? -1 : clock_now_ms() + timeout_ms;
}

static int queue_message(struct websocket *ws, bool is_binary,
	const void *bytes, size_t length) EXCLUDES(ws->lock)
{
	struct wslay_event_msg m = {
		.opcode = is_binary ? WSLAY_BINARY_FRAME : WSLAY_TEXT_FRAME,
		.msg = bytes,
		.msg_length = length,
	};
	int rc = -EPIPE;

	mutex_lock(&ws->lock);
	if (!has_output_locked(ws))
		ws->moved_ms = clock_now_ms();
	if (ws->ended == 0)
		rc = wslay_event_queue_msg(ws->frames, &m);
	mutex_unlock(&ws->lock);
	if (rc == WSLAY_ERR_NOMEM)
		return -ENOMEM;
	return rc == 0 ? 0 : -EPIPE;
}

/* The shutdown wakes who waits. */
void websocket_break(struct websocket *ws)
{
	mutex_lock(&ws->lock);
	ws->ended = -EPIPE;
	mutex_unlock(&ws->lock);
	http_stream_shutdown(&ws->stream);
}

/* Until no more than so much is still to be written. */
static int write_down_to(struct websocket *ws, size_t left,
	const struct cancel *cancel, int64_t end_ms)
{
	bool is_done = false;
	int rc = 0;

	while (rc == 0) {
		mutex_lock(&ws->lock);
		pump_out_locked(ws);
		is_done = left == 0 ? !has_output_locked(ws)
				    : wslay_event_get_queued_msg_length(
					      ws->frames) <= left;
		if (!is_done && ws->ended != 0)
			rc = -EPIPE;
		mutex_unlock(&ws->lock);
		if (is_done || rc < 0)
			break;
		rc = http_stream_wait(&ws->stream, POLLOUT, cancel, end_ms);
	}
	return rc;
}

int websocket_send(struct websocket *ws, const struct cancel *cancel,
	bool is_binary, const void *bytes, size_t length, int timeout_ms)
{
	int64_t end_ms = end_of(timeout_ms);
	int rc;

	if (length > (size_t)KERNEL_SEND_MAX)
		return -EMSGSIZE;
	rc = queue_message(ws, is_binary, bytes, length);
	if (rc == 0)
		rc = write_down_to(ws, 0, cancel, end_ms);
	/* Half a message cannot be taken back. */
	if (rc == -ETIMEDOUT || rc == -EINTR)
		websocket_break(ws);
	return rc;
}

/* However impatient those are who post. */
static bool is_stuck(struct websocket *ws) EXCLUDES(ws->lock)
{
	bool is_stuck;

	mutex_lock(&ws->lock);
	is_stuck = has_output_locked(ws) &&
		   clock_now_ms() - ws->moved_ms >= KERNEL_SEND_MS;
	mutex_unlock(&ws->lock);
	return is_stuck;
}

int websocket_post(struct websocket *ws, const struct cancel *cancel,
	bool is_binary, const void *bytes, size_t length, int timeout_ms)
{
	int64_t end_ms = end_of(timeout_ms);
	int rc;

	if (length > (size_t)KERNEL_SEND_MAX)
		return -EMSGSIZE;
	rc = write_down_to(ws, (size_t)KERNEL_SEND_MAX, cancel, end_ms);
	if (is_stuck(ws))
		websocket_break(ws);
	if (rc == -ETIMEDOUT || rc == -EINTR)
		return -EBUSY;
	if (rc == 0)
		rc = queue_message(ws, is_binary, bytes, length);
	return rc == 0 ? write_down_to(ws, 0, cancel, end_ms) : rc;
}

/* *ret_events is 0 where there may be more to read at once. */
static struct message *take_message(struct websocket *ws, short *ret_events,
	int *ret_ended) EXCLUDES(ws->lock)
{
	struct message *m;

	mutex_lock(&ws->lock);
	pump_in_locked(ws);
	m = g_queue_pop_head(&ws->messages);
	*ret_ended = ws->ended;
	*ret_events = (short)(POLLIN | (has_output_locked(ws) ? POLLOUT : 0));
	if (ws->turn == 0)
		*ret_events = 0;
	mutex_unlock(&ws->lock);
	return m;
}

static int wait_for_more(struct websocket *ws, short events,
	const struct cancel *cancel, int64_t end_ms)
{
	int rc;

	if (events != 0)
		return http_stream_wait(&ws->stream, events, cancel, end_ms);
	rc = cancel_check(cancel);
	if (rc == 0 && end_ms >= 0 && clock_now_ms() >= end_ms)
		rc = -ETIMEDOUT;
	return rc;
}

int websocket_receive(struct websocket *ws, const struct cancel *cancel,
	int timeout_ms, bool *ret_is_binary, GByteArray **ret_message)
{
	int64_t end_ms = end_of(timeout_ms);

	for (;;) {
		short events;
		int rc;
		struct message *m = take_message(ws, &events, &rc);

		if (m != NULL) {
			*ret_is_binary = m->is_binary;
			*ret_message = m->bytes;
			g_free(m);
			return 0;
		}
		if (rc == 0)
			rc = wait_for_more(ws, events, cancel, end_ms);
		if (rc < 0)
			return rc;
	}
}

static void free_message(gpointer message)
{
	struct message *m = message;

	g_byte_array_unref(m->bytes);
	g_free(m);
}

void websocket_free(struct websocket *ws)
{
	if (ws == NULL)
		return;
	if (ws->frames != NULL) {
		mutex_lock(&ws->lock);
		(void)wslay_event_queue_close(
			ws->frames, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0);
		if (ws->ended == 0)
			pump_out_locked(ws);
		mutex_unlock(&ws->lock);
		wslay_event_context_free(ws->frames);
	}
	http_stream_close(&ws->stream);
	g_queue_clear_full(&ws->messages, free_message);
	mutex_fini(&ws->lock);
	g_free(ws);
}
