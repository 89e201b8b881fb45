/* kernel.c - see kernel.h. */
#include "config.h"

#include "kernel.h"

#include "common_limits.h"
#include "http_client.h"
#include "http_errno.h"
#include "websocket.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

struct kernel_channel {
	struct websocket *websocket;
	char *session;
	atomic_uint next_message; /* any thread sends */
};

/* --- REST ---------------------------------------------------------------- */

struct text_source {
	const char *text;
	size_t at;
};

static ssize_t read_text(void *arg, char *buffer, size_t size)
{
	struct text_source *source = arg;
	size_t left = strlen(source->text + source->at);
	size_t n = left < size ? left : size;

	memcpy(buffer, source->text + source->at, n);
	source->at += n;
	return (ssize_t)n;
}

/* One exchange; *ret_json (optional) is what a 2xx answer says. */
static int exchange(struct http_pool *pool, struct http_call *request,
	const struct cancel *cancel, cJSON **ret_json)
{
	struct http_response response;
	int rc;

	request->request.body_max = KERNEL_REPLY_MAX;
	http_response_init(&response);
	rc = http_client_call(pool, request, cancel, &response);
	if (rc == 0)
		rc = http_errno(HTTP_OP_KERNEL, &response, NULL);
	if (rc == 0 && ret_json != NULL) {
		*ret_json = json_parse(response.body->str, response.body->len);
		rc = *ret_json == NULL ? -EPROTO : 0;
	}
	http_response_clear(&response);
	return rc;
}

static int call(struct http_pool *pool, const char *method, const char *target,
	const char *body, const struct cancel *cancel, cJSON **ret_json)
{
	struct text_source source = { .text = body };
	struct http_call request = {
		.request = HTTP_REQUEST_INIT,
		.is_idempotent = body == NULL,
	};

	request.request.method = method;
	request.request.target = target;
	request.request.timeout_ms = KERNEL_START_TIMEOUT_MS;
	if (body != NULL) {
		request.request.content_type = "application/json";
		request.request.source = read_text;
		request.request.source_arg = &source;
		request.request.source_bytes = (int64_t)strlen(body);
	}
	return exchange(pool, &request, cancel, ret_json);
}

/* A server without the API and a token without the right to it leave a
 * workspace that works without runs. */
static int as_unsupported(int rc)
{
	return rc == -ENOENT || rc == -EACCES || rc == -EPERM ? -EOPNOTSUPP
							      : rc;
}

static bool is_python(const cJSON *kernelspec)
{
	const cJSON *spec = json_object(kernelspec, "spec");
	const char *language =
		spec == NULL ? NULL : json_string(spec, "language");

	return language != NULL && g_ascii_strcasecmp(language, "python") == 0;
}

char *kernel_choose_spec(const cJSON *reply)
{
	const char *preferred = json_string(reply, "default");
	const cJSON *specs = json_object(reply, "kernelspecs");
	const char *best = NULL;
	const cJSON *spec;

	cJSON_ArrayForEach(spec, specs)
	{
		if (!is_python(spec))
			continue;
		if (g_strcmp0(spec->string, preferred) == 0)
			return g_strdup(spec->string);
		if (best == NULL || strcmp(spec->string, best) < 0)
			best = spec->string;
	}
	return g_strdup(best);
}

/* It becomes part of a URL. */
static bool is_kernel_id(const char *id)
{
	size_t n = id == NULL ? 0 : strlen(id);

	return n > 0 && n <= KERNEL_ID_MAX &&
	       strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz"
			  "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == n;
}

int kernel_start(
	struct http_pool *pool, const struct cancel *cancel, char **ret_id)
{
	g_autoptr(cJSON) specs = NULL;
	g_autoptr(cJSON) kernel = NULL;
	g_autofree char *name = NULL;
	g_autofree char *quoted = NULL;
	g_autofree char *body = NULL;
	const char *id;
	int rc = call(pool, "GET", "api/kernelspecs", NULL, cancel, &specs);

