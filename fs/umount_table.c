/* umount_table.c - see umount_table.h. */
#include "config.h"

#include "umount_table.h"

#include <string.h>

/* The fields of a line that count; type, source and options of the filesystem
 * stand behind " - ". */
enum field {
	FIELD_ID = 0,
	FIELD_POINT = 4,
	FIELDS_MIN
};

enum field_behind {
	BEHIND_TYPE,
	BEHIND_SOURCE,
	BEHIND_OPTIONS,
	BEHIND_COUNT
};

void umount_entry_free(struct umount_entry *e)
{
	if (e == NULL)
		return;
	g_free(e->point);
	g_free(e->source);
	g_free(e);
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

static struct umount_entry *entry_read(const char *line)
{
	g_auto(GStrv) fields = g_strsplit(line, " ", -1);
	const char *behind = strstr(line, " - ");
	g_auto(GStrv) rest =
		g_strsplit(behind == NULL ? "" : behind + 3, " ", BEHIND_COUNT);
	struct umount_entry *e;

	if (g_strv_length(fields) <= FIELDS_MIN ||
		g_strv_length(rest) < BEHIND_COUNT)
		return NULL;
	e = g_new0(struct umount_entry, 1);
	e->id = g_ascii_strtoull(fields[FIELD_ID], NULL, 10);
	/* Spaces, newlines and backslashes are written as \040 and so on. */
	e->point = g_strcompress(fields[FIELD_POINT]);
	e->source = g_strcompress(rest[BEHIND_SOURCE]);
	e->is_ours = strcmp(rest[BEHIND_TYPE], "fuse.pycloud") == 0;
	e->owner = id_of(rest[BEHIND_OPTIONS], "user_id=");
	e->group = id_of(rest[BEHIND_OPTIONS], "group_id=");
	return e;
}

static void free_entry(gpointer entry)
{
	umount_entry_free(entry);
}

static bool is_at(const struct umount_entry *e, const char *directory)
{
	return strcmp(e->point, directory) == 0;
}

static bool is_from(const struct umount_entry *e, const char *source)
{
	return e->is_ours &&
	       (strcmp(e->source, source) == 0 ||
		       (g_str_has_prefix(e->source, "pycloud:") &&
			       strcmp(e->source + strlen("pycloud:"), source) ==
				       0));
}

static bool is_below(const struct umount_entry *e, const char *directory)
{
	size_t length = strlen(directory);

	return e->is_ours && strncmp(e->point, directory, length) == 0 &&
	       e->point[length] == '/';
}

static GPtrArray *select_entries(const char *text, const char *what,
	bool (*matches)(const struct umount_entry *, const char *))
{
	GPtrArray *found = g_ptr_array_new_with_free_func(free_entry);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (char **line = lines; *line != NULL; line++) {
		struct umount_entry *e = entry_read(*line);

		if (e != NULL && matches(e, what))
			g_ptr_array_insert(found, 0, e);
		else
			umount_entry_free(e);
	}
	return found;
}

struct umount_entry *umount_table_at(const char *text, const char *directory)
{
	g_autoptr(GPtrArray) all = select_entries(text, directory, is_at);

	return all->len == 0 ? NULL : g_ptr_array_steal_index(all, 0);
}

GPtrArray *umount_table_from(const char *text, const char *source)
{
	return select_entries(text, source, is_from);
}

GPtrArray *umount_table_below(const char *text, const char *directory)
{
	return select_entries(text, directory, is_below);
}
