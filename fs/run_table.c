/* run_table.c - see run_table.h. */
#include "config.h"

#include "run_table.h"

#include "fs_limits.h"
#include "log.h"
#include "mutex.h"
#include "run_clerk.h"
#include "run_private.h"
#include "session.h"
#include "state.h"
#include "transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct run_table {
	/* immutable once the mount serves */
	struct session *session;
	bool (*is_ending)(void *arg); /* NULL: it never does */
	void *ending_arg;
	struct run_clerk *clerk; /* NULL: there was no thread for it */

	struct mutex lock;
	/* guarded by lock */
	GQueue runs;	      /* by number, each with a reference */
	uint64_t last_number; /* without a state */

	atomic_uint active; /* started here and going on */
	atomic_int readers; /* workers inside run_table_read */
};

struct run_table *run_table_new(struct session *s)
{
	struct run_table *t = g_new0(struct run_table, 1);

	t->session = s;
	mutex_init(&t->lock);
	g_queue_init(&t->runs);
	t->clerk = run_clerk_new(s);
	return t;
}

void run_table_set_ending(
	struct run_table *t, bool (*is_ending)(void *arg), void *arg)
{
	t->is_ending = is_ending;
	t->ending_arg = arg;
}

int run_table_check(const struct run_table *t)
{
	return t->is_ending != NULL && t->is_ending(t->ending_arg) ? -ENODEV
								   : 0;
}

void run_table_free(struct run_table *t)
{
	struct run *run;

	if (t == NULL)
		return;
	while ((run = g_queue_pop_head(&t->runs)) != NULL)
		run_unref(run);
	run_clerk_free(t->clerk);
	mutex_fini(&t->lock);
	g_free(t);
}

void run_table_wrote(struct run_table *t)
{
	if (t->clerk != NULL)
		run_clerk_wrote(t->clerk);
}

/* Once, although a start may fail after its run has ended. */
static void free_slot(struct run_table *t, struct run *run)
{
	if (atomic_exchange(&run->has_slot, false))
		atomic_fetch_sub(&t->active, 1);
}

void run_table_ended(struct run_table *t, struct run *run)
{
	free_slot(t, run);
	if (t->clerk != NULL)
		run_clerk_ended(t->clerk, run);
}

static char *lock_name(uint64_t number)
{
	return g_strdup_printf("%" G_GUINT64_FORMAT ".lock", number);
}

/* --- the table ------------------------------------------------------------ */

/* By number: starts that overlap end in any order. */
static void add_run(struct run_table *t, struct run *run)
{
	GList *after;

	mutex_lock(&t->lock);
	after = t->runs.tail;
	while (after != NULL &&
		((struct run *)after->data)->number > run->number)
		after = after->prev;
	if (after == NULL)
		g_queue_push_head(&t->runs, run_ref(run));
	else
		g_queue_insert_after(&t->runs, after, run_ref(run));
	mutex_unlock(&t->lock);
}

/* From the state and the directory; files that are open stay readable. */
static void erase_run(const struct session *s, struct run *run)
{
	g_autofree char *lock = lock_name(run->number);

	if (!run->is_recorded)
		return;
	atomic_store(&run->is_void, true);
	(void)state_run_remove(s->state, (int64_t)run->number);
	run_log_remove(s->runs_fd, run->number);
	(void)unlinkat(s->runs_fd, lock, 0);
}

/* The caller's reference stays good. False: somebody else was first. */
static bool forget_run(struct run_table *t, struct run *run)
{
	bool is_ours;

	mutex_lock(&t->lock);
	is_ours = g_queue_remove(&t->runs, run);
	mutex_unlock(&t->lock);
	if (is_ours) {
		erase_run(t->session, run);
		run_unref(run);
	}
	return is_ours;
}

/* Every run, each with a reference. */
static GPtrArray *all_runs(struct run_table *t)
{
	GPtrArray *all = g_ptr_array_new_with_free_func(
		(GDestroyNotify)(void (*)(void))run_unref);
	GList *l;

	mutex_lock(&t->lock);
	for (l = t->runs.head; l != NULL; l = l->next)
		g_ptr_array_add(all, run_ref(l->data));
	mutex_unlock(&t->lock);
	return all;
}

/* The oldest runs that have ended make room for new ones. */
static void forget_old_runs(struct run_table *t)
{
	GPtrArray *all = all_runs(t);
	guint keep = t->session->options.runs_keep;
	guint surplus = all->len > keep ? all->len - keep : 0;

	for (guint i = 0; surplus > 0 && i < all->len; i++)
		if (run_is_ended(all->pdata[i]) && forget_run(t, all->pdata[i]))
			surplus--;
	g_ptr_array_unref(all);
}

struct run *run_table_get(struct run_table *t, uint64_t number)
{
	struct run *found = NULL;
	GList *l;

