/*
 * state.c - the database behind state.h: opening it, and SQL for its tables.
 *
 * The only file that knows SQLite. WAL, so that readers and the other daemon
 * are not held up. Whether a commit is synced is SQLite's `synchronous`: FULL
 * syncs the WAL at each commit, NORMAL leaves that to the next FULL commit or
 * checkpoint. All commits go through one WAL in order, which is why a durable
 * one makes the lazy ones before it durable too.
 *
 * A database is examined before it is believed, and while it is examined
 * nothing is checkpointed into it: what is set aside is as it was found.
 */
#include "config.h"

#include "state.h"

#include "common_limits.h"
#include "fs_limits.h"
#include "names.h"
#include "state_place.h"
#include "state_private.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#define APPLICATION_ID 0x70796364 /* "pycd" */

/* migrations[n] makes version n + 1 of version n. Those that were released
 * never change; a new one is added at the end. */
static const char *const migrations[] = {
	"CREATE TABLE cache (id INTEGER PRIMARY KEY, path BLOB NOT NULL,"
	" size INTEGER NOT NULL, mtime_s INTEGER NOT NULL,"
	" mtime_ns INTEGER NOT NULL, file BLOB NOT NULL,"
	" present BLOB NOT NULL);"

	"CREATE TABLE attr (path BLOB NOT NULL PRIMARY KEY,"
	" has_mode INTEGER NOT NULL, mode INTEGER NOT NULL,"
	" has_mtime INTEGER NOT NULL, mtime_s INTEGER NOT NULL,"
	" mtime_ns INTEGER NOT NULL, has_version INTEGER NOT NULL,"
	" version_size INTEGER NOT NULL, version_s INTEGER NOT NULL,"
	" version_ns INTEGER NOT NULL) WITHOUT ROWID;"

	"CREATE TABLE run (number INTEGER PRIMARY KEY, remote_id BLOB,"
	" command BLOB NOT NULL, started_ms INTEGER NOT NULL,"
	" has_ended INTEGER NOT NULL, ended_ms INTEGER NOT NULL,"
	" exit_status INTEGER NOT NULL, exit_signal INTEGER NOT NULL);"
	"CREATE TABLE run_counter (last INTEGER NOT NULL);"
	"INSERT INTO run_counter VALUES (0);"

	"CREATE TABLE fact (name BLOB NOT NULL PRIMARY KEY,"
	" value BLOB NOT NULL) WITHOUT ROWID;",

	"ALTER TABLE run ADD COLUMN directory BLOB NOT NULL DEFAULT '';"
	"ALTER TABLE run ADD COLUMN error BLOB NOT NULL DEFAULT '';",
};
#define SCHEMA_VERSION ((int)G_N_ELEMENTS(migrations))

enum verdict { /* of an examination; below zero: -errno */
	GOOD,
	DAMAGED,
	FOREIGN,
	NEWER
};

/* --- errors --------------------------------------------------------------- */

/* What SQLite says becomes errno here and nowhere else. */
static const struct {
	int code;
	int rc;
} errors[] = {
	{ SQLITE_OK, 0 },
	{ SQLITE_FULL, -ENOSPC },
	{ SQLITE_NOMEM, -ENOMEM },
	{ SQLITE_BUSY, -EBUSY },
	{ SQLITE_LOCKED, -EBUSY },
	{ SQLITE_READONLY, -EROFS },
	{ SQLITE_PERM, -EACCES },
	{ SQLITE_AUTH, -EACCES },
	{ SQLITE_TOOBIG, -E2BIG },
	{ SQLITE_INTERRUPT, -EINTR },
	{ SQLITE_NOLFS, -EFBIG },
	{ SQLITE_PROTOCOL, -EBUSY },
};

/* The system's word for the last write that failed: of the file, or with
 * JOURNAL_POINTER of its WAL. */
static int write_errno(sqlite3 *db, int which)
{
	sqlite3_file *file = NULL;
	int last = 0;

	(void)sqlite3_file_control(db, "main", which, &file);
	if (file != NULL && file->pMethods != NULL)
		(void)file->pMethods->xFileControl(
			file, SQLITE_FCNTL_LAST_ERRNO, &last);
	return last;
}

