/* kubeconfig_cluster.c - see kubeconfig_cluster.h. */
#include "config.h"

#include "kubeconfig_cluster.h"

#include "common_limits.h"
#include "json.h"
#include "kubeconfig_files.h"
#include "kubeconfig_user.h"
#include "sensitive.h"

#include <errno.h>
#include <string.h>

/* The extension whose contents a plugin is handed. */
#define EXEC_EXTENSION "client.authentication.k8s.io/exec"

/* --- the server ---------------------------------------------------------- */

static bool is_http(const char *url)
{
	return g_str_has_prefix(url, "https://") ||
	       g_str_has_prefix(url, "http://");
}

/* What is wrong with a URL, as the end of a sentence, or NULL. */
static const char *url_fault(const char *url)
{
	const char *host = strstr(url, "://");
	size_t authority;
	const char *p;

	if (strlen(url) > WORKSPACE_URL_MAX)
		return "is too long";
	for (p = url; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || *p == '\x7f' || *p == '\\')
			return "has a space or a control character in it";
	if (host == NULL)
		return "must begin with https://";
	host += strlen("://");
	authority = strcspn(host, "/?#");
	if (authority == 0 || host[0] == ':')
		return "names no host";
	return NULL;
}

static int load_server(const struct config_node *entry,
	const struct config_node *map, struct kube_place *p, char **ret_why)
{
	const char *url;
	const char *fault;
	size_t length;
	int rc = config_get_text(map, "server", &url, ret_why);

	if (rc != 0)
		return rc;
	if (url == NULL)
		return config_error(
			entry, ret_why, "the cluster has no `server`.");
	fault = url_fault(url);
	if (fault == NULL && !is_http(url))
		fault = "must begin with https://";
	if (fault == NULL && strpbrk(url, "@?#") != NULL)
		fault = "must not have a user name, a query or a fragment";
	if (fault != NULL)
		return config_error(config_member(map, "server"), ret_why,
			"`server` %s.", fault);
	length = strlen(url);
	while (url[length - 1] == '/')
		length--;
	p->server = g_strndup(url, length);
	return 0;
}

static int load_proxy(
	const struct config_node *map, struct kube_place *p, char **ret_why)
{
	const char *url;
	const char *fault;
	int rc = config_get_text(map, "proxy-url", &url, ret_why);

	if (rc != 0 || url == NULL)
		return rc;
	fault = url_fault(url);
	if (fault == NULL && !is_http(url) &&
		!g_str_has_prefix(url, "socks5://"))
		fault = "must begin with http://, https:// or socks5://";
	if (fault != NULL)
		return config_error(config_member(map, "proxy-url"), ret_why,
			"`proxy-url` %s.", fault);
	p->proxy_url = g_strdup(url);
	return 0;
}

static int load_server_name(
	const struct config_node *map, struct kube_place *p, char **ret_why)
{
	const char *name;
	int rc = config_get_text(map, "tls-server-name", &name, ret_why);

	if (rc != 0 || name == NULL)
		return rc;
	if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789.-_:") != strlen(name))
		return config_error(config_member(map, "tls-server-name"),
			ret_why, "`tls-server-name` must be a host's name.");
	p->tls_server_name = g_strdup(name);
	return 0;
}

/* --- whom it trusts ------------------------------------------------------ */

static int load_authority_file(const struct config_node *map, const char *name,
	struct kube_place *p, char **ret_why)
{
	const struct config_node *n =
		config_member(map, "certificate-authority");
	g_autofree char *file = config_path(map, name);
	const char *fault;
	int rc = sensitive_read(file, KUBE_PEM_MAX, &p->ca_pem);

	if (rc != 0) {
		(void)config_error(n, ret_why, "%s cannot be read: %s.", file,
			g_strerror(-rc));
		/* -ENOENT would say that there is no configuration. */
		return rc == -ENOENT ? -EINVAL : rc;
	}
	fault = kube_pem_fault(p->ca_pem, false);
	if (fault == NULL)
		return 0;
	return config_error(n, ret_why, "%s %s.", file, fault);
}

static int load_authority(
	const struct config_node *map, struct kube_place *p, char **ret_why)
{
	const char *name;
	int rc = config_get_pem(
		map, "certificate-authority-data", false, &p->ca_pem, ret_why);

	if (rc == 0)
		rc = config_get_text(
			map, "certificate-authority", &name, ret_why);
	if (rc == 0 && p->ca_pem == NULL && name != NULL)
		rc = load_authority_file(map, name, p, ret_why);
	return rc;
}

