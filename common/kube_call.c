/*
 * kube_call.c - see kube.h: requests and what their answers mean.
 *
 * GET, PATCH and DELETE may be repeated: an apply says what is to be, a second
 * DELETE finds nothing, which callers take as done.
 */
#include "config.h"

#include "common_limits.h"
#include "http_client.h"
#include "kube.h"
#include "kube_error.h"

#include <errno.h>
#include <string.h>

struct body {
	char *text;
	size_t length;
	size_t at;
};

static ssize_t body_read(void *arg, char *buffer, size_t size)
{
	struct body *b = arg;
	size_t n = MIN(size, b->length - b->at);

	memcpy(buffer, b->text + b->at, n);
	b->at += n;
	return (ssize_t)n;
}

static int body_rewind(void *arg)
{
	struct body *b = arg;

	b->at = 0;
	return 0;
}

static void body_clear(struct body *b)
{
	if (b->text != NULL)
		secret_wipe(b->text, b->length); /* a Secret's, perhaps */
	g_free(b->text);
}

/* The transport's failures, as a user of kubectl knows them. */
static char *explain_transport(const struct kube *k, int rc)
{
	const struct kube_place *place = kube_place(k);

	switch (-rc) {
	case EINTR:
		return g_strdup("interrupted");
	case EKEYREJECTED:
		return g_strdup_printf(
			"the cluster's API server %s does not accept the "
			"credentials of context '%s' (%s) any more; log in to "
			"the cluster again",
			place->server, place->context, place->origin);
	case ETIMEDOUT:
		return g_strdup_printf(
			"the cluster's API server %s does not answer; is the "
			"cluster up, and context '%s' the right one?",
			place->server, place->context);
	case EPROTO:
		return g_strdup_printf(
			"what answers at %s cannot be trusted, or is no "
			"Kubernetes API server; check the server and its "
			"certificate-authority in %s",
			place->server, place->origin);
	case EHOSTUNREACH:
		return g_strdup_printf(
			"cannot reach the cluster's API server %s: its name is "
			"not known here, or there is no way to it; is the "
			"network (a VPN?) up, and context '%s' the right one?",
			place->server, place->context);
	default:
		return g_strdup_printf(
			"cannot reach the cluster's API server %s: %s; is the "
			"cluster up, and context '%s' the right one?",
			place->server, g_strerror(-rc), place->context);
	}
}

static int errno_of(enum kube_error_kind kind)
{
	switch (kind) {
	case KUBE_ERROR_UNAUTHORIZED:
		return -EKEYREJECTED;
	case KUBE_ERROR_ANONYMOUS:
	case KUBE_ERROR_RIGHTS:
	case KUBE_ERROR_POD_SECURITY:
	case KUBE_ERROR_DENIED:
	case KUBE_ERROR_TERMINATING:
		return -EACCES;
	case KUBE_ERROR_QUOTA:
		return -EDQUOT;
	case KUBE_ERROR_NO_NAMESPACE:
		return -ENXIO;
	case KUBE_ERROR_NOT_FOUND:
		return -ENOENT;
	case KUBE_ERROR_EXISTS:
		return -EEXIST;
	case KUBE_ERROR_CONFLICT:
	case KUBE_ERROR_OWNED:
	case KUBE_ERROR_BUSY:
		return -EBUSY;
	case KUBE_ERROR_INVALID:
	case KUBE_ERROR_TOO_LARGE:
		return -EINVAL;
	case KUBE_ERROR_EXPIRED:
		return -ESTALE;
	case KUBE_ERROR_UNAVAILABLE:
		return -EHOSTUNREACH;
	case KUBE_ERROR_NO_STATUS:
		return -EPROTO;
	case KUBE_ERROR_OTHER:
	default:
		return -EIO;
	}
}

/* Of an answer that is no Status: a load balancer that has nobody behind it
 * at present, or what is no API server. */
static int errno_of_stranger(int status)
{
	if (status == 429)
		return -EBUSY;
	return status >= 500 ? -EHOSTUNREACH : -EPROTO;
}

static int explain_status(const struct kube *k, struct kube_answer *a)
{
	struct kube_error e;
	int rc;

	kube_error_read(a->status, a->object, &e);
	rc = errno_of(e.kind);
	if (e.kind == KUBE_ERROR_NO_STATUS) {
		rc = errno_of_stranger(a->status);
		a->why = explain_transport(k, rc);
	} else {
		a->why = g_steal_pointer(&e.sentence);
	}
	kube_error_clear(&e);
	return rc;
}

static int read_answer(
	struct kube *k, struct http_response *r, struct kube_answer *a)
{
	a->error = r->error;
	a->status = r->status;
	if (r->error != 0) {
		if (r->error != -EINTR)
			a->why = kube_auth_fault(kube_place(k)->auth);
		if (a->why == NULL)
			a->why = explain_transport(k, r->error);
		return r->error;
	}
	a->object = json_parse(r->body->str, r->body->len);
	if (r->status / 100 != 2)
		return explain_status(k, a);
	if (a->object != NULL)
		return 0;
	a->why = explain_transport(k, -EPROTO);
	return -EPROTO;
}

