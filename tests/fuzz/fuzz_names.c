/* Any bytes as a name and as a path; encoded paths are plain and decode. */
#include "config.h"

#include "fuzz.h"

#include "common_limits.h"
#include "conflict.h"
#include "fs_limits.h"
#include "name_policy.h"
#include "names.h"

#include <fcntl.h>
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

static void check_escaped(const char *name)
{
	g_autofree char *escaped = name_escape(name);
	g_autofree char *back = g_strcompress(escaped);

	for (const char *c = escaped; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			g_error("a control character in a column");
	if (strcmp(back, name) != 0)
		g_error("a name does not come back: %s", escaped);
}

/* Whatever the file's name is, its copy's is one, in the same directory. */
static void check_conflict(
	const char *path, const uint8_t *bytes, size_t length)
{
	g_autofree char *dir = path_parent(path);
	g_autofree char *copy_dir = NULL;
	g_autofree char *copy = NULL;
	int64_t when = 1795600000;

	if (!name_is_trusted(path_basename(path)))
		return;
	memcpy(&when, bytes, MIN(length, 4));
	copy = conflict_name(
		path, "host", (time_t)when, 1 + (unsigned)(length % 9));
	copy_dir = path_parent(copy);
	if (strcmp(copy_dir, dir) != 0 ||
		!name_is_trusted(path_basename(copy)) ||
		strlen(path_basename(copy)) > CONFLICT_NAME_MAX ||
		strcmp(copy, path) == 0)
		g_error("no name beside %s: %s", path, copy);
}

static void check_policy(const char *text)
{
	g_autofree char *patterns = g_strndup(text, 64);
	struct name_policy *p = name_policy_new(patterns);
	g_autofree char *swap = g_strconcat(".", text, ".swp", NULL);

	(void)name_policy_keeps_new(p, text, O_EXCL | O_NOFOLLOW | O_WRONLY);
	if (!name_policy_keeps(p, swap) && strlen(swap) > 5 &&
		g_utf8_validate(swap, -1, NULL))
		g_error("a swap file does not stay: %s", swap);
	name_policy_free(p);
}

void fuzz_names(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = g_strndup((const char *)bytes, length);

	(void)name_check_local(text);
	(void)name_may_be_unlisted(text, length % 2 == 0);
	if (name_is_trusted(text) && strchr(text, '/') != NULL)
		g_error("a name with a slash is trusted");
	if (name_is_trusted(text) && strcmp(text, "..") == 0)
		g_error("a way upwards is trusted");
	check_encoded(text);
	check_escaped(text);
	check_split(text);
	check_conflict(text, bytes, length);
	check_policy(text);
}
