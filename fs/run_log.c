/* run_log.c - see run_log.h: the files of a run's record. */
#include "config.h"

#include "run_log.h"

#include "run_log_private.h"

#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of these, so many make `max`. */
#define STRETCHES 8

/* --- files ---------------------------------------------------------------- */

static char *file_name(uint64_t number, unsigned sequence)
{
	return g_strdup_printf("%" G_GUINT64_FORMAT ".%u", number, sequence);
}

/* "12.3" of run 12: 3; else -1. */
static int64_t sequence_of(const char *name, uint64_t number)
{
	g_autofree char *prefix =
		g_strdup_printf("%" G_GUINT64_FORMAT ".", number);
	guint64 sequence;

	if (!g_str_has_prefix(name, prefix) ||
		!g_ascii_string_to_unsigned(name + strlen(prefix), 10, 0,
			G_MAXINT, &sequence, NULL))
		return -1;
	return (int64_t)sequence;
}

static int compare_sequences(const void *a, const void *b)
{
	unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

	return x < y ? -1 : x > y;
}

/* The numbers of the files there are, ascending (of unsigned). */
static GArray *list_files(int directory_fd, uint64_t number)
{
	GArray *found = g_array_new(FALSE, FALSE, sizeof(unsigned));
	g_autofree char *path =
		g_strdup_printf("/proc/self/fd/%d", directory_fd);
	GDir *dir = number == 0 ? NULL : g_dir_open(path, 0, NULL);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		int64_t sequence = sequence_of(name, number);
		unsigned n = (unsigned)sequence;

		if (sequence >= 0)
			g_array_append_val(found, n);
	}
	if (dir != NULL)
		g_dir_close(dir);
	g_array_sort(found, compare_sequences);
	return found;
}

void run_log_remove(int directory_fd, uint64_t number)
{
	GArray *files = list_files(directory_fd, number);

	for (guint i = 0; i < files->len; i++) {
		g_autofree char *name =
			file_name(number, g_array_index(files, unsigned, i));

		(void)unlinkat(directory_fd, name, 0);
	}
	g_array_unref(files);
}

static int open_file(const struct run_log *l, unsigned sequence, int flags)
{
	g_autofree char *name = file_name(l->where.number, sequence);
	int fd = openat(l->where.directory_fd, name,
		O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);

	return fd < 0 ? -errno : fd;
}

/* --- stretches ------------------------------------------------------------ */

struct stretch *run_log_last(struct run_log *l)
{
	return l->stretches->pdata[l->stretches->len - 1];
}

static void free_stretch(void *p)
{
	struct stretch *s = p;

	(void)close(s->fd);
	g_array_unref(s->points);
	g_free(s);
}

static void add_stretch(struct run_log *l, unsigned sequence, int fd)
	REQUIRES(l->lock)
{
	struct stretch *s = g_new0(struct stretch, 1);

	s->sequence = sequence;
	s->fd = fd;
	s->points = g_array_new(FALSE, FALSE, sizeof(struct point));
	g_ptr_array_add(l->stretches, s);
	run_log_index_begin(l);
}

static void drop_oldest(struct run_log *l) REQUIRES(l->lock)
{
	struct stretch *oldest = l->stretches->pdata[0];
	g_autofree char *name = file_name(l->where.number, oldest->sequence);

	run_log_index_drop(l, oldest->sequence);
	if (l->where.number != 0)
		(void)unlinkat(l->where.directory_fd, name, 0);
	g_ptr_array_remove_index(l->stretches, 0);
}

static void keep_max(struct run_log *l) REQUIRES(l->lock)
{
	int64_t total = 0;

	for (guint i = 0; i < l->stretches->len; i++)
		total += ((struct stretch *)l->stretches->pdata[i])->size;
	while (total > l->where.max && l->stretches->len > 1) {
		total -= ((struct stretch *)l->stretches->pdata[0])->size;
		drop_oldest(l);
	}
}

/* --- reading what there is ------------------------------------------------ */

static int index_file(struct run_log *l) REQUIRES(l->lock)
{
	g_autofree uint8_t *buffer = g_malloc(LOG_BUFFER);
	struct stretch *s = run_log_last(l);
	ssize_t n;
	int rc = 0;

	while (rc == 0 &&
		(n = pread(s->fd, buffer, LOG_BUFFER, s->size)) != 0) {
		if (n < 0)
			return -errno;
		rc = run_log_index(l, buffer, (size_t)n);
		if (rc == 0)
			s->size += n;
	}
	return rc;
}

