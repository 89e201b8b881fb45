/* Any bytes as a set of ranges as the state keeps it: what is taken is written
 * the same again. The lines after the first are changes to it. */
#include "config.h"

#include "fuzz.h"

#include "extent.h"
#include "fs_limits.h"

#include <string.h>

static void check(const struct extents *e)
{
	g_autofree char *text = extents_to_text(e);
	struct extents again = EXTENTS_INIT;

	if (extents_count(e) > EXTENTS_MAX || extents_bytes(e) < 0 ||
		extents_bytes(e) > extents_end(e))
		g_error("a set that is none: %s", text);
	if (extents_parse(text, &again) < 0 ||
		extents_count(&again) != extents_count(e) ||
		extents_bytes(&again) != extents_bytes(e))
		g_error("not read as it was written: %s", text);
	extents_clear(&again);
}

static void change(struct extents *e, const char *line)
{
	struct extents one = EXTENTS_INIT;
	int64_t start, end;

	if (*line == '\0' || extents_parse(line + 1, &one) < 0)
		return;
	if (extents_next_run(&one, 0, INT64_MAX, &start, &end)) {
		if (*line == '+' && extents_add(e, start, end) == 0 &&
			!extents_contains(e, start, end))
			g_error("what was added is not there");
		if (*line == '-' && extents_remove(e, start, end) == 0 &&
			extents_contains(e, start, end))
			g_error("what was removed is there");
		if (*line == '<') {
			extents_truncate(e, start);
			if (extents_end(e) > start)
				g_error("what was cut off is there");
		}
	}
	if (*line == '/')
		extents_forget_small(e);
	extents_clear(&one);
}

void fuzz_extent(const uint8_t *bytes, size_t length)
{
	struct fuzz_input in = { bytes, length };
	g_autofree char *first = fuzz_take_line(&in);
	struct extents e = EXTENTS_INIT;

	if (extents_parse(first, &e) == 0) {
		g_autofree char *text = extents_to_text(&e);

		if (strcmp(text, first) != 0)
			g_error("%s was read as %s", first, text);
		check(&e);
	}
	while (in.left > 0) {
		g_autofree char *line = fuzz_take_line(&in);

		change(&e, line);
		check(&e);
	}
	extents_clear(&e);
}
