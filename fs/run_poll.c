/* run_poll.c - see run_poll.h. */
#include "config.h"

#include "run_poll.h"

#include "mutex.h"

#include <glib.h>
#include <stdint.h>

struct run_poll {
	struct mutex lock;
	/* guarded by lock */
	GHashTable *pollers; /* handle -> struct poller; owned; NULL: none */
};

static void free_poller(void *poller)
{
	poller_free(poller);
}

struct run_poll *run_poll_new(void)
{
	struct run_poll *p = g_new0(struct run_poll, 1);

	mutex_init(&p->lock);
	return p;
}

void run_poll_free(struct run_poll *p)
{
	if (p->pollers != NULL)
		g_hash_table_unref(p->pollers);
	mutex_fini(&p->lock);
	g_free(p);
}

static struct poller *take(struct run_poll *p, const void *handle)
	REQUIRES(p->lock)
{
	void *poller = NULL;

	if (p->pollers != NULL)
		(void)g_hash_table_steal_extended(
			p->pollers, handle, NULL, &poller);
	return poller;
}

void run_poll_add(struct run_poll *p, const void *handle, struct poller *poller)
{
	struct poller *older;

	mutex_lock(&p->lock);
	older = take(p, handle);
	if (p->pollers == NULL)
		p->pollers =
			g_hash_table_new_full(NULL, NULL, NULL, free_poller);
	(void)g_hash_table_insert(
		p->pollers, (void *)(uintptr_t)handle, poller);
	mutex_unlock(&p->lock);
	poller_free(older);
}

void run_poll_remove(struct run_poll *p, const void *handle)
{
	struct poller *poller;

	mutex_lock(&p->lock);
	poller = take(p, handle);
	mutex_unlock(&p->lock);
	poller_free(poller);
}

void run_poll_wake(struct run_poll *p)
{
	GHashTable *pollers;
	GHashTableIter i;
	void *poller;

	mutex_lock(&p->lock);
	pollers = g_steal_pointer(&p->pollers);
	mutex_unlock(&p->lock);
	if (pollers == NULL)
		return;
	g_hash_table_iter_init(&i, pollers);
	while (g_hash_table_iter_next(&i, NULL, &poller))
		((struct poller *)poller)->wake(poller);
	g_hash_table_unref(pollers);
}