	mutex_lock(&t->lock);
	for (l = t->runs.tail; l != NULL && found == NULL; l = l->prev) {
		struct run *run = l->data;

		if (number == 0 || run->number == number)
			found = run_ref(run);
	}
	mutex_unlock(&t->lock);
	return found;
}

unsigned run_table_active(struct run_table *t)
{
	return atomic_load(&t->active);
}

uint64_t run_table_newest(struct run_table *t)
{
	struct run *run = run_table_get(t, 0);
	uint64_t number = run == NULL ? 0 : run->number;

	run_unref(run);
	return number;
}

GArray *run_table_numbers(struct run_table *t)
{
	GArray *numbers = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	GList *l;

	mutex_lock(&t->lock);
	for (l = t->runs.head; l != NULL; l = l->next) {
		const struct run *run = l->data;

		g_array_append_val(numbers, run->number);
	}
	mutex_unlock(&t->lock);
	return numbers;
}

/* --- a run's files -------------------------------------------------------- */

/* Whoever follows a run holds its lock. False: another mount does. */
static bool lock_files(struct session *s, struct run *run)
{
	g_autofree char *name = lock_name(run->number);
	int fd = openat(s->runs_fd, name,
		O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		(void)close(fd);
		return false;
	}
	run->lock_fd = fd;
	return true;
}

static struct run_log_place place_of(const struct session *s, uint64_t number)
{
	return (struct run_log_place){
		.directory_fd = s->runs_fd >= 0 ? s->runs_fd : s->cache_fd,
		.number = s->runs_fd >= 0 ? number : 0,
		.max = s->options.run_output_max,
	};
}

/* --- starting ------------------------------------------------------------- */

static int split_line(const char *line, char ***ret_words)
{
	g_autoptr(GError) error = NULL;

	/* A '#' starts a comment for GLib, not for a shell's argument. What
	 * is wrong (an open quote, nothing at all) is EINVAL all the same. */
	if (strlen(line) > RUN_LINE_MAX)
		return -E2BIG;
	if (!g_shell_parse_argv(line, NULL, ret_words, &error))
		return -EINVAL;
	return 0;
}

static int next_number(struct run_table *t, uint64_t *ret)
{
	int64_t number = 0;
	int rc = 0;

	if (t->session->state != NULL && t->session->runs_fd >= 0) {
		rc = state_run_next_number(t->session->state, &number);
	} else {
		mutex_lock(&t->lock);
		number = (int64_t)++t->last_number;
		mutex_unlock(&t->lock);
	}
	*ret = (uint64_t)number;
	return rc;
}

/* A number, files, and a word in the state; nobody knows of it yet. NULL and
 * *ret_error. */
static struct run *prepare_run(struct run_table *t, const char *line,
	const char *directory, int *ret_error)
{
	struct session *s = t->session;
	struct run_log_place place;
	uint64_t number;
	struct run *run;

	*ret_error = next_number(t, &number);
	if (*ret_error < 0)
		return NULL;
	place = place_of(s, number);
	run = run_new(s, number, line, directory, &place);
	run->id = g_uuid_string_random();
	run->is_recorded = s->state != NULL && s->runs_fd >= 0;
	if (run->is_recorded) {
		/* What a lost state has left there is not this run's. */
		(void)run_log_restart(run->log);
		(void)lock_files(s, run);
		*ret_error = run_record_state(run);
	}
	if (*ret_error == 0)
		return run;
	/* It would be nobody's if we were killed. */
	erase_run(s, run);
	run_unref(run);
	return NULL;
}

static int start_words(struct request *r, struct run *run, char **words)
{
	const struct session *s = r->session;
	const struct run_command command = {
		.id = run->id,
		.argv = (const char *const *)words,
		.directory = run->directory,
		.output_max = s->options.run_output_max,
		.runs_keep = s->options.runs_keep,
	};
	const struct run_events events = run_events(run);

	return executor_start(
		s->executor, &command, &events, &r->cancel, &run->remote);
}

/* Room for one more; -EAGAIN. */
static int take_slot(struct run_table *t, struct run *run)
{
	if (atomic_fetch_add(&t->active, 1) >= RUNS_ACTIVE_MAX) {
		atomic_fetch_sub(&t->active, 1);
		return -EAGAIN;
	}
	atomic_store(&run->has_slot, true);
	return 0;
}

static int start_prepared(struct request *r, struct run *run, char **words)
{
	struct run_table *t = r->session->runs;
	int rc = take_slot(t, run);

	if (rc == 0)
		rc = start_words(r, run, words);
	if (rc < 0) {
		free_slot(t, run);
		erase_run(r->session, run);
		return rc;
	}
	add_run(t, run);
	forget_old_runs(t);
	return 0;
}

int run_table_start(struct request *r, const char *directory, const char *line,
	struct run **ret_run)
{
	struct run_table *t = r->session->runs;
	g_auto(GStrv) words = NULL;
	struct run *run;
	int rc = split_line(line, &words);

