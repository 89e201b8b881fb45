/* kube_keeper.c - see kube_keeper.h. */
#include "config.h"

#include "kube_keeper.h"

#include "common_limits.h"
#include "http_pool.h"

#include <errno.h>
#include <stdatomic.h>

struct kube_source {
	struct token_source base;
	/* immutable */
	struct kube *kube;
	struct credentials *credentials;
	char *namespace;
	char *name;
	char *server;
	char *url;
	char *ca_file;
	bool is_insecure;
	enum kube_via via;
	struct kube_pin *pin;
	atomic_bool is_ours; /* pycloud made the workspace */
	/* The first search's, by the thread that makes it; NULL afterwards. */
	const struct kube_look *first;
	const struct kube_workspace *told;
};

/* --- where it is ---------------------------------------------------------- */

/* Nobody has refused a token yet, nor is it certain that there is none. */
static int errno_of_cluster(int rc)
{
	return rc == -ENOENT || rc == -EACCES ? -ENOKEY : rc;
}

static int ask_cluster(struct kube_source *s, const struct kube_look *look,
	const struct credentials_wish *wish, const struct cancel *cancel,
	struct credentials_found *ret, char **ret_why)
{
	const struct kube_workspace workspace = {
		.kube = s->kube,
		.namespace = s->namespace,
		.name = s->name,
		.pin = s->pin,
		.progress = s->told == NULL ? NULL : s->told->progress,
		.progress_arg = s->told == NULL ? NULL : s->told->progress_arg,
	};
	struct secret *token = NULL;
	int rc =
		kube_workspace_token(&workspace, look, cancel, &token, ret_why);

	if (rc < 0) {
		secret_unref(token); /* found, and not waited for any more */
		return errno_of_cluster(rc);
	}
	if (token == NULL)
		return -ENOENT;
	ret->source = "the cluster";
	rc = wish->accepts == NULL ? 0 : wish->accepts(wish->arg, token);
	if (rc == 0)
		ret->secret = token;
	else
		secret_unref(token);
	return rc;
}

/* -ENOENT: none; -EACCES: none that is accepted. */
static int ask_credentials(struct kube_source *s,
	const struct credentials_wish *wish, const struct cancel *cancel,
	struct credentials_found *ret, char **ret_why)
{
	struct credentials_wish own = *wish;

	own.server = s->server;
	return credentials_find(s->credentials, &own, cancel, ret, ret_why);
}

static int search(struct kube_source *s, const struct kube_look *look,
	const struct credentials_wish *wish, const struct cancel *cancel,
	struct credentials_found *ret, char **ret_why)
{
	g_autofree char *said = NULL;
	char *hint = NULL;
	int own = -ENOENT;
	int rc;

	if (!look->is_ours)
		own = ask_credentials(s, wish, cancel, ret, &hint);
	if (own != -ENOENT && own != -EACCES) {
		*ret_why = hint;
		return own;
	}
	said = hint;
	rc = ask_cluster(s, look, wish, cancel, ret, ret_why);
	if (rc != -ENOENT)
		return rc;
	if (own == -ENOENT)
		*ret_why = g_steal_pointer(&said);
	return own;
}

static int find(struct token_source *base, const struct credentials_wish *wish,
	const struct cancel *cancel, struct credentials_found *ret,
	char **ret_why)
{
	struct kube_source *s = (struct kube_source *)base;
	const struct kube_workspace workspace = {
		.kube = s->kube,
		.namespace = s->namespace,
		.name = s->name,
	};
	const struct kube_look *look = s->first;
	struct kube_look now = { 0 };
	int rc = 0;

	*ret = (struct credentials_found){ 0 };
	*ret_why = NULL;
	if (look == NULL) {
		rc = kube_workspace_look(&workspace, cancel, &now, ret_why);
		look = &now;
	}
	if (rc == 0) {
		atomic_store(&s->is_ours, look->is_ours);
		rc = search(s, look, wish, cancel, ret, ret_why);
	} else {
		rc = errno_of_cluster(rc);
	}
	kube_look_clear(&now);
	return rc;
}

/* --- is it good? ---------------------------------------------------------- */

