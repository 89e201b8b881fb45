/* prefetch_tree.c - a walk's listings, piece by piece; see tree_piece.h.
 *
 * The first piece begins with the first directory ahead of the walk that is
 * not listed. The next one is asked for when the walk has come half way
 * through the last, and begins behind it; or when the last has grown old, and
 * begins where the walk is. There is one under way at a time.
 */
#include "config.h"

#include "horizon.h"
#include "prefetch_private.h"
#include "remote.h"
#include "session.h"
#include "tree.h"
#include "tree_piece.h"
#include "workers.h"

#include <string.h>

/* It helps nobody. */
static bool stands_still(const struct tree_piece *piece)
{
	return piece != NULL && tree_piece_patience_ms(piece) == 0;
}

bool prefetch_tree_serves(const struct glance *g)
{
	struct prefetch *p = g->prefetch;
	unsigned can = remote_capabilities(p->session->remote);
	const struct ahead *a;
	bool serves;

	if ((can & REMOTE_CAN_TREE) == 0)
		return false;
	mutex_lock(&p->lock);
	a = prefetch_ahead_locked(p, g->walk);
	serves = a != NULL && !a->is_plain && !stands_still(a->piece);
	mutex_unlock(&p->lock);
	return serves;
}

/* --- one piece ------------------------------------------------------------ */

struct piece_job {
	struct prefetch *prefetch;
	uint64_t walk;
	struct tree_piece *piece;
};

static void piece_end(struct piece_job *job, int rc)
{
	struct prefetch *p = job->prefetch;
	struct tree_piece *piece = job->piece;
	struct ahead *a;

	mutex_lock(&p->lock);
	a = prefetch_ahead_locked(p, job->walk);
	if (a != NULL) {
		a->piece = NULL;
		a->is_plain = a->is_plain || rc < 0;
		a->has_piece = rc == 0;
		a->piece_ms = clock_now_ms();
		a->is_all = piece->is_all;
		g_free(a->top);
		g_free(a->middle);
		g_free(a->last);
		a->top = g_strdup(piece->top);
		a->middle = g_steal_pointer(&piece->middle);
		a->last = g_steal_pointer(&piece->last);
	}
	mutex_unlock(&p->lock);
	tree_piece_free(piece);
}

/* The walk may be waiting for its first listing, and counts as there then. */
static bool is_wanted(const struct piece_job *job)
{
	struct prefetch *p = job->prefetch;
	const struct walk *w;
	bool is;

	mutex_lock(&p->lock);
	w = walks_find(&p->walks, job->walk);
	is = w != NULL &&
	     walk_compare(job->piece->first, walk_position(w)) >= 0;
	mutex_unlock(&p->lock);
	return is;
}

static void piece_run(void *arg, const struct cancel *cancel)
{
	struct piece_job *job = arg;
	int rc = 1;

	if (is_wanted(job))
		rc = tree_piece_fetch(job->piece, cancel);
	piece_end(job, rc);
	/* The walk may have come further than the piece. */
	prefetch_extend(job->prefetch, job->walk);
	g_free(job);
}

static void piece_drop(void *arg)
{
	struct piece_job *job = arg;

	piece_end(job, 1);
	g_free(job);
}

/* Who reads needs newer listings than who only looks, and comes slower: to the
 * end of a large piece they would be too old. */
static unsigned choose_entries(const struct glance *g, unsigned pieces)
{
	unsigned entries = TREE_PIECE_ENTRIES;

	for (; !g->reads && pieces > 0 && entries < TREE_PIECE_ENTRIES_MAX;
		pieces--)
		entries *= 2;
	return MIN(entries, TREE_PIECE_ENTRIES_MAX);
}

/* `pieces`: how many there were when it was found to be the next. */
static void ask_for_piece(
	const struct glance *g, const char *first, unsigned pieces)
{
	struct prefetch *p = g->prefetch;
	struct job job = { piece_run, piece_drop, NULL };
	struct piece_job *own;
	struct ahead *a;
	struct tree_piece *piece = tree_piece_new(
		p->session->tree, g->top, first, choose_entries(g, pieces));
	bool is_next;

	mutex_lock(&p->lock);
	a = prefetch_ahead_locked(p, g->walk);
	is_next = a != NULL && a->piece == NULL && a->pieces == pieces;
	if (is_next) {
		a->piece = piece;
		a->pieces++;
	}
	mutex_unlock(&p->lock);
	if (!is_next) {
		tree_piece_free(piece);
		return;
	}
	own = g_new(struct piece_job, 1);
	*own = (struct piece_job){ p, g->walk, piece };
	job.arg = own;
	(void)workers_add(p->session->workers, &job);
}

/* --- when, and which ------------------------------------------------------ */

/* Where to look for the first directory of a piece; NULL: none is needed. */
static const char *find_start(const struct ahead *a, const struct glance *g)
{
	if (a->piece != NULL)
		return NULL;
	if (!a->has_piece || a->last == NULL ||
		clock_now_ms() - a->piece_ms > g->fresh_ms)
		return g->position;
	if ((a->is_all && strcmp(a->top, g->top) == 0) ||
		walk_compare(g->position, a->middle) < 0)
		return NULL;
	return walk_compare(g->position, a->last) > 0 ? g->position : a->last;
}

static void note_first(
	struct horizon *h, const char *path, bool is_known, bool is_fresh)
{
	char **first = h->arg;

	if (is_known && is_fresh)
		return;
	*first = g_strdup(path);
	h->is_done = true;
}

/* The first directory behind `start` that must be listed; NULL: none near. */
static char *find_first(const struct glance *g, const char *start)
{
	char *first = NULL;
	struct horizon h = {
		.session = g->prefetch->session,
		.top = g->top,
		.position = start,
		.enters = true,
		.fresh_ms = g->fresh_ms,
		.directories = PREFETCH_DIRECTORIES,
		.at_directory = note_first,
		.arg = &first,
	};

	horizon_look(&h);
	return first;
}

void prefetch_tree_look(const struct glance *g)
{
	struct prefetch *p = g->prefetch;
	g_autofree char *start = NULL;
	g_autofree char *first = NULL;
	const struct ahead *a;
	unsigned pieces = 0;

	if (!g->enters)
		return;
	mutex_lock(&p->lock);
	a = prefetch_ahead_locked(p, g->walk);
	if (a != NULL) {
		start = g_strdup(find_start(a, g));
		pieces = a->pieces;
	}
	mutex_unlock(&p->lock);
	if (start != NULL)
		first = find_first(g, start);
	if (first != NULL)
		ask_for_piece(g, first, pieces);
}