static int from_system(int error)
{
	switch (error) {
	case ENOSPC:
	case EFBIG: /* RLIMIT_FSIZE: no more room for us either */
		return -ENOSPC;
	case EDQUOT:
	case EACCES:
	case EROFS:
	case EMFILE:
	case EISDIR:
		return -error;
	default:
		return -EIO;
	}
}

/* SQLite knows a full disk only by ENOSPC; a quota is an I/O error to it. */
static int from_io_error(sqlite3 *db, int code)
{
	int rc;

	switch (code) {
	case SQLITE_IOERR_WRITE:
	case SQLITE_IOERR_FSYNC:
	case SQLITE_IOERR_TRUNCATE:
	case SQLITE_IOERR_SHMSIZE:
		rc = from_system(write_errno(db, SQLITE_FCNTL_JOURNAL_POINTER));
		if (rc != -EIO)
			return rc;
		return from_system(write_errno(db, SQLITE_FCNTL_FILE_POINTER));
	default:
		return -EIO;
	}
}

static int to_errno(sqlite3 *db, int code)
{
	size_t i;

	if (db != NULL && (code & 0xff) == SQLITE_IOERR)
		return from_io_error(db, code);
	if (db != NULL && (code & 0xff) == SQLITE_CANTOPEN)
		return from_system(sqlite3_system_errno(db));
	for (i = 0; i < G_N_ELEMENTS(errors); i++)
		if (errors[i].code == (code & 0xff))
			return errors[i].rc;
	return -EIO;
}

/* While examining: what says that the file is not a database of ours. A
 * header that claims a format of the future is SQLITE_ERROR or READONLY. */
static int to_verdict(sqlite3 *db, int code)
{
	switch (code & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
	case SQLITE_ERROR:
	case SQLITE_READONLY:
		return DAMAGED;
	default:
		return to_errno(db, code);
	}
}

/* --- opening -------------------------------------------------------------- */

/* The number a pragma or query answers, or an SQLite code. */
static int ask_number(sqlite3 *db, const char *text, int64_t *ret)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db, text, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW) {
		*ret = sqlite3_column_int64(statement, 0);
		code = SQLITE_OK;
	} else if (code == SQLITE_DONE) {
		code = SQLITE_ERROR;
	}
	(void)sqlite3_finalize(statement);
	return code;
}

static int check_pages(sqlite3 *db)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(
		db, "PRAGMA quick_check(1)", -1, &statement, NULL);
	const char *word;

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW) {
		word = (const char *)sqlite3_column_text(statement, 0);
		code = g_strcmp0(word, "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
	}
	(void)sqlite3_finalize(statement);
	return code;
}

static int examine(sqlite3 *db, int64_t *ret_version)
{
	int64_t id = 0;
	int64_t tables = 0;
	int code = ask_number(db, "PRAGMA application_id", &id);

	if (code == SQLITE_OK)
		code = ask_number(db, "PRAGMA user_version", ret_version);
	if (code == SQLITE_OK)
		code = ask_number(
			db, "SELECT count(*) FROM sqlite_master", &tables);
	if (code != SQLITE_OK)
		return to_verdict(db, code);
	if (id == 0 && *ret_version == 0 && tables == 0)
		return GOOD; /* new */
	if (id != APPLICATION_ID)
		return FOREIGN;
	if (*ret_version > SCHEMA_VERSION)
		return NEWER;
	if (*ret_version < 1)
		return DAMAGED;
	/* A header of a future format may be read, not written. */
	if (sqlite3_db_readonly(db, "main") == 1)
		return DAMAGED;
	code = check_pages(db);
	return code == SQLITE_OK ? GOOD : to_verdict(db, code);
}

static int run_text(sqlite3 *db, const char *text)
{
	return sqlite3_exec(db, text, NULL, NULL, NULL);
}

/* One transaction from whatever version to ours. It begins as a write even
 * when there is nothing to migrate: a database that cannot be written to is
 * found out now. */
