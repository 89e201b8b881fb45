/* workspace.c - see workspace.h: which provider a spec means. */
#include "config.h"

#include "workspace.h"

#include "common_limits.h"
#include "hub_text.h"
#include "kubeconfig.h"

#include <errno.h>
#include <string.h>

#define SCHEME "pycloud:" /* fstab's first field reads better with a colon */
#define LOCAL  "local:"
#define KUBE   "kube:"

static bool is_url(const char *spec)
{
	return g_ascii_strncasecmp(spec, "http://", 7) == 0 ||
	       g_ascii_strncasecmp(spec, "https://", 8) == 0;
}

/* The name becomes a directory here and an object in a cluster. */
static bool is_name(const char *text)
{
	size_t length = strlen(text);

	if (length > WORKSPACE_NAME_MAX || !g_ascii_isalnum(text[0]))
		return false;
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "abcdefghijklmnopqrstuvwxyz"
			    "0123456789._-") == length;
}

/* A bare name is a cluster's where the user has one. */
static bool means_cluster(const struct workspace_options *options)
{
	struct kubeconfig_wish wish = { 0 };

	if (options != NULL) {
		wish.file = options->kubeconfig;
		wish.context = options->context;
		wish.namespace = options->namespace;
	}
	return kubeconfig_is_there(&wish);
}

static int parse_name(const char *spec, const struct workspace_options *options,
	struct workspace **ret, char **ret_why)
{
	if (g_str_has_prefix(spec, LOCAL) && is_name(spec + strlen(LOCAL)))
		return provider_local_new(spec + strlen(LOCAL), ret, ret_why);
	if (g_str_has_prefix(spec, KUBE) && is_name(spec + strlen(KUBE)))
		return provider_kube_new(
			spec + strlen(KUBE), options, ret, ret_why);
	if (is_name(spec))
		return means_cluster(options)
			       ? provider_kube_new(spec, options, ret, ret_why)
			       : provider_local_new(spec, ret, ret_why);
	/* The spec is not repeated: a mistyped URL may hold a token. */
	*ret_why = g_strdup_printf("This is neither a workspace's name "
				   "(letters, digits, '.', '_', '-'; at most "
				   "%d) nor an http:// or https:// URL (of a "
				   "JupyterHub: hub+https://).",
		WORKSPACE_NAME_MAX);
	return -EINVAL;
}

int workspace_parse(const char *spec, const struct workspace_options *options,
	struct workspace **ret, char **ret_why)
{
	const char *name = spec;

	if (is_url(spec))
		return provider_url_new(spec, options, ret, ret_why);
	if (hub_is_spec(spec))
		return provider_hub_new(spec, options, ret, ret_why);
	if (g_str_has_prefix(spec, SCHEME))
		name += strlen(SCHEME);
	return parse_name(name, options, ret, ret_why);
}
