/* delta.c - see delta.h. */
#include "config.h"

#include "delta.h"

#include "fs_limits.h"
#include "remote.h"

void delta_begin(struct delta *d, bool is_known)
{
	extents_clear(&d->changed);
	d->is_known = is_known;
}

void delta_resume(struct delta *d, const struct extents *changed)
{
	extents_copy(&d->changed, changed);
	d->is_known = true;
}

void delta_add(struct delta *d, int64_t start, int64_t end)
{
	if (d->is_known && extents_add(&d->changed, start, end) < 0)
		delta_begin(d, false);
}

void delta_cut(struct delta *d, int64_t size)
{
	extents_truncate(&d->changed, size);
}

void delta_clear(struct delta *d)
{
	delta_begin(d, false);
}

/* Runs with little between them that is here, too, are one. */
static GArray *collect(const struct delta *d, const struct extents *present,
	int64_t size, int64_t bridge)
{
	GArray *ranges = g_array_new(FALSE, FALSE, sizeof(struct remote_range));
	struct remote_range *last = NULL;
	int64_t at = 0;
	int64_t start, end;

	while (extents_next_run(&d->changed, at, size, &start, &end)) {
		struct remote_range range = { start, end - start };

		at = end;
		if (last != NULL &&
			start - (last->start + last->length) <= bridge &&
			extents_contains(present, last->start, end)) {
			last->length = end - last->start;
			continue;
		}
		g_array_append_val(ranges, range);
		last = &g_array_index(
			ranges, struct remote_range, ranges->len - 1);
	}
	return ranges;
}

static bool is_worth_it(
	const GArray *ranges, const struct extents *present, int64_t size)
{
	int64_t sum = 0;

	for (guint i = 0; i < ranges->len; i++) {
		const struct remote_range *r =
			&g_array_index(ranges, struct remote_range, i);

		/* A write that failed half way. */
		if (!extents_contains(present, r->start, r->start + r->length))
			return false;
		sum += r->length;
	}
	return ranges->len <= DELTA_RANGES_MAX && sum < size / 2;
}

GArray *delta_ranges(
	const struct delta *d, const struct extents *present, int64_t size)
{
	GArray *ranges;

	if (!d->is_known || size < DELTA_FILE_MIN)
		return NULL;
	ranges = collect(d, present, size, 0);
	if (ranges->len > DELTA_RANGES_MAX) {
		g_array_unref(ranges);
		ranges = collect(d, present, size, READ_BRIDGE);
	}
	if (is_worth_it(ranges, present, size))
		return ranges;
	g_array_unref(ranges);
	return NULL;
}
