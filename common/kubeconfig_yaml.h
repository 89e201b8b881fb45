/*
 * kubeconfig_yaml.h - a configuration file, YAML or JSON, as a tree.
 *
 * The file is not trusted: its size, depth and number of nodes have limits, it
 * is UTF-8 without NUL, it is one document, no map has a key twice, and an
 * alias means the very node of its anchor, so nothing is multiplied. Numbers
 * and such are texts here as they were written; null, and an empty text, are
 * as if the key were not there.
 *
 * What is wrong is said as "FILE:LINE: ..." (g_free), without a word of what
 * the file holds but keys that a kubeconfig may have. All texts are wiped when
 * freed. A tree is immutable; no locks.
 */
#ifndef PYCLOUD_KUBECONFIG_YAML_H
#define PYCLOUD_KUBECONFIG_YAML_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

enum config_kind {
	CONFIG_TEXT,
	CONFIG_MAP,
	CONFIG_LIST,
};

struct config_tree {
	char *file;		  /* as it was named */
	struct config_node *root; /* NULL: there is nothing in the file */
	GPtrArray *nodes;	  /* owns them */
};

struct config_node {
	const struct config_tree *tree;
	enum config_kind kind;
	unsigned line; /* from 1 */
	/* A text: */
	bool is_plain; /* without quotes */
	char *text;
	size_t length;
	/* A map has as many keys, texts, as values; a list has values. */
	GPtrArray *keys;
	GPtrArray *values;
};

/* 0 or -EINVAL. */
int config_parse(const char *text, size_t length, const char *file,
	struct config_tree **ret, char **ret_why);
void config_free(struct config_tree *);

/* Members of a map; *ret is NULL, or as it was for a boolean, when there is
 * none, or no map. Borrowed. -EINVAL and a sentence for one of another kind. */
int config_get_text(const struct config_node *map, const char *key,
	const char **ret, char **ret_why);
int config_get_bool(const struct config_node *map, const char *key, bool *ret,
	char **ret_why);
int config_get_map(const struct config_node *map, const char *key,
	const struct config_node **ret, char **ret_why);
int config_get_list(const struct config_node *map, const char *key,
	const struct config_node **ret, char **ret_why);

/* The member, whatever it is; NULL when there is none. */
const struct config_node *config_member(
	const struct config_node *map, const char *key);

/* Sets *ret_why to where the node stands and the sentence; -EINVAL. */
int config_error(const struct config_node *, char **ret_why, const char *format,
	...) G_GNUC_PRINTF(3, 4);

/* A name for a message: printable, and not longer than 80 characters. */
char *config_show(const char *name);

#endif
