/* names.c - see names.h. */
#include "config.h"

#include "names.h"

#include "common_limits.h"

#include <errno.h>
#include <glib.h>
#include <linux/limits.h>
#include <string.h>

int name_check_local(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		strchr(name, '/') != NULL)
		return -EINVAL;
	if (length > NAME_BYTES_MAX)
		return -ENAMETOOLONG;
	return g_utf8_validate(name, (gssize)length, NULL) ? 0 : -EILSEQ;
}

bool name_is_trusted(const char *name)
{
	return name_check_local(name) == 0 &&
	       strstr(name, "\xef\xbf\xbd") == NULL;
}

bool name_may_be_unlisted(const char *name, bool lists_hidden)
{
	static const char *const suffixes[] = { ".pyc", ".pyo", "~", ".so",
		".dylib" };

	if (name[0] == '.' && !lists_hidden)
		return true;
	if (strcmp(name, "__pycache__") == 0 || strcmp(name, ".DS_Store") == 0)
		return true;
	for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++)
		if (g_str_has_suffix(name, suffixes[i]))
			return true;
	return false;
}

bool name_is_users_xattr(const char *name)
{
	return g_str_has_prefix(name, "user.") && name[5] != '\0' &&
	       !g_str_has_prefix(name, "user.pycloud.") &&
	       strlen(name) <= XATTR_NAME_MAX;
}

char *name_escape(const char *name)
{
	GString *out = g_string_new(NULL);

	for (; *name != '\0'; name++) {
		if (*name == '\\')
			g_string_append(out, "\\\\");
		else if ((unsigned char)*name < 0x20 || *name == 0x7f)
			g_string_append_printf(
				out, "\\%03o", (unsigned char)*name);
		else
			g_string_append_c(out, *name);
	}
	return g_string_free(out, FALSE);
}

char *path_join(const char *parent, const char *name)
{
	if (*parent == '\0')
		return g_strdup(name);
	return g_strconcat(parent, "/", name, NULL);
}

char *path_parent(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? g_strdup("")
			     : g_strndup(path, (gsize)(slash - path));
}

const char *path_basename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

bool path_is_below(const char *path, const char *dir)
{
	size_t length = strlen(dir);

	if (length == 0)
		return true;
	return strncmp(path, dir, length) == 0 &&
	       (path[length] == '\0' || path[length] == '/');
}

static void append_encoded(GString *out, unsigned char byte)
{
	if (g_ascii_isalnum(byte) || strchr("._-~", byte) != NULL)
		g_string_append_c(out, (char)byte);
	else
		g_string_append_printf(out, "%%%02X", byte);
}

static bool is_api_route(const char *name, size_t length)
{
	return (length == 11 && memcmp(name, "checkpoints", length) == 0) ||
	       (length == 5 && memcmp(name, "trust", length) == 0);
}

char *path_encode(const char *path)
{
	GString *out = g_string_new(NULL);

	for (const char *name = path;; name++) {
		size_t length = strcspn(name, "/");
		size_t i = 0;

		if (is_api_route(name, length))
			g_string_append_printf(out, "%%%02X", name[i++]);
		for (; i < length; i++)
			append_encoded(out, (unsigned char)name[i]);
		name += length;
		if (*name == '\0')
			return g_string_free(out, FALSE);
		g_string_append_c(out, '/');
	}
}

char *query_encode(const char *text)
{
	GString *out = g_string_new(NULL);

	for (; *text != '\0'; text++)
		append_encoded(out, (unsigned char)*text);
	return g_string_free(out, FALSE);
}
