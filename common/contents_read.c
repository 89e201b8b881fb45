/*
 * contents_read.c - the bytes of files.
 *
 * Two roads lead to them. `GET files/<path>` gives them raw, by range, and
 * costs the server nothing. `GET api/contents/<path>` gives the whole file as
 * base64 in JSON, at six times its size in the server's memory, but it says
 * why when it refuses. So files/ is asked first; when it refuses (its pages
 * mean little: 404 for hidden, 500 for unreadable, 403 for a directory), the
 * contents API delivers the file or the truth. A server on which the first file
 * comes over the second road only has no files/, which is remembered.
 *
 * A relay that rewrites HTML on its way changes a file's bytes; those come over
 * the second road, which carries them as JSON.
 *
 * Either way bytes pass a window, which lets through what was asked for. An
 * answer is believed only when every byte that it must have arrived.
 */
#include "config.h"

#include "common_limits.h"
#include "contents_call.h"
#include "download_json.h"
#include "names.h"

#include <errno.h>
#include <string.h>

struct window {
	const struct remote_sink *sink;
	int64_t first;
	int64_t length;	  /* -1: to the end */
	int64_t at;	  /* the file's offset of the answer's next byte */
	int64_t received; /* given to the sink */
	/* Of the attempt under way, so that the first byte of an answer knows
	 * whether it is byte `first` (206) or byte 0 (200). */
	const struct http_response *response;
	bool is_begun;
	bool refuses_html;
};

static int window_rewind(void *arg)
{
	struct window *w = arg;

	w->at = 0;
	w->received = 0;
	w->is_begun = false;
	return 0;
}

static bool window_is_full(const struct window *w)
{
	return w->length >= 0 && w->received == w->length;
}

/* Lets through what of [at, at + length) was asked for. */
static int window_pass(struct window *w, const char *bytes, size_t length)
{
	int64_t from = MAX(w->at, w->first);
	int64_t to = w->at + (int64_t)length;
	int64_t at = w->at;
	int rc;

	if (w->length >= 0)
		to = MIN(to, w->first + w->length);
	w->at += (int64_t)length;
	if (from >= to)
		return 0;
	rc = w->sink->write(
		w->sink->arg, bytes + (from - at), (size_t)(to - from), from);
	if (rc < 0)
		return rc;
	w->received += to - from;
	return 0;
}

/* An http_sink_fn for raw bytes. -ECANCELED ends an answer that goes on after
 * all that was asked for has arrived: a server without ranges would otherwise
 * send gigabytes for a block. */
static int window_take_raw(void *arg, const char *bytes, size_t length)
{
	struct window *w = arg;

	/* Links in it lead through the relay now, and its length is another. */
	if (w->response->is_html && w->refuses_html)
		return -EBADMSG;
	if (!w->is_begun && w->response->status == 206) {
		if (w->response->range_first != w->first)
			return -EIO;
		w->at = w->first;
	}
	w->is_begun = true;
	if (window_is_full(w))
		return -ECANCELED;
	return window_pass(w, bytes, length);
}

/* A remote_sink for what the JSON's decoder finds; it counts for itself. */
static int window_take_decoded(
	void *arg, const void *bytes, size_t length, int64_t offset)
{
	struct window *w = arg;

	w->at = offset;
	return window_pass(w, bytes, length);
}

/* How much of a file of `total` bytes was asked for. */
static int64_t expected_of(const struct window *w, int64_t total)
{
	int64_t left = MAX(total - w->first, 0);

	return w->length < 0 ? left : MIN(left, w->length);
}

/* --- files/ --------------------------------------------------------------- */

static int check_part(const struct window *w, const struct http_response *r)
{
	int64_t last = w->length < 0 ? -1 : w->first + w->length - 1;

	if (r->range_first != w->first || r->range_last < r->range_first ||
		w->received != r->range_last - r->range_first + 1)
		return -EIO;
	if (last >= 0 && r->range_last == last)
		return 0;
	/* Less than asked for is right only where the file ends. */
	return r->range_last == r->range_total - 1 &&
			       (last < 0 || r->range_last < last)
		       ? 0
		       : -EIO;
}

