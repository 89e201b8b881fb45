/* state_attr.c - attributes that the server cannot hold. */
#include "config.h"

#include "state_private.h"

#define COLUMNS                                               \
	"path, has_mode, mode, has_mtime, mtime_s, mtime_ns," \
	" has_version, version_size, version_s, version_ns"

void state_attr_free(struct state_attr *r)
{
	if (r == NULL)
		return;
	g_free(r->path);
	g_free(r);
}

/* has_mode and has_mtime are 0, or 1 and the place: what was written before there
 * were places is here. */
static unsigned place_of(int64_t has)
{
	return has > 1 && has <= 3 ? (unsigned)(has - 1) : 0;
}

static void *read_row(struct sql *q)
{
	struct state_attr *r = g_new0(struct state_attr, 1);

	r->path = sql_bytes(q, 0);
	r->has_mode = sql_int(q, 1) != 0;
	r->mode_place = place_of(sql_int(q, 1));
	r->mode = (uint32_t)sql_int(q, 2);
	r->has_mtime = sql_int(q, 3) != 0;
	r->mtime_place = place_of(sql_int(q, 3));
	r->mtime = sql_time(q, 4);
	r->has_version = sql_int(q, 6) != 0;
	r->version = sql_version(q, 7);
	return r;
}

static void free_row(void *r)
{
	state_attr_free(r);
}

static int put(struct state *s, const struct state_attr *r) REQUIRES(s->lock)
{
	struct sql q =
		sql_open(s, "INSERT OR REPLACE INTO attr (" COLUMNS ") VALUES"
			    " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");

	sql_add_bytes(&q, r->path);
	sql_add_int(&q, r->has_mode ? 1 + (int64_t)r->mode_place : 0);
	sql_add_int(&q, r->mode);
	sql_add_int(&q, r->has_mtime ? 1 + (int64_t)r->mtime_place : 0);
	sql_add_time(&q, &r->mtime);
	sql_add_int(&q, r->has_version);
	sql_add_version(&q, &r->version);
	return sql_run(&q);
}

int state_attr_put(struct state *s, const struct state_attr *r)
{
	return state_attr_put_many(s, &r, 1);
}

int state_attr_put_many(
	struct state *s, const struct state_attr *const *records, size_t count)
{
	size_t i;
	int rc;

	mutex_lock(&s->lock);
	rc = state_write_begin(s, STATE_LAZY);
	if (rc == 0) {
		for (i = 0; rc == 0 && i < count; i++)
			rc = put(s, records[i]);
		rc = state_write_end(s, rc);
	}
	mutex_unlock(&s->lock);
	return rc;
}

int state_attr_list(struct state *s, GPtrArray **ret)
{
	struct sql q;
	int rc;

	mutex_lock(&s->lock);
	q = sql_open(s, "SELECT " COLUMNS " FROM attr ORDER BY path");
	rc = sql_list(&q, read_row, free_row, ret);
	mutex_unlock(&s->lock);
	return rc;
}

static int remove_subtree(struct state *s, const char *path) REQUIRES(s->lock)
{
	return state_remove_subtree(
		s, "DELETE FROM attr WHERE " SQL_SUBTREE, path);
}

int state_attr_remove(struct state *s, const char *path)
{
	int rc;

	mutex_lock(&s->lock);
	rc = state_write_begin(s, STATE_LAZY);
	if (rc == 0)
		rc = state_write_end(s, remove_subtree(s, path));
	mutex_unlock(&s->lock);
	return rc;
}

int state_attr_moved(struct state *s, const char *from, const char *to)
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
				"UPDATE attr SET " SQL_MOVED
				" WHERE " SQL_SUBTREE,
				from, to);
		rc = state_write_end(s, rc);
	}
	mutex_unlock(&s->lock);
	return rc;
}
