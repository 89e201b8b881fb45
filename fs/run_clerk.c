/* run_clerk.c - see run_clerk.h. */
#include "config.h"

#include "run_clerk.h"

#include "cancel.h"
#include "fs_limits.h"
#include "mutex.h"
#include "run_private.h"
#include "session.h"
#include "waitlist.h"

#include <errno.h>
#include <pthread.h>

struct run_clerk {
	struct session *session;
	pthread_t thread;
	struct mutex lock;
	/* guarded by lock */
	struct waitlist news;
	GQueue ended; /* of struct run, each with a reference */
	bool has_written;
	bool is_ending;
};

/* The log first: what is said to have ended is whole. */
static void file_away(struct run *run)
{
	(void)run_log_sync(run_log(run));
	(void)run_record_state(run);
	run_unref(run);
}

/* 0: there is something to do; -ETIMEDOUT: nothing but an end of waiting. */
static int await(struct run_clerk *c, int64_t until_ms) REQUIRES(c->lock)
{
	int64_t left = until_ms - clock_now_ms();

	while (!c->is_ending && g_queue_is_empty(&c->ended) &&
		(!c->has_written || left > 0)) {
		(void)waitlist_wait(
			&c->news, &c->lock, NULL, c->has_written ? left : -1);
		left = until_ms - clock_now_ms();
	}
	return c->is_ending && g_queue_is_empty(&c->ended) ? -ESHUTDOWN : 0;
}

static void *work(void *arg)
{
	struct run_clerk *c = arg;
	int64_t next_drop_ms = 0;

	mutex_lock(&c->lock);
	while (await(c, next_drop_ms) == 0) {
		struct run *run = g_queue_pop_head(&c->ended);
		bool is_due = c->has_written && clock_now_ms() >= next_drop_ms;

		if (is_due)
			c->has_written = false;
		mutex_unlock(&c->lock);
		if (run != NULL)
			file_away(run);
		if (is_due) {
			session_drop_beliefs(c->session);
			next_drop_ms = clock_now_ms() + RUN_BELIEFS_MS;
		}
		mutex_lock(&c->lock);
	}
	mutex_unlock(&c->lock);
	return NULL;
}

struct run_clerk *run_clerk_new(struct session *s)
{
	struct run_clerk *c = g_new0(struct run_clerk, 1);

	c->session = s;
	mutex_init(&c->lock);
	g_queue_init(&c->ended);
	if (pthread_create(&c->thread, NULL, work, c) == 0)
		return c;
	mutex_fini(&c->lock);
	g_free(c);
	return NULL;
}

void run_clerk_free(struct run_clerk *c)
{
	if (c == NULL)
		return;
	mutex_lock(&c->lock);
	c->is_ending = true;
	waitlist_wake(&c->news);
	mutex_unlock(&c->lock);
	(void)pthread_join(c->thread, NULL);
	mutex_fini(&c->lock);
	g_free(c);
}

void run_clerk_wrote(struct run_clerk *c)
{
	mutex_lock(&c->lock);
	if (!c->has_written) {
		c->has_written = true;
		waitlist_wake(&c->news);
	}
	mutex_unlock(&c->lock);
}

void run_clerk_ended(struct run_clerk *c, struct run *run)
{
	/* Nobody has it any more: the next mount files it away. */
	if (!run_try_ref(run))
		return;
	mutex_lock(&c->lock);
	g_queue_push_tail(&c->ended, run);
	waitlist_wake(&c->news);
	mutex_unlock(&c->lock);
}
