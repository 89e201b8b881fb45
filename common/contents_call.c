/* contents_call.c - see contents_call.h. */
#include "config.h"

#include "contents_call.h"

#include "common_limits.h"
#include "contents_json.h"
#include "names.h"

#include <errno.h>
#include <string.h>

struct contents *contents_of(struct remote *remote)
{
	return (struct contents *)remote; /* its first member */
}

/* A route of the contents API, which no encoding keeps apart from a name where
 * a relay decodes the path: PATH/checkpoints, PATH/checkpoints/ID, PATH/trust. */
static bool is_taken_for_route(char *const *names, size_t i)
{
	const char *next = names[i + 1];

	if (strcmp(names[i], "trust") == 0)
		return next == NULL;
	if (strcmp(names[i], "checkpoints") != 0)
		return false;
	return next == NULL ||
	       (names[i + 2] == NULL &&
		       next[strspn(next, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "abcdefghijklmnopqrstuvwxyz"
					 "0123456789_-")] == '\0');
}

int contents_path_check(const struct contents *c, const char *path)
{
	g_auto(GStrv) names = NULL;

	if (strlen(path) > PATH_BYTES_MAX)
		return -ENAMETOOLONG;
	names = g_strsplit(path, "/", -1); /* of "": no components */
	for (size_t i = 0; names[i] != NULL; i++) {
		int rc = name_check_local(names[i]);

		if (rc < 0)
			return rc;
		if (c->is_relayed && is_taken_for_route(names, i))
			return -EOPNOTSUPP;
	}
	return 0;
}

bool contents_path_is_hidden(const char *path)
{
	return path[0] == '.' || strstr(path, "/.") != NULL;
}

char *contents_target(const char *path, const char *query)
{
	g_autofree char *encoded = path_encode(path);

	return g_strconcat("api/contents", *encoded == '\0' ? "" : "/", encoded,
		query == NULL ? "" : "?", query, NULL);
}

bool contents_can(const struct contents *c, enum remote_capability what)
{
	return (atomic_load(&c->capabilities) & (unsigned)what) != 0;
}

void contents_note_accepted(struct contents *c, const char *path)
{
	if (!contents_path_is_hidden(path))
		return;
	(void)atomic_fetch_and(&c->capabilities, ~(unsigned)REMOTE_NO_HIDDEN);
	(void)atomic_fetch_or(&c->capabilities, (unsigned)REMOTE_CAN_HIDDEN);
}

static ssize_t body_read(void *arg, char *buffer, size_t size)
{
	struct contents_body *body = arg;
	size_t n = MIN(size, body->length - body->at);

	memcpy(buffer, body->text + body->at, n);
	body->at += n;
	return (ssize_t)n;
}

static int body_rewind(void *arg)
{
	struct contents_body *body = arg;

	body->at = 0;
	return 0;
}

void contents_set_body(struct http_call *call, struct contents_body *body)
{
	call->request.content_type = "application/json";
	call->request.source = body_read;
	call->request.source_arg = body;
	call->request.source_bytes = (int64_t)body->length;
	call->rewind = body_rewind;
	call->rewind_arg = body;
}

static bool is_mutation(enum http_operation operation)
{
	return operation == HTTP_OP_WRITE || operation == HTTP_OP_MKDIR ||
	       operation == HTTP_OP_RENAME || operation == HTTP_OP_REMOVE;
}

/* What the one table cannot know: which path it was about, and that this was
 * the contents API. */
static int judge(enum http_operation operation, const char *path,
	const struct http_response *r, int rc)
{
	/* The contents handler says 404 in JSON (2.x: in plain text). A page
	 * comes from something else, a hub or a proxy without our server
	 * behind it: believing it would make every file vanish. */
	if (rc == -ENOENT && r->status == 404 && r->is_html)
		return -EPROTO;
	/* Servers refuse dot names with 400 and no single wording. */
	if (rc == -EIO && r->status == 400 && is_mutation(operation) &&
		contents_path_is_hidden(path))
		return -EPERM;
	return rc;
}

int contents_call(struct contents *c, enum http_operation operation,
	const char *path, struct http_call *call, const struct cancel *cancel,
	struct http_response *r)
{
	g_autofree char *message = NULL;
	int rc = http_client_call(c->pool, call, cancel, r);

	if (rc == 0 && r->status / 100 == 2)
		return 0;
	if (r->body != NULL && r->body->len > 0)
		message = contents_parse_message(r->body->str, r->body->len);
	return judge(operation, path, r, http_errno(operation, r, message));
}

int contents_call_entry(struct contents *c, enum http_operation operation,
	const char *path, struct http_call *call, const struct cancel *cancel,
	struct http_response *r, struct entry *ret_entry)
{
	int rc;

	call->request.body_max = CONTENTS_MODEL_MAX;
	rc = contents_call(c, operation, path, call, cancel, r);
	if (rc < 0)
		return rc;
	if (r->body == NULL)
		return -EPROTO;
	rc = contents_parse_entry(r->body->str, r->body->len, ret_entry);
	if (rc < 0)
		return rc;
	g_free(ret_entry->name);
	ret_entry->name = g_strdup(path_basename(path));
	contents_note_accepted(c, path);
	return 0;
}

bool contents_may_be_done(const struct http_response *r, int error)
{
	if (error == 0 || error == -EINTR)
		return false;
	if (r->error != 0)
		return r->may_have_acted;
	return r->status >= 500 || r->status / 100 == 2;
}
