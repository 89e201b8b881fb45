/* run_log_read.c - reading a run's record by its views; see run_log.h. */
#include "config.h"

#include "run_log_private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A walk over the frames from a point on, on behalf of one read. */
struct walk {
	struct run_log *log;
	const struct stretch *stretch;
	guint index; /* of the stretch */
	int64_t at;
	int64_t view_at; /* of the view asked for */
	int64_t written[2];
	enum run_view view;
	/* LOG_BUFFER bytes, and what of the file they hold */
	uint8_t *buffer;
	int64_t buffer_at;
	size_t buffer_length;
	/* where to */
	char *to;
	size_t size, done;
	int64_t offset;
};

static ssize_t read_file(int fd, void *to, size_t size, int64_t at)
{
	ssize_t n;

	do {
		n = pread(fd, to, size, at);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* --- finding -------------------------------------------------------------- */

static const struct point *first_point(const struct stretch *s)
{
	return &g_array_index(s->points, struct point, 0);
}

/* The last point that is not past the offset. */
static const struct point *find_point(
	const struct stretch *s, enum run_view view, int64_t offset)
{
	guint low = 0, high = s->points->len;

	while (high - low > 1) {
		guint middle = low + (high - low) / 2;

		if (g_array_index(s->points, struct point, middle).view[view] <=
			offset)
			low = middle;
		else
			high = middle;
	}
	return &g_array_index(s->points, struct point, low);
}

static void go_to(struct walk *w, guint index, const struct point *p)
{
	w->index = index;
	w->stretch = w->log->stretches->pdata[index];
	w->at = p->at;
	w->view_at = p->view[w->view];
	memcpy(w->written, p->written, sizeof(w->written));
	w->buffer_length = 0;
}

static void begin_walk(struct walk *w)
{
	const GPtrArray *stretches = w->log->stretches;
	guint i = stretches->len - 1;

	while (i > 0 &&
		first_point(stretches->pdata[i])->view[w->view] > w->offset)
		i--;
	go_to(w, i, find_point(stretches->pdata[i], w->view, w->offset));
}

/* --- walking -------------------------------------------------------------- */

/* `length` bytes of the file at w->at, at most LOG_BUFFER; NULL: not there. */
static const uint8_t *peek(struct walk *w, size_t length)
{
	int64_t in = w->at - w->buffer_at;
	ssize_t n;

	if (w->at + (int64_t)length > w->stretch->size)
		return NULL;
	if (in < 0 || in + (int64_t)length > (int64_t)w->buffer_length) {
		n = read_file(w->stretch->fd, w->buffer, LOG_BUFFER, w->at);
		if (n < (ssize_t)length)
			return NULL;
		w->buffer_at = w->at;
		w->buffer_length = (size_t)n;
		in = 0;
	}
	return w->buffer + in;
}

/* How much of `length` bytes of the view, which come next, is wanted, and from
 * which of them on. */
static size_t wanted(const struct walk *w, int64_t length, int64_t *ret_skip)
{
	int64_t skip = w->offset + (int64_t)w->done - w->view_at;
	int64_t n = length - skip;

	*ret_skip = skip;
	if (n > (int64_t)(w->size - w->done))
		n = (int64_t)(w->size - w->done);
	return n > 0 ? (size_t)n : 0;
}

static int give_text(struct walk *w, int64_t length)
{
	int64_t skip;
	size_t n = wanted(w, length, &skip);
	ssize_t got = 0;

	if (n > 0)
		got = read_file(
			w->stretch->fd, w->to + w->done, n, w->at + skip);
	if (got < 0)
		return (int)got;
	w->done += (size_t)got;
	w->view_at += length;
	return (size_t)got < n ? -EIO : 0;
}

static void give_gap(struct walk *w, const struct run_mark *mark)
{
	char text[RUN_LOG_GAP_MAX];
	size_t length =
		run_log_gap_text(run_log_missing(w->written, mark), text);
	int64_t skip;
	size_t n;

	memcpy(w->written, mark->written, sizeof(mark->written));
	if (w->view == RUN_VIEW_STDOUT)
		return;
	n = wanted(w, (int64_t)length, &skip);
	if (n > 0)
		memcpy(w->to + w->done, text + skip, n);
	w->done += n;
	w->view_at += (int64_t)length;
}

static int give_mark(struct walk *w, int64_t length)
{
	const uint8_t *text =
		length > RUN_MARK_MAX ? NULL : peek(w, (size_t)length);
	struct run_mark mark;

	if (text == NULL || !run_mark_read(text, (size_t)length, &mark))
		return -EIO;
	give_gap(w, &mark);
	return 0;
}

static bool is_shown(enum run_view view, enum run_frame kind)
{
	return view == RUN_VIEW_OUTPUT ||
	       (view == RUN_VIEW_STDOUT) == (kind == RUN_FRAME_STDOUT);
}

/* 1: a frame was walked over, 0: there is no more, or -errno. */
static int walk_frame(struct walk *w)
{
	const uint8_t *head = peek(w, RUN_FRAME_HEAD);
	int64_t length, have;
	enum run_frame kind;
	int rc = 0;

	if (head == NULL)
		return 0;
	kind = (enum run_frame)head[0];
	length = (int64_t)head[1] << 24 | (int64_t)head[2] << 16 |
		 (int64_t)head[3] << 8 | head[4];
	w->at += RUN_FRAME_HEAD;
	have = MIN(length, w->stretch->size - w->at);
	if (kind == RUN_FRAME_MARK && have == length)
		rc = give_mark(w, length);
	if (kind == RUN_FRAME_STDOUT || kind == RUN_FRAME_STDERR) {
		w->written[kind - RUN_FRAME_STDOUT] += have;
		if (is_shown(w->view, kind))
			rc = give_text(w, have);
	}
	w->at += length;
	return rc < 0 ? rc : 1;
}

static int walk_all(struct walk *w)
{
	int rc = 1;

	while (rc > 0 && w->done < w->size) {
		rc = walk_frame(w);
		if (rc == 0 && w->index + 1 < w->log->stretches->len) {
			const struct stretch *next =
				w->log->stretches->pdata[w->index + 1];

			go_to(w, w->index + 1, first_point(next));
			rc = 1;
		}
	}
	return MIN(rc, 0);
}

/* --- the views ------------------------------------------------------------ */

static int64_t start_of(const struct run_log *l, enum run_view view)
	REQUIRES(l->lock)
{
	return l->stretches->len == 0
		       ? 0
		       : first_point(l->stretches->pdata[0])->view[view];
}

void run_log_sizes(struct run_log *l, struct run_log_sizes *ret)
{
	*ret = (struct run_log_sizes){ 0 };
	mutex_lock(&l->lock);
	ret->error = run_log_load(l);
	for (int view = 0; ret->error == 0 && view < RUN_VIEWS; view++) {
		ret->start[view] = start_of(l, (enum run_view)view);
		ret->size[view] = l->end.next.view[view];
	}
	memcpy(ret->written, l->end.next.written, sizeof(ret->written));
	ret->missing = l->end.missing;
	mutex_unlock(&l->lock);
}

ssize_t run_log_read(struct run_log *l, enum run_view view, char *buffer,
	size_t size, int64_t offset)
{
	struct walk w = { .log = l,
		.view = view,
		.to = buffer,
		.size = size,
		.offset = offset };
	int rc;

	mutex_lock(&l->lock);
	rc = run_log_load(l);
	if (rc == 0 && offset < start_of(l, view))
		rc = -ENODATA;
	if (rc == 0 && offset < l->end.next.view[view]) {
		w.buffer = g_malloc(LOG_BUFFER);
		begin_walk(&w);
		rc = walk_all(&w);
		g_free(w.buffer);
	}
	mutex_unlock(&l->lock);
	return w.done > 0 ? (ssize_t)w.done : rc;
}

/* --- figures -------------------------------------------------------------- */

static const struct figure *find_whole(
	const struct run_log *l, const char *name) REQUIRES(l->lock)
{
	for (guint i = 0; i < l->figures->len; i++) {
		const struct figure *f = l->figures->pdata[i];

		if (f->is_whole && strcmp(f->name, name) == 0)
			return f;
	}
	return NULL;
}

GPtrArray *run_log_figures(struct run_log *l)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

	mutex_lock(&l->lock);
	(void)run_log_load(l);
	for (guint i = 0; i < l->figures->len; i++) {
		const struct figure *f = l->figures->pdata[i];

		if (f->is_whole)
			g_ptr_array_add(names, g_strdup(f->name));
	}
	mutex_unlock(&l->lock);
	return names;
}

int64_t run_log_figure_size(struct run_log *l, const char *name)
{
	const struct figure *f;
	int64_t size;

	mutex_lock(&l->lock);
	(void)run_log_load(l);
	f = find_whole(l, name);
	size = f == NULL ? -ENOENT : f->size;
	mutex_unlock(&l->lock);
	return size;
}

static const struct stretch *find_stretch(
	const struct run_log *l, unsigned sequence) REQUIRES(l->lock)
{
	for (guint i = 0; i < l->stretches->len; i++) {
		const struct stretch *s = l->stretches->pdata[i];

		if (s->sequence == sequence)
			return s;
	}
	return NULL;
}

/* The next bytes from one piece of the picture. */
static ssize_t read_piece(const struct run_log *l,
	const struct extent_of_figure *piece, int64_t offset, char *buffer,
	size_t size) REQUIRES(l->lock)
{
	const struct stretch *s = find_stretch(l, piece->sequence);

	if (s == NULL)
		return -EIO;
	size = MIN(size, (size_t)(piece->length - offset));
	return read_file(s->fd, buffer, size, piece->at + offset);
}

ssize_t run_log_figure_read(struct run_log *l, const char *name, char *buffer,
	size_t size, int64_t offset)
{
	const struct figure *f;
	size_t done = 0;
	ssize_t rc = 0;

	mutex_lock(&l->lock);
	(void)run_log_load(l);
	f = find_whole(l, name);
	if (f == NULL)
		rc = -ENOENT;
	for (guint i = 0; rc >= 0 && i < f->extents->len && done < size; i++) {
		const struct extent_of_figure *piece =
			&g_array_index(f->extents, struct extent_of_figure, i);

		if (offset < piece->length) {
			rc = read_piece(
				l, piece, offset, buffer + done, size - done);
			done += rc > 0 ? (size_t)rc : 0;
		}
		offset = MAX(offset - piece->length, 0);
	}
	mutex_unlock(&l->lock);
	return done > 0 ? (ssize_t)done : rc;
}
