/*
 * state_private.h - what the tables of the state (state_*.c) have in common.
 *
 * A write is state_write_begin(), statements, state_write_end(); a read is a
 * statement. All of it with the lock held. A statement is compiled once and
 * kept by its text, so texts are literals:
 *
 *     struct sql q = sql_open(s, "SELECT size FROM t WHERE path = ?1");
 *     sql_add_bytes(&q, path);
 *     while ((rc = sql_step(&q)) > 0)
 *             size = sql_int(&q, 0);
 *     sql_close(&q);
 *
 * What fails before the first step is said by the step.
 */
#ifndef PYCLOUD_STATE_PRIVATE_H
#define PYCLOUD_STATE_PRIVATE_H

#include "mutex.h"
#include "state.h"

struct sqlite3;
struct sqlite3_stmt;

struct state {
	int users_fd; /* state_place.h: says that we have it open */
	struct mutex lock;
	/* guarded by lock */
	struct sqlite3 *database;
	GHashTable *statements; /* text -> sqlite3_stmt */
	bool is_durable;	/* what `synchronous` is set to */
};

struct sql {
	struct state *state;
	struct sqlite3_stmt *statement;
	int next; /* the parameter that is added next */
	int rc;
};

enum state_care {
	STATE_LAZY,
	STATE_DURABLE
};

int state_write_begin(struct state *s, enum state_care) REQUIRES(s->lock);
/* Commits when rc is 0, else undoes; 0 or the first error. */
int state_write_end(struct state *s, int rc) REQUIRES(s->lock);

struct sql sql_open(struct state *s, const char *text) REQUIRES(s->lock);
void sql_add_int(struct sql *, int64_t);
void sql_add_bytes(struct sql *, const char *); /* NULL is SQL's NULL */
void sql_add_time(struct sql *, const struct timespec *); /* s, then ns */
void sql_add_version(struct sql *, const struct state_version *);
/* Three parameters, for SQL_SUBTREE when they are the first. */
void sql_add_subtree(struct sql *, const char *path);
#define SQL_SUBTREE "(path = ?1 OR (path >= ?2 AND path < ?3))"
/* 1 a row, 0 no more, -errno. */
int sql_step(struct sql *);
void sql_close(struct sql *);
/* Steps to the end and closes. */
int sql_run(struct sql *);

int64_t sql_int(struct sql *, int column);
char *sql_bytes(struct sql *, int column); /* g_free; NULL for NULL */
struct timespec sql_time(struct sql *, int column);
struct state_version sql_version(struct sql *, int column);

/* Reads all rows into a new array and closes. */
typedef void *(*sql_read_row)(struct sql *);
int sql_list(struct sql *, sql_read_row, GDestroyNotify, GPtrArray **ret);

/* 1: go on; 0: nothing to move; -EINVAL. */
int state_check_move(const char *from, const char *to);
/* Parameters 1 to 3 are the subtree `from`, 4 and 5 make the new path: */
#define SQL_MOVED "path = CAST(?4 || substr(path, ?5) AS BLOB)"
int state_move(struct state *s, const char *text, const char *from,
	const char *to) REQUIRES(s->lock);
int state_remove_subtree(struct state *s, const char *text, const char *path)
	REQUIRES(s->lock);

/* For tests: the database may not grow past so many pages. */
int state_limit_pages(struct state *s, int pages) EXCLUDES(s->lock);

#endif