static int migrate(sqlite3 *db, int64_t version)
{
	g_autofree char *mark = g_strdup_printf(
		"PRAGMA application_id = %d; PRAGMA user_version = %d",
		APPLICATION_ID, SCHEMA_VERSION);
	int code = run_text(db, "BEGIN IMMEDIATE");
	int64_t i;

	if (code != SQLITE_OK)
		return code;
	for (i = version; code == SQLITE_OK && i < SCHEMA_VERSION; i++)
		code = run_text(db, migrations[i]);
	if (code == SQLITE_OK && version < SCHEMA_VERSION)
		code = run_text(db, mark);
	if (code == SQLITE_OK)
		code = run_text(db, "COMMIT");
	if (sqlite3_get_autocommit(db) == 0)
		(void)run_text(db, "ROLLBACK");
	return code;
}

/* GOOD or another verdict, or -errno. */
static int open_database(const char *path, sqlite3 **ret)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
			  SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
	sqlite3 *db = NULL;
	int64_t version = 0;
	int code = sqlite3_open_v2(path, &db, flags, NULL);
	int rc = to_errno(db, code);

	if (rc == 0) {
		(void)sqlite3_extended_result_codes(db, 1);
		(void)sqlite3_busy_timeout(db, STATE_BUSY_MS);
		(void)sqlite3_db_config(
			db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		rc = examine(db, &version);
	}
	if (rc == GOOD) {
		code = run_text(db,
			"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
			"PRAGMA journal_size_limit = 4194304;"
			"PRAGMA cell_size_check = ON");
		if (code == SQLITE_OK)
			code = migrate(db, version);
		if (code != SQLITE_OK)
			rc = to_verdict(db, code);
	}
	if (rc != GOOD) {
		(void)sqlite3_close(db);
		return rc;
	}
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	*ret = db;
	return GOOD;
}

static int set_aside(
	const struct state_place *place, int verdict, char **ret_note)
{
	static const char *const whys[] = {
		[DAMAGED] = "was damaged",
		[FOREIGN] = "was not written by pycloud",
		[NEWER] = "was written by a newer pycloud",
	};
	g_autofree char *name = NULL;
	int rc = state_place_set_aside(place, &name);

	g_clear_pointer(ret_note, g_free);
	if (rc == 0)
		*ret_note = g_strdup_printf("What this computer remembered of "
					    "the workspace %s; it was kept as "
					    "%s, and a new one was begun.",
			whys[verdict], name);
	else if (rc == -EBUSY)
		*ret_note = g_strdup_printf("What this computer remembers of "
					    "the workspace %s, but another "
					    "pycloud is using it.",
			whys[verdict]);
	return rc;
}

static int open_or_begin(const struct state_place *place, const char *path,
	sqlite3 **ret, char **ret_note)
{
	int rc = 0;

	if (state_place_has_orphans(place))
		rc = set_aside(place, DAMAGED, ret_note);
	if (rc != 0)
		return rc;
	rc = open_database(path, ret);
	if (rc <= 0)
		return rc;
	rc = set_aside(place, rc, ret_note);
	if (rc != 0)
		return rc;
	rc = open_database(path, ret);
	return rc > 0 ? -EIO : rc;
}

static void finalize(void *statement)
{
	(void)sqlite3_finalize(statement);
}

static struct state *state_new(sqlite3 *db, int users_fd)
{
	struct state *s = g_new0(struct state, 1);

	mutex_init(&s->lock);
	s->users_fd = users_fd;
	s->database = db;
	s->is_durable = true;
	s->statements =
		g_hash_table_new_full(g_str_hash, g_str_equal, NULL, finalize);
	return s;
}

int state_open(const char *directory, struct state **ret, char **ret_note)
{
	g_autofree char *path = g_build_filename(directory, "state.db", NULL);
	struct state_place place = STATE_PLACE_INIT;
	sqlite3 *db = NULL;
	int users_fd = -1;
	int rc;

	*ret_note = NULL;
	rc = state_place_enter(&place, directory);
	if (rc == 0) {
		rc = open_or_begin(&place, path, &db, ret_note);
		if (rc == 0)
			rc = state_place_leave(&place, true, &users_fd);
		else
			(void)state_place_leave(&place, false, NULL);
	}
	if (rc != 0) {
		(void)sqlite3_close(db);
		if (*ret_note == NULL)
			*ret_note = g_strdup_printf(
				"%s cannot be used: %s.", path, strerror(-rc));
		return rc;
	}
	*ret = state_new(db, users_fd);
	return 0;
}

