/* notifier.c - see notifier.h. */
#include "config.h"

#include "notifier.h"

#include "fs_limits.h"
#include "mutex.h"
#include "waitlist.h"

#include <errno.h>
#include <glib.h>

struct note {
	uint64_t ino;
	bool has_pages; /* of ino, too */
	char *name;	/* NULL: attributes of ino; else the entry below ino */
};

struct notifier {
	const struct notifier_ops *ops; /* immutable */
	void *arg;
	pthread_t thread;

	struct mutex lock;
	/* guarded by lock */
	GQueue notes;
	GHashTable *queued_notes; /* the same, a set */
	bool is_ending;
	uint64_t queued; /* notes ever queued */
	uint64_t done;
	struct waitlist changed;
};

static void note_free(gpointer p)
{
	struct note *n = p;

	g_free(n->name);
	g_free(n);
}

static guint note_hash(gconstpointer p)
{
	const struct note *n = p;
	guint hash = n->name == NULL ? n->has_pages : g_str_hash(n->name);

	return hash ^ (guint)(n->ino * 2654435761U);
}

static gboolean note_equal(gconstpointer p, gconstpointer q)
{
	const struct note *a = p;
	const struct note *b = q;

	return a->ino == b->ino && a->has_pages == b->has_pages &&
	       g_strcmp0(a->name, b->name) == 0;
}

static struct note *next_note(struct notifier *n)
{
	struct note *note;

	mutex_lock(&n->lock);
	while (!n->is_ending && g_queue_is_empty(&n->notes))
		(void)waitlist_wait(&n->changed, &n->lock, NULL, -1);
	note = n->is_ending ? NULL : g_queue_pop_head(&n->notes);
	if (note != NULL)
		g_hash_table_remove(n->queued_notes, note);
	mutex_unlock(&n->lock);
	return note;
}

static void carry_out(struct notifier *n, const struct note *note)
{
	if (note->name != NULL)
		n->ops->invalidate_entry(n->arg, note->ino, note->name);
	else if (note->has_pages)
		n->ops->invalidate_pages(n->arg, note->ino);
	else
		n->ops->invalidate_attr(n->arg, note->ino);
}

static void *notifier_thread(void *arg)
{
	struct notifier *n = arg;
	struct note *note;

	while ((note = next_note(n)) != NULL) {
		carry_out(n, note);
		note_free(note);
		mutex_lock(&n->lock);
		n->done++;
		waitlist_wake(&n->changed);
		mutex_unlock(&n->lock);
	}
	return NULL;
}

int notifier_new(
	const struct notifier_ops *ops, void *arg, struct notifier **ret)
{
	struct notifier *n = g_new0(struct notifier, 1);
	int rc;

	n->ops = ops;
	n->arg = arg;
	mutex_init(&n->lock);
	g_queue_init(&n->notes);
	n->queued_notes = g_hash_table_new(note_hash, note_equal);
	rc = pthread_create(&n->thread, NULL, notifier_thread, n);
	if (rc != 0) {
		g_hash_table_destroy(n->queued_notes);
		mutex_fini(&n->lock);
		g_free(n);
		return -rc;
	}
	*ret = n;
	return 0;
}

void notifier_free(struct notifier *n)
{
	if (n == NULL)
		return;
	mutex_lock(&n->lock);
	n->is_ending = true;
	waitlist_wake(&n->changed);
	mutex_unlock(&n->lock);
	(void)pthread_join(n->thread, NULL);
	g_hash_table_destroy(n->queued_notes);
	g_queue_clear_full(&n->notes, note_free);
	mutex_fini(&n->lock);
	g_free(n);
}

static void queue_note(
	struct notifier *n, uint64_t ino, const char *name, bool has_pages)
{
	struct note *note = g_new0(struct note, 1);

	note->ino = ino;
	note->has_pages = has_pages;
	note->name = g_strdup(name);
	mutex_lock(&n->lock);
	if (g_hash_table_size(n->queued_notes) < NOTES_MAX &&
		!g_hash_table_contains(n->queued_notes, note)) {
		g_hash_table_add(n->queued_notes, note);
		g_queue_push_tail(&n->notes, g_steal_pointer(&note));
		n->queued++;
		waitlist_wake(&n->changed);
	}
	mutex_unlock(&n->lock);
	if (note != NULL)
		note_free(note);
}

void notifier_invalidate_attr(struct notifier *n, uint64_t ino)
{
	queue_note(n, ino, NULL, false);
}

void notifier_invalidate_pages(struct notifier *n, uint64_t ino)
{
	queue_note(n, ino, NULL, true);
}

void notifier_invalidate_entry(
	struct notifier *n, uint64_t parent, const char *name)
{
	queue_note(n, parent, name, false);
}

int notifier_wait(
	struct notifier *n, const struct cancel *cancel, int64_t limit_ms)
{
	int64_t end = clock_now_ms() + limit_ms;
	uint64_t until;
	int rc = 0;

	mutex_lock(&n->lock);
	until = n->queued;
	while (rc == 0 && n->done < until && !n->is_ending)
		rc = waitlist_wait(&n->changed, &n->lock, cancel,
			limit_ms < 0 ? -1 : MAX(end - clock_now_ms(), 0));
	mutex_unlock(&n->lock);
	return rc;
}
