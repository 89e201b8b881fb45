/*
 * fake_tree.h - files and directories in memory, for fake_remote.c.
 *
 * Plain data, no lock. The root is always there and not in the table. Each
 * change is a new version: the tree has a clock of its own, which ticks then.
 */
#ifndef PYCLOUD_TESTS_FAKE_TREE_H
#define PYCLOUD_TESTS_FAKE_TREE_H

#include "entry.h"

struct thing {
	enum entry_type type;
	GString *bytes;
	struct timespec mtime;
	struct timespec ctime; /* the clock's last tick for it */
	mode_t mode;
	bool is_link;
};

struct fake_tree {
	GHashTable *things; /* path -> struct thing * */
	time_t now;
};

struct fake_tree *fake_tree_new(void);
void fake_tree_free(struct fake_tree *);

struct thing *fake_tree_find(struct fake_tree *, const char *path);
bool fake_tree_is_directory(struct fake_tree *, const char *path);
/* Makes it, or another version of it. */
struct thing *fake_tree_put(
	struct fake_tree *, const char *path, enum entry_type);
/* To write to; a link itself does not change by that. */
struct thing *fake_tree_write(struct fake_tree *, const char *path);
void fake_tree_put_parents(struct fake_tree *, const char *path);
void fake_tree_drop(struct fake_tree *, const char *path); /* with all below */
void fake_tree_move(struct fake_tree *, const char *from, const char *to);
/* entry_clear() it. */
void fake_tree_describe(
	struct fake_tree *, const char *path, struct entry *ret);
/* With what a file system tells besides. */
void fake_tree_describe_all(
	struct fake_tree *, const char *path, struct entry *ret);
/* `top` and the directories below it, as somebody walks (of char *;
 * g_ptr_array_unref). */
GPtrArray *fake_tree_directories(struct fake_tree *, const char *top);
/* All of them (of struct entry *; g_ptr_array_unref). */
GPtrArray *fake_tree_all_children(
	struct fake_tree *, const char *path, bool with_dot_names);
/* Those that a server lists (of struct entry *; g_ptr_array_unref). */
GPtrArray *fake_tree_children(
	struct fake_tree *, const char *path, bool lists_hidden);

#endif
