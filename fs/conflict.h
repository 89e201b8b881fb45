/*
 * conflict.h - somebody else saved the file that we are about to save.
 *
 * The first writer wins and both versions are kept. Before our bytes go to the
 * server, what is there now is compared with what our change began from. When
 * it is something else, the server's file stays as it is, our bytes are put
 * beside it as NAME.conflict-HOST-YYYYMMDDTHHMMSS.EXT, and the close that
 * wanted to save them returns ESTALE. The same bytes are no conflict, whoever
 * wrote them: an upload whose answer was lost looks like that, and one that was
 * cut short looks like the beginning of our bytes.
 *
 * The list of conflicts is remembered between mounts (a fact of state.h), as
 * .pycloud/conflicts shows it: path, ours, theirs, separated by tabs, with
 * control characters and backslashes escaped as in C. A line goes when our copy
 * is removed or renamed through the mount.
 *
 * The contents API has no compare-and-swap: between our look and our PUT there
 * is a moment, one second at most where a look was spared because what is
 * believed was that fresh. Where a remote has one (swap.h) there is no look, and
 * no moment: the refusal says what is there.
 *
 * Locking: one internal lock around the list.
 */
#ifndef PYCLOUD_CONFLICT_H
#define PYCLOUD_CONFLICT_H

#include "cancel.h"
#include "entry.h"

struct conflicts;
struct node;
struct session;
struct state;

/* Borrows the state, where earlier mounts' are. */
struct conflicts *conflicts_new(struct state *);
void conflicts_free(struct conflicts *);
/* One line each. */
void conflicts_list(struct conflicts *, GString *text);
unsigned conflicts_count(struct conflicts *);
/* Our copy at `path`, or all below it, was removed or renamed. */
void conflicts_forget(struct conflicts *, const char *path);

enum conflict_verdict {
	CONFLICT_NONE,	/* nobody was there */
	CONFLICT_SAME,	/* *ret_now has our bytes already */
	CONFLICT_OTHERS /* *ret_now has other bytes */
};

/* For a content whose upload has begun (content_begin_upload), of `size`
 * bytes; `was_sent`: an earlier upload of them was tried. The verdict or
 * -errno. ret_now is filled for SAME and OTHERS (entry_clear it). */
int conflict_examine(struct session *, struct node *, const char *path,
	int64_t size, bool was_sent, const struct cancel *,
	struct entry *ret_now);

/* The same of what is known to be there: a file, and not the version that our
 * change began from. Keeps no entry. */
int conflict_judge(struct session *, struct node *, const char *path,
	int64_t size, bool was_sent, const struct entry *now,
	const struct cancel *);
/* Of a content that is not all here, and of which only these ranges (of struct
 * remote_range) were sent: CONFLICT_SAME when they, and the size, are the
 * server's too, so that nothing of ours is missing there; else OTHERS. */
int conflict_judge_ranges(struct session *, struct node *, const char *path,
	int64_t size, const GArray *ranges, const struct entry *now,
	const struct cancel *);

/* Of a content of which some ranges were sent before, and perhaps others since:
 * CONFLICT_NONE when what is there has those and their size; else OTHERS. */
int conflict_judge_sent(struct session *, struct node *, const char *path,
	const struct entry *now, const struct cancel *);

/* Puts the bytes beside the file: 0, and the conflict is on the list. `theirs`
 * NULL: the file is gone. */
int conflict_place(struct session *, struct node *, const char *path,
	int64_t size, const struct entry *theirs, const struct cancel *);

/* What is not here of a content whose version the server has no more is filled
 * with what it has there now, zeroes past its end: the copy beside the file is
 * as whole as can be. */
int conflict_fill(struct session *, struct node *, const char *path,
	const struct cancel *);

/* "a/main.conflict-HOST-20260131T235959.py", the `number`th try; g_free. */
char *conflict_name(
	const char *path, const char *host, time_t when, unsigned number);

#endif
