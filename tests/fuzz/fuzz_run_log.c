/* Any bytes as a run's record, in pieces: the views show as much as they say,
 * and figures are what their sizes say. */
#include "config.h"

#include "fuzz.h"

#include "run_log.h"

#include <fcntl.h>
#include <glib.h>
#include <string.h>

/* Little, so that files follow each other. */
#define KEEP_MAX 2048

static void check_view(struct run_log *l, enum run_view view)
{
	struct run_log_sizes sizes;
	char piece[777];
	int64_t at;
	ssize_t n;

	run_log_sizes(l, &sizes);
	at = sizes.start[view];
	if (at > sizes.size[view] || at < 0)
		g_error("a view ends before it begins");
	while ((n = run_log_read(l, view, piece, sizeof(piece), at)) > 0)
		at += n;
	if (n < 0 || at != sizes.size[view])
		g_error("a view is not as long as it says");
}

static void check_figures(struct run_log *l)
{
	GPtrArray *names = run_log_figures(l);
	char piece[777];

	for (guint i = 0; i < names->len; i++) {
		const char *name = names->pdata[i];
		int64_t size = run_log_figure_size(l, name);
		int64_t at = 0;
		ssize_t n;

		if (strchr(name, '/') != NULL || name[0] == '.')
			g_error("a figure's name leads elsewhere");
		while ((n = run_log_figure_read(
				l, name, piece, sizeof(piece), at)) > 0)
			at += n;
		if (n < 0 || at != size)
			g_error("a figure is not as long as it says");
	}
	g_ptr_array_unref(names);
}

/* The first byte says how long the pieces are; 0: skip now and then. */
void fuzz_run_log(const uint8_t *bytes, size_t length)
{
	static int directory_fd = -1;
	struct run_log_place place = { .max = KEEP_MAX };
	struct run_log *l;
	size_t step = length > 0 ? bytes[0] % 64 + 1 : 1;
	bool has_skips = length > 0 && bytes[0] % 2 == 0;
	ssize_t n = 0;

	if (directory_fd < 0)
		directory_fd = open("/tmp", O_DIRECTORY | O_RDONLY);
	place.directory_fd = directory_fd;
	l = run_log_new(&place);
	for (size_t at = 1; at < length && n >= 0; at += (size_t)n) {
		n = run_log_append(l, bytes + at, MIN(step, length - at));
		if (has_skips && at % 97 < step)
			(void)run_log_skip(l);
	}
	/* What is no record is given up, whatever it shows. */
	for (int view = 0; n >= 0 && view < RUN_VIEWS; view++)
		check_view(l, (enum run_view)view);
	if (n >= 0)
		check_figures(l);
	run_log_free(l);
}
