/* entry.c - see entry.h. */
#include "config.h"

#include "entry.h"

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