static int check_raw(const struct window *w, const struct http_response *r,
	struct remote_read_info *ret)
{
	*ret = (struct remote_read_info){ .received = w->received,
		.total = -1,
		.last_modified = r->last_modified };
	switch (r->status) {
	case 200:
		/* What arrived does not prove how much there is. */
		ret->total = MAX(r->content_length, -1);
		if (ret->total < 0)
			return 0;
		return w->received == expected_of(w, ret->total) ? 0 : -EIO;
	case 206:
		ret->total = r->range_total;
		return check_part(w, r);
	case 416: /* also the answer to any range of an empty file */
		ret->total = r->range_total;
		return ret->total <= w->first ? 0 : -EIO;
	default:
		return -EPROTO;
	}
}

static int raw_outcome(const struct window *w, const struct http_response *r,
	struct remote_read_info *ret)
{
	bool is_stopped =
		r->error == -ECANCELED && r->status == 200 && window_is_full(w);

	if (is_stopped)
		return check_raw(w, r, ret);
	/* Cut in the middle of the bytes, as often as we asked. */
	if (r->error == -ECONNRESET && r->status / 100 == 2)
		return -EIO;
	if (r->error != 0)
		return r->error;
	if (r->status / 100 != 2 && r->status != 416)
		return http_errno(HTTP_OP_READ, r, NULL);
	return check_raw(w, r, ret);
}

/* ret_status: what files/ answered, for those who decide on another road. */
static int read_raw(struct contents *c, const char *path, struct window *w,
	const struct cancel *cancel, struct remote_read_info *ret,
	int *ret_status)
{
	g_autofree char *encoded = path_encode(path);
	g_autofree char *target = g_strconcat("files/", encoded, NULL);
	struct http_call call = { .request = HTTP_REQUEST_INIT,
		.is_idempotent = true,
		.rewind = window_rewind,
		.rewind_arg = w };
	struct http_response r;
	int rc;

	call.request.method = "GET";
	call.request.target = target;
	if (w->first > 0 || w->length >= 0)
		call.request.range_first = w->first;
	if (w->length >= 0)
		call.request.range_last = w->first + w->length - 1;
	call.request.sink = window_take_raw;
	call.request.sink_arg = w;
	call.request.body_max = CONTENTS_FILE_MAX;
	call.request.stall_ms = c->limits.stall_ms;
	http_response_init(&r);
	w->response = &r;
	(void)window_rewind(w);
	(void)http_client_call(c->pool, &call, cancel, &r);
	rc = raw_outcome(w, &r, ret);
	*ret_status = r.error == 0 ? r.status : 0;
	w->response = NULL;
	http_response_clear(&r);
	return rc;
}

/* --- the contents API ----------------------------------------------------- */

struct decoding {
	struct window *window;
	struct remote_sink sink;
	struct download_json json;
};

static int decoding_rewind(void *arg)
{
	struct decoding *d = arg;

	(void)window_rewind(d->window);
	d->sink = (struct remote_sink){ window_take_decoded, d->window };
	download_json_init(&d->json, &d->sink);
	return 0;
}

static int decoding_take(void *arg, const char *bytes, size_t length)
{
	struct decoding *d = arg;

	return download_json_write(&d->json, bytes, length);
}

/* Read to its end even when the window was full long before: only then is it
 * known that the server kept to base64. The server made all of it anyway. */
