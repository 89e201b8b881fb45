/* run_log_index.c - what stands where in a run's record; see run_log.h. */
#include "config.h"

#include "run_log_private.h"

#include "fs_limits.h"

#include <errno.h>
#include <string.h>

#define POINT_EVERY ((int64_t)64 * 1024)

/* --- gaps ----------------------------------------------------------------- */

int64_t run_log_missing(const int64_t *written, const struct run_mark *mark)
{
	return mark->written[0] - written[0] + mark->written[1] - written[1];
}

size_t run_log_gap_text(int64_t missing, char *text)
{
	if (missing <= 0)
		return 0;
	return (size_t)g_snprintf(text, RUN_LOG_GAP_MAX,
		"\n[pycloud: %" G_GINT64_FORMAT
		" bytes of output were not kept]\n",
		missing);
}

/* The first mark of all that is left of a record whose beginning was thrown
 * away here: the counts are taken over, nothing is missing by surprise. */
static void adopt_counts(struct log_cursor *c, const struct run_mark *mark)
{
	memcpy(c->next.written, mark->written, sizeof(mark->written));
	c->next.view[RUN_VIEW_STDOUT] = mark->written[0];
	c->next.view[RUN_VIEW_STDERR] = mark->written[1];
	c->next.view[RUN_VIEW_OUTPUT] = mark->written[0] + mark->written[1];
}

static void add_gap(struct log_cursor *c, const struct run_mark *mark)
{
	int64_t missing = run_log_missing(c->next.written, mark);
	char text[RUN_LOG_GAP_MAX];
	size_t length;

	if (mark->written[0] < c->next.written[0] ||
		mark->written[1] < c->next.written[1]) {
		c->is_bad = true;
		return;
	}
	length = run_log_gap_text(missing, text);
	c->missing += missing;
	c->next.view[RUN_VIEW_OUTPUT] += (int64_t)length;
	c->next.view[RUN_VIEW_STDERR] += (int64_t)length;
	memcpy(c->next.written, mark->written, sizeof(mark->written));
}

static void end_mark(struct run_log *l) REQUIRES(l->lock)
{
	struct log_cursor *c = &l->end;
	struct stretch *last = run_log_last(l);
	struct point *first = &g_array_index(last->points, struct point, 0);
	struct run_mark mark;

	if (!run_mark_read(c->text, c->text_length, &mark)) {
		c->is_bad = true;
		return;
	}
	if (l->stretches->len == 1 && last->sequence > 0 && c->frame_at == 0) {
		adopt_counts(c, &mark);
		*first = c->next;
		first->at = 0;
	} else {
		add_gap(c, &mark);
	}
	c->place = mark.place;
}

/* --- figures -------------------------------------------------------------- */

void run_log_figure_free(void *p)
{
	struct figure *f = p;

	g_array_unref(f->extents);
	g_free(f->name);
	g_free(f);
}

