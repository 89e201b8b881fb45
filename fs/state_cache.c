/* state_cache.c - the index of what the disk cache holds. */
#include "config.h"

#include "state_private.h"

#include <errno.h>

#define COLUMNS "path, size, mtime_s, mtime_ns, file, present, bytes, used_ms"

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
	r->bytes = sql_int(q, 6);
	r->used_ms = sql_int(q, 7);
	return r;
}

static void free_row(void *r)
{
	state_cache_free(r);
}

static int put(struct state *s, const struct state_cache *r) REQUIRES(s->lock)
{
	struct sql q = sql_open(s, "INSERT OR REPLACE INTO cache (" COLUMNS
				   ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");

	sql_add_bytes(&q, r->path);
	sql_add_version(&q, &r->version);
	sql_add_bytes(&q, r->file);
	sql_add_bytes(&q, r->present != NULL ? r->present : "");
	sql_add_int(&q, r->bytes);
	sql_add_int(&q, r->used_ms);
	return sql_run(&q);
}

int state_cache_put(struct state *s, const struct state_cache *r)
{
	int rc;

	mutex_lock(&s->lock);
	rc = state_write_begin(s, STATE_LAZY);
	if (rc == 0)
		rc = state_write_end(s, put(s, r));
	mutex_unlock(&s->lock);
	return rc;
}

int state_cache_get(struct state *s, const char *path, struct state_cache **ret)
{
	struct sql q;
	int rc;

	mutex_lock(&s->lock);
	q = sql_open(s, "SELECT " COLUMNS " FROM cache WHERE path = ?1");
	sql_add_bytes(&q, path);
	rc = sql_step(&q);
	if (rc > 0)
		*ret = read_row(&q);
	sql_close(&q);
	mutex_unlock(&s->lock);
	if (rc < 0)
		return rc;
	return rc > 0 ? 0 : -ENOENT;
}

int state_cache_touch(struct state *s, const char *path, int64_t used_ms)
{
	struct sql q;
	int rc;

	mutex_lock(&s->lock);
	rc = state_write_begin(s, STATE_LAZY);
	if (rc == 0) {
		q = sql_open(
			s, "UPDATE cache SET used_ms = ?2 WHERE path = ?1");
		sql_add_bytes(&q, path);
		sql_add_int(&q, used_ms);
		rc = state_write_end(s, sql_run_found(&q));
	}
	mutex_unlock(&s->lock);
	return rc;
}

static int remove_subtree(struct state *s, const char *path) REQUIRES(s->lock)
{
	return state_remove_subtree(
		s, "DELETE FROM cache WHERE " SQL_SUBTREE, path);
}

int state_cache_remove(struct state *s, const char *path)
{
	int rc;

	mutex_lock(&s->lock);
	rc = state_write_begin(s, STATE_LAZY);
	if (rc == 0)
		rc = state_write_end(s, remove_subtree(s, path));
	mutex_unlock(&s->lock);
	return rc;
}

int state_cache_moved(struct state *s, const char *from, const char *to)
{
	int rc = state_check_move(from, to);

	if (rc <= 0)
		return rc;
	mutex_lock(&s->lock);
	rc = state_write_begin(s, STATE_LAZY);
	if (rc == 0) {
		rc = remove_subtree(s, to);
		if (rc == 0)
			rc = state_move(s,
				"UPDATE cache SET " SQL_MOVED
				" WHERE " SQL_SUBTREE,
				from, to);
		rc = state_write_end(s, rc);
	}
	mutex_unlock(&s->lock);
	return rc;
}

int state_cache_oldest(struct state *s, unsigned limit, GPtrArray **ret)
{
	struct sql q;
	int rc;

	mutex_lock(&s->lock);
	q = sql_open(
		s, "SELECT " COLUMNS " FROM cache ORDER BY used_ms LIMIT ?1");
	sql_add_int(&q, limit);
	rc = sql_list(&q, read_row, free_row, ret);
	mutex_unlock(&s->lock);
	return rc;
}

int state_cache_total(struct state *s, int64_t *ret_bytes)
{
	struct sql q;
	int rc;

	mutex_lock(&s->lock);
	q = sql_open(s, "SELECT coalesce(sum(bytes), 0) FROM cache");
	rc = sql_step(&q);
	if (rc > 0)
		*ret_bytes = sql_int(&q, 0);
	sql_close(&q);
	mutex_unlock(&s->lock);
	return rc > 0 ? 0 : rc;
}

int state_cache_list(struct state *s, GPtrArray **ret)
{
	struct sql q;
	int rc;

	mutex_lock(&s->lock);
	q = sql_open(s, "SELECT " COLUMNS " FROM cache ORDER BY path");
	rc = sql_list(&q, read_row, free_row, ret);
	mutex_unlock(&s->lock);
	return rc;
}
