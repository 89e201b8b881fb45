/*
 * session.h - one mount: what its rooms share.
 *
 * Made by session_new() before the mount, freed after the loop has ended.
 * Everything in it is immutable or locks itself, so operations use it from any
 * thread. It borrows the remote and the executor, which outlive it.
 *
 * fs/ knows what stands behind the remote only through its seam; the figures
 * of the transport that .pycloud/status shows come in through a callback that
 * main wires.
 */
#ifndef PYCLOUD_SESSION_H
#define PYCLOUD_SESSION_H

#include "executor.h"
#include "remote.h"

#include <glib.h>
#include <stdatomic.h>
#include <sys/types.h>

struct attr_cache;
struct cache;
struct conflicts;
struct dirty_set;
struct events;
struct handle_table;
struct late_remote;
struct local;
struct node;
struct node_table;
struct notifier;
struct overlay;
struct path_gate;
struct prefetch;
struct run_table;
struct spool;
struct state;
struct tree;
struct volume;
struct watch;
struct workers;
struct writeback;
struct xattrs;

struct session_options {
	int64_t attr_timeout_ms; /* 0: always ask */
	uid_t uid;
	gid_t gid;
	mode_t fmask; /* bits taken from files' modes */
	mode_t dmask;
	bool is_read_only;
	int64_t cache_bytes; /* budget of clean bytes kept on disk */
	bool has_prefetch;
	int64_t writeback_ms; /* 0: close waits for the upload */
	unsigned runs_keep;
	int64_t run_output_max;
	/* names that stay here (name_policy.h, local.h); borrowed */
	const char *overlay_patterns;
	bool refuses_hidden;
};

struct session_params {
	struct session_options options;
	struct remote *remote;
	struct executor *executor; /* NULL: a mount without runs */
	struct state *state;	   /* between mounts; borrowed */
	int cache_fd;		   /* directories (local_dirs.h); borrowed */
	bool keeps_cache;	   /* it is for the next mount, too */
	int spool_fd;
	int names_fd;
	int runs_fd; /* -1: runs are forgotten with the mount */
	/* Appends "key: value" lines about endpoint and transport. */
	void (*describe)(void *arg, GString *text);
	void *describe_arg;
	/* Hears from session_drain() what is left; NULL: nobody does. */
	void (*tell_left)(void *arg, unsigned files, int64_t bytes);
	void *tell_left_arg;
};

struct session {
	/* immutable */
	struct session_options options;
	struct remote *remote; /* the one given, with late removals */
	struct executor *executor;
	struct state *state;
	int cache_fd; /* unnamed temporary files are made here, too */
	int names_fd;
	int runs_fd;
	void (*describe)(void *arg, GString *text);
	void *describe_arg;
	void (*tell_left)(void *arg, unsigned files, int64_t bytes);
	void *tell_left_arg;
	struct timespec mounted_at;

	atomic_bool meets_leftovers; /* dir_empty.c: as the last rmdir did */
	atomic_int event_readers;    /* event_file.c: reads that wait */

	/* each locks itself */
	struct attr_cache *attrs;
	struct cache *cache;
	struct conflicts *conflicts;
	struct dirty_set *dirty;
	struct events *events;
	struct handle_table *handles;
	struct late_remote *late;
	struct local *local;
	struct node_table *nodes;
	struct notifier *notifier; /* set by the adapter before the loop */
	struct overlay *overlay;
	struct path_gate *gate;
	struct prefetch *prefetch;
	struct run_table *runs;
	struct spool *spool;
	struct tree *tree;
	struct volume *volume;
	struct watch *watch;
	struct workers *workers;
	struct writeback *writeback;
	struct xattrs *xattrs;
};

int session_new(const struct session_params *, struct session **ret);
void session_free(struct session *);

/* The server is back: what could not be uploaded is tried again now. */
void session_hurry(struct session *);

/* How much the server does not have yet. */
void session_left(struct session *, unsigned *ret_files, int64_t *ret_bytes);

/* Uploads what is not on the server; then gives what found no place a name in
 * the spool. Returns how many files that were. */
unsigned session_drain(struct session *);

/* Believe nothing any more, and have the kernel ask again. Waits until the
 * kernel knows, so not from within an operation of the kernel's. */
void session_drop_beliefs(struct session *);

#endif
