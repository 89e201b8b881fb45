/* workspace.c - see workspace.h: which provider a spec means. */
#include "config.h"

#include "workspace.h"

#include "limits.h"

#include <errno.h>
#include <string.h>

#define SCHEME "pycloud:" /* fstab's first field reads better with a colon */

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

int workspace_parse(const char *spec, const struct workspace_options *options,
	struct workspace **ret, char **ret_why)
{
	const char *name = spec;

	if (is_url(spec))
		return provider_url_new(spec, options, ret, ret_why);
	if (g_str_has_prefix(spec, SCHEME))
		name += strlen(SCHEME);
	if (is_name(name))
		return provider_local_new(name, ret, ret_why);
	/* The spec is not repeated: a mistyped URL may hold a token. */
	*ret_why = g_strdup_printf("This is neither a workspace's name "
				   "(letters, digits, '.', '_', '-'; at most "
				   "%d) nor an http:// or https:// URL.",
		WORKSPACE_NAME_MAX);
	return -EINVAL;
}
