/* workers.c - see workers.h. */
#include "config.h"

#include "workers.h"

#include "mutex.h"
#include "waitlist.h"

#include <glib.h>

struct workers {
	struct cancel cancel; /* of every job */
	unsigned queue_max;   /* immutable */
	pthread_t *threads;
	unsigned thread_count;

	struct mutex lock;
	/* guarded by lock */
	GQueue jobs;
	unsigned running;
	bool is_ending;
	struct waitlist changed;
	struct waitlist settled; /* a job has ended */
};

static struct job *next_job(struct workers *w)
{
	struct job *job = NULL;

	mutex_lock(&w->lock);
	while (!w->is_ending && g_queue_is_empty(&w->jobs))
		(void)waitlist_wait(&w->changed, &w->lock, NULL, -1);
	if (!w->is_ending)
		job = g_queue_pop_head(&w->jobs);
	if (job != NULL)
		w->running++;
	mutex_unlock(&w->lock);
	return job;
}

static void end_job(struct workers *w, struct job *job)
{
	g_free(job);
	mutex_lock(&w->lock);
	w->running--;
	waitlist_wake(&w->settled);
	mutex_unlock(&w->lock);
}

static void *worker_thread(void *arg)
{
	struct workers *w = arg;
	struct job *job;

	while ((job = next_job(w)) != NULL) {
		job->run(job->arg, &w->cancel);
		end_job(w, job);
	}
	return NULL;
}

int workers_new(unsigned threads, unsigned queue_max, struct workers **ret)
{
	struct workers *w = g_new0(struct workers, 1);

	cancel_init(&w->cancel, 0);
	mutex_init(&w->lock);
	g_queue_init(&w->jobs);
	w->queue_max = queue_max;
	w->threads = g_new0(pthread_t, threads);
	for (; w->thread_count < threads; w->thread_count++) {
		int rc = pthread_create(
			&w->threads[w->thread_count], NULL, worker_thread, w);

		if (rc != 0) {
			workers_free(w);
			return -rc;
		}
	}
	*ret = w;
	return 0;
}

void workers_drop(struct workers *w)
{
	GQueue dropped = G_QUEUE_INIT;
	struct job *job;

	mutex_lock(&w->lock);
	while ((job = g_queue_pop_head(&w->jobs)) != NULL)
		g_queue_push_tail(&dropped, job);
	mutex_unlock(&w->lock);
	while ((job = g_queue_pop_head(&dropped)) != NULL) {
		job->drop(job->arg);
		g_free(job);
	}
}

void workers_settle(struct workers *w)
{
	mutex_lock(&w->lock);
	while (w->running > 0 || !g_queue_is_empty(&w->jobs))
		(void)waitlist_wait(&w->settled, &w->lock, NULL, -1);
	mutex_unlock(&w->lock);
}

void workers_free(struct workers *w)
{
	if (w == NULL)
		return;
	mutex_lock(&w->lock);
	w->is_ending = true;
	waitlist_wake(&w->changed);
	mutex_unlock(&w->lock);
	cancel_fire(&w->cancel);
	for (unsigned i = 0; i < w->thread_count; i++)
		(void)pthread_join(w->threads[i], NULL);
	workers_drop(w);
	cancel_fini(&w->cancel);
	mutex_fini(&w->lock);
	g_free(w->threads);
	g_free(w);
}

bool workers_add(struct workers *w, const struct job *job)
{
	bool is_added = false;

	mutex_lock(&w->lock);
	if (!w->is_ending && w->jobs.length < w->queue_max) {
		struct job *own = g_new(struct job, 1);

		*own = *job;
		g_queue_push_tail(&w->jobs, own);
		waitlist_wake(&w->changed);
		is_added = true;
	}
	mutex_unlock(&w->lock);
	if (!is_added)
		job->drop(job->arg);
	return is_added;
}
