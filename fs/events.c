/* events.c - see events.h. */
#include "config.h"

#include "events.h"

#include "fs_limits.h"
#include "mutex.h"
#include "names.h"
#include "run_poll.h"
#include "waitlist.h"

#include <errno.h>
#include <glib.h>
#include <stdatomic.h>
#include <string.h>

struct event_reader {
	GString *text; /* not read yet; guarded by the lock */
};

struct events {
	atomic_uint count; /* of readers */
	struct run_poll *pollers;

	struct mutex lock;
	/* guarded by lock */
	GPtrArray *readers; /* of struct event_reader * */
	bool is_live;
	struct waitlist news;
};

struct events *events_new(void)
{
	struct events *e = g_new0(struct events, 1);

	mutex_init(&e->lock);
	e->readers = g_ptr_array_new();
	e->pollers = run_poll_new();
	return e;
}

void events_free(struct events *e)
{
	if (e == NULL)
		return;
	g_ptr_array_unref(e->readers);
	run_poll_free(e->pollers);
	mutex_fini(&e->lock);
	g_free(e);
}

/* --- telling -------------------------------------------------------------- */

static const char *state_line(const struct events *e)
{
	return e->is_live ? "live\n" : "lost\n";
}

static void add_locked(struct events *e, struct event_reader *r,
	const char *line) REQUIRES(e->lock)
{
	if (r->text->len + strlen(line) > EVENT_BYTES_MAX) {
		g_string_assign(r->text, "lost\n");
		line = e->is_live ? "live\n" : "";
	}
	g_string_append(r->text, line);
}

static void add_to_all_locked(struct events *e, const char *line)
	REQUIRES(e->lock)
{
	for (guint i = 0; i < e->readers->len; i++)
		add_locked(e, e->readers->pdata[i], line);
	waitlist_wake(&e->news);
}

void events_set_live(struct events *e, bool is_live)
{
	bool is_other;

	mutex_lock(&e->lock);
	is_other = e->is_live != is_live;
	e->is_live = is_live;
	if (is_other)
		add_to_all_locked(e, state_line(e));
	mutex_unlock(&e->lock);
	if (is_other)
		run_poll_wake(e->pollers);
}

void events_restart(struct events *e)
{
	events_set_live(e, false);
	events_set_live(e, true);
}

void events_tell(
	struct events *e, const char *what, const char *dir, const char *name)
{
	g_autofree char *path = NULL;
	g_autofree char *escaped = NULL;
	g_autofree char *line = NULL;

	if (atomic_load(&e->count) == 0)
		return;
	path = path_join(dir, name);
	escaped = name_escape(path);
	line = g_strdup_printf("%s %s\n", what, escaped);
	mutex_lock(&e->lock);
	add_to_all_locked(e, line);
	mutex_unlock(&e->lock);
	run_poll_wake(e->pollers);
}

/* --- reading -------------------------------------------------------------- */

struct event_reader *events_open(struct events *e)
{
	struct event_reader *r = g_new0(struct event_reader, 1);

	mutex_lock(&e->lock);
	r->text = g_string_new(state_line(e));
	g_ptr_array_add(e->readers, r);
	atomic_fetch_add(&e->count, 1);
	mutex_unlock(&e->lock);
	return r;
}

void events_close(struct events *e, struct event_reader *r)
{
	run_poll_remove(e->pollers, r);
	mutex_lock(&e->lock);
	(void)g_ptr_array_remove_fast(e->readers, r);
	atomic_fetch_sub(&e->count, 1);
	mutex_unlock(&e->lock);
	g_string_free(r->text, TRUE);
	g_free(r);
}

ssize_t events_read(struct events *e, struct event_reader *r, char *buffer,
	size_t size, int64_t turn_ms, const struct cancel *cancel)
{
	size_t n;
	int rc = 0;

	mutex_lock(&e->lock);
	while (rc == 0 && turn_ms > 0 && r->text->len == 0)
		rc = waitlist_wait(&e->news, &e->lock, cancel, turn_ms);
	n = MIN(size, r->text->len);
	memcpy(buffer, r->text->str, n);
	g_string_erase(r->text, 0, (gssize)n);
	mutex_unlock(&e->lock);
	if (n > 0 || rc == 0)
		return (ssize_t)n;
	return rc == -ETIMEDOUT ? cancel_check(cancel) : rc;
}

/* Added first, and then looked: news between the two wakes it. */
bool events_poll(
	struct events *e, struct event_reader *r, struct poller *poller)
{
	bool is_readable;

	if (poller != NULL)
		run_poll_add(e->pollers, r, poller);
	mutex_lock(&e->lock);
	is_readable = r->text->len > 0;
	mutex_unlock(&e->lock);
	return is_readable;
}