void state_close(struct state *s)
{
	if (s == NULL)
		return;
	g_hash_table_destroy(s->statements);
	/* The last one to close checkpoints, which syncs. */
	(void)sqlite3_close(s->database);
	(void)close(s->users_fd);
	mutex_fini(&s->lock);
	g_free(s);
}

int state_examine(const char *directory)
{
	g_autofree char *path = g_build_filename(directory, "state.db", NULL);
	sqlite3 *db = NULL;
	int64_t version = 0;
	int rc;

	if (access(path, F_OK) != 0)
		return errno == ENOENT ? 0 : -errno;
	rc = to_errno(db, sqlite3_open_v2(path, &db,
				  SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
					  SQLITE_OPEN_PRIVATECACHE,
				  NULL));
	if (rc == 0) {
		(void)sqlite3_extended_result_codes(db, 1);
		(void)sqlite3_busy_timeout(db, STATE_BUSY_MS);
		(void)sqlite3_db_config(
			db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		rc = examine(db, &version);
	}
	(void)sqlite3_close(db);
	if (rc == NEWER)
		return -EOVERFLOW;
	return rc > GOOD ? -EUCLEAN : rc;
}

/* --- statements ----------------------------------------------------------- */

struct sql sql_open(struct state *s, const char *text)
{
	struct sql q = { .state = s, .next = 1 };

	q.statement = g_hash_table_lookup(s->statements, text);
	if (q.statement != NULL)
		return q;
	q.rc = to_errno(s->database,
		sqlite3_prepare_v3(s->database, text, -1,
			SQLITE_PREPARE_PERSISTENT, &q.statement, NULL));
	if (q.rc == 0)
		(void)g_hash_table_insert(
			s->statements, (char *)(uintptr_t)text, q.statement);
	return q;
}

static void added(struct sql *q, int code)
{
	if (q->rc == 0)
		q->rc = to_errno(q->state->database, code);
}

void sql_add_int(struct sql *q, int64_t value)
{
	if (q->rc == 0)
		added(q, sqlite3_bind_int64(q->statement, q->next++, value));
}

static void add_blob(struct sql *q, const char *bytes, size_t length)
{
	/* Copied: the caller's may be a temporary. A zero-length blob must
	 * not become NULL, which an address sees to. */
	if (q->rc == 0)
		added(q, sqlite3_bind_blob64(q->statement, q->next++, bytes,
				 length, SQLITE_TRANSIENT));
}

void sql_add_bytes(struct sql *q, const char *bytes)
{
	if (bytes != NULL)
		add_blob(q, bytes, strlen(bytes));
	else if (q->rc == 0)
		added(q, sqlite3_bind_null(q->statement, q->next++));
}

void sql_add_time(struct sql *q, const struct timespec *t)
{
	sql_add_int(q, t->tv_sec);
	sql_add_int(q, t->tv_nsec);
}

void sql_add_version(struct sql *q, const struct state_version *v)
{
	sql_add_int(q, v->size);
	sql_add_time(q, &v->mtime);
}

/* "d" owns the paths from "d/" to before "d0", '0' being the byte after '/';
 * "d.txt" and "da" sort outside. The root owns all there is: no path is as
 * long as this upper end. */
void sql_add_subtree(struct sql *q, const char *path)
{
	g_autofree char *lower = NULL;
	g_autofree char *upper = NULL;

	if (*path == '\0') {
		lower = g_strdup("");
		upper = g_strnfill(PATH_BYTES_MAX + 1, '\xff');
	} else {
		lower = g_strconcat(path, "/", NULL);
		upper = g_strconcat(path, "0", NULL);
	}
	sql_add_bytes(q, path);
	sql_add_bytes(q, lower);
	sql_add_bytes(q, upper);
}

int sql_step(struct sql *q)
{
	int code;

	if (q->rc != 0)
		return q->rc;
	code = sqlite3_step(q->statement);
	if (code == SQLITE_ROW)
		return 1;
	if (code != SQLITE_DONE)
		q->rc = to_errno(q->state->database, code);
	return q->rc;
}

/* A statement that is not reset holds its snapshot. */
void sql_close(struct sql *q)
{
	if (q->statement == NULL)
		return;
	(void)sqlite3_reset(q->statement);
	(void)sqlite3_clear_bindings(q->statement);
}

int sql_run(struct sql *q)
{
	int rc;

	do {
		rc = sql_step(q);
	} while (rc > 0);
	sql_close(q);
	return rc;
}

int64_t sql_int(struct sql *q, int column)
{
	return sqlite3_column_int64(q->statement, column);
}

char *sql_bytes(struct sql *q, int column)
{
	const char *bytes = sqlite3_column_blob(q->statement, column);
	int length = sqlite3_column_bytes(q->statement, column);

	if (sqlite3_column_type(q->statement, column) == SQLITE_NULL)
		return NULL;
	return length > 0 ? g_strndup(bytes, (size_t)length) : g_strdup("");
}

struct timespec sql_time(struct sql *q, int column)
{
	return (struct timespec){ .tv_sec = sql_int(q, column),
		.tv_nsec = sql_int(q, column + 1) };
}

struct state_version sql_version(struct sql *q, int column)
{
	return (struct state_version){ .size = sql_int(q, column),
		.mtime = sql_time(q, column + 1) };
}

int sql_list(struct sql *q, sql_read_row read_row, GDestroyNotify free_row,
	GPtrArray **ret)
{
	GPtrArray *rows = g_ptr_array_new_with_free_func(free_row);
	int rc;

	while ((rc = sql_step(q)) > 0)
		g_ptr_array_add(rows, read_row(q));
	sql_close(q);
	if (rc != 0) {
		g_ptr_array_unref(rows);
		return rc;
	}
	*ret = rows;
	return 0;
}

/* --- writes --------------------------------------------------------------- */

static int run_alone(struct state *s, const char *text) REQUIRES(s->lock)
{
	struct sql q = sql_open(s, text);

	return sql_run(&q);
}

int state_write_begin(struct state *s, enum state_care care)
{
	bool is_durable = care == STATE_DURABLE;
	int code;

	/* Not a kept statement: this pragma acts when it is compiled. */
	if (s->is_durable != is_durable) {
		code = run_text(s->database,
			is_durable ? "PRAGMA synchronous = FULL"
				   : "PRAGMA synchronous = NORMAL");
		if (code != SQLITE_OK)
			return to_errno(s->database, code);
		s->is_durable = is_durable;
	}
	return run_alone(s, "BEGIN IMMEDIATE");
}

int state_write_end(struct state *s, int rc)
{
	if (rc == 0)
		rc = run_alone(s, "COMMIT");
	/* A full disk may have undone it already. */
	if (sqlite3_get_autocommit(s->database) == 0)
		(void)run_alone(s, "ROLLBACK");
	return rc;
}

int state_sync(struct state *s)
{
	int rc;

	/* Any durable commit that writes will do. */
	mutex_lock(&s->lock);
	rc = state_write_begin(s, STATE_DURABLE);
	if (rc == 0)
		rc = state_write_end(
			s, run_alone(s, "UPDATE run_counter SET last = last"));
	mutex_unlock(&s->lock);
	return rc;
}

int state_check_move(const char *from, const char *to)
{
	if (strcmp(from, to) == 0)
		return 0;
	if (path_is_below(from, to) || path_is_below(to, from))
		return -EINVAL;
	return 1;
}

int state_move(
	struct state *s, const char *text, const char *from, const char *to)
{
	struct sql q = sql_open(s, text);

	sql_add_subtree(&q, from);
	sql_add_bytes(&q, to);
	sql_add_int(&q, (int64_t)strlen(from) + 1);
	return sql_run(&q);
}

int state_remove_subtree(struct state *s, const char *text, const char *path)
{
	struct sql q = sql_open(s, text);

	sql_add_subtree(&q, path);
	return sql_run(&q);
}

int state_limit_pages(struct state *s, int pages)
{
	g_autofree char *text =
		g_strdup_printf("PRAGMA max_page_count = %d", pages);
	int code;

	mutex_lock(&s->lock);
	code = run_text(s->database, text);
	mutex_unlock(&s->lock);
	return to_errno(s->database, code);
}
