/*
 * forest.h - all workspaces of a namespace as one tree: what is there, and what
 * is mounted.
 *
 * As an automounter does it: the root lists the workspaces; each is an empty
 * directory until somebody goes in. Then the workspace is mounted on it, by a
 * process of its own, and the program is answered ESTALE, upon which the kernel
 * walks the path once more: it asks for the name again, is held there until the
 * mount stands, and crosses into it. Nobody waits below the name: mounting
 * needs the directory's lock, which the kernel holds during a lookup in it.
 *
 * One mount per name is under way at a time, and others who go in wait for it.
 * A failure is remembered for FOREST_FAILURE_MS. When the process ends (killed,
 * unmounted) the directory is a plain one again.
 *
 * A name has one number for as long as the forest lives: an answer with another
 * one, or that it is gone, would make the kernel detach what is mounted there.
 *
 * Neither FUSE nor a cluster is known here: `ops` are the world, and tests give
 * their own. Threads: any; each mount has one that looks after it. One internal
 * lock, never held during an op.
 */
#ifndef PYCLOUD_FOREST_H
#define PYCLOUD_FOREST_H

#include "cancel.h"

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct forest;

/* A workspace as it is listed. */
struct forest_item {
	char *name;
	char *sentence; /* how it is doing: "ready" and the like */
	struct timespec created;
	bool is_hidden; /* only told about: there is nothing to go into */
};

void forest_item_free(gpointer);

/* What a mount that is under way says, a line. */
typedef void (*forest_say_fn)(void *say_arg, const char *line);

/* All of them block, bounded by the token; they return 0 or -errno with a
 * sentence in *ret_why (g_free). */
struct forest_ops {
	/* Elements are struct forest_item. */
	int (*list)(void *arg, const struct cancel *, GPtrArray **ret,
		char **ret_why);
	int (*create)(void *arg, const char *name, const struct cancel *,
		char **ret_why);
	int (*remove)(void *arg, const char *name, const struct cancel *,
		char **ret_why);
	/* 0: nothing is in it; -ENOTEMPTY. */
	int (*prove_empty)(void *arg, const char *name, const struct cancel *,
		char **ret_why);
	/* Mounts it on its directory; returns when it stands there. */
	int (*mount)(void *arg, const char *name, forest_say_fn, void *say_arg,
		const struct cancel *, void **ret_mounted, char **ret_why);
	/* Returns when it has ended, which it is told to when the token fires;
	 * frees it. */
	void (*attend)(void *arg, void *mounted, const struct cancel *);
	bool (*is_mounted)(void *arg, const char *name);
	/* Keeps the kernel from forgetting the name, until the descriptor is
	 * closed. -1: it cannot. NULL: need not. */
	int (*hold)(void *arg, const char *name);
};

struct forest_params {
	const struct forest_ops *ops; /* borrowed, as is arg */
	void *arg;
	int64_t mount_timeout_ms; /* of one mount */
	bool is_read_only;	  /* nothing is created or removed */
};

struct forest *forest_new(const struct forest_params *);
/* After forest_end(). */
void forest_free(struct forest *);

/* The numbers of workspaces begin here. */
#define FOREST_FIRST_INO 16

/* Asks for the list now, and fails when it does not come. */
int forest_refresh(struct forest *, const struct cancel *, char **ret_why);
/* Believes no list any more. */
void forest_drop_beliefs(struct forest *);

/* A name to show. */
struct forest_name {
	char *name;
	uint64_t ino;
};

void forest_name_free(gpointer);

/* Elements are struct forest_name, by name. What was known last, when the list
 * does not come within FOREST_LIST_MS. */
GPtrArray *forest_names(struct forest *, const struct cancel *);

/* The number of a name, and since when it is. -ENOENT; -EINTR. Whoever was sent
 * here by forest_enter() waits until the mount stands, or has failed. */
int forest_lookup(struct forest *, const char *name, pid_t caller,
	const struct cancel *, uint64_t *ret_ino);
/* When it was created; false: there is no such number. */
bool forest_stat(struct forest *, uint64_t ino, struct timespec *ret_created);
/* Borrowed; NULL: none. */
const char *forest_name_of(struct forest *, uint64_t ino);

/* Somebody goes in. -ESTALE: once more, as above; else why not. Returns at
 * once. */
int forest_enter(struct forest *, uint64_t ino, pid_t caller);
/* It is being mounted at present. */
bool forest_is_starting(struct forest *, uint64_t ino);

/* mkdir(2) and rmdir(2). */
int forest_create(struct forest *, const char *name, const struct cancel *,
	uint64_t *ret_ino);
/* Sets the token's deadline, for each of its steps. */
int forest_remove(struct forest *, const char *name, struct cancel *);

/* A line about the list, and one for each workspace. Brings the list up to date
 * first, unless the token is NULL. */
void forest_status(struct forest *, const struct cancel *, GString *text);

/* Ends all mounts, and returns when they have ended, or after limit_ms: false.
 * Nobody can go in any more. */
bool forest_end(struct forest *, int64_t limit_ms);

#endif
