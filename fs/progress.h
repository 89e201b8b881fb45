/*
 * progress.h - telling who waits what is being waited for.
 *
 * On a terminal one line of stderr, which each next one overwrites; elsewhere
 * plain lines. The same line is said once. Not locked: one thread at a time.
 */
#ifndef PYCLOUD_PROGRESS_H
#define PYCLOUD_PROGRESS_H

#include <stdbool.h>

struct progress {
	const char *program; /* borrowed; stands before each line */
	char *last;	     /* the line that stands there; NULL: none */
	bool is_quiet;
};

/* `arg` is a struct progress. */
void progress_line(void *arg, const char *line);
/* What follows begins on a line of its own. */
void progress_end(struct progress *);

#endif
