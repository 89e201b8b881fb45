/*
 * real_server.h - an executor on a real Jupyter server, and what came of runs.
 *
 * For tests only. PYCLOUD_TEST_URL names the server, PYCLOUD_TOKEN its token;
 * test_real.py starts servers and runs the programs that use this.
 */
#ifndef PYCLOUD_TESTS_REAL_SERVER_H
#define PYCLOUD_TESTS_REAL_SERVER_H

#include "executor.h"
#include "http_pool.h"
#include "json.h"
#include "mutex.h"
#include "run_record.h"
#include "waitlist.h"

struct fixture {
	struct endpoint *endpoint;
	struct http_pool *pool;
	struct helper *helper;
	struct executor *executor;
};

/* False, having said so, when no server is named: exit with 77. */
bool server_is_named(void);
/* cmocka's group setup and teardown; the state is a struct fixture. */
int connect_server(void **state);
int leave_server(void **state);

/* The server's kernels; the caller's. */
cJSON *list_kernels(struct fixture *);

/* What came of one run. */
struct outcome {
	struct mutex lock;
	struct waitlist waiters;
	/* guarded by lock */
	struct run_record record;
	GByteArray *bytes[3]; /* by stream */
	int64_t seen_ms;      /* when the last output came */
	bool has_ended;
	struct run_end end;
};

void outcome_init(struct outcome *);
void outcome_fini(struct outcome *);
struct run_events outcome_events(struct outcome *);

/* Waiting fails the test after a minute. */
void await_end(struct outcome *);
void await_output(struct outcome *, guint length); /* of stdout, at least */

void assert_bytes(GByteArray *, const char *expected);

/* Initialises the outcome, also where the run does not start. */
int start_in(struct fixture *, const char *directory, const char *const *argv,
	struct outcome *, struct executor_run **ret);
struct executor_run *start_code(
	struct fixture *, const char *code, struct outcome *);
/* Runs code to its end; the outcome is the caller's. */
void run_code(struct fixture *, const char *code, struct outcome *);
void assert_status(
	struct fixture *, const char *code, int exit_status, int signal_number);
/* One line of standard input. */
void feed_line(struct executor_run *, const char *line);

#endif