static void set_body(
	struct http_call *call, const struct kube_request *q, struct body *body)
{
	if (q->body == NULL && q->text == NULL)
		return;
	body->text = q->text != NULL ? g_strdup(q->text) : json_print(q->body);
	body->length = strlen(body->text);
	call->request.content_type = q->content_type;
	call->request.source = body_read;
	call->request.source_arg = body;
	call->request.source_bytes = (int64_t)body->length;
	call->rewind = body_rewind;
	call->rewind_arg = body;
}

int kube_call(struct kube *k, const struct kube_request *q,
	const struct cancel *cancel, struct kube_answer *answer)
{
	struct http_call call = { .request = HTTP_REQUEST_INIT,
		.is_idempotent = strcmp(q->method, "POST") != 0,
		.tries_max = q->tries_max };
	struct body body = { 0 };
	struct http_response r;
	int rc;

	*answer = (struct kube_answer){ 0 };
	call.request.method = q->method;
	call.request.target = q->path;
	call.request.body_max = KUBE_REPLY_MAX;
	call.request.timeout_ms =
		q->timeout_ms > 0 ? q->timeout_ms : KUBE_CALL_TIMEOUT_MS;
	set_body(&call, q, &body);
	http_response_init(&r);
	(void)http_client_call(kube_pool(k), &call, cancel, &r);
	rc = read_answer(k, &r, answer);
	http_response_clear(&r);
	body_clear(&body);
	return rc;
}

void kube_answer_clear(struct kube_answer *a)
{
	g_clear_pointer(&a->object, cJSON_Delete);
	g_clear_pointer(&a->why, g_free);
}

static int get_formatted(struct kube *k, const struct cancel *cancel,
	struct kube_answer *answer, const char *path, va_list args)
	G_GNUC_PRINTF(4, 0);
static int get_formatted(struct kube *k, const struct cancel *cancel,
	struct kube_answer *answer, const char *path, va_list args)
{
	g_autofree char *text = g_strdup_vprintf(path, args);
	const struct kube_request q = { .method = "GET", .path = text };

	return kube_call(k, &q, cancel, answer);
}

int kube_get(struct kube *k, const struct cancel *cancel,
	struct kube_answer *answer, const char *path, ...)
{
	va_list args;
	int rc;

	va_start(args, path);
	rc = get_formatted(k, cancel, answer, path, args);
	va_end(args);
	return rc;
}

int kube_find(struct kube *k, const struct cancel *cancel, cJSON **ret,
	char **ret_why, const char *path, ...)
{
	struct kube_answer answer;
	va_list args;
	int rc;

	va_start(args, path);
	rc = get_formatted(k, cancel, &answer, path, args);
	va_end(args);
	*ret = NULL;
	if (rc == 0)
		*ret = g_steal_pointer(&answer.object);
	else if (rc == -ENOENT)
		rc = 0;
	else
		*ret_why = g_steal_pointer(&answer.why);
	kube_answer_clear(&answer);
	return rc;
}

bool kube_is_passing(int rc)
{
	return rc == 0 || rc == -ECONNRESET || rc == -ECONNREFUSED ||
	       rc == -EHOSTUNREACH || rc == -EBUSY;
}

/* --- watching ------------------------------------------------------------- */

struct watch {
	GString *line;
	kube_watch_fn fn;
	void *arg;
	int verdict; /* of fn; 0: go on */
};

static int watch_line(struct watch *w)
{
	g_autoptr(cJSON) event = json_parse(w->line->str, w->line->len);
	const char *type = json_string(event, "type");
	const cJSON *object = json_object(event, "object");

	g_string_truncate(w->line, 0);
	if (type == NULL || object == NULL)
		return -EPROTO;
	/* "Your version is too old": we ask again from the start anyway. */
	if (strcmp(type, "ERROR") == 0)
		return -ESTALE;
	w->verdict = w->fn(w->arg, type, object);
	return w->verdict == 0 ? 0 : -ECANCELED;
}

