/* endpoint.c - see endpoint.h. */
#include "config.h"

#include "endpoint.h"

#include <errno.h>
#include <glib.h>
#include <stdatomic.h>
#include <string.h>

struct endpoint {
	atomic_int refs;
	char *base_url;
	char *unix_socket;
	struct secret *token;
	char *ca_file;
	bool is_insecure;
};

static bool is_printable(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text <= 0x20 || *text == 0x7f)
			return false;
	return true;
}

/* "HTTP://Host:8888/user/ann//" -> "http://host:8888/user/ann": one spelling,
 * because what is remembered of an endpoint is found by it. */
static char *normalise_url(const char *url)
{
	g_autofree char *scheme = NULL;
	g_autofree char *userinfo = NULL;
	g_autofree char *host = NULL;
	g_autofree char *path = NULL;
	g_autofree char *query = NULL;
	g_autofree char *fragment = NULL;
	g_autofree char *scheme_lower = NULL;
	g_autofree char *host_lower = NULL;
	size_t length;
	int port;

	if (!is_printable(url) ||
		!g_uri_split(url, G_URI_FLAGS_ENCODED, &scheme, &userinfo,
			&host, &port, &path, &query, &fragment, NULL))
		return NULL;
	if (scheme == NULL || host == NULL || *host == '\0' ||
		userinfo != NULL || query != NULL || fragment != NULL)
		return NULL;
	scheme_lower = g_ascii_strdown(scheme, -1);
	host_lower = g_ascii_strdown(host, -1);
	if (strcmp(scheme_lower, "http") != 0 &&
		strcmp(scheme_lower, "https") != 0)
		return NULL;
	for (length = strlen(path); length > 0 && path[length - 1] == '/';)
		path[--length] = '\0';
	return g_uri_join(G_URI_FLAGS_ENCODED, scheme_lower, NULL, host_lower,
		port, path, NULL, NULL);
}

int endpoint_new(const struct endpoint_params *params, struct endpoint **ret)
{
	char *base_url = normalise_url(params->base_url);
	struct endpoint *e;

	if (base_url == NULL)
		return -EINVAL;
	e = g_new0(struct endpoint, 1);
	atomic_init(&e->refs, 1);
	e->base_url = base_url;
	e->unix_socket = g_strdup(params->unix_socket);
	e->token = secret_ref(params->token);
	e->ca_file = g_strdup(params->ca_file);
	e->is_insecure = params->is_insecure;
	*ret = e;
	return 0;
}

struct endpoint *endpoint_ref(struct endpoint *e)
{
	(void)atomic_fetch_add(&e->refs, 1);
	return e;
}

void endpoint_unref(struct endpoint *e)
{
	if (e == NULL || atomic_fetch_sub(&e->refs, 1) > 1)
		return;
	secret_unref(e->token);
	g_free(e->base_url);
	g_free(e->unix_socket);
	g_free(e->ca_file);
	g_free(e);
}

const char *endpoint_base_url(const struct endpoint *e)
{
	return e->base_url;
}

const char *endpoint_unix_socket(const struct endpoint *e)
{
	return e->unix_socket;
}

const struct secret *endpoint_token(const struct endpoint *e)
{
	return e->token;
}

const char *endpoint_ca_file(const struct endpoint *e)
{
	return e->ca_file;
}

bool endpoint_is_insecure(const struct endpoint *e)
{
	return e->is_insecure;
}

char *endpoint_url(const struct endpoint *e, const char *relative)
{
	return g_strconcat(e->base_url, "/", relative, NULL);
}