static int read_decoded(struct contents *c, const char *path, struct window *w,
	const struct cancel *cancel, struct remote_read_info *ret)
{
	g_autofree char *target =
		contents_target(path, "type=file&format=base64&content=1");
	g_autofree struct decoding *d = g_new(struct decoding, 1);
	struct http_call call = { .request = HTTP_REQUEST_INIT,
		.is_idempotent = true,
		.rewind = decoding_rewind,
		.rewind_arg = d };
	struct http_response r;
	int rc;

	d->window = w;
	(void)decoding_rewind(d);
	call.request.method = "GET";
	call.request.target = target;
	call.request.sink = decoding_take;
	call.request.sink_arg = d;
	call.request.body_max = 2 * CONTENTS_FILE_MAX;
	call.request.stall_ms = c->limits.stall_ms;
	http_response_init(&r);
	rc = contents_call(c, HTTP_OP_READ, path, &call, cancel, &r);
	if (rc == 0)
		rc = download_json_finish(&d->json);
	else if (rc == -ECONNRESET && r.status / 100 == 2)
		rc = -EIO;
	*ret = (struct remote_read_info){ .received = w->received,
		.total = d->json.written,
		.last_modified = r.last_modified };
	http_response_clear(&r);
	return rc;
}

/* --- the operation -------------------------------------------------------- */

static bool is_refusal(int status)
{
	return status == 400 || status == 403 || status == 404 ||
	       status == 405 || status == 500 || status == 501;
}

static void note_files(struct contents *c, enum files_route route)
{
	int unknown = FILES_UNKNOWN;

	if (!atomic_compare_exchange_strong(&c->files, &unknown, (int)route))
		return;
	if (route == FILES_ABSENT)
		(void)atomic_fetch_and(
			&c->capabilities, ~(unsigned)REMOTE_CAN_RANGE);
}

/* What the server will call text/html, as its mimetypes say. Asking files/
 * for it would be in vain. */
static bool is_html_name(const char *path)
{
	static const char *const endings[] = { ".html", ".htm", ".shtml" };

	for (size_t i = 0; i < G_N_ELEMENTS(endings); i++) {
		size_t length = strlen(endings[i]);
		size_t at = strlen(path);

		if (at > length &&
			g_ascii_strcasecmp(path + at - length, endings[i]) == 0)
			return true;
	}
	return false;
}

static int read_any(struct contents *c, const char *path, struct window *w,
	const struct cancel *cancel, struct remote_read_info *ret)
{
	int status = 0;
	int rc;

	if (atomic_load(&c->files) == FILES_ABSENT ||
		(c->is_relayed && is_html_name(path)))
		return read_decoded(c, path, w, cancel, ret);
	rc = read_raw(c, path, w, cancel, ret, &status);
	if (rc == -EBADMSG)
		return read_decoded(c, path, w, cancel, ret);
	if (rc == 0)
		note_files(c, FILES_PRESENT);
	if (rc == 0 || !is_refusal(status))
		return rc;
	rc = read_decoded(c, path, w, cancel, ret);
	/* files/ refuses what is hidden where it serves all else. */
	if (rc == 0 && status < 500 && !contents_path_is_hidden(path))
		note_files(c, FILES_ABSENT);
	return rc;
}

int contents_read(struct remote *remote, const char *path, int64_t offset,
	int64_t length, const struct remote_sink *sink,
	const struct cancel *cancel, struct remote_read_info *ret_info)
{
	struct contents *c = contents_of(remote);
	struct window w = { .sink = sink,
		.first = offset,
		.length = length,
		.refuses_html = c->is_relayed };
	int rc = contents_path_check(c, path);

	if (rc < 0)
		return rc;
	if (*path == '\0')
		return -EISDIR;
	if (offset < 0 || offset > CONTENTS_FILE_MAX)
		return -EINVAL;
	if (length > CONTENTS_FILE_MAX)
		w.length = CONTENTS_FILE_MAX;
	if (length == 0) {
		*ret_info = (struct remote_read_info){ .total = -1 };
		return 0;
	}
	rc = read_any(c, path, &w, cancel, ret_info);
	if (rc == 0)
		contents_note_accepted(c, path);
	return rc;
}
