/*
 * provider_url.c - a workspace that is any Jupyter server's URL.
 *
 * People paste what their browser shows: with the token in the query and the
 * page of the user interface at the end of the path. Both are taken off:
 *
 *     http://host:8888/lab/tree/a.py?token=T     http://host:8888        T
 *     https://hub/user/ann/lab                   https://hub/user/ann
 *
 * The token moves into a struct secret at once and every copy of the URL that
 * had it is wiped. Where the URL has none, the order of credentials.h is
 * searched when the workspace is opened; a server without authorisation needs
 * none. One that stops taking the token has it searched again (route_url.h).
 */
#include "config.h"

#include "route_url.h"
#include "url_text.h"
#include "workspace.h"

#include <errno.h>
#include <string.h>

struct url_workspace {
	struct workspace base;
	struct credentials *credentials;
	char *ca_file;
	bool is_insecure;
	struct token_keeper *keeper; /* NULL: not open */
};

/* Cuts `path` (with its leading slash) where a page begins, and the slashes at
 * its end. Behind JupyterHub's "user" stands a name, which may be any word. */
static void cut_page(char *path)
{
	char *p = path;
	bool is_user_name = false;
	size_t length;

	while (*p == '/') {
		char *segment = p + 1;
		size_t n = strcspn(segment, "/");

		if (!is_user_name && url_text_is_page_word(segment, n)) {
			*p = '\0';
			break;
		}
		is_user_name = !is_user_name && n == 4 &&
			       memcmp(segment, "user", 4) == 0;
		p = segment + n;
	}
	length = strlen(path);
	while (length > 0 && path[length - 1] == '/')
		path[--length] = '\0';
}

static struct token_keeper *make_keeper(const struct url_workspace *w)
{
	const struct token_keeper_params params = {
		.credentials = w->credentials,
		.place = {
			.base_url = w->base.name,
			.target = TOKEN_TARGET_SERVER,
			.ca_file = w->ca_file,
			.is_insecure = w->is_insecure,
		},
		.server = w->base.name,
		.login_name = w->base.name,
	};

	return token_keeper_new(&params);
}

static int make_endpoint(struct url_workspace *w, struct endpoint **ret)
{
	const struct route_url_params route = {
		.base_url = w->base.name,
		.ca_file = w->ca_file,
		.is_insecure = w->is_insecure,
		.keeper = w->keeper,
	};
	struct endpoint_params params = { .base_url = w->base.name };
	int rc;

	params.route = route_url_new(&route);
	rc = endpoint_new(&params, ret);
	if (rc < 0)
		route_free(params.route);
	return rc;
}

static int url_open(struct workspace *base, const struct cancel *c,
	struct endpoint **ret_endpoint, char **ret_why)
{
	struct url_workspace *w = (struct url_workspace *)base;
	int rc = cancel_check(c);

	if (rc == 0 && w->keeper == NULL) {
		w->keeper = make_keeper(w);
		rc = token_keeper_start(w->keeper, c, ret_why);
	}
	if (rc < 0 && *ret_why == NULL)
		*ret_why = g_strdup_printf("Looking for this server's token "
					   "failed: %s; run: pycloud login %s",
			g_strerror(-rc), base->name);
	if (rc < 0)
		return rc;
	rc = make_endpoint(w, ret_endpoint);
	if (rc < 0)
		*ret_why = g_strdup("The URL cannot be used: it needs the form "
				    "http://HOST:PORT/PATH.");
	return rc;
}

static char *url_why(struct workspace *base)
{
	struct url_workspace *w = (struct url_workspace *)base;

	return w->keeper == NULL ? NULL : token_keeper_why(w->keeper);
}

static bool url_starts_programs(const struct workspace *base)
{
	const struct url_workspace *w = (const struct url_workspace *)base;

	return credentials_starts_programs(w->credentials);
}

static void url_free(struct workspace *base)
{
	struct url_workspace *w = (struct url_workspace *)base;

	token_keeper_unref(w->keeper);
	credentials_unref(w->credentials);
	g_free(w->ca_file);
	g_free(w->base.name);
	g_free(w);
}

static const struct workspace_ops url_ops = {
	.open = url_open,
	.why = url_why,
	.starts_programs = url_starts_programs,
	.free = url_free,
};

/* Splits `copy` (which is cut in place) into *ret_base, borrowed from it, and
 * the token of its query. */
static int split_url(
	char *copy, const char **ret_base, struct secret **ret_token)
{
	char *query;
	char *path;

	copy[strcspn(copy, "#")] = '\0';
	query = strchr(copy, '?');
	if (query != NULL)
		*query++ = '\0';
	path = strstr(copy, "://") + 3;
	path += strcspn(path, "/");
	cut_page(path);
	*ret_base = copy;
	*ret_token = NULL;
	return query == NULL ? 0 : url_text_take_token(query, ret_token);
}

int provider_url_new(const char *url, const struct workspace_options *options,
	struct workspace **ret, char **ret_why)
{
	const char *fault = url_text_fault(url);
	struct url_workspace *w;
	struct secret *token;
	const char *base;
	size_t size;
	char *copy;

	if (fault != NULL) {
		*ret_why = g_strdup(fault);
		return -EINVAL;
	}
	size = strlen(url) + 1;
	copy = g_strdup(url);
	w = g_new0(struct url_workspace, 1);
	w->base.ops = &url_ops;
	if (split_url(copy, &base, &token) != 0)
		fault = "The token in the URL cannot be one: it is too long, "
			"wrongly encoded or holds control characters.";
	w->credentials = credentials_new(token,
		options == NULL ? NULL : options->credentials_file,
		options == NULL ? NULL : options->token_command);
	secret_unref(token);
	w->base.name = g_strdup(base);
	if (options != NULL) {
		w->ca_file = g_strdup(options->ca_file);
		w->is_insecure = options->is_insecure;
	}
	secret_wipe(copy, size);
	g_free(copy);
	if (fault != NULL) {
		*ret_why = g_strdup(fault);
		url_free(&w->base);
		return -EINVAL;
	}
	*ret = &w->base;
	return 0;
}