/* A power cut may leave zeros at the end: no frame begins with one. The
 * workspace has what stood there, but may not have what is before it. */
static int cut_rest(struct run_log *l) REQUIRES(l->lock)
{
	struct stretch *s = run_log_last(l);

	if (ftruncate(s->fd, l->end.next.at) != 0)
		return -errno;
	s->size = l->end.next.at;
	l->end.record = (struct run_record){ 0 };
	l->end.is_bad = false;
	l->end.is_torn = false;
	return 0;
}

static int load_files(struct run_log *l, const GArray *files) REQUIRES(l->lock)
{
	int rc = 0;

	for (guint i = 0; rc == 0 && i < files->len; i++) {
		unsigned sequence = g_array_index(files, unsigned, i);
		int fd = open_file(l, sequence, 0);

		if (fd < 0)
			return fd;
		add_stretch(l, sequence, fd);
		rc = index_file(l);
	}
	if (rc == -EPROTO && l->end.is_torn && l->stretches->len == files->len)
		rc = cut_rest(l);
	return rc;
}

static void forget(struct run_log *l) REQUIRES(l->lock)
{
	g_ptr_array_set_size(l->stretches, 0);
	g_ptr_array_set_size(l->figures, 0);
	l->end = (struct log_cursor){ 0 };
	l->error = 0;
}

int run_log_load(struct run_log *l)
{
	GArray *files;

	if (l->is_loaded)
		return l->error;
	l->is_loaded = true;
	files = list_files(l->where.directory_fd, l->where.number);
	l->error = load_files(l, files);
	g_array_unref(files);
	if (l->error < 0) {
		int error = l->error;

		forget(l);
		l->error = error;
	}
	return l->error;
}

int run_log_restart(struct run_log *l)
{
	mutex_lock(&l->lock);
	forget(l);
	l->is_loaded = true;
	run_log_remove(l->where.directory_fd, l->where.number);
	mutex_unlock(&l->lock);
	return 0;
}

/* --- writing -------------------------------------------------------------- */

static int begin_stretch(struct run_log *l) REQUIRES(l->lock)
{
	unsigned sequence =
		l->stretches->len == 0 ? 0 : run_log_last(l)->sequence + 1;
	int fd = l->where.number == 0
			 ? scratch_file(l->where.directory_fd)
			 : open_file(l, sequence, O_CREAT | O_EXCL);

	if (fd < 0)
		return fd;
	add_stretch(l, sequence, fd);
	return 0;
}

/* All of it into the last file, or nothing. */
static int write_last(struct run_log *l, const uint8_t *bytes, size_t length)
	REQUIRES(l->lock)
{
	struct stretch *s = run_log_last(l);
	int rc = scratch_write(s->fd, bytes, length, s->size);

	if (rc == 0)
		rc = run_log_index(l, bytes, length);
	if (rc < 0)
		scratch_cut(s->fd, s->size);
	else
		s->size += (int64_t)length;
	return rc;
}

/* Its mark is missing: a kill, or a full disk, came between the two. */
static bool is_markless(const struct stretch *s)
{
	return s->sequence > 0 && s->size == 0;
}

/* The next file, which begins with what is known here. */
static int rotate(struct run_log *l) REQUIRES(l->lock)
{
	struct run_mark mark = { .place = l->end.place };
	uint8_t frame[RUN_FRAME_HEAD + RUN_MARK_MAX];
	int rc = 0;

	memcpy(mark.written, l->end.next.written, sizeof(mark.written));
	if (!is_markless(run_log_last(l)))
		rc = begin_stretch(l);
	if (rc == 0)
		rc = write_last(l, frame, run_mark_frame(&mark, frame));
	if (rc == 0)
		keep_max(l);
	return rc;
}

/* A figure is not torn: without the file where it begins its rest would be
 * taken for all of it. */
static bool is_in_figure(struct run_log *l) REQUIRES(l->lock)
{
	const struct log_cursor *c = &l->end;

	return c->figure != NULL && c->piece > 0 && !c->figure->is_broken &&
	       run_log_last(l)->size < l->where.max;
}