	if (rc < 0)
		return as_unsupported(rc);
	name = kernel_choose_spec(specs);
	if (name == NULL)
		return -EOPNOTSUPP;
	quoted = json_quote(name);
	body = g_strdup_printf("{\"name\":%s,\"path\":\"\"}", quoted);
	rc = call(pool, "POST", "api/kernels", body, cancel, &kernel);
	if (rc < 0)
		return as_unsupported(rc);
	id = json_string(kernel, "id");
	if (!is_kernel_id(id))
		return -EPROTO;
	*ret_id = g_strdup(id);
	return 0;
}

int kernel_check(
	struct http_pool *pool, const char *id, const struct cancel *cancel)
{
	g_autofree char *target = g_strdup_printf("api/kernels/%s", id);
	struct http_call request = {
		.request = HTTP_REQUEST_INIT,
		.is_idempotent = true,
	};

	request.request.method = "GET";
	request.request.target = target;
	request.request.timeout_ms = KERNEL_CHECK_TIMEOUT_MS;
	return exchange(pool, &request, cancel, NULL);
}

int kernel_stop(
	struct http_pool *pool, const char *id, const struct cancel *cancel)
{
	g_autofree char *target = g_strdup_printf("api/kernels/%s", id);
	int rc = call(pool, "DELETE", target, NULL, cancel, NULL);

	return rc == -ENOENT ? 0 : rc;
}

/* --- the channel --------------------------------------------------------- */

int kernel_channel_open(struct http_pool *pool, const char *id, int timeout_ms,
	const struct cancel *cancel, struct kernel_channel **ret)
{
	g_autofree char *session = g_uuid_string_random();
	g_autofree char *target = g_strdup_printf(
		"api/kernels/%s/channels?session_id=%s", id, session);
	struct websocket *websocket = NULL;
	struct kernel_channel *channel;
	int rc = websocket_open(pool, target, timeout_ms, cancel, &websocket);

	if (rc < 0)
		return rc;
	channel = g_new0(struct kernel_channel, 1);
	channel->websocket = websocket;
	channel->session = g_steal_pointer(&session);
	*ret = channel;
	return 0;
}

void kernel_channel_free(struct kernel_channel *channel)
{
	if (channel == NULL)
		return;
	websocket_free(channel->websocket);
	g_free(channel->session);
	g_free(channel);
}

struct kernel_msg_header kernel_channel_header(struct kernel_channel *channel)
{
	struct kernel_msg_header header = { .session = channel->session };

	(void)g_snprintf(header.msg_id, sizeof(header.msg_id), "%s_%u",
		channel->session, atomic_fetch_add(&channel->next_message, 1));
	return header;
}

int kernel_channel_send(
	struct kernel_channel *channel, bool is_binary, GByteArray *frame)
{
	int rc = -EMSGSIZE;

	if (frame->len <= KERNEL_SEND_MAX)
		rc = websocket_send(channel->websocket, NULL, is_binary,
			frame->data, frame->len, KERNEL_SEND_MS);
	g_byte_array_unref(frame);
	return rc;
}

int kernel_channel_post(struct kernel_channel *channel, bool is_binary,
	GByteArray *frame, const struct cancel *cancel, int timeout_ms)
{
	int rc = -EMSGSIZE;

	if (frame->len <= KERNEL_SEND_MAX)
		rc = websocket_post(channel->websocket, cancel, is_binary,
			frame->data, frame->len, timeout_ms);
	g_byte_array_unref(frame);
	return rc;
}

void kernel_channel_break(struct kernel_channel *channel)
{
	websocket_break(channel->websocket);
}

int kernel_channel_receive(struct kernel_channel *channel,
	const struct cancel *cancel, int timeout_ms, struct kernel_msg *ret,
	GByteArray **ret_frame)
{
	for (;;) {
		GByteArray *frame = NULL;
		bool is_binary = false;
		int rc = websocket_receive(channel->websocket, cancel,
			timeout_ms, &is_binary, &frame);

		if (rc < 0)
			return rc;
		rc = kernel_msg_parse(is_binary, frame->data, frame->len, ret);
		if (rc == 0) {
			*ret_frame = frame;
			return 0;
		}
		g_byte_array_unref(frame);
	}
}
