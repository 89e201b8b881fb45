/* walk.c - see walk.h. */
#include "config.h"

#include "walk.h"

#include "fs_limits.h"
#include "names.h"

#include <glib.h>
#include <string.h>

/* Where a directory lies, seen from where the walk is. */
enum relation {
	ELSEWHERE,
	SAME,
	BELOW,
	ABOVE,
	NEXT, /* a later sibling of it, or of a directory above it */
};

void walks_init(struct walks *w)
{
	*w = (struct walks){ .next_number = 1 };
}

static void walk_clear(struct walk *w)
{
	g_free(w->top);
	g_free(w->directory);
	g_free(w->file);
	*w = (struct walk){ 0 };
}

void walks_clear(struct walks *w)
{
	for (unsigned i = 0; i < WALKS_MAX; i++)
		walk_clear(&w->walks[i]);
}

/* A path's end sorts before the slash, and that before everything else. */
static int rank(char c)
{
	if (c == '\0')
		return -2;
	return c == '/' ? -1 : (unsigned char)c;
}

int walk_compare(const char *a, const char *b)
{
	/* The root is above all, though no slash follows its name. */
	if (*a == '\0' || *b == '\0')
		return (*a != '\0') - (*b != '\0');
	while (*a == *b && *a != '\0') {
		a++;
		b++;
	}
	return rank(*a) - rank(*b);
}

/* How many bytes of directory names the two have in common. */
static size_t common_length(const char *a, const char *b)
{
	size_t common = 0;
	size_t i;

	for (i = 0; a[i] == b[i] && a[i] != '\0'; i++)
		if (a[i] == '/')
			common = i;
	if ((a[i] == '\0' || a[i] == '/') && (b[i] == '\0' || b[i] == '/'))
		common = i;
	return common;
}

static enum relation relate(const char *from, const char *to)
{
	size_t common = common_length(from, to);
	const char *rest = to + common;

	if (strcmp(from, to) == 0)
		return SAME;
	if (path_is_below(to, from))
		return BELOW;
	if (path_is_below(from, to))
		return ABOVE;
	rest += *rest == '/';
	/* Not into the depths of a sibling: who walks opens it first. */
	if (strchr(rest, '/') != NULL || walk_compare(to, from) < 0)
		return ELSEWHERE;
	return NEXT;
}

static bool is_alive(const struct walk *w, int64_t now_ms)
{
	return w->number != 0 && now_ms - w->moved_ms < PREFETCH_PAUSE_MS;
}

const char *walk_position(const struct walk *w)
{
	return w->file != NULL && walk_compare(w->file, w->directory) > 0
		       ? w->file
		       : w->directory;
}

bool walk_is_ahead(const struct walk *w, const char *path)
{
	return walk_compare(path, walk_position(w)) > 0;
}

const struct walk *walks_find(const struct walks *walks, uint64_t number)
{
	for (unsigned i = 0; i < WALKS_MAX; i++)
		if (walks->walks[i].number == number)
			return &walks->walks[i];
	return NULL;
}

/* Of two walks that a directory may be part of. The later one, when neither is
 * nearer: the other would have to jump over it. */
static bool is_nearer(
	const struct walk *a, const struct walk *b, const char *directory)
{
	size_t x = common_length(a->directory, directory);
	size_t y = common_length(b->directory, directory);

	return x != y ? x > y : walk_compare(a->directory, b->directory) > 0;
}

/* The living walk that is nearest to a directory, of those that it may be part
 * of: `accepted` is a set of relations. */
static struct walk *find_nearest(struct walks *walks, const char *directory,
	unsigned accepted, int64_t now_ms, enum relation *ret)
{
	struct walk *best = NULL;

	*ret = ELSEWHERE;
	for (unsigned i = 0; i < WALKS_MAX; i++) {
		struct walk *w = &walks->walks[i];
		enum relation r;

		if (!is_alive(w, now_ms))
			continue;
		r = relate(w->directory, directory);
		if ((accepted & 1U << r) == 0 ||
			(best != NULL && !is_nearer(w, best, directory)))
			continue;
		best = w;
		*ret = r;
	}
	return best;
}

