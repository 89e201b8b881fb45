/* horizon.c - see horizon.h. */
#include "config.h"

#include "horizon.h"

#include "attr_cache.h"
#include "fs_limits.h"
#include "names.h"
#include "session.h"

#include <string.h>

bool horizon_is_reached(const struct horizon *h)
{
	return (h->enters && h->directories == 0) ||
	       (h->reads && (h->files == 0 || h->bytes == 0));
}

static bool has_ended(const struct horizon *h)
{
	return h->is_done || horizon_is_reached(h);
}

bool horizon_shows(const struct entry *entry)
{
	return entry->type == ENTRY_FILE && entry->size > 0 &&
	       entry->size <= PREFETCH_FILE_BYTES;
}

/* Where the first name after `name` stands in a listing. */
static guint index_after(const GPtrArray *entries, const char *name)
{
	guint low = 0;
	guint high = entries->len;

	while (low < high) {
		guint middle = low + (high - low) / 2;
		const struct entry *e = entries->pdata[middle];

		if (strcmp(e->name, name) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void look_at_file(
	struct horizon *h, const char *path, const struct entry *e)
{
	if (!h->reads || !horizon_shows(e))
		return;
	h->files--;
	h->bytes -= MIN(h->bytes, e->size);
	h->at_file(h, path, e);
}

static void look_into(struct horizon *h, const char *directory, guint first,
	const GPtrArray *entries);

static void look_at_directory(struct horizon *h, const char *path)
{
	struct session *s = h->session;
	int64_t age_ms;
	GPtrArray *entries = attr_cache_listing(
		s->attrs, path, s->options.attr_timeout_ms, &age_ms);

	h->directories--;
	h->at_directory(h, path, entries != NULL,
		entries != NULL && age_ms <= h->fresh_ms);
	if (entries == NULL)
		return;
	look_into(h, path, 0, entries);
	g_ptr_array_unref(entries);
}

/* In the order of the walk. As deep as the horizon has directories. */
static void look_into(struct horizon *h, const char *directory, guint first,
	const GPtrArray *entries)
{
	for (guint i = first; i < entries->len && !has_ended(h); i++) {
		const struct entry *e = entries->pdata[i];
		g_autofree char *path = path_join(directory, e->name);

		if (e->type != ENTRY_DIRECTORY)
			look_at_file(h, path, e);
		else if (h->enters)
			look_at_directory(h, path);
	}
}

/* What is known of a directory, be it old: the order of its names is enough. */
static GPtrArray *known_names(struct session *s, const char *directory)
{
	return attr_cache_listing(s->attrs, directory,
		s->options.attr_timeout_ms * PREFETCH_NAMES_AGE, NULL);
}

void horizon_look(struct horizon *h)
{
	g_autofree char *path = g_strdup(h->position);
	GPtrArray *entries = known_names(h->session, path);

	if (entries != NULL) {
		look_into(h, path, 0, entries);
		g_ptr_array_unref(entries);
	}
	while (!has_ended(h) && path[0] != '\0' && strcmp(path, h->top) != 0) {
		g_autofree char *parent = path_parent(path);

		entries = known_names(h->session, parent);
		if (entries != NULL) {
			look_into(h, parent,
				index_after(entries, path_basename(path)),
				entries);
			g_ptr_array_unref(entries);
		}
		g_free(path);
		path = g_steal_pointer(&parent);
	}
}
