/* Any bytes as a name and as a path; encoded paths are plain and decode. */
#include "config.h"

#include "fuzz.h"

#include "names.h"
#include "timefmt.h"

#include <glib.h>
#include <string.h>

static void check_encoded(const char *path)
{
	g_autofree char *encoded = path_encode(path);
	g_autofree char *decoded = g_uri_unescape_string(encoded, NULL);

	for (const char *c = encoded; *c != '\0'; c++)
		if (!g_ascii_isalnum(*c) && strchr("._-~%/", *c) == NULL)
			g_error("unencoded byte");
	/* GLib decodes what is UTF-8 only. */
	if (decoded != NULL && strcmp(decoded, path) != 0)
		g_error("a path does not decode to itself");
}

static void check_split(const char *path)
{
	g_autofree char *parent = path_parent(path);
	g_autofree char *joined = path_join(parent, path_basename(path));

	if (path[0] != '/' && strcmp(joined, path) != 0)
		g_error("a path is not its parent and name");
	if (!path_is_below(path, parent) && path[0] != '/')
		g_error("a path is not below its parent");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = g_strndup((const char *)bytes, length);
	struct timespec ts;
	char formatted[32];

	(void)name_check_local(text);
	(void)name_may_be_unlisted(text, length % 2 == 0);
	if (name_is_trusted(text) && strchr(text, '/') != NULL)
		g_error("a name with a slash is trusted");
	check_encoded(text);
	check_split(text);
	if (time_parse_iso8601(text, &ts) == 0)
		time_format_iso8601(&ts, formatted);
	return 0;
}