/* In the place of the one that has stood still for longest. */
static struct walk *begin(
	struct walks *walks, const char *directory, int64_t now_ms)
{
	struct walk *w = &walks->walks[0];

	for (unsigned i = 1; i < WALKS_MAX; i++)
		if (walks->walks[i].moved_ms < w->moved_ms)
			w = &walks->walks[i];
	walk_clear(w);
	*w = (struct walk){
		.number = walks->next_number++,
		.top = g_strdup(directory),
		.directory = g_strdup(directory),
		.moved_ms = now_ms,
	};
	return w;
}

static void move_to(struct walk *w, const char *directory)
{
	g_free(w->directory);
	w->directory = g_strdup(directory);
	if (w->steps == 0 && w->file == NULL) {
		/* On the way to where something will happen. */
		g_free(w->top);
		w->top = g_strdup(directory);
	}
}

static void step_to(struct walk *w, const char *directory, unsigned worth)
{
	size_t common = common_length(w->top, directory);

	w->top[common] = '\0';
	w->steps += worth;
	move_to(w, directory);
}

struct walk *walks_open_directory(struct walks *walks, const char *directory,
	int64_t now_ms, bool *ret_has_moved)
{
	enum relation r;
	struct walk *w = find_nearest(walks, directory,
		1U << SAME | 1U << BELOW | 1U << NEXT, now_ms, &r);

	*ret_has_moved = w != NULL && r != SAME;
	if (w == NULL)
		w = begin(walks, directory, now_ms);
	/* A path that was resolved down to here is no step. */
	if (r == BELOW && !w->has_opened)
		move_to(w, directory);
	else if (r == BELOW || r == NEXT)
		step_to(w, directory, w->has_opened ? WALK_CERTAIN : 1);
	w->has_opened = true;
	w->moved_ms = now_ms;
	return w;
}

struct walk *walks_look_up(struct walks *walks, const char *directory,
	int64_t now_ms, bool *ret_has_moved)
{
	enum relation r;
	struct walk *w = find_nearest(walks, directory,
		1U << SAME | 1U << ABOVE | 1U << BELOW | 1U << NEXT, now_ms,
		&r);

	*ret_has_moved = r == NEXT;
	if (w == NULL)
		return begin(walks, directory, now_ms);
	if (r == NEXT)
		step_to(w, directory, 1);
	else if (r == BELOW)
		move_to(w, directory);
	/* Any path goes through the directories above. */
	if (r == ABOVE)
		return NULL;
	w->moved_ms = now_ms;
	return w;
}

/* Counts when it is later than the last; true. */
static bool read_on(struct walk *w, const char *path, int64_t now_ms)
{
	int order = w->file == NULL ? -1 : walk_compare(w->file, path);
	bool is_recent = now_ms - w->read_ms < PREFETCH_PAUSE_MS;

	w->read_ms = now_ms;
	if (order == 0)
		return false;
	if (order < 0 && w->file != NULL && is_recent)
		w->reads++;
	else
		w->reads = 0;
	g_free(w->file);
	w->file = g_strdup(path);
	return w->reads > 0;
}

struct walk *walks_open_file(struct walks *walks, const char *path,
	int64_t now_ms, bool *ret_has_moved)
{
	g_autofree char *directory = path_parent(path);
	enum relation r;
	struct walk *w = find_nearest(walks, directory,
		1U << SAME | 1U << ABOVE | 1U << BELOW | 1U << NEXT, now_ms,
		&r);

	/* Back up it goes when all below has been seen, not before. */
	if (w == NULL || (r == ABOVE && !walk_is_ahead(w, path)))
		w = begin(walks, directory, now_ms);
	else if (r == NEXT)
		step_to(w, directory, 1);
	else if (r == ABOVE || r == BELOW)
		move_to(w, directory);
	w->moved_ms = now_ms;
	*ret_has_moved = read_on(w, path, now_ms);
	return w;
}
