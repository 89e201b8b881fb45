/* route.c - see route.h: hops. */
#include "config.h"

#include "route.h"

#include <errno.h>
#include <string.h>

static bool is_printable(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text <= 0x20 || *text == 0x7f)
			return false;
	return true;
}

/* GLib has decoded it: what would end the host, or begin another, must not
 * come back out of a "%40". A scope of IPv6 has a '%'. */
static bool is_host(const char *host)
{
	return *host != '\0' && is_printable(host) &&
	       strpbrk(host, "/?#@\\[]<>\"^`{|}") == NULL &&
	       (strchr(host, '%') == NULL || strchr(host, ':') != NULL) &&
	       strchr(host, '%') == strrchr(host, '%');
}

/* "HTTP://Host:8888/user/ann//" -> "http://host:8888/user/ann": one spelling,
 * because what is remembered of an endpoint is found by it, and because a
 * Jupyter server compares Host with what the browser would have said. */
static char *normalise_url(const char *url)
{
	g_autofree char *scheme = NULL;
	g_autofree char *userinfo = NULL;
	g_autofree char *host = NULL;
	g_autofree char *path = NULL;
	g_autofree char *query = NULL;
	g_autofree char *fragment = NULL;
	g_autofree char *scheme_lower = NULL;
	g_autofree char *host_encoded = NULL;
	g_autofree char *host_lower = NULL;
	g_autofree char *joined = NULL;
	g_auto(GStrv) parts = NULL; /* of the host: an address and its scope */
	size_t length;
	int port;

	if (!is_printable(url) ||
		!g_uri_split(url, G_URI_FLAGS_ENCODED, &scheme, &userinfo,
			&host, &port, &path, &query, &fragment, NULL))
		return NULL;
	if (scheme == NULL || host == NULL || !is_host(host) ||
		userinfo != NULL || query != NULL || fragment != NULL)
		return NULL;
	scheme_lower = g_ascii_strdown(scheme, -1);
	parts = g_strsplit(host, "%", 2);
	host_encoded = g_strjoinv("%25", parts);
	host_lower = g_ascii_strdown(host_encoded, -1);
	if (strcmp(scheme_lower, "http") != 0 &&
		strcmp(scheme_lower, "https") != 0)
		return NULL;
	for (length = strlen(path); length > 0 && path[length - 1] == '/';)
		path[--length] = '\0';
	joined = g_uri_join(G_URI_FLAGS_ENCODED, scheme_lower, NULL, host_lower,
		port, path, NULL, NULL);
	/* GLib knows not every address with a scope for one, "0::%eth0". */
	if (strchr(host_lower, ':') != NULL &&
		!g_str_has_prefix(joined + strlen(scheme_lower), "://["))
		return NULL;
	return g_steal_pointer(&joined);
}

static GBytes *bytes_ref(GBytes *bytes)
{
	return bytes == NULL ? NULL : g_bytes_ref(bytes);
}

int hop_new(const struct hop_params *params, struct hop **ret)
{
	char *base_url = normalise_url(params->base_url);
	struct hop *h = g_new0(struct hop, 1);

	atomic_init(&h->refs, 1);
	h->login = params->login;
	h->login_unref = params->login_unref;
	if (base_url == NULL) {
		hop_unref(h);
		return -EINVAL;
	}
	h->base_url = base_url;
	h->unix_socket = g_strdup(params->unix_socket);
	h->proxy_url = g_strdup(params->proxy_url);
	h->connect_to = g_strdup(params->connect_to);
	h->ca_file = g_strdup(params->ca_file);
	h->ca_pem = bytes_ref(params->ca_pem);
	h->cert_pem = bytes_ref(params->cert_pem);
	h->key_pem = bytes_ref(params->key_pem);
	h->is_insecure = params->is_insecure;
	h->token = secret_ref(params->token);
	h->bearer = secret_ref(params->bearer);
	h->basic = secret_ref(params->basic);
	h->kind = params->kind;
	h->is_dialled = params->is_dialled;
	*ret = h;
	return 0;
}

struct hop *hop_ref(struct hop *h)
{
	(void)atomic_fetch_add(&h->refs, 1);
	return h;
}

void hop_unref(struct hop *h)
{
	if (h == NULL || atomic_fetch_sub(&h->refs, 1) > 1)
		return;
	if (h->login_unref != NULL)
		h->login_unref(h->login);
	secret_unref(h->token);
	secret_unref(h->bearer);
	secret_unref(h->basic);
	g_clear_pointer(&h->ca_pem, g_bytes_unref);
	g_clear_pointer(&h->cert_pem, g_bytes_unref);
	g_clear_pointer(&h->key_pem, g_bytes_unref);
	g_free(h->base_url);
	g_free(h->unix_socket);
	g_free(h->proxy_url);
	g_free(h->connect_to);
	g_free(h->ca_file);
	g_free(h);
}

char *hop_url(const struct hop *h, const char *relative)
{
	return g_strconcat(h->base_url, "/", relative, NULL);
}
