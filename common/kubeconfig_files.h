/*
 * kubeconfig_files.h - the files of a configuration, as if they were one.
 *
 * kubectl's rules: of all files that name a cluster, a context or a user, and
 * of all that choose a current context, the first one counts, whole. Nothing
 * is copied together: what is found is a node of its own file, so that file
 * names in it are relative to the right one and messages name it.
 *
 * Immutable once read; no locks.
 */
#ifndef PYCLOUD_KUBECONFIG_FILES_H
#define PYCLOUD_KUBECONFIG_FILES_H

#include "kubeconfig_yaml.h"

struct kubeconfig_files {
	GPtrArray *trees; /* struct config_tree, maybe none at all */
	char *origin;	  /* their names, for messages */
	char **paths;	  /* of those that were looked for */
};

/* Reads `wish` (NULL: what the environment says). 0, maybe with no file.
 * -ENOENT: what was named is not there; -EINVAL: one is not a kubeconfig; or
 * what reading it returned. *ret_why is then a sentence (g_free). */
int kubeconfig_files_read(
	const char *wish, struct kubeconfig_files **ret, char **ret_why);
/* The files of those paths, as they are now, maybe none. */
int kubeconfig_files_read_again(
	char *const *paths, struct kubeconfig_files **ret, char **ret_why);
void kubeconfig_files_free(struct kubeconfig_files *); /* NULL is fine */

/* Borrowed; NULL when none chooses. */
int kubeconfig_files_current(
	const struct kubeconfig_files *, const char **ret, char **ret_why);

/* The entry of that name in `list` ("clusters"); *ret is NULL, and 0 returned,
 * when there is none. Borrowed. */
int kubeconfig_files_find(const struct kubeconfig_files *, const char *list,
	const char *name, const struct config_node **ret, char **ret_why);

/* A few of the names in a list, for a message; g_free. */
char *kubeconfig_files_names(const struct kubeconfig_files *, const char *list);

/* Whether one of the files is something else than a regular file, which can be
 * read only once (a pipe). */
bool kubeconfig_files_are_pipes(const char *wish);

/* The path that a text of a node's file means; g_free. */
char *config_path(const struct config_node *, const char *name);

#endif
