/* state_run.c - run numbers, the runs that are remembered, and facts. */
#include "config.h"

#include "state_private.h"

#include <errno.h>

#define COLUMNS                                                        \
	"number, remote_id, command, started_ms, has_ended, ended_ms," \
	" exit_status, exit_signal, directory, error"

void state_run_free(struct state_run *r)
{
	if (r == NULL)
		return;
	g_free(r->remote_id);
	g_free(r->command);
	g_free(r->directory);
	g_free(r->why_lost);
	g_free(r);
}

static void *read_row(struct sql *q)
{
	struct state_run *r = g_new0(struct state_run, 1);

	r->number = sql_int(q, 0);
	r->remote_id = sql_bytes(q, 1);
	r->command = sql_bytes(q, 2);
	r->started_ms = sql_int(q, 3);
	r->has_ended = sql_int(q, 4) != 0;
	r->ended_ms = sql_int(q, 5);
	r->exit_status = (int)sql_int(q, 6);
	r->exit_signal = (int)sql_int(q, 7);
	r->directory = sql_bytes(q, 8);
	r->why_lost = sql_bytes(q, 9);
	return r;
}

static void free_row(void *r)
{
	state_run_free(r);
}

static int count_up(struct state *s, int64_t *ret) REQUIRES(s->lock)
{
	struct sql q = sql_open(s, "UPDATE run_counter SET last = last + 1");
	int rc = sql_run(&q);

	if (rc != 0)
		return rc;
	q = sql_open(s, "SELECT max(last) FROM run_counter");
	rc = sql_step(&q);
	if (rc > 0)
		*ret = sql_int(&q, 0);
	sql_close(&q);
	return rc > 0 ? 0 : rc;
}

int state_run_next_number(struct state *s, int64_t *ret)
{
	int64_t number = 0;
	int rc;

	mutex_lock(&s->lock);
	rc = state_write_begin(s, STATE_LAZY);
	if (rc == 0)
		rc = state_write_end(s, count_up(s, &number));
	mutex_unlock(&s->lock);
	if (rc == 0)
		*ret = number;
	return rc;
}

static int put(struct state *s, const struct state_run *r) REQUIRES(s->lock)
{
	struct sql q = sql_open(s, "INSERT OR REPLACE INTO run (" COLUMNS
				   ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,"
				   " ?9, ?10)");

	sql_add_int(&q, r->number);
	sql_add_bytes(&q, r->remote_id);
	sql_add_bytes(&q, r->command != NULL ? r->command : "");
	sql_add_int(&q, r->started_ms);
	sql_add_int(&q, r->has_ended);
	sql_add_int(&q, r->ended_ms);
	sql_add_int(&q, r->exit_status);
	sql_add_int(&q, r->exit_signal);
	sql_add_bytes(&q, r->directory != NULL ? r->directory : "");
	sql_add_bytes(&q, r->why_lost != NULL ? r->why_lost : "");
	return sql_run(&q);
}

int state_run_put(struct state *s, const struct state_run *r)
{
	int rc;

	mutex_lock(&s->lock);
	rc = state_write_begin(s, r->has_ended ? STATE_DURABLE : STATE_LAZY);
	if (rc == 0)
		rc = state_write_end(s, put(s, r));
	mutex_unlock(&s->lock);
	return rc;
}

int state_run_remove(struct state *s, int64_t number)
{
	struct sql q;
	int rc;

	mutex_lock(&s->lock);
	rc = state_write_begin(s, STATE_DURABLE);
	if (rc == 0) {
		q = sql_open(s, "DELETE FROM run WHERE number = ?1");
		sql_add_int(&q, number);
		rc = state_write_end(s, sql_run(&q));
	}
	mutex_unlock(&s->lock);
	return rc;
}

int state_run_list(struct state *s, GPtrArray **ret)
{
	struct sql q;
	int rc;

	mutex_lock(&s->lock);
	q = sql_open(s, "SELECT " COLUMNS " FROM run ORDER BY number");
	rc = sql_list(&q, read_row, free_row, ret);
	mutex_unlock(&s->lock);
	return rc;
}

/* --- facts ---------------------------------------------------------------- */

static int set_fact(struct state *s, const char *name, const char *value)
	REQUIRES(s->lock)
{
	struct sql q;

	if (value == NULL) {
		q = sql_open(s, "DELETE FROM fact WHERE name = ?1");
		sql_add_bytes(&q, name);
	} else {
		q = sql_open(s, "INSERT OR REPLACE INTO fact VALUES (?1, ?2)");
		sql_add_bytes(&q, name);
		sql_add_bytes(&q, value);
	}
	return sql_run(&q);
}

int state_fact_set(struct state *s, const char *name, const char *value)
{
	int rc;

	mutex_lock(&s->lock);
	rc = state_write_begin(s, STATE_LAZY);
	if (rc == 0)
		rc = state_write_end(s, set_fact(s, name, value));
	mutex_unlock(&s->lock);
	return rc;
}

int state_fact_get(struct state *s, const char *name, char **ret)
{
	struct sql q;
	int rc;

	mutex_lock(&s->lock);
	q = sql_open(s, "SELECT value FROM fact WHERE name = ?1");
	sql_add_bytes(&q, name);
	rc = sql_step(&q);
	if (rc > 0)
		*ret = sql_bytes(&q, 0);
	sql_close(&q);
	mutex_unlock(&s->lock);
	if (rc < 0)
		return rc;
	return rc > 0 ? 0 : -ENOENT;
}