static int load_trust(const struct config_node *entry,
	const struct config_node *map, struct kube_place *p,
	GPtrArray *warnings, char **ret_why)
{
	int rc = config_get_bool(
		map, "insecure-skip-tls-verify", &p->is_insecure, ret_why);

	if (rc == 0)
		rc = load_authority(map, p, ret_why);
	if (rc != 0 || !p->is_insecure)
		return rc;
	if (p->ca_pem != NULL)
		return config_error(entry, ret_why,
			"the cluster has a certificate authority and "
			"`insecure-skip-tls-verify`; take one of them out.");
	g_ptr_array_add(warnings,
		g_strdup_printf("The certificate of %s is not looked at "
				"(insecure-skip-tls-verify in %s:%u): whoever "
				"stands between can read and change all of it.",
			p->server, entry->tree->file, entry->line));
	return 0;
}

int kubeconfig_cluster_load(const struct config_node *entry,
	struct kube_place *p, GPtrArray *warnings, char **ret_why)
{
	const struct config_node *map;
	int rc = config_get_map(entry, "cluster", &map, ret_why);

	if (rc == 0)
		rc = load_server(entry, map, p, ret_why);
	if (rc == 0)
		rc = load_server_name(map, p, ret_why);
	if (rc == 0)
		rc = load_proxy(map, p, ret_why);
	if (rc == 0)
		rc = load_trust(entry, map, p, warnings, ret_why);
	return rc;
}

/* --- what a plugin is told ----------------------------------------------- */

/* Numbers, true, false and null as JSON has them, or NULL. */
static cJSON *plain_to_json(const char *text)
{
	g_autofree char *copy = g_strdup(text);
	cJSON *json = json_parse(copy, strlen(copy));

	if (json != NULL && !cJSON_IsNumber(json) && !cJSON_IsBool(json) &&
		!cJSON_IsNull(json))
		g_clear_pointer(&json, cJSON_Delete);
	return json;
}

static cJSON *node_to_json(const struct config_node *n, unsigned *budget)
{
	cJSON *json = NULL;
	guint i;

	if (*budget == 0)
		return NULL;
	(*budget)--;
	if (n->kind == CONFIG_TEXT) {
		if (n->is_plain)
			json = plain_to_json(n->text);
		return json != NULL ? json : cJSON_CreateString(n->text);
	}
	json = n->kind == CONFIG_MAP ? cJSON_CreateObject()
				     : cJSON_CreateArray();
	for (i = 0; i < n->values->len; i++) {
		cJSON *value =
			node_to_json(g_ptr_array_index(n->values, i), budget);
		const struct config_node *key;

		if (value == NULL) {
			cJSON_Delete(json);
			return NULL;
		}
		if (n->kind == CONFIG_LIST) {
			(void)cJSON_AddItemToArray(json, value);
			continue;
		}
		key = g_ptr_array_index(n->keys, i);
		(void)cJSON_AddItemToObject(json, key->text, value);
	}
	return json;
}

/* The plugin's own part of the cluster; *ret is NULL where there is none. */
static int load_extension(
	const struct config_node *map, cJSON **ret, char **ret_why)
{
	/* Aliases are one node here, and as many as they say in JSON. */
	unsigned budget = KUBE_EXEC_WORDS_MAX;
	const struct config_node *list;
	int rc = config_get_list(map, "extensions", &list, ret_why);
	guint i;

	*ret = NULL;
	for (i = 0; rc == 0 && list != NULL && i < list->values->len; i++) {
		const struct config_node *n =
			g_ptr_array_index(list->values, i);
		const struct config_node *body = config_member(n, "extension");
		const char *name = NULL;

		rc = config_get_text(n, "name", &name, ret_why);
		if (rc != 0 || body == NULL || name == NULL ||
			strcmp(name, EXEC_EXTENSION) != 0 || *ret != NULL)
			continue;
		*ret = node_to_json(body, &budget);
		if (*ret == NULL)
			rc = config_error(body, ret_why,
				"there is too much in the extension.");
	}
	return rc;
}

int kubeconfig_cluster_json(const struct config_node *entry,
	const struct kube_place *p, char **ret, char **ret_why)
{
	g_autoptr(cJSON) json = cJSON_CreateObject();
	const struct config_node *map = config_member(entry, "cluster");
	cJSON *extension;
	int rc = load_extension(map, &extension, ret_why);

	if (rc != 0)
		return rc;
	(void)cJSON_AddStringToObject(json, "server", p->server);
	if (p->tls_server_name != NULL)
		(void)cJSON_AddStringToObject(
			json, "tls-server-name", p->tls_server_name);
	if (p->is_insecure)
		(void)cJSON_AddBoolToObject(
			json, "insecure-skip-tls-verify", true);
	if (p->ca_pem != NULL) {
		gsize length;
		const guchar *pem = g_bytes_get_data(p->ca_pem, &length);
		g_autofree char *base64 = g_base64_encode(pem, length);

		(void)cJSON_AddStringToObject(
			json, "certificate-authority-data", base64);
	}
	if (p->proxy_url != NULL)
		(void)cJSON_AddStringToObject(json, "proxy-url", p->proxy_url);
	if (extension != NULL)
		(void)cJSON_AddItemToObject(json, "config", extension);
	*ret = json_print(json);
	return 0;
}
