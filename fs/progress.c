/* progress.c - see progress.h. */
#include "config.h"

#include "progress.h"

#include <glib.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Back to the line's beginning, and what stood there is gone. */
#define ERASE "\r\033[K"

/* What wraps cannot be erased: the cursor goes back to its last row only. */
static char *fit(const char *program, const char *line)
{
	g_autofree char *text = g_strdup_printf("%s: %s", program, line);
	g_autofree char *valid = g_utf8_make_valid(text, -1);
	struct winsize size = { 0 };
	glong length = g_utf8_strlen(valid, -1);

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
		length = MIN(length, (glong)size.ws_col - 1);
	return g_utf8_substring(valid, 0, length);
}

void progress_line(void *arg, const char *line)
{
	struct progress *p = arg;
	bool is_terminal = isatty(STDERR_FILENO) != 0;
	g_autofree char *text = NULL;

	if (p->is_quiet || g_strcmp0(p->last, line) == 0)
		return;
	if (is_terminal) {
		text = fit(p->program, line);
		(void)fprintf(stderr, ERASE "%s", text);
	} else {
		(void)fprintf(stderr, "%s: %s\n", p->program, line);
	}
	(void)fflush(stderr);
	g_free(p->last);
	p->last = g_strdup(line);
}

void progress_end(struct progress *p)
{
	if (p->last != NULL && isatty(STDERR_FILENO) != 0)
		(void)fputs(ERASE, stderr);
	g_clear_pointer(&p->last, g_free);
}