/* An http_sink_fn: one JSON object a line. */
static int watch_take(void *arg, const char *bytes, size_t length)
{
	struct watch *w = arg;

	while (length > 0) {
		const char *end = memchr(bytes, '\n', length);
		size_t n = end == NULL ? length : (size_t)(end - bytes);
		int rc;

		if (w->line->len + n > KUBE_LINE_MAX)
			return -EFBIG;
		g_string_append_len(w->line, bytes, (gssize)n);
		if (end == NULL)
			return 0;
		bytes += n + 1;
		length -= n + 1;
		rc = w->line->len == 0 ? 0 : watch_line(w);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int watch_once(struct kube *k, const char *path, int64_t end_ms,
	const struct cancel *cancel, struct watch *w, char **ret_why)
{
	int64_t left = MAX(end_ms - clock_now_ms(), 1);
	g_autofree char *target = g_strdup_printf(
		"%s%cwatch=1&allowWatchBookmarks=true&timeoutSeconds=%d", path,
		strchr(path, '?') == NULL ? '?' : '&',
		(int)MIN(left / 1000 + 1, KUBE_WATCH_SECONDS));
	struct http_call call = { .request = HTTP_REQUEST_INIT };
	struct kube_answer answer = { 0 };
	struct http_response r;
	int rc;

	g_string_truncate(w->line, 0);
	call.request.method = "GET";
	call.request.target = target;
	call.request.sink = watch_take;
	call.request.sink_arg = w;
	call.request.body_max = INT64_MAX;
	call.request.timeout_ms = (int)MIN(left, INT_MAX);
	http_response_init(&r);
	rc = http_client_call(kube_pool(k), &call, cancel, &r);
	if (w->verdict != 0 || rc == -ESTALE)
		rc = w->verdict;
	else if (rc != 0 || r.status / 100 != 2)
		rc = read_answer(k, &r, &answer);
	*ret_why = g_steal_pointer(&answer.why);
	kube_answer_clear(&answer);
	http_response_clear(&r);
	return rc;
}

#define WATCH_PAUSE_MS 1000

int kube_watch(struct kube *k, const char *path, int timeout_ms,
	const struct cancel *cancel, kube_watch_fn fn, void *arg,
	char **ret_why)
{
	g_autoptr(GString) line = g_string_new(NULL);
	struct watch w = { .line = line, .fn = fn, .arg = arg };
	int64_t end_ms = clock_now_ms() + timeout_ms;

	for (;;) {
		int64_t began_ms = clock_now_ms();
		int rc = watch_once(k, path, end_ms, cancel, &w, ret_why);

		if (w.verdict != 0 || !kube_is_passing(rc))
			return rc;
		if (clock_now_ms() >= end_ms)
			return -ETIMEDOUT;
		g_clear_pointer(ret_why, g_free);
		/* A server that ends each watch at once is not hammered. */
		if (clock_now_ms() - began_ms < WATCH_PAUSE_MS &&
			cancel_sleep(cancel, WATCH_PAUSE_MS) < 0)
			return cancel_check(cancel);
	}
}

/* --- logs, and whether we may --------------------------------------------- */

int kube_text(struct kube *k, const char *path, bool is_followed,
	http_sink_fn sink, void *sink_arg, const struct cancel *cancel,
	char **ret_why)
{
	struct http_call call = { .request = HTTP_REQUEST_INIT,
		.is_idempotent = true };
	struct kube_answer answer = { 0 };
	struct http_response r;
	int rc;

	call.request.method = "GET";
	call.request.target = path;
	call.request.sink = sink;
	call.request.sink_arg = sink_arg;
	call.request.body_max = KUBE_LOG_MAX;
	call.request.stall_ms = is_followed ? 0 : KUBE_CALL_TIMEOUT_MS;
	http_response_init(&r);
	rc = http_client_call(kube_pool(k), &call, cancel, &r);
	if (rc != 0 || r.status / 100 != 2)
		rc = read_answer(k, &r, &answer);
	*ret_why = g_steal_pointer(&answer.why);
	kube_answer_clear(&answer);
	http_response_clear(&r);
	return rc;
}

static cJSON *make_review(const char *verb, const char *group,
	const char *resource, const char *subresource, const char *namespace)
{
	cJSON *review = cJSON_CreateObject();
	cJSON *spec = cJSON_AddObjectToObject(review, "spec");
	cJSON *what = cJSON_AddObjectToObject(spec, "resourceAttributes");

	(void)cJSON_AddStringToObject(
		review, "apiVersion", "authorization.k8s.io/v1");
	(void)cJSON_AddStringToObject(
		review, "kind", "SelfSubjectAccessReview");
	(void)cJSON_AddStringToObject(what, "namespace", namespace);
	(void)cJSON_AddStringToObject(what, "verb", verb);
	(void)cJSON_AddStringToObject(what, "group", group);
	(void)cJSON_AddStringToObject(what, "resource", resource);
	if (subresource != NULL)
		(void)cJSON_AddStringToObject(what, "subresource", subresource);
	return review;
}

int kube_may(struct kube *k, const char *verb, const char *group,
	const char *resource, const char *subresource, const char *namespace,
	const struct cancel *cancel, char **ret_why)
{
	g_autoptr(cJSON) review =
		make_review(verb, group, resource, subresource, namespace);
	const struct kube_request q = {
		.method = "POST",
		.path = "apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
		.content_type = KUBE_JSON,
		.body = review,
	};
	struct kube_answer answer;
	int rc = kube_call(k, &q, cancel, &answer);
	int error = answer.error;
	bool is_allowed =
		rc != 0 || json_bool(json_object(answer.object, "status"),
				   "allowed", true);

	if (error != 0)
		*ret_why = g_steal_pointer(&answer.why);
	kube_answer_clear(&answer);
	if (error != 0 || is_allowed)
		return error;
	*ret_why = g_strdup_printf(
		"you may not %s %s%s%s in namespace '%s' of context '%s'; ask "
		"the cluster's administrator for the Role in pycloud's "
		"packaging/kubernetes/role.yaml, or choose another namespace",
		verb, resource, subresource == NULL ? "" : "/",
		subresource == NULL ? "" : subresource, namespace,
		kube_place(k)->context);
	return -EACCES;
}
