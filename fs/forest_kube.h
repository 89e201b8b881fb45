/*
 * forest_kube.h - the world of a forest (forest.h): the workspaces of one
 * namespace of a cluster, each mounted by a process of its own.
 *
 * Whether a workspace is empty is seen on a mount of it in a directory that
 * nobody else enters: so counts what stays on this computer, or is not uploaded
 * yet, as well.
 */
#ifndef PYCLOUD_FOREST_KUBE_H
#define PYCLOUD_FOREST_KUBE_H

#include "forest.h"
#include "options.h"

struct forest_kube;

/* `options` are borrowed. -errno with a sentence in *ret_why (g_free) when
 * there is no usable configuration. Asks nobody. */
int forest_kube_new(const struct options *options, struct forest_kube **ret,
	char **ret_why);
void forest_kube_free(struct forest_kube *);

/* Their arg is the struct forest_kube. */
extern const struct forest_ops forest_kube_ops;

/* "key: value" lines about the cluster. */
void forest_kube_describe(void *arg, GString *text);

#endif