static int try_by_url(struct kube_source *s, struct secret *token,
	const struct cancel *cancel, int64_t end_ms)
{
	const struct token_place place = {
		.base_url = s->url,
		.target = TOKEN_TARGET_SERVER,
		.ca_file = s->ca_file,
		.is_insecure = s->is_insecure,
	};

	return token_trial(&place, token, cancel, end_ms);
}

static int try(struct token_source *base, struct secret *token,
	const struct cancel *cancel, int64_t end_ms)
{
	struct kube_source *s = (struct kube_source *)base;
	const struct route_kube_params route = {
		.kube = s->kube,
		.namespace = s->namespace,
		.service = s->name,
		.token = token,
		.via = s->via,
		.pin = s->pin,
	};
	struct endpoint_params params = {
		.base_url = s->server,
		.is_relayed = s->via == KUBE_VIA_PROXY,
	};
	struct endpoint *endpoint;
	struct http_pool *pool;
	int rc;

	if (s->url != NULL)
		return try_by_url(s, token, cancel, end_ms);
	params.route = route_kube_new(&route);
	rc = endpoint_new(&params, &endpoint);
	if (rc < 0) {
		route_free(params.route);
		return rc;
	}
	rc = http_pool_new(endpoint, &pool);
	endpoint_unref(endpoint); /* the pool has its own reference */
	if (rc < 0)
		return rc;
	rc = token_trial_by(pool, TOKEN_TARGET_SERVER, cancel, end_ms);
	http_pool_free(pool);
	return rc;
}

/* --- the keeper ----------------------------------------------------------- */

static char *explain(
	const struct token_source *base, const char *found, const char *hint)
{
	const struct kube_source *s = (const struct kube_source *)base;

	if (found != NULL && atomic_load(&s->is_ours))
		return g_strdup_printf(
			"the workspace '%s' refuses the token of its Secret; "
			"its server reads the Secret when it starts: pycloud "
			"stop %s, then: pycloud start %s",
			s->name, s->name, s->name);
	if (found != NULL)
		return g_strdup_printf(
			"the workspace '%s' refuses the token that %s has; "
			"mount it with another one (-o credentials=FILE)",
			s->name, found);
	return g_strdup_printf(
		"the workspace '%s' asks for a token, and none was found%s%s%s; "
		"mount it with one (-o credentials=FILE)",
		s->name, hint == NULL ? "" : " (", hint == NULL ? "" : hint,
		hint == NULL ? "" : ")");
}

static void free_source(struct token_source *base)
{
	struct kube_source *s = (struct kube_source *)base;

	kube_unref(s->kube);
	credentials_unref(s->credentials);
	kube_pin_unref(s->pin);
	g_free(s->namespace);
	g_free(s->name);
	g_free(s->server);
	g_free(s->url);
	g_free(s->ca_file);
	g_free(s);
}

static const struct token_source_ops ops = {
	.find = find,
	.try = try,
	.explain = explain,
	.free = free_source,
};

int kube_keeper_new(const struct kube_keeper_params *params,
	const struct kube_look *look, const struct cancel *cancel,
	struct token_keeper **ret, char **ret_why)
{
	struct kube_source *s = g_new0(struct kube_source, 1);
	const struct token_keeper_params keeper = {
		.source = &s->base,
		.server = params->workspace.name,
	};
	int rc;

	s->base.ops = &ops;
	s->kube = kube_ref(params->workspace.kube);
	s->credentials = credentials_ref(params->credentials);
	s->namespace = g_strdup(params->workspace.namespace);
	s->name = g_strdup(params->workspace.name);
	s->server = g_strdup(params->server);
	s->url = g_strdup(params->url);
	s->ca_file = g_strdup(params->ca_file);
	s->is_insecure = params->is_insecure;
	s->via = params->via;
	s->pin = kube_pin_ref(params->pin);
	atomic_init(&s->is_ours, look->is_ours);
	*ret = token_keeper_new(&keeper);
	s->first = look;
	s->told = &params->workspace;
	rc = token_keeper_start(*ret, cancel, ret_why);
	s->first = NULL;
	s->told = NULL;
	if (rc < 0)
		g_clear_pointer(ret, token_keeper_unref);
	return rc;
}
