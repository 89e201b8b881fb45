/*
 * walk.h - seeing that somebody goes through the tree in its order. Pure.
 *
 * `find`, `grep -r`, `tar` and `git status` visit directories and files in the
 * order of the listings, a directory's own before what comes after it. What
 * programs do is told here as it happens: a directory is opened, a name is
 * looked up in it, a file of it is opened. Each belongs to the walk that it
 * continues, or begins a new one, in the place of the one that has stood still
 * for longest. Some walks at a time are told apart, for threads that share the
 * work and for programs that know nothing of each other.
 *
 * Directories opened in order are a walk at once. Names looked up are weaker
 * evidence, because resolving any path does that: only going on to a later
 * sibling counts, and twice. Files opened in order are reading.
 *
 * Not locked. Strings are copied.
 */
#ifndef PYCLOUD_WALK_H
#define PYCLOUD_WALK_H

#include <stdbool.h>
#include <stdint.h>

#define WALKS_MAX 4
/* Steps that make a walk; an opened directory is worth them all. */
#define WALK_CERTAIN 2

struct walk {
	uint64_t number; /* of this walk and no other; 0: none */
	char *top;	 /* it has not been seen outside of it */
	char *directory; /* where it is */
	char *file;	 /* the path it opened last; NULL: none */
	int64_t moved_ms;
	int64_t read_ms;
	unsigned steps;	 /* from directory to directory */
	unsigned reads;	 /* from file to file */
	bool has_opened; /* directories, not only looked into them */
};

struct walks {
	struct walk walks[WALKS_MAX];
	uint64_t next_number;
};

void walks_init(struct walks *);
void walks_clear(struct walks *);

/* What happened, at clock_now_ms() terms: the walk that it is part of, and
 * whether that went on; NULL when it says nothing. Paths are as in names.h. */
struct walk *walks_open_directory(struct walks *, const char *directory,
	int64_t now_ms, bool *ret_has_moved);
struct walk *walks_look_up(struct walks *, const char *directory,
	int64_t now_ms, bool *ret_has_moved);
struct walk *walks_open_file(
	struct walks *, const char *path, int64_t now_ms, bool *ret_has_moved);

/* NULL: it has ended. */
const struct walk *walks_find(const struct walks *, uint64_t number);
/* The last path that it has seen; borrowed. */
const char *walk_position(const struct walk *);
/* The path is still to come. */
bool walk_is_ahead(const struct walk *, const char *path);

/* The order in which a walk visits paths: a directory, all below it, its next
 * sibling. As strcmp. */
int walk_compare(const char *a, const char *b);

#endif