	if (rc < 0)
		return rc;
	if (r->session->executor == NULL)
		return -EOPNOTSUPP;
	if (atomic_load(&t->active) >= RUNS_ACTIVE_MAX)
		return -EAGAIN; /* before anything is uploaded */
	rc = transfer_upload_all(r->session, &r->cancel);
	if (rc < 0)
		return rc;
	run = prepare_run(t, line, directory, &rc);
	if (run == NULL)
		return rc;
	rc = start_prepared(r, run, words);
	if (rc < 0)
		run_unref(run);
	else
		*ret_run = run;
	return rc;
}

/* --- what earlier mounts have left ---------------------------------------- */

static struct timespec from_ms(int64_t ms)
{
	return (struct timespec){ .tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000 };
}

static struct run *recall_run(struct session *s, const struct state_run *record)
{
	const struct run_log_place place =
		place_of(s, (uint64_t)record->number);
	struct run *run = run_new(s, (uint64_t)record->number, record->command,
		record->directory, &place);

	run->id = g_strdup(record->remote_id);
	run->is_recorded = true;
	run->started = run->changed = from_ms(record->started_ms);
	return run;
}

/* What has not ended and cannot be followed is lost. */
static void recall_end(struct run *run, const struct state_run *record)
{
	bool is_lost = !record->has_ended || *record->why_lost != '\0';

	mutex_lock(&run->lock);
	run->is_ended = true;
	run->end.exit_status = record->exit_status;
	run->end.signal = record->exit_signal;
	run->end.error = is_lost ? -ESRCH : 0;
	run->ended = run->changed = from_ms(
		record->has_ended ? record->ended_ms : record->started_ms);
	mutex_unlock(&run->lock);
}

/* Another mount writes this run's files. */
static void use_own_copy(struct run *run)
{
	const struct run_log_place place = {
		.directory_fd = run->session->cache_fd,
		.max = run->session->options.run_output_max,
	};

	run_log_free(run->log);
	run->log = run_log_new(&place);
	run->is_recorded = false;
}

/* Only what is no record goes: for the others there may be a better day, and
 * the workspace may not have it all. */
static int64_t fetch_anew(struct run *run, int error)
{
	log_warning("the copy of run %" G_GUINT64_FORMAT
		    " cannot be read (%s) and is fetched anew",
		run->number, g_strerror(-error));
	if (error == -EPROTO)
		(void)run_log_restart(run->log);
	else
		use_own_copy(run);
	return 0;
}

/* It goes on, or ended while nobody looked. */
static void follow_run(struct session *s, struct run *run)
{
	const struct run_events events = run_events(run);
	struct run_place place = { .id = run->id };

	place.ends_input = lock_files(s, run);
	if (!place.ends_input)
		use_own_copy(run);
	place.offset = run_log_place(run->log);
	if (place.offset < 0)
		place.offset = fetch_anew(run, (int)place.offset);
	(void)executor_attach(s->executor, &place, &events, &run->remote);
}

/* 1: it goes on. */
static unsigned take_up(struct run_table *t, const struct state_run *record)
{
	struct session *s = t->session;
	struct run *run = recall_run(s, record);
	bool is_going_on =
		!record->has_ended && s->executor != NULL && run->id != NULL;

	if (!is_going_on)
		recall_end(run, record);
	if (is_going_on) {
		/* Past the limit, too: it is there. */
		atomic_fetch_add(&t->active, 1);
		atomic_store(&run->has_slot, true);
		follow_run(s, run);
	}
	add_run(t, run);
	run_unref(run);
	return is_going_on;
}

unsigned run_table_resume(struct run_table *t)
{
	struct session *s = t->session;
	GPtrArray *records = NULL;
	unsigned going_on = 0;
	int rc;

	if (s->state == NULL || s->runs_fd < 0)
		return 0;
	rc = state_run_list(s->state, &records);
	if (rc < 0) {
		log_warning(
			"what ran before is not known: %s", g_strerror(-rc));
		return 0;
	}
	for (guint i = 0; i < records->len; i++)
		going_on += take_up(t, records->pdata[i]);
	g_ptr_array_unref(records);
	forget_old_runs(t);
	return going_on;
}

/* --- reading -------------------------------------------------------------- */

ssize_t run_table_read(struct run_table *t, struct run *run, enum run_view view,
	char *buffer, size_t size, int64_t offset, const struct cancel *cancel)
{
	ssize_t n = -EAGAIN;

	if (run_is_readable(run, view, offset))
		return run_read(run, view, buffer, size, offset, cancel);
	if (atomic_fetch_add(&t->readers, 1) < RUN_READERS_MAX)
		n = run_read(run, view, buffer, size, offset, cancel);
	atomic_fetch_sub(&t->readers, 1);
	return n;
}

int run_table_readers(struct run_table *t)
{
	return atomic_load(&t->readers);
}