/* How many of the bytes go into the file there is. 0: none. */
static int64_t fitting(struct run_log *l, const uint8_t *bytes, size_t length)
	REQUIRES(l->lock)
{
	const struct stretch *s;
	int64_t rest;

	if (l->stretches->len == 0)
		return 0;
	s = run_log_last(l);
	if (is_markless(s))
		return 0;
	if (s->size < l->where.max / STRETCHES)
		return (int64_t)length;
	rest = run_record_rest(&l->end.record, bytes, length);
	if (rest == 0 && is_in_figure(l))
		rest = (int64_t)MIN(length, RUN_FRAME_HEAD);
	return rest;
}

ssize_t run_log_append(struct run_log *l, const uint8_t *bytes, size_t length)
{
	size_t done = 0;
	int64_t rc;

	mutex_lock(&l->lock);
	rc = run_log_load(l);
	while (rc == 0 && done < length) {
		int64_t n = fitting(l, bytes + done, length - done);

		if (n > 0) {
			rc = write_last(l, bytes + done, (size_t)n);
			done += rc == 0 ? (size_t)n : 0;
			keep_max(l);
		} else if (n < 0) {
			rc = n;
		} else {
			rc = l->stretches->len == 0 ? begin_stretch(l)
						    : rotate(l);
		}
	}
	mutex_unlock(&l->lock);
	return done > 0 ? (ssize_t)done : (ssize_t)rc;
}

/* A frame that will never be whole becomes as short as it is. */
static int close_frame(struct run_log *l) REQUIRES(l->lock)
{
	struct log_cursor *c = &l->end;
	struct stretch *s = run_log_last(l);
	/* A figure's frame without a piece would say that it is whole. */
	bool is_useless =
		c->record.head_length < RUN_FRAME_HEAD ||
		c->record.head[0] == RUN_FRAME_MARK ||
		(c->record.head[0] == RUN_FRAME_FIGURE && c->piece == 0);
	int64_t have = s->size - c->frame_at - RUN_FRAME_HEAD;
	const uint8_t length[] = { (uint8_t)(have >> 24), (uint8_t)(have >> 16),
		(uint8_t)(have >> 8), (uint8_t)have };

	if (c->record.head_length == 0)
		return 0;
	if (is_useless) {
		s->size = c->record.head_length < RUN_FRAME_HEAD ? c->next.at
								 : c->frame_at;
		if (ftruncate(s->fd, s->size) != 0)
			return -errno;
		c->next.at = s->size;
	} else {
		int rc = scratch_write(
			s->fd, length, sizeof(length), c->frame_at + 1);

		if (rc < 0)
			return rc;
	}
	c->record = (struct run_record){ 0 };
	return 0;
}

int run_log_skip(struct run_log *l)
{
	int rc;

	mutex_lock(&l->lock);
	rc = run_log_load(l);
	if (rc == 0 && l->end.is_bad)
		rc = -EPROTO;
	if (rc == 0 && l->stretches->len > 0)
		rc = close_frame(l);
	mutex_unlock(&l->lock);
	return rc;
}

int64_t run_log_place(struct run_log *l)
{
	int64_t place;

	mutex_lock(&l->lock);
	place = run_log_load(l);
	if (place == 0)
		place = l->end.place;
	/* A head that is not whole is not counted yet. */
	if (place >= 0 && l->end.record.head_length < RUN_FRAME_HEAD)
		place += (int64_t)l->end.record.head_length;
	mutex_unlock(&l->lock);
	return place;
}

int run_log_sync(struct run_log *l)
{
	int rc = 0;

	mutex_lock(&l->lock);
	for (guint i = 0; i < l->stretches->len; i++) {
		const struct stretch *s = l->stretches->pdata[i];

		if (fdatasync(s->fd) != 0)
			rc = -errno;
	}
	mutex_unlock(&l->lock);
	return rc;
}

/* --- life ----------------------------------------------------------------- */

struct run_log *run_log_new(const struct run_log_place *where)
{
	struct run_log *l = g_new0(struct run_log, 1);

	l->where = *where;
	mutex_init(&l->lock);
	l->stretches = g_ptr_array_new_with_free_func(free_stretch);
	l->figures = g_ptr_array_new_with_free_func(run_log_figure_free);
	return l;
}

void run_log_free(struct run_log *l)
{
	if (l == NULL)
		return;
	g_ptr_array_unref(l->figures);
	g_ptr_array_unref(l->stretches);
	mutex_fini(&l->lock);
	g_free(l);
}
