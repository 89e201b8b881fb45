/* mountinfo.c - see mountinfo.h. */
#include "config.h"

#include "mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OUR_TYPE   "fuse.pycloud"
#define OUR_SOURCE "pycloud:"

/* The fields of a line that count; there may be more of them before " - ". */
enum field {
	FIELD_ID = 0,
	FIELD_DEVICE = 2,
	FIELD_ROOT = 3,
	FIELD_POINT = 4,
	FIELDS_MIN
};

/* Behind " - ": the filesystem's own options are the last. */
enum field_behind {
	BEHIND_TYPE,
	BEHIND_SOURCE,
	BEHIND_OPTIONS,
	BEHIND_COUNT
};

/* --- a line --------------------------------------------------------------- */

void mountinfo_entry_free(struct mountinfo_entry *e)
{
	if (e == NULL)
		return;
	g_free(e->device);
	g_free(e->root);
	g_free(e->point);
	g_free(e->type);
	g_free(e->source);
	g_free(e);
}

static void free_entry(gpointer entry)
{
	mountinfo_entry_free(entry);
}

/* What follows the key, "user_id=", among the options. */
static uint32_t id_of(const char *options, const char *key)
{
	g_auto(GStrv) words = g_strsplit(options, ",", -1);

	for (char **word = words; *word != NULL; word++)
		if (g_str_has_prefix(*word, key))
			return (uint32_t)g_ascii_strtoull(
				*word + strlen(key), NULL, 10);
	return 0;
}

struct mountinfo_entry *mountinfo_entry_read(const char *line)
{
	const char *behind = strstr(line, " - ");
	g_auto(GStrv) fields = g_strsplit(line, " ", FIELDS_MIN + 1);
	g_auto(GStrv) rest =
		g_strsplit(behind == NULL ? "" : behind + strlen(" - "), " ",
			BEHIND_COUNT);
	struct mountinfo_entry *e;

	if (g_strv_length(fields) <= FIELDS_MIN ||
		g_strv_length(rest) < BEHIND_COUNT)
		return NULL;
	e = g_new0(struct mountinfo_entry, 1);
	e->id = g_ascii_strtoull(fields[FIELD_ID], NULL, 10);
	e->device = g_strdup(fields[FIELD_DEVICE]);
	/* Spaces, newlines and backslashes are written as \040 and so on. */
	e->root = g_strcompress(fields[FIELD_ROOT]);
	e->point = g_strcompress(fields[FIELD_POINT]);
	e->type = g_strcompress(rest[BEHIND_TYPE]);
	e->source = g_strcompress(rest[BEHIND_SOURCE]);
	e->is_ours = strcmp(e->type, OUR_TYPE) == 0;
	e->owner = id_of(rest[BEHIND_OPTIONS], "user_id=");
	e->group = id_of(rest[BEHIND_OPTIONS], "group_id=");
	return e;
}

const char *mountinfo_workspace(const struct mountinfo_entry *e)
{
	return e->is_ours && g_str_has_prefix(e->source, OUR_SOURCE)
		       ? e->source + strlen(OUR_SOURCE)
		       : NULL;
}

bool mountinfo_holds(const struct mountinfo_entry *e, const char *path)
{
	size_t length = strlen(e->point);

	if (strcmp(e->point, "/") == 0)
		return true;
	return strncmp(path, e->point, length) == 0 &&
	       (path[length] == '/' || path[length] == '\0');
}

/* --- the table ------------------------------------------------------------ */

GPtrArray *mountinfo_parse(const char *text)
{
	GPtrArray *all = g_ptr_array_new_with_free_func(free_entry);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (char **line = lines; *line != NULL; line++) {
		struct mountinfo_entry *e = mountinfo_entry_read(*line);

		if (e != NULL)
			g_ptr_array_add(all, e);
	}
	return all;
}

uint64_t mountinfo_find(const char *text, const char *directory)
{
	g_autoptr(GPtrArray) all = mountinfo_parse(text);

	for (guint i = all->len; i-- > 0;) {
		const struct mountinfo_entry *e = all->pdata[i];

		if (strcmp(e->point, directory) == 0)
			return e->id;
	}
	return 0;
}

int mountinfo_open(void)
{
	return open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
}

char *mountinfo_read(int fd)
{
	GString *text = g_string_new(NULL);
	char buffer[4096];
	ssize_t n = 1;

	if (lseek(fd, 0, SEEK_SET) < 0)
		n = -1;
	while (n > 0) {
		n = read(fd, buffer, sizeof(buffer));
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			g_string_append_len(text, buffer, n);
	}
	return g_string_free(text, n < 0);
}

char *mountinfo_text(void)
{
	int fd = mountinfo_open();
	char *text = fd < 0 ? NULL : mountinfo_read(fd);

	if (fd >= 0)
		(void)close(fd);
	return text;
}

char *mountinfo_name(const char *directory)
{
	g_autofree char *full = g_canonicalize_filename(directory, NULL);
	g_autofree char *parent = g_path_get_dirname(full);
	g_autofree char *name = g_path_get_basename(full);
	char *real = realpath(parent, NULL);
	char *found;

	if (real == NULL || strcmp(full, "/") == 0)
		found = g_strdup(full);
	else
		found = g_build_filename(real, name, NULL);
	free(real);
	return found;
}

uint64_t mountinfo_id(const char *directory)
{
	g_autofree char *text = mountinfo_text();

	return text == NULL ? 0 : mountinfo_find(text, directory);
}

uint64_t mountinfo_id_of(int fd)
{
	g_autofree char *path = g_strdup_printf("/proc/self/fdinfo/%d", fd);
	g_autofree char *text = NULL;
	const char *line;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return 0;
	line = strstr(text, "mnt_id:");
	return line == NULL
		       ? 0
		       : g_ascii_strtoull(line + strlen("mnt_id:"), NULL, 10);
}
