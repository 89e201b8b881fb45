/* state_spool.c - the journal of bytes that are not on the server yet. */
#include "config.h"

#include "state_private.h"

#include <errno.h>

#define COLUMNS                                                \
	"id, path, file, is_new, has_base, base_size, base_s," \
	" base_ns, size, dirty, attempts, last_error, since_s"

void state_spool_free(struct state_spool *r)
{
	if (r == NULL)
		return;
	g_free(r->path);
	g_free(r->file);
	g_free(r->dirty);
	g_free(r);
}

static void *read_row(struct sql *q)
{
	struct state_spool *r = g_new0(struct state_spool, 1);

	r->id = sql_int(q, 0);
	r->path = sql_bytes(q, 1);
	r->file = sql_bytes(q, 2);
	r->is_new = sql_int(q, 3) != 0;
	r->has_base = sql_int(q, 4) != 0;
	r->base = sql_version(q, 5);
	r->size = sql_int(q, 8);
	r->dirty = sql_bytes(q, 9);
	r->attempts = (unsigned)sql_int(q, 10);
	r->last_error = (int)sql_int(q, 11);
	r->since_s = sql_int(q, 12);
	return r;
}

static void free_row(void *r)
{
	state_spool_free(r);
}

static int last_id(struct state *s, int64_t *ret) REQUIRES(s->lock)
{
	struct sql q = sql_open(s, "SELECT last_insert_rowid()");
	int rc = sql_step(&q);

	if (rc > 0)
		*ret = sql_int(&q, 0);
	sql_close(&q);
	return rc > 0 ? 0 : rc;
}

static int put(struct state *s, const struct state_spool *r) REQUIRES(s->lock)
{
	struct sql q = sql_open(s,
		"INSERT OR REPLACE INTO spool (" COLUMNS ") VALUES"
		" (nullif(?1, 0), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"
		" ?12, ?13)");

	sql_add_int(&q, r->id);
	sql_add_bytes(&q, r->path);
	sql_add_bytes(&q, r->file);
	sql_add_int(&q, r->is_new);
	sql_add_int(&q, r->has_base);
	sql_add_version(&q, &r->base);
	sql_add_int(&q, r->size);
	sql_add_bytes(&q, r->dirty != NULL ? r->dirty : "");
	sql_add_int(&q, r->attempts);
	sql_add_int(&q, r->last_error);
	sql_add_int(&q, r->since_s);
	return sql_run(&q);
}

int state_spool_put(struct state *s, struct state_spool *r)
{
	int64_t id = 0;
	int rc;

	mutex_lock(&s->lock);
	rc = state_write_begin(s, STATE_DURABLE);
	if (rc == 0) {
		rc = put(s, r);
		if (rc == 0)
			rc = last_id(s, &id);
		rc = state_write_end(s, rc);
	}
	mutex_unlock(&s->lock);
	if (rc == 0)
		r->id = id;
	return rc;
}

int state_spool_remove(struct state *s, int64_t id)
{
	struct sql q;
	int rc;

	mutex_lock(&s->lock);
	rc = state_write_begin(s, STATE_DURABLE);
	if (rc == 0) {
		q = sql_open(s, "DELETE FROM spool WHERE id = ?1");
		sql_add_int(&q, id);
		rc = state_write_end(s, sql_run(&q));
	}
	mutex_unlock(&s->lock);
	return rc;
}

int state_spool_set_result(struct state *s, int64_t id, int last_error)
{
	struct sql q;
	int rc;

	mutex_lock(&s->lock);
	rc = state_write_begin(s, STATE_DURABLE);
	if (rc == 0) {
		q = sql_open(s, "UPDATE spool SET attempts = attempts + 1,"
				" last_error = ?2 WHERE id = ?1");
		sql_add_int(&q, id);
		sql_add_int(&q, last_error);
		rc = state_write_end(s, sql_run_found(&q));
	}
	mutex_unlock(&s->lock);
	return rc;
}

int state_spool_list(struct state *s, GPtrArray **ret)
{
	struct sql q;
	int rc;

	mutex_lock(&s->lock);
	q = sql_open(s, "SELECT " COLUMNS " FROM spool ORDER BY id");
	rc = sql_list(&q, read_row, free_row, ret);
	mutex_unlock(&s->lock);
	return rc;
}

int state_spool_for_path(struct state *s, const char *path, GPtrArray **ret)
{
	struct sql q;
	int rc;

	mutex_lock(&s->lock);
	q = sql_open(s, "SELECT " COLUMNS " FROM spool WHERE path = ?1"
			" ORDER BY id");
	sql_add_bytes(&q, path);
	rc = sql_list(&q, read_row, free_row, ret);
	mutex_unlock(&s->lock);
	return rc;
}

int state_spool_moved(struct state *s, const char *from, const char *to)
{
	int rc = state_check_move(from, to);

	if (rc <= 0)
		return rc;
	mutex_lock(&s->lock);
	rc = state_write_begin(s, STATE_DURABLE);
	if (rc == 0)
		rc = state_write_end(s, state_move(s,
						"UPDATE spool SET " SQL_MOVED
						" WHERE " SQL_SUBTREE,
						from, to));
	mutex_unlock(&s->lock);
	return rc;
}
