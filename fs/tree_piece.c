/* tree_piece.c - see tree_piece.h. */
#include "config.h"

#include "tree_piece.h"

#include "attr_cache.h"
#include "fs_limits.h"
#include "names.h"
#include "remote.h"
#include "tree.h"
#include "tree_private.h"
#include "walk.h"

struct tree_piece *tree_piece_new(struct tree *t, const char *top,
	const char *first, unsigned entries_max)
{
	struct tree_piece *piece = g_new0(struct tree_piece, 1);

	piece->tree = t;
	piece->top = g_strdup(top);
	piece->first = g_strdup(first);
	piece->entries_max = entries_max;
	atomic_store(&piece->moved_ms, clock_now_ms());
	mutex_lock(&t->lock);
	g_ptr_array_add(t->pieces, piece);
	mutex_unlock(&t->lock);
	return piece;
}

/* What has not come by now does not come. */
static void end_expectation(struct tree_piece *piece)
{
	struct tree *t = piece->tree;

	mutex_lock(&t->lock);
	(void)g_ptr_array_remove_fast(t->pieces, piece);
	waitlist_wake(&t->landed);
	mutex_unlock(&t->lock);
}

void tree_piece_free(struct tree_piece *piece)
{
	if (piece == NULL)
		return;
	end_expectation(piece);
	g_free(piece->top);
	g_free(piece->first);
	g_free(piece->middle);
	g_free(piece->last);
	g_free(piece->passed);
	g_free(piece);
}

static void set_path(char **path, const char *to)
{
	g_free(*path);
	*path = g_strdup(to);
}

static void take_directory(void *arg, const char *path, GPtrArray *entries,
	unsigned dropped, uint64_t watch)
{
	struct tree_piece *piece = arg;
	struct tree *t = piece->tree;

	piece->entries += entries->len;
	tree_take_listing(t, piece->ticket, piece->has_dots, path, entries,
		dropped, watch);
	if (piece->middle == NULL && piece->entries >= piece->entries_max / 2)
		piece->middle = g_strdup(path);
	set_path(&piece->last, path);
	mutex_lock(&t->lock);
	set_path(&piece->passed, path);
	atomic_store(&piece->moved_ms, clock_now_ms());
	waitlist_wake(&t->landed);
	mutex_unlock(&t->lock);
}

int tree_piece_fetch(struct tree_piece *piece, const struct cancel *cancel)
{
	const struct remote_tree_sink sink = { take_directory, piece };
	struct tree *t = piece->tree;
	int rc;

	/* One for all: what we change meanwhile is stronger than any of them. */
	piece->ticket = attr_cache_ticket(t->attrs);
	piece->has_dots = tree_has_dots(t);
	rc = remote_list_tree(t->remote, piece->top, piece->first,
		piece->entries_max, &sink, cancel, &piece->is_all);
	end_expectation(piece);
	if (piece->last == NULL)
		piece->is_all = true;
	if (piece->middle == NULL)
		set_path(&piece->middle, piece->last);
	return rc;
}

/* --- waiting for one ------------------------------------------------------ */

int64_t tree_piece_patience_ms(const struct tree_piece *piece)
{
	return MAX(0, atomic_load(&piece->moved_ms) + TREE_PIECE_PATIENCE_MS -
			      clock_now_ms());
}

static bool may_bring(const struct tree_piece *piece, const char *path)
{
	return path_is_below(path, piece->top) &&
	       (piece->passed == NULL ? walk_compare(path, piece->first) >= 0
				      : walk_compare(path, piece->passed) > 0);
}

static int64_t longest_patience_ms_locked(struct tree *t, const char *path)
	REQUIRES(t->lock)
{
	int64_t longest_ms = 0;

	for (guint i = 0; i < t->pieces->len; i++) {
		const struct tree_piece *piece = t->pieces->pdata[i];

		if (may_bring(piece, path))
			longest_ms =
				MAX(longest_ms, tree_piece_patience_ms(piece));
	}
	return longest_ms;
}

int tree_piece_await_locked(
	struct tree *t, const char *path, const struct cancel *cancel)
{
	int64_t wait_ms;
	bool has_waited = false;

	while ((wait_ms = longest_patience_ms_locked(t, path)) > 0) {
		int rc = waitlist_wait(&t->landed, &t->lock, cancel, wait_ms);

		if (rc < 0 && cancel_check(cancel) < 0)
			return rc;
		has_waited = true;
	}
	return has_waited;
}
