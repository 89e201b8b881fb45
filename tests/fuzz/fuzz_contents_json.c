/* Any bytes as each of the contents API's answers. */
#include "config.h"

#include "fuzz.h"

#include "contents_json.h"
#include "names.h"

static void check_entry(const struct entry *e)
{
	if (e->size < -1 || e->mtime.tv_nsec < 0 || e->ctime.tv_nsec < 0 ||
		e->mtime.tv_nsec > 999999999 || e->ctime.tv_nsec > 999999999)
		g_error("a number out of bounds");
	if (e->type == ENTRY_DIRECTORY && e->size >= 0)
		g_error("a directory with a size");
}

static void check_listing(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = g_memdup2(bytes, length);
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	g_autoptr(GPtrArray) entries = NULL;
	unsigned dropped;

	if (contents_parse_listing(text, length, &entries, &dropped) < 0)
		return;
	for (guint i = 0; i < entries->len; i++) {
		const struct entry *e = entries->pdata[i];

		if (!name_is_trusted(e->name) ||
			!g_hash_table_add(seen, e->name))
			g_error("an untrusted name came through");
		check_entry(e);
	}
}

/* It becomes a line of .pycloud/status, between lines of ours. */
static void check_version(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = g_memdup2(bytes, length);
	g_autofree char *version = contents_parse_version(text, length);

	if (version == NULL)
		return;
	if (!g_utf8_validate(version, -1, NULL))
		g_error("a version that is no text");
	for (char *c = version; *c != '\0'; c = g_utf8_next_char(c))
		if (g_unichar_iscntrl(g_utf8_get_char(c)))
			g_error("a control character in the version");
}

void fuzz_contents_json(const uint8_t *bytes, size_t length)
{
	g_autofree char *one = g_memdup2(bytes, length);
	g_autofree char *two = g_memdup2(bytes, length);
	struct entry e;

	g_free(contents_parse_message(one, length));
	check_version(bytes, length);
	if (contents_parse_entry(two, length, &e) == 0) {
		check_entry(&e);
		entry_clear(&e);
	}
	check_listing(bytes, length);
}
