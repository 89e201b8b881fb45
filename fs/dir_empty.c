/* dir_empty.c - the proof that a directory may be removed; see dir.h. */
#include "config.h"

#include "dir.h"

#include "attr_cache.h"
#include "fs_limits.h"
#include "local.h"
#include "names.h"
#include "session.h"
#include "tree.h"
#include "workers.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* The server makes this directory beside whatever it deletes or renames, and
 * takes an otherwise empty directory for empty. Where hidden names are listed
 * `rm -r` meets it after its own last delete. */
#define CHECKPOINTS ".ipynb_checkpoints"

/* What was asked for since its beliefs were dropped. */
static int list_fresh(
	struct request *r, const char *path, GPtrArray **ret_entries)
{
	return tree_list(r->session->tree, path, PROOF_MS, &r->cancel,
		ret_entries, NULL);
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

/* --- at the same time ----------------------------------------------------- */

struct question {
	struct session *session;
	char *path;
};

static void question_free(void *arg)
{
	struct question *q = arg;

	g_free(q->path);
	g_free(q);
}

static void question_run(void *arg, const struct cancel *cancel)
{
	struct question *q = arg;

	tree_list_ahead(q->session->tree, q->path, cancel);
	question_free(q);
}

/* `rm -r` meets a leftover in each directory or in none: when the last one had
 * it, it is listed together with its directory. False: it is not. */
static bool ask_ahead(struct session *s, const char *below)
{
	struct question *q;
	struct job job = { question_run, question_free, NULL };

	if (!atomic_load(&s->meets_leftovers))
		return false;
	attr_cache_expire_dir(s->attrs, below);
	q = g_new(struct question, 1);
	*q = (struct question){ s, g_strdup(below) };
	job.arg = q;
	(void)workers_add(s->workers, &job);
	return true;
}

/* --- the proof ------------------------------------------------------------ */

static int prove_leftover_empty(
	struct request *r, const char *below, bool is_asked_ahead)
{
	GPtrArray *entries;
	int rc;

	if (!is_asked_ahead)
		attr_cache_expire_dir(r->session->attrs, below);
	rc = list_fresh(r, below, &entries);
	/* What was asked ahead may be older than the leftover. */
	if (rc == -ENOENT && is_asked_ahead)
		rc = list_fresh(r, below, &entries);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	rc = entries->len > 0 ? -ENOTEMPTY : 0;
	g_ptr_array_unref(entries);
	return rc;
}

static int prove_entries(struct request *r, const char *path,
	const GPtrArray *entries, const char *below, bool is_asked_ahead)
{
	bool has_leftover = is_leftover(entries);
	int rc;

	if (entries->len > 0 && !has_leftover)
		return -ENOTEMPTY;
	atomic_store(&r->session->meets_leftovers, has_leftover);
	rc = prove_unlisted_absent(r, path);
	if (rc == 0 && has_leftover)
		rc = prove_leftover_empty(r, below, is_asked_ahead);
	return rc;
}

int dir_prove_empty(struct request *r, const char *path)
{
	struct session *s = r->session;
	g_autofree char *below = path_join(path, CHECKPOINTS);
	GPtrArray *entries;
	bool is_asked_ahead;
	int rc = local_has_names(s, path);

	if (rc != 0)
		return rc < 0 ? rc : -ENOTEMPTY;
	attr_cache_expire_dir(s->attrs, path);
	is_asked_ahead = ask_ahead(s, below);
	rc = list_fresh(r, path, &entries);
	if (rc < 0)
		return rc;
	rc = prove_entries(r, path, entries, below, is_asked_ahead);
	g_ptr_array_unref(entries);
	return rc;
}
