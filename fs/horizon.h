/*
 * horizon.h - what comes next on a walk, as far as names are known.
 *
 * From a position on, in the order of the walk (walk.h): what is below it, then
 * what comes after it in the directories above, up to the walk's top. Each
 * directory and each small file is shown to whoever looks, until he has seen
 * enough or what is left of the horizon is used up. Nothing is asked of the
 * server for it, and how old the names are does not matter much: their order
 * is enough.
 *
 * Plain data, no lock.
 */
#ifndef PYCLOUD_HORIZON_H
#define PYCLOUD_HORIZON_H

#include <stdbool.h>
#include <stdint.h>

struct entry;
struct session;

struct horizon {
	struct session *session;
	const char *top;
	const char *position;
	bool enters;	  /* directories */
	bool reads;	  /* files: they are shown, and use up the horizon */
	int64_t fresh_ms; /* an older listing counts as not fresh */
	/* what is left */
	unsigned directories;
	unsigned files;
	int64_t bytes;
	bool is_done; /* whoever looks has seen enough */
	/* Its listing is known, and if so, is it fresh? */
	void (*at_directory)(struct horizon *, const char *path, bool is_known,
		bool is_fresh);
	/* One of its size is worth having before it is asked for. */
	void (*at_file)(
		struct horizon *, const char *path, const struct entry *);
	void *arg;
};

void horizon_look(struct horizon *);
/* It has been used up: there may be more behind it. */
bool horizon_is_reached(const struct horizon *);
/* A file that is shown. */
bool horizon_shows(const struct entry *);

#endif
