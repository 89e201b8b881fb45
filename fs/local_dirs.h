/*
 * local_dirs.h - where a workspace's bytes stand on this computer.
 *
 * Each workspace has an id: its name made readable, and a digest of it, so
 * that a URL becomes a directory's name and no two workspaces share one.
 *
 *   state   $XDG_STATE_HOME/pycloud/ID: what must outlive a mount. state.db
 *           (state.h), spool (bytes that are not on the server yet: spool.h),
 *           names (files that stay here: local_names.h), runs (what ran and
 *           its output: run_table.h). Nothing but an upload ever removes what
 *           stands in the spool.
 *   cache   $XDG_CACHE_HOME/pycloud/ID: clean bytes, which cost only a request
 *           when they are lost. The first mount of a workspace has it, and it
 *           outlives the mount (`keeps_cache`); a second one at the same time
 *           gets a directory of its own, removed with it.
 *
 * /var/tmp/pycloud-UID stands in for a home that is missing. All are made with
 * mode 0700 and refused when they belong to somebody else.
 */
#ifndef PYCLOUD_LOCAL_DIRS_H
#define PYCLOUD_LOCAL_DIRS_H

#include <stdbool.h>

struct local_dirs {
	char *state_path; /* of the workspace; for state_open() */
	int spool_fd;
	int names_fd;
	int runs_fd;
	int cache_fd;
	char *cache_path;
	bool keeps_cache;
};

#define LOCAL_DIRS_INIT                                                       \
	{                                                                     \
		.spool_fd = -1, .names_fd = -1, .runs_fd = -1, .cache_fd = -1 \
	}

/* "demo-3f2a..." of "demo", "http---host-8888-..." of a URL; g_free. */
char *local_dirs_id(const char *workspace);

/* The state directory of that id, which need not be there; g_free. */
char *local_dirs_state_path(const char *id);

/* Where those of all workspaces stand; g_free. */
char *local_dirs_state_base(void);
char *local_dirs_cache_base(void);

/* 0, or -errno with a sentence in *ret_why (g_free). */
int local_dirs_open(struct local_dirs *, const char *workspace, char **ret_why);
void local_dirs_close(struct local_dirs *);

#endif
