/* token_trial.c - see token_trial.h. */
#include "config.h"

#include "token_trial.h"

#include "common_limits.h"
#include "endpoint.h"
#include "http_client.h"
#include "http_errno.h"

#include <errno.h>
#include <string.h>

int token_trial_by(struct http_pool *pool, const char *target,
	const struct cancel *cancel, int64_t end_ms)
{
	int64_t left_ms = CLAMP(end_ms - clock_now_ms(), 1, TOKEN_TRIAL_MS);
	struct http_call call = { .request = HTTP_REQUEST_INIT,
		.is_idempotent = true,
		.tries_max = 2 };
	struct http_response r;
	int rc;

	call.request.method = "GET";
	call.request.target = target;
	call.request.body_max = HTTP_BODY_MAX_DEFAULT;
	call.request.timeout_ms = (int)left_ms;
	http_response_init(&r);
	(void)http_client_call(pool, &call, cancel, &r);
	rc = http_errno(HTTP_OP_STAT, &r, NULL);
	/* Who is in between refuses us, which says nothing of the token. */
	if (r.error == -EACCES)
		rc = -EHOSTUNREACH;
	/* A page says nothing of who we are: something else answers. */
	if (rc == 0 && r.is_html)
		rc = -EPROTO;
	http_response_clear(&r);
	return rc;
}

int token_place_pool(const struct token_place *place, struct secret *token,
	struct http_pool **ret)
{
	const struct endpoint_params params = {
		.base_url = place->base_url,
		.token = token,
		.ca_file = place->ca_file,
		.is_insecure = place->is_insecure,
	};
	struct endpoint *endpoint;
	int rc = endpoint_new(&params, &endpoint);

	if (rc < 0)
		return rc;
	rc = http_pool_new(endpoint, ret);
	endpoint_unref(endpoint); /* the pool has its own reference */
	return rc;
}

int token_trial(const struct token_place *place, struct secret *token,
	const struct cancel *cancel, int64_t end_ms)
{
	struct http_pool *pool;
	int rc = token_place_pool(place, token, &pool);

	if (rc < 0)
		return rc;
	rc = token_trial_by(pool, place->target, cancel, end_ms);
	http_pool_free(pool);
	return rc;
}

/* The contents API's own words for a file that its user may not touch. */
static bool is_about_a_file(const struct http_response *r)
{
	return r->body != NULL &&
	       strstr(r->body->str, "Permission denied") != NULL;
}

bool token_may_be_refused(const struct http_response *r)
{
	if (r->error != 0)
		return false;
	if (r->status / 100 == 3)
		return http_errno(HTTP_OP_STAT, r, NULL) == -EACCES;
	return r->status == 401 || (r->status == 403 && !is_about_a_file(r));
}
