/* state_cache.c - the index of what the disk cache holds. */
#include "config.h"

#include "state_private.h"

void state_cache_free(struct state_cache *r)
{
	if (r == NULL)
		return;
	g_free(r->path);
	g_free(r->file);
	g_free(r->present);
	g_free(r);
}

static void *read_row(struct sql *q)
{
	struct state_cache *r = g_new0(struct state_cache, 1);

	r->path = sql_bytes(q, 0);
	r->version = sql_version(q, 1);
	r->file = sql_bytes(q, 4);
	r->present = sql_bytes(q, 5);
	return r;
}

static void free_row(void *r)
{
	state_cache_free(r);
}

static int put(struct state *s, const struct state_cache *r) REQUIRES(s->lock)
{
	struct sql q = sql_open(s,
		"INSERT INTO cache (path, size, mtime_s, mtime_ns, file,"
		" present) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");

	sql_add_bytes(&q, r->path);
	sql_add_version(&q, &r->version);
	sql_add_bytes(&q, r->file);
	sql_add_bytes(&q, r->present);
	return sql_run(&q);
}

static int replace(struct state *s, const GPtrArray *records) REQUIRES(s->lock)
{
	struct sql q = sql_open(s, "DELETE FROM cache");
	int rc = sql_run(&q);

	for (guint i = 0; rc == 0 && records != NULL && i < records->len; i++)
		rc = put(s, records->pdata[i]);
	return rc;
}

int state_cache_replace(struct state *s, const GPtrArray *or_null)
{
	int rc;

	mutex_lock(&s->lock);
	rc = state_write_begin(s, STATE_DURABLE);
	if (rc == 0)
		rc = state_write_end(s, replace(s, or_null));
	mutex_unlock(&s->lock);
	return rc;
}

int state_cache_list(struct state *s, GPtrArray **ret)
{
	struct sql q;
	int rc;

	mutex_lock(&s->lock);
	q = sql_open(s, "SELECT path, size, mtime_s, mtime_ns, file, present"
			" FROM cache ORDER BY id");
	rc = sql_list(&q, read_row, free_row, ret);
	mutex_unlock(&s->lock);
	return rc;
}
