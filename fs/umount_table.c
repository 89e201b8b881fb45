/* umount_table.c - see umount_table.h. */
#include "config.h"

#include "umount_table.h"

#include <string.h>

static void free_entry(gpointer entry)
{
	mountinfo_entry_free(entry);
}

static bool is_at(const struct mountinfo_entry *e, const char *directory)
{
	return strcmp(e->point, directory) == 0;
}

/* A URL is the same with a slash at its end, and stands there without. */
static bool is_from(const struct mountinfo_entry *e, const char *source)
{
	g_autofree char *short_source = g_strdup(source);
	size_t length = strlen(source);

	if (length > 1 && source[length - 1] == '/' &&
		strstr(source, "://") != NULL)
		short_source[length - 1] = '\0';
	return e->is_ours &&
	       (strcmp(e->source, short_source) == 0 ||
		       g_strcmp0(mountinfo_workspace(e), short_source) == 0);
}

static bool is_below(const struct mountinfo_entry *e, const char *directory)
{
	return e->is_ours && strcmp(e->point, directory) != 0 &&
	       g_str_has_prefix(e->point, directory) &&
	       e->point[strlen(directory)] == '/';
}

/* The latest first. */
static GPtrArray *select_entries(const char *text, const char *what,
	bool (*matches)(const struct mountinfo_entry *, const char *))
{
	GPtrArray *found = g_ptr_array_new_with_free_func(free_entry);
	g_autoptr(GPtrArray) all = mountinfo_parse(text);

	while (all->len > 0) {
		struct mountinfo_entry *e =
			g_ptr_array_steal_index(all, all->len - 1);

		if (matches(e, what))
			g_ptr_array_add(found, e);
		else
			mountinfo_entry_free(e);
	}
	return found;
}

struct mountinfo_entry *umount_table_at(const char *text, const char *directory)
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
