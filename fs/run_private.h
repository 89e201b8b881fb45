/* run_private.h - what run.c and run_table.c share; for nobody else. */
#ifndef PYCLOUD_RUN_PRIVATE_H
#define PYCLOUD_RUN_PRIVATE_H

#include "run.h"

#include "mutex.h"
#include "run_poll.h"
#include "waitlist.h"

struct run_table;

struct run {
	/* immutable after the start */
	struct session *session;
	uint64_t number;
	char *id; /* NULL: it ended before this mount */
	char *line;
	char *directory;
	struct run_log *log;
	struct executor_run *remote; /* NULL: it ended before this mount */
	struct timespec started;
	int lock_fd;	  /* held while it runs: nobody else follows it; -1 */
	bool is_recorded; /* in the state */
	struct run_poll *pollers; /* owned; locks itself */

	atomic_uint refs;     /* so that the table's lock can take one */
	atomic_bool has_slot; /* it counts as active */
	atomic_bool is_void;  /* forgotten: nothing is written down any more */
	struct mutex lock;
	/* guarded by lock */
	int error;
	int reach;
	bool is_ended;
	struct run_end end;
	struct timespec changed, ended;
	struct waitlist news;
};

/* With one reference; the log's place as given. */
struct run *run_new(struct session *, uint64_t number, const char *line,
	const char *directory, const struct run_log_place *);
/* A reference, unless the last one is gone (the run is being released, which
 * waits for the executor's thread). */
bool run_try_ref(struct run *);
/* What the executor is to call. */
struct run_events run_events(struct run *);
/* Writes down what is known of it; a run that is not recorded is not. */
int run_record_state(struct run *);

/* --- what a run asks of its table ----------------------------------------- */

/* The run writes. Any thread. */
void run_table_wrote(struct run_table *);
/* It has ended, and the next one may start. */
void run_table_ended(struct run_table *, struct run *);

#endif
