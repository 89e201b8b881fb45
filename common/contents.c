/* contents.c - see contents.h. The service itself, and what it asks about. */
#include "config.h"

#include "contents.h"

#include "common_limits.h"
#include "contents_call.h"
#include "contents_json.h"

#include <errno.h>

static unsigned contents_capabilities(struct remote *remote)
{
	return atomic_load(&contents_of(remote)->capabilities);
}

static void contents_free(struct remote *remote)
{
	g_free(contents_of(remote));
}

static const struct remote_ops contents_ops = {
	.stat = contents_stat,
	.list = contents_list,
	.read = contents_read,
	.write = contents_write,
	.mkdir = contents_mkdir,
	.rename = contents_rename,
	.remove = contents_remove,
	.capabilities = contents_capabilities,
	.probe_hidden = contents_probe_hidden,
	.free = contents_free,
};

int contents_new(struct http_pool *pool, const struct contents_limits *limits,
	struct remote **ret)
{
	struct contents *c = g_new0(struct contents, 1);

	c->base.ops = &contents_ops;
	c->pool = pool;
	c->limits = *limits;
	c->is_relayed = endpoint_is_relayed(http_pool_endpoint(pool));
	/* Every Jupyter server has files/ with ranges until one turns out not
	 * to; dot names are refused by default, so those must be proved. */
	atomic_init(&c->capabilities, REMOTE_CAN_RANGE);
	atomic_init(&c->files, FILES_UNKNOWN);
	*ret = &c->base;
	return 0;
}

int contents_stat_within(struct contents *c, const char *path, int timeout_ms,
	const struct cancel *cancel, struct entry *ret_entry)
{
	g_autofree char *target = contents_target(path, "content=0");
	struct http_call call = { .request = HTTP_REQUEST_INIT,
		.is_idempotent = true };
	struct http_response r;
	int rc = contents_path_check(c, path);

	if (rc < 0)
		return rc;
	call.request.method = "GET";
	call.request.target = target;
	call.request.timeout_ms = timeout_ms;
	http_response_init(&r);
	rc = contents_call_entry(
		c, HTTP_OP_STAT, path, &call, cancel, &r, ret_entry);
	http_response_clear(&r);
	return rc;
}

int contents_stat(struct remote *remote, const char *path,
	const struct cancel *cancel, struct entry *ret_entry)
{
	struct contents *c = contents_of(remote);

	return contents_stat_within(
		c, path, c->limits.timeout_ms, cancel, ret_entry);
}

static void note_hidden_children(struct contents *c, const GPtrArray *entries)
{
	if (contents_can(c, REMOTE_CAN_HIDDEN))
		return;
	for (guint i = 0; i < entries->len; i++) {
		const struct entry *e = entries->pdata[i];

		contents_note_accepted(c, e->name);
	}
}

int contents_list(struct remote *remote, const char *path,
	const struct cancel *cancel, GPtrArray **ret_entries,
	unsigned *ret_dropped)
{
	struct contents *c = contents_of(remote);
	g_autofree char *target =
		contents_target(path, "type=directory&content=1");
	struct http_call call = { .request = HTTP_REQUEST_INIT,
		.is_idempotent = true };
	struct http_response r;
	int rc = contents_path_check(c, path);

	if (rc < 0)
		return rc;
	call.request.method = "GET";
	call.request.target = target;
	call.request.body_max = CONTENTS_LISTING_MAX;
	call.request.timeout_ms = c->limits.timeout_ms;
	http_response_init(&r);
	rc = contents_call(c, HTTP_OP_LIST, path, &call, cancel, &r);
	if (rc == 0)
		rc = r.body == NULL
			     ? -EPROTO
			     : contents_parse_listing(r.body->str, r.body->len,
				       ret_entries, ret_dropped);
	http_response_clear(&r);
	if (rc == 0)
		note_hidden_children(c, *ret_entries);
	return rc;
}

static void ask_for_version(struct http_request *request, int timeout_ms)
{
	request->method = "GET";
	request->target = "api";
	request->body_max = CONTENTS_MODEL_MAX;
	request->timeout_ms = timeout_ms;
}

static int read_version(const struct http_response *r, char **ret_version)
{
	int rc = http_errno(HTTP_OP_STAT, r, NULL);

	if (rc == 0 && r->body != NULL)
		*ret_version =
			contents_parse_version(r->body->str, r->body->len);
	return rc == -ENOENT || (rc == 0 && *ret_version == NULL) ? -EPROTO
								  : rc;
}

int contents_probe(struct http_pool *pool, int timeout_ms,
	const struct cancel *cancel, char **ret_version)
{
	struct http_call call = { .request = HTTP_REQUEST_INIT,
		.is_idempotent = true };
	struct http_response r;
	int rc;

	*ret_version = NULL;
	ask_for_version(&call.request, timeout_ms);
	http_response_init(&r);
	(void)http_client_call(pool, &call, cancel, &r);
	rc = read_version(&r, ret_version);
	http_response_clear(&r);
	return rc;
}

static int ping_once(
	struct http_conn *conn, int timeout_ms, const struct cancel *cancel)
{
	struct http_request request = HTTP_REQUEST_INIT;
	g_autofree char *version = NULL;
	struct http_response r;
	int rc;

	ask_for_version(&request, timeout_ms);
	http_response_init(&r);
	(void)http_exchange(conn, &request, cancel, &r);
	rc = read_version(&r, &version);
	/* Who refuses to say is there: a proxy that wants to know us, a server
	 * in trouble. */
	if (r.error == 0 && (rc == -EACCES || rc == -EBUSY || rc == -EIO))
		rc = 0;
	http_response_clear(&r);
	return rc;
}

int contents_ping(
	struct endpoint *endpoint, int timeout_ms, const struct cancel *cancel)
{
	struct http_pool *pool;
	struct http_conn *conn;
	int rc = http_pool_new(endpoint, &pool);

	if (rc < 0)
		return rc;
	rc = http_pool_lease(pool, cancel, timeout_ms, &conn);
	if (rc == 0) {
		rc = ping_once(conn, timeout_ms, cancel);
		http_pool_return(&conn);
	}
	http_pool_free(pool);
	return rc;
}
