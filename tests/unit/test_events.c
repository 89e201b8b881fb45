/* What readers of .pycloud/events are given, and when they are woken. */
#include "config.h"

#include "events.h"
#include "fs_limits.h"
#include "poller.h"
#include "test.h"

#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <string.h>

static int make_events(void **state)
{
	*state = events_new();
	return 0;
}

static int free_events(void **state)
{
	events_free(*state);
	return 0;
}

static void assert_read(
	struct events *e, struct event_reader *r, const char *expected)
{
	char text[256];
	ssize_t n = events_read(e, r, text, sizeof(text) - 1, 0, NULL);

	assert_true(n >= 0);
	text[n] = '\0';
	assert_string_equal(text, expected);
}

static void each_reader_reads_all_since_it_opened(void **state)
{
	struct events *e = *state;
	struct event_reader *early = events_open(e);
	struct event_reader *late;

	events_set_live(e, true);
	events_set_live(e, true);
	events_tell(e, "created", "d", "a");
	late = events_open(e);
	events_tell(e, "removed", "", "b");
	events_set_live(e, false);
	assert_read(e, early, "lost\nlive\ncreated d/a\nremoved b\nlost\n");
	assert_read(e, late, "live\nremoved b\nlost\n");
	assert_read(e, late, "");
	events_close(e, early);
	events_close(e, late);
}

static void a_name_is_one_line(void **state)
{
	struct events *e = *state;
	struct event_reader *r = events_open(e);

	events_tell(e, "changed", "a\nb", "c\\d");
	assert_read(e, r, "lost\nchanged a\\012b/c\\\\d\n");
	events_close(e, r);
}

static void what_does_not_fit_is_said_to_be_lost(void **state)
{
	struct events *e = *state;
	struct event_reader *r = events_open(e);
	char text[256];
	ssize_t n;

	events_set_live(e, true);
	for (size_t bytes = 0; bytes <= EVENT_BYTES_MAX; bytes += 8)
		events_tell(e, "changed", "", "abc");
	n = events_read(e, r, text, strlen("lost\nlive\n"), 0, NULL);
	assert_int_equal(n, strlen("lost\nlive\n"));
	assert_memory_equal(text, "lost\nlive\n", (size_t)n);
	events_tell(e, "changed", "", "last");
	do {
		n = events_read(e, r, text, sizeof(text), 0, NULL);
	} while (n == (ssize_t)sizeof(text));
	assert_memory_equal(text + n - 5, "last\n", 5);
	events_close(e, r);
}

static void a_watch_that_begins_anew_has_lost_something(void **state)
{
	struct events *e = *state;
	struct event_reader *r;

	events_set_live(e, true);
	r = events_open(e);
	events_restart(e);
	assert_read(e, r, "live\nlost\nlive\n");
	events_close(e, r);
}

static void *tell_one(void *arg)
{
	events_tell(arg, "changed", "", "x");
	return NULL;
}

static void a_read_waits_and_can_be_cancelled(void **state)
{
	struct events *e = *state;
	struct event_reader *r = events_open(e);
	struct cancel cancel;
	pthread_t teller;
	char text[64];

	assert_read(e, r, "lost\n");
	assert_int_equal(events_read(e, r, text, sizeof(text), 1, NULL), 0);
	assert_int_equal(pthread_create(&teller, NULL, tell_one, e), 0);
	assert_int_equal(events_read(e, r, text, sizeof(text), 60000, NULL),
		strlen("changed x\n"));
	(void)pthread_join(teller, NULL);
	cancel_init(&cancel, 0);
	cancel_fire(&cancel);
	assert_int_equal(
		events_read(e, r, text, sizeof(text), 60000, &cancel), -EINTR);
	cancel_fini(&cancel);
	events_close(e, r);
}

struct sleeper {
	struct poller poller;
	int *woken;
};

static void wake_sleeper(struct poller *p)
{
	(*((struct sleeper *)p)->woken)++;
}

static void free_sleeper(struct poller *p)
{
	g_free(p);
}

static struct poller *a_sleeper(int *woken)
{
	struct sleeper *s = g_new0(struct sleeper, 1);

	s->poller = (struct poller){ wake_sleeper, free_sleeper };
	s->woken = woken;
	return &s->poller;
}

static void who_sleeps_is_woken_by_news(void **state)
{
	struct events *e = *state;
	struct event_reader *r = events_open(e);
	int woken = 0;

	assert_true(events_poll(e, r, NULL));
	assert_read(e, r, "lost\n");
	assert_false(events_poll(e, r, a_sleeper(&woken)));
	events_tell(e, "changed", "", "x");
	assert_int_equal(woken, 1);
	assert_true(events_poll(e, r, a_sleeper(&woken)));
	events_close(e, r);
	assert_int_equal(woken, 1);
}

#define with_events(name) \
	cmocka_unit_test_setup_teardown(name, make_events, free_events)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_events(each_reader_reads_all_since_it_opened),
		with_events(a_name_is_one_line),
		with_events(what_does_not_fit_is_said_to_be_lost),
		with_events(a_watch_that_begins_anew_has_lost_something),
		with_events(a_read_waits_and_can_be_cancelled),
		with_events(who_sleeps_is_woken_by_news),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
