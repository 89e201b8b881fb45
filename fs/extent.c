/* extent.c - see extent.h. */
#include "config.h"

#include "extent.h"

#include "fs_limits.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static const struct extent *run_at(const struct extents *e, unsigned i)
{
	return &g_array_index(e->runs, struct extent, i);
}

unsigned extents_count(const struct extents *e)
{
	return e->runs != NULL ? e->runs->len : 0;
}

/* The first run that ends after `offset`; extents_count() when none does. */
static unsigned first_ending_after(const struct extents *e, int64_t offset)
{
	unsigned low = 0;
	unsigned high = extents_count(e);

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (run_at(e, middle)->end > offset)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Puts `count` runs where the runs [first, last) are. */
static int replace(struct extents *e, unsigned first, unsigned last,
	const struct extent *with, unsigned count)
{
	if (extents_count(e) - (last - first) + count > EXTENTS_MAX &&
		count > last - first)
		return -E2BIG;
	if (e->runs == NULL)
		e->runs = g_array_new(FALSE, FALSE, sizeof(struct extent));
	if (last > first)
		g_array_remove_range(e->runs, first, last - first);
	if (count > 0)
		g_array_insert_vals(e->runs, first, with, count);
	return 0;
}

void extents_init(struct extents *e)
{
	e->runs = NULL;
}

void extents_clear(struct extents *e)
{
	if (e->runs != NULL)
		g_array_unref(e->runs);
	e->runs = NULL;
}

void extents_copy(struct extents *to, const struct extents *from)
{
	GArray *runs = NULL;

	if (from->runs != NULL)
		runs = g_array_copy(from->runs);
	extents_clear(to);
	to->runs = runs;
}

int extents_add(struct extents *e, int64_t start, int64_t end)
{
	struct extent run = { start, end };
	unsigned first;
	unsigned last;

	assert(start >= 0);
	if (end <= start)
		return 0;
	/* A run that ends where this one starts is joined too. */
	first = start > 0 ? first_ending_after(e, start - 1) : 0;
	for (last = first;
		last < extents_count(e) && run_at(e, last)->start <= end;
		last++)
		;
	if (last > first) {
		run.start = MIN(start, run_at(e, first)->start);
		run.end = MAX(end, run_at(e, last - 1)->end);
	}
	return replace(e, first, last, &run, 1);
}

int extents_remove(struct extents *e, int64_t start, int64_t end)
{
	struct extent keep[2];
	unsigned count = 0;
	unsigned first;
	unsigned last;

	assert(start >= 0);
	if (end <= start)
		return 0;
	first = first_ending_after(e, start);
	for (last = first;
		last < extents_count(e) && run_at(e, last)->start < end; last++)
		;
	if (last == first)
		return 0;
	if (run_at(e, first)->start < start)
		keep[count++] =
			(struct extent){ run_at(e, first)->start, start };
	if (run_at(e, last - 1)->end > end)
		keep[count++] =
			(struct extent){ end, run_at(e, last - 1)->end };
	return replace(e, first, last, keep, count);
}

void extents_truncate(struct extents *e, int64_t size)
{
	/* Removing a tail never makes two runs of one. */
	(void)extents_remove(e, MAX(size, 0), INT64_MAX);
}

static int larger_first(const void *a, const void *b)
{
	int64_t one = *(const int64_t *)a;
	int64_t other = *(const int64_t *)b;

	return one > other ? -1 : one < other;
}

void extents_forget_small(struct extents *e)
{
	const unsigned keep = EXTENTS_MAX / 2;
	unsigned count = extents_count(e);
	g_autofree int64_t *sizes = NULL;
	unsigned equal = 0; /* of the smallest size that stays */
	unsigned to = 0;
	unsigned i;

	if (count <= keep)
		return;
	sizes = g_new(int64_t, count);
	for (i = 0; i < count; i++)
		sizes[i] = run_at(e, i)->end - run_at(e, i)->start;
	qsort(sizes, count, sizeof(*sizes), larger_first);
	for (i = keep; i > 0 && sizes[i - 1] == sizes[keep - 1]; i--)
		equal++;
	for (i = 0; i < count; i++) {
		struct extent run = *run_at(e, i);
		int64_t size = run.end - run.start;

		if (size < sizes[keep - 1])
			continue;
		if (size == sizes[keep - 1]) {
			if (equal == 0)
				continue;
			equal--;
		}
		g_array_index(e->runs, struct extent, to++) = run;
	}
	g_array_set_size(e->runs, to);
}

bool extents_contains(const struct extents *e, int64_t start, int64_t end)
{
	int64_t gap_start;
	int64_t gap_end;

	return !extents_next_gap(e, start, end, &gap_start, &gap_end);
}

bool extents_next_gap(const struct extents *e, int64_t from, int64_t to,
	int64_t *ret_start, int64_t *ret_end)
{
	unsigned i = first_ending_after(e, from);

	/* Runs never touch, so what follows a run is missing. */
	if (i < extents_count(e) && run_at(e, i)->start <= from)
		from = run_at(e, i++)->end;
	if (from >= to)
		return false;
	*ret_start = from;
	*ret_end = to;
	if (i < extents_count(e))
		*ret_end = MIN(to, run_at(e, i)->start);
	return true;
}

bool extents_next_run(const struct extents *e, int64_t from, int64_t to,
	int64_t *ret_start, int64_t *ret_end)
{
	unsigned i = first_ending_after(e, from);

	if (from >= to || i == extents_count(e) || run_at(e, i)->start >= to)
		return false;
	*ret_start = MAX(from, run_at(e, i)->start);
	*ret_end = MIN(to, run_at(e, i)->end);
	return true;
}

int64_t extents_bytes(const struct extents *e)
{
	int64_t sum = 0;
	unsigned i;

	for (i = 0; i < extents_count(e); i++)
		sum += run_at(e, i)->end - run_at(e, i)->start;
	return sum;
}

bool extents_is_empty(const struct extents *e)
{
	return extents_count(e) == 0;
}

int64_t extents_end(const struct extents *e)
{
	unsigned count = extents_count(e);

	return count > 0 ? run_at(e, count - 1)->end : 0;
}

char *extents_to_text(const struct extents *e)
{
	GString *text = g_string_new("");
	unsigned i;

	for (i = 0; i < extents_count(e); i++)
		g_string_append_printf(text,
			"%s%" G_GINT64_FORMAT "-%" G_GINT64_FORMAT,
			i > 0 ? "," : "", run_at(e, i)->start,
			run_at(e, i)->end);
	return g_string_free(text, FALSE);
}

/* A decimal number as printf writes it; moves *text past it. */
static bool parse_number(const char **text, int64_t *ret)
{
	const char *p = *text;
	int64_t number = 0;

	if (!g_ascii_isdigit(*p) || (*p == '0' && g_ascii_isdigit(p[1])))
		return false;
	for (; g_ascii_isdigit(*p); p++) {
		int digit = *p - '0';

		if (number > (INT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*text = p;
	*ret = number;
	return true;
}

static bool parse_run(const char **text, struct extent *ret)
{
	if (!parse_number(text, &ret->start) || *(*text)++ != '-')
		return false;
	return parse_number(text, &ret->end) && ret->start < ret->end;
}

static int parse_runs(const char *text, struct extents *e)
{
	int64_t after = -1; /* the next run starts behind this */
	struct extent run;
	int rc;

	for (;;) {
		if (!parse_run(&text, &run) || run.start <= after)
			return -EINVAL;
		rc = extents_add(e, run.start, run.end);
		if (rc != 0)
			return rc;
		after = run.end;
		if (*text == '\0')
			return 0;
		if (*text++ != ',')
			return -EINVAL;
	}
}

int extents_parse(const char *text, struct extents *ret)
{
	struct extents parsed = EXTENTS_INIT;
	int rc = 0;

	if (*text != '\0')
		rc = parse_runs(text, &parsed);
	if (rc != 0) {
		extents_clear(&parsed);
		return rc;
	}
	extents_clear(ret);
	*ret = parsed;
	return 0;
}
