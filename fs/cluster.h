/*
 * cluster.h - pycloud's commands for workspaces in a cluster.
 *
 * Each command talks to the cluster itself (kube_workspace.h) and returns the
 * program's exit status. What goes wrong is one sentence on stderr that says
 * what to do next; what was asked for goes to stdout. SIGINT, SIGTERM and
 * SIGHUP fire the token, and the command then says what stands.
 */
#ifndef PYCLOUD_CLUSTER_H
#define PYCLOUD_CLUSTER_H

#include "cluster_options.h"
#include "cluster_text.h"
#include "kube_workspace.h"
#include "progress.h"

struct cluster {
	const struct cluster_options *options;
	struct kube *kube;
	struct kube_workspace workspace; /* its name is NULL for the list */
	struct cluster_place place;
	struct cancel cancel;
	struct progress progress;
	int64_t began_ms; /* of what --timeout limits */
};

#define CLUSTER_INTERRUPTED 130

/* cluster_change.c */
int cluster_create(struct cluster *);
int cluster_start(struct cluster *);
int cluster_stop(struct cluster *);
int cluster_delete(struct cluster *);

/* cluster_show.c */
int cluster_list(struct cluster *);
int cluster_describe(struct cluster *);

/* cluster_logs.c */
int cluster_logs(struct cluster *);

/* --- cluster.c, for the commands ------------------------------------------ */

/* Says what failed and returns the status. `why` (NULL: what the error means)
 * is freed. `stands` is what an interrupted user should know; NULL: nothing. */
int cluster_failed(struct cluster *, int rc, char *why, const char *stands);

/* Writes all of it to stdout. 0, or -errno: -EPIPE when nobody reads, -EINTR
 * of the token. */
int cluster_write(struct cluster *, const char *bytes, size_t length);
/* The exit status of a command that could not. */
int cluster_not_written(struct cluster *, int rc);
/* Both, as the end of a command: its exit status. `text` is freed. */
int cluster_print(struct cluster *, char *text);

#endif
