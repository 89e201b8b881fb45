/* Any bytes as each of the contents API's answers. */
#include "config.h"

#include "fuzz.h"

#include "contents_json.h"
#include "names.h"

static void check_listing(const uint8_t *bytes, size_t length)
{
	g_autofree char *text = g_memdup2(bytes, length);
	g_autoptr(GPtrArray) entries = NULL;
	unsigned dropped;

	if (contents_parse_listing(text, length, &entries, &dropped) < 0)
		return;
	for (guint i = 0; i < entries->len; i++) {
		const struct entry *e = entries->pdata[i];

		if (!name_is_trusted(e->name))
			g_error("an untrusted name came through");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	g_autofree char *one = g_memdup2(bytes, length);
	g_autofree char *two = g_memdup2(bytes, length);
	g_autofree char *three = g_memdup2(bytes, length);
	struct entry e;

	g_free(contents_parse_message(one, length));
	g_free(contents_parse_version(two, length));
	if (contents_parse_entry(three, length, &e) == 0)
		entry_clear(&e);
	check_listing(bytes, length);
	return 0;
}
