/*
 * forest_private.h - what forest.c and forest_names.c share; see forest.h.
 */
#ifndef PYCLOUD_FOREST_PRIVATE_H
#define PYCLOUD_FOREST_PRIVATE_H

#include "forest.h"
#include "fs_limits.h"
#include "mutex.h"
#include "waitlist.h"

enum place_state {
	PLACE_PLAIN,	/* an empty directory */
	PLACE_STARTING, /* a mount is under way */
	PLACE_MOUNTED,
	PLACE_REMOVING,
	PLACE_GONE, /* removed: its number is not used again */
};

/* A program that was told to walk once more. */
struct returning {
	pid_t thread;
	int64_t until_ms;
};

/* One workspace's name. It lives as long as the forest; what follows `ino` is
 * guarded by the forest's lock. */
struct place {
	struct forest *forest;
	char *name;
	uint64_t ino;

	bool is_listed;
	struct timespec created;
	char *sentence; /* of the list; NULL: nothing is known */
	enum place_state state;
	uint64_t generation; /* of the mount that `state` speaks of */
	char *said;	     /* by it, the last line; NULL: nothing */
	int hold_fd;	     /* while it is under way; -1 */
	/* The last failure. */
	int failed_rc;
	int64_t failed_until_ms;
	char *why;
	struct returning returning[FOREST_WAITERS_MAX];
};

/* Looks after one mount, in a thread of its own. */
struct keeper {
	struct place *place;
	uint64_t generation;
	struct cancel cancel;
};

struct forest {
	struct forest_params params; /* immutable */
	const struct forest_ops *ops;

	struct mutex lock;
	/* guarded by lock */
	GHashTable *by_name;	/* borrowed char * -> borrowed struct place * */
	GPtrArray *places;	/* owned; by ino - FOREST_FIRST_INO */
	GPtrArray *keepers;	/* borrowed; each takes itself out */
	int64_t listed_ms;	/* when the list was had; 0: never, dropped */
	int64_t next_list_ms;	/* not before, after a failure */
	char *list_why;		/* of the failure; NULL: none */
	struct cancel *listing; /* of the list that is under way; NULL: none */
	uint64_t listings;	/* that have ended */
	bool is_ending;
	unsigned waiting; /* programs, until a mount stands */
	struct waitlist changed;
};

/* NULL: none. */
struct place *forest_place_locked(struct forest *f, const char *name)
	REQUIRES(f->lock);
/* Made when it is missing; NULL: there are too many. */
struct place *forest_place_made_locked(struct forest *f, const char *name)
	REQUIRES(f->lock);
/* Out of the cluster's mouth: it is shown. */
void forest_place_list_locked(struct forest *f, struct place *p,
	const struct forest_item *item) REQUIRES(f->lock);
/* Sees to it that the list is one that is believed, or is the last one that
 * was had. -EINTR. */
int forest_list_freshen(struct forest *f, const struct cancel *)
	EXCLUDES(f->lock);
/* Runs in a thread of its own, which nobody joins. */
int forest_start_thread(void *(*function)(void *), void *arg);

#endif
