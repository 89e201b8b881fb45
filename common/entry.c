/* entry.c - see entry.h. */
#include "config.h"

#include "entry.h"

#include <stdlib.h>

/* So much is lost where a time is rounded by way of a float. */
#define EXACT_NS 2000

void entry_clear(struct entry *e)
{
	g_clear_pointer(&e->name, g_free);
	g_clear_pointer(&e->target, g_free);
}

void entry_copy(const struct entry *from, struct entry *ret_to)
{
	*ret_to = *from;
	ret_to->name = g_strdup(from->name);
	ret_to->target = g_strdup(from->target);
}

struct entry *entry_dup(const struct entry *from)
{
	struct entry *e = g_new(struct entry, 1);

	entry_copy(from, e);
	return e;
}

void entry_free(struct entry *e)
{
	if (e == NULL)
		return;
	entry_clear(e);
	g_free(e);
}

void entry_inherit(struct entry *e, const struct entry *from)
{
	if (e->has_attr || !from->has_attr)
		return;
	e->has_attr = true;
	e->mode = from->mode;
	e->uid = from->uid;
	e->gid = from->gid;
	e->nlink = from->nlink;
	e->exact = from->exact;
	e->target = g_strdup(from->target);
}

/* A time that was learnt since is rounded, but the same. */
struct timespec entry_exact_mtime(const struct entry *e)
{
	int64_t ns = (e->exact.tv_sec - e->mtime.tv_sec) * 1000000000LL +
		     e->exact.tv_nsec - e->mtime.tv_nsec;
	bool is_near = e->has_attr &&
		       llabs((long long)e->exact.tv_sec - e->mtime.tv_sec) <= 1;

	return is_near && ns >= -EXACT_NS && ns <= EXACT_NS ? e->exact
							    : e->mtime;
}

struct entry entry_bare(const struct entry *e)
{
	struct entry bare = *e;

	bare.name = NULL;
	bare.target = NULL;
	return bare;
}

bool entry_same_version(const struct entry *a, const struct entry *b)
{
	return a->type == b->type && a->size == b->size &&
	       a->mtime.tv_sec == b->mtime.tv_sec &&
	       a->mtime.tv_nsec == b->mtime.tv_nsec;
}
