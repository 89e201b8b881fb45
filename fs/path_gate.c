/* path_gate.c - see path_gate.h. */
#include "config.h"

#include "path_gate.h"

#include "mutex.h"
#include "names.h"
#include "waitlist.h"

#include <glib.h>

struct path_gate {
	struct mutex lock;
	/* guarded by lock */
	struct path_pass *inside;
	struct waitlist left;
};

struct path_gate *path_gate_new(void)
{
	struct path_gate *g = g_new0(struct path_gate, 1);

	mutex_init(&g->lock);
	return g;
}

void path_gate_free(struct path_gate *g)
{
	if (g == NULL)
		return;
	mutex_fini(&g->lock);
	g_free(g);
}

static bool overlap(const char *a, const char *b)
{
	return a != NULL && b != NULL &&
	       (path_is_below(a, b) || path_is_below(b, a));
}

static bool conflict(const struct path_pass *a, const struct path_pass *b)
{
	if (!a->is_alone && !b->is_alone)
		return false;
	return overlap(a->path, b->path) || overlap(a->path, b->other_path) ||
	       overlap(a->other_path, b->path) ||
	       overlap(a->other_path, b->other_path);
}

static bool is_free_locked(struct path_gate *g, const struct path_pass *pass)
	REQUIRES(g->lock)
{
	struct path_pass *p;

	for (p = g->inside; p != NULL; p = p->next)
		if (conflict(p, pass))
			return false;
	return true;
}

int path_gate_enter(struct path_gate *g, struct path_pass *pass,
	const struct cancel *cancel)
{
	int rc = 0;

	mutex_lock(&g->lock);
	while (rc == 0 && !is_free_locked(g, pass))
		rc = waitlist_wait(&g->left, &g->lock, cancel, -1);
	if (rc == 0) {
		pass->next = g->inside;
		g->inside = pass;
	}
	mutex_unlock(&g->lock);
	return rc;
}

void path_gate_leave(struct path_gate *g, struct path_pass *pass)
{
	struct path_pass **p;

	mutex_lock(&g->lock);
	for (p = &g->inside; *p != pass; p = &(*p)->next)
		;
	*p = pass->next;
	waitlist_wake(&g->left);
	mutex_unlock(&g->lock);
}