/* It becomes a file's name. */
static bool is_figure_name(const char *name)
{
	return g_ascii_isalnum(name[0]) &&
	       name[strspn(name,
		       G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-")] == '\0';
}

/* NULL: no more figures, or none of that name. */
static struct figure *find_figure(struct run_log *l, const char *name)
	REQUIRES(l->lock)
{
	struct figure *f;

	for (guint i = 0; i < l->figures->len; i++) {
		f = l->figures->pdata[i];
		if (strcmp(f->name, name) == 0)
			return f;
	}
	if (l->figures->len >= RUN_FIGURES_MAX || !is_figure_name(name))
		return NULL;
	f = g_new0(struct figure, 1);
	f->name = g_strdup(name);
	f->extents = g_array_new(FALSE, FALSE, sizeof(struct extent_of_figure));
	g_ptr_array_add(l->figures, f);
	return f;
}

static void add_to_figure(struct run_log *l, int64_t at, size_t length)
	REQUIRES(l->lock)
{
	struct log_cursor *c = &l->end;
	struct figure *f = c->figure;
	struct extent_of_figure piece = { run_log_last(l)->sequence, at,
		(int64_t)length };

	if (c->piece > 0)
		g_array_index(f->extents, struct extent_of_figure,
			f->extents->len - 1)
			.length += (int64_t)length;
	else
		g_array_append_val(f->extents, piece);
	f->is_broken = f->extents->len > RUN_FIGURE_PIECES_MAX;
	c->piece += (int64_t)length;
	f->size += (int64_t)length;
}

/* The name comes first; how many of the bytes are of it. */
static size_t take_name(struct run_log *l, const uint8_t *bytes, size_t length)
	REQUIRES(l->lock)
{
	struct log_cursor *c = &l->end;
	size_t used = 0;

	while (used < length && c->text_length < sizeof(c->text)) {
		uint8_t byte = bytes[used++];

		c->text[c->text_length++] = byte;
		if (byte == '\0') {
			c->figure = find_figure(l, (const char *)c->text);
			/* From now on, all is picture. */
			c->text_length = sizeof(c->text);
		}
	}
	return used;
}

static void take_figure(struct run_log *l, const uint8_t *bytes, size_t length)
	REQUIRES(l->lock)
{
	size_t used = take_name(l, bytes, length);
	struct log_cursor *c = &l->end;

	if (used < length && c->figure != NULL && !c->figure->is_whole &&
		!c->figure->is_broken)
		add_to_figure(l, c->next.at + (int64_t)used, length - used);
}

static void drop_figures(struct run_log *l, unsigned sequence) REQUIRES(l->lock)
{
	for (guint i = l->figures->len; i-- > 0;) {
		const struct figure *f = l->figures->pdata[i];

		if (f->extents->len > 0 &&
			g_array_index(f->extents, struct extent_of_figure, 0)
					.sequence <= sequence) {
			if (l->end.figure == f)
				l->end.figure = NULL;
			g_ptr_array_remove_index(l->figures, i);
		}
	}
}

/* --- frames --------------------------------------------------------------- */

static void on_begin(void *arg, enum run_frame kind, uint32_t length)
{
	struct run_log *l = arg;
	struct log_cursor *c = &l->end;
	const struct point *last;
	GArray *points;

	mutex_is_held(&l->lock);
	points = run_log_last(l)->points;
	last = &g_array_index(points, struct point, points->len - 1);
	if (kind == RUN_FRAME_MARK && length > RUN_MARK_MAX)
		c->is_bad = true;
	c->frame_at = c->next.at;
	if (c->next.at - last->at >= POINT_EVERY)
		g_array_append_val(points, c->next);
	c->next.at += RUN_FRAME_HEAD;
	c->place += RUN_FRAME_HEAD;
	c->text_length = 0;
	c->figure = NULL;
	c->piece = 0;
}

static void on_bytes(
	void *arg, enum run_frame kind, const uint8_t *bytes, size_t length)
{
	struct run_log *l = arg;
	struct log_cursor *c = &l->end;
	int64_t n = (int64_t)length;

	mutex_is_held(&l->lock);
	if (kind == RUN_FRAME_FIGURE) {
		take_figure(l, bytes, length);
	} else if (kind == RUN_FRAME_MARK) {
		if (c->text_length + length > RUN_MARK_MAX)
			c->is_bad = true;
		else
			memcpy(c->text + c->text_length, bytes, length);
		c->text_length += c->is_bad ? 0 : length;
	} else {
		c->next.view[RUN_VIEW_OUTPUT] += n;
		c->next.view[kind == RUN_FRAME_STDOUT ? RUN_VIEW_STDOUT
						      : RUN_VIEW_STDERR] += n;
		c->next.written[kind - RUN_FRAME_STDOUT] += n;
	}
	c->next.at += n;
	c->place += n;
}

static void on_end(void *arg, enum run_frame kind)
{
	struct run_log *l = arg;
	struct log_cursor *c = &l->end;

	mutex_is_held(&l->lock);
	if (kind == RUN_FRAME_MARK && !c->is_bad)
		end_mark(l);
	if (kind == RUN_FRAME_FIGURE && c->figure != NULL && c->piece == 0)
		c->figure->is_whole = !c->figure->is_broken;
}

static const struct run_record_events index_events = { on_begin, on_bytes,
	on_end };

/* After what was no record nothing is one any more: where frames begin is not
 * known. */
int run_log_index(struct run_log *l, const uint8_t *bytes, size_t length)
{
	int rc = l->end.is_bad ? -EPROTO
			       : run_record_read(&l->end.record, bytes, length,
					 &index_events, l);

	l->end.is_torn = rc < 0 && !l->end.is_bad;
	l->end.is_bad = l->end.is_bad || rc < 0;
	return l->end.is_bad ? -EPROTO : 0;
}

void run_log_index_begin(struct run_log *l)
{
	l->end.next.at = 0;
	g_array_append_val(run_log_last(l)->points, l->end.next);
}

void run_log_index_drop(struct run_log *l, unsigned sequence)
{
	drop_figures(l, sequence);
}
