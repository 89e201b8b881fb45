/*
 * name_policy.h - which names stay on this computer whatever the server
 * allows. Pure.
 *
 * Editors' and desktops' own files: locks, swap files, probes, backups,
 * thumbnails' droppings. The table is in name_policy.c; the option `overlay`
 * adds patterns (fnmatch(3)) to it.
 */
#ifndef PYCLOUD_NAME_POLICY_H
#define PYCLOUD_NAME_POLICY_H

#include <stdbool.h>

struct name_policy;

/* `patterns` is "*.tmp:cache-*", or NULL: none but the table's. */
struct name_policy *name_policy_new(const char *patterns);
void name_policy_free(struct name_policy *);

bool name_policy_keeps(const struct name_policy *, const char *name);

/* The same of a file that is created with these open(2) flags: vim looks
 * whether it may make files in a directory by making one whose name is a
 * number. Only its flags tell it from somebody's data. */
bool name_policy_keeps_new(
	const struct name_policy *, const char *name, int flags);

#endif
