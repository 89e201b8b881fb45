/* dir_empty.c - the proof that a directory may be removed; see dir.h. */
#include "config.h"

#include "dir.h"

#include "attr_cache.h"
#include "fs_limits.h"
#include "local.h"
#include "names.h"
#include "session.h"
#include "tree.h"

#include <errno.h>
#include <string.h>

/* The server makes this directory beside whatever it deletes or renames, and
 * takes an otherwise empty directory for empty. Where hidden names are listed
 * `rm -r` meets it after its own last delete. */
#define CHECKPOINTS ".ipynb_checkpoints"

/* A fresh listing of the directory. */
static int list_now(
	struct request *r, const char *path, GPtrArray **ret_entries)
{
	struct session *s = r->session;

	attr_cache_expire_dir(s->attrs, path);
	return tree_list(
		s->tree, path, REVALIDATE_MS, &r->cancel, ret_entries, NULL);
}

static bool is_leftover(const GPtrArray *entries)
{
	const struct entry *only = entries->len == 1 ? entries->pdata[0] : NULL;

	return only != NULL && only->type == ENTRY_DIRECTORY &&
	       strcmp(only->name, CHECKPOINTS) == 0;
}

/* The server may hide a name and remove it with its directory all the same:
 * those that we have met are asked for. */
static int prove_unlisted_absent(struct request *r, const char *path)
{
	struct session *s = r->session;
	GPtrArray *names = attr_cache_unlisted(s->attrs, path);
	int rc = 0;

	for (guint i = 0; rc == 0 && i < names->len; i++) {
		g_autofree char *child = path_join(path, names->pdata[i]);
		struct entry entry;

		if (strcmp(names->pdata[i], CHECKPOINTS) == 0)
			continue;
		rc = tree_stat(s->tree, child, 0, &r->cancel, &entry, NULL);
		if (rc == 0) {
			entry_clear(&entry);
			rc = -ENOTEMPTY;
		} else if (rc == -ENOENT) {
			rc = 0;
		}
	}
	g_ptr_array_unref(names);
	return rc;
}

int dir_prove_empty(struct request *r, const char *path)
{
	g_autofree char *below = NULL;
	GPtrArray *entries;
	bool has_leftover;
	int rc;

	if (local_has_names(r->session, path))
		return -ENOTEMPTY;
	rc = list_now(r, path, &entries);
	if (rc < 0)
		return rc;
	if (entries->len == 0)
		rc = prove_unlisted_absent(r, path);
	if (rc < 0) {
		g_ptr_array_unref(entries);
		return rc;
	}
	has_leftover = is_leftover(entries);
	rc = entries->len > 0 ? -ENOTEMPTY : 0;
	g_ptr_array_unref(entries);
	if (!has_leftover)
		return rc;
	below = path_join(path, CHECKPOINTS);
	rc = list_now(r, below, &entries);
	if (rc < 0)
		return rc;
	rc = entries->len > 0 ? -ENOTEMPTY : 0;
	g_ptr_array_unref(entries);
	return rc;
}
