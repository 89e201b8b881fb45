/*
 * forest_names.c - see forest.h: which workspaces there are.
 *
 * The list is believed for FOREST_LIST_VALID_MS. It is asked for in a thread of
 * its own, so that whoever needs it waits no longer than for FOREST_WAIT_MS
 * where there is an older one; a failure is told by the status only.
 */
#include "config.h"

#include "forest.h"

#include "forest_private.h"
#include "log.h"
#include "names.h"

#include <errno.h>
#include <string.h>

/* --- taking a list -------------------------------------------------------- */

void forest_place_list_locked(
	struct forest *f, struct place *p, const struct forest_item *item)
{
	mutex_is_held(&f->lock);
	p->is_listed = !item->is_hidden;
	if (item->created.tv_sec != 0)
		p->created = item->created;
	g_free(p->sentence);
	p->sentence = g_strdup(item->sentence);
}

static void take_list_locked(struct forest *f, GPtrArray *items)
	REQUIRES(f->lock)
{
	for (guint i = 0; i < f->places->len; i++) {
		struct place *p = g_ptr_array_index(f->places, i);

		p->is_listed = false;
		g_clear_pointer(&p->sentence, g_free);
	}
	for (guint i = 0; i < items->len; i++) {
		const struct forest_item *item = g_ptr_array_index(items, i);
		struct place *p = NULL;

		if (name_is_trusted(item->name))
			p = forest_place_made_locked(f, item->name);
		if (p != NULL)
			forest_place_list_locked(f, p, item);
	}
}

static void take_answer_locked(
	struct forest *f, int rc, GPtrArray *items, char *why) REQUIRES(f->lock)
{
	int64_t now_ms = clock_now_ms();

	if (rc == 0) {
		take_list_locked(f, items);
		f->listed_ms = now_ms;
	} else {
		f->next_list_ms = now_ms + FOREST_LIST_VALID_MS;
	}
	g_free(f->list_why);
	f->list_why = why;
	f->listings++;
	waitlist_wake(&f->changed);
}

static int ask(struct forest *f, const struct cancel *cancel, char **ret_why)
{
	GPtrArray *items = NULL;
	char *why = NULL;
	int rc = f->ops->list(f->params.arg, cancel, &items, &why);

	if (rc < 0 && why == NULL)
		why = g_strdup(g_strerror(-rc));
	if (rc < 0)
		log_info("the list of workspaces: %s", why);
	if (ret_why != NULL)
		*ret_why = g_strdup(why);
	mutex_lock(&f->lock);
	take_answer_locked(f, rc, items, why);
	if (f->listing == cancel)
		f->listing = NULL;
	mutex_unlock(&f->lock);
	if (items != NULL)
		g_ptr_array_unref(items);
	return rc;
}

static void *ask_in_thread(void *arg)
{
	struct forest *f = arg;
	struct cancel *cancel;

	mutex_lock(&f->lock);
	cancel = f->listing;
	mutex_unlock(&f->lock);
	(void)ask(f, cancel, NULL);
	cancel_fini(cancel);
	g_free(cancel);
	return NULL;
}

int forest_refresh(
	struct forest *f, const struct cancel *cancel, char **ret_why)
{
	return ask(f, cancel, ret_why);
}

static bool is_old_locked(struct forest *f) REQUIRES(f->lock)
{
	int64_t now_ms = clock_now_ms();

	return (f->listed_ms == 0 ||
		       now_ms - f->listed_ms >= FOREST_LIST_VALID_MS) &&
	       now_ms >= f->next_list_ms && !f->is_ending;
}

static void start_list_locked(struct forest *f) REQUIRES(f->lock)
{
	if (f->listing != NULL)
		return;
	f->listing = g_new0(struct cancel, 1);
	cancel_init(f->listing, FOREST_LIST_MS);
	if (forest_start_thread(ask_in_thread, f) == 0)
		return;
	cancel_fini(f->listing);
	g_clear_pointer(&f->listing, g_free);
}

int forest_list_freshen(struct forest *f, const struct cancel *cancel)
{
	int64_t end_ms = clock_now_ms() + FOREST_WAIT_MS;
	uint64_t listings;
	int rc = 0;

	mutex_lock(&f->lock);
	listings = f->listings;
	if (is_old_locked(f))
		start_list_locked(f);
	while (rc == 0 && f->listing != NULL && f->listings == listings &&
		is_old_locked(f)) {
		int64_t left_ms = end_ms - clock_now_ms();

		if (left_ms <= 0)
			break;
		rc = waitlist_wait(&f->changed, &f->lock, cancel, left_ms);
	}
	mutex_unlock(&f->lock);
	return rc == -EINTR ? rc : 0;
}

void forest_drop_beliefs(struct forest *f)
{
	mutex_lock(&f->lock);
	f->listed_ms = 0;
	f->next_list_ms = 0;
	for (guint i = 0; i < f->places->len; i++) {
		struct place *p = g_ptr_array_index(f->places, i);

		p->failed_until_ms = 0;
	}
	mutex_unlock(&f->lock);
}

/* --- showing it ----------------------------------------------------------- */

void forest_name_free(gpointer p)
{
	struct forest_name *n = p;

	g_free(n->name);
	g_free(n);
}

static bool is_shown(const struct place *p)
{
	return p->state == PLACE_PLAIN ? p->is_listed : p->state != PLACE_GONE;
}

static int by_name(const void *a, const void *b)
{
	const struct forest_name *x = *(const struct forest_name *const *)a;
	const struct forest_name *y = *(const struct forest_name *const *)b;

	return strcmp(x->name, y->name);
}

GPtrArray *forest_names(struct forest *f, const struct cancel *cancel)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(forest_name_free);

	(void)forest_list_freshen(f, cancel);
	mutex_lock(&f->lock);
	for (guint i = 0; i < f->places->len; i++) {
		const struct place *p = g_ptr_array_index(f->places, i);
		struct forest_name *n;

		if (!is_shown(p))
			continue;
		n = g_new0(struct forest_name, 1);
		n->name = g_strdup(p->name);
		n->ino = p->ino;
		g_ptr_array_add(names, n);
	}
	mutex_unlock(&f->lock);
	g_ptr_array_sort(names, by_name);
	return names;
}

static void tell_place(const struct place *p, GString *text)
{
	static const char *const states[] = {
		[PLACE_PLAIN] = "not mounted",
		[PLACE_STARTING] = "being mounted",
		[PLACE_MOUNTED] = "mounted",
		[PLACE_REMOVING] = "being removed",
		[PLACE_GONE] = "removed",
	};
	const char *more = p->why;

	if (more == NULL && p->state == PLACE_STARTING)
		more = p->said;
	if (more == NULL && p->state == PLACE_PLAIN)
		more = p->sentence;
	g_string_append_printf(text, "%s: %s%s%s\n", p->name, states[p->state],
		more == NULL ? "" : "; ", more == NULL ? "" : more);
}

static int by_place(const void *a, const void *b)
{
	const struct place *x = *(const struct place *const *)a;
	const struct place *y = *(const struct place *const *)b;

	return strcmp(x->name, y->name);
}

void forest_status(struct forest *f, const struct cancel *cancel, GString *text)
{
	g_autoptr(GPtrArray) places = g_ptr_array_new();

	if (cancel != NULL)
		(void)forest_list_freshen(f, cancel);
	mutex_lock(&f->lock);
	g_string_append_printf(text, "list: %s\nwaiting: %u\n",
		f->list_why == NULL ? "believed" : f->list_why, f->waiting);
	for (guint i = 0; i < f->places->len; i++) {
		struct place *p = g_ptr_array_index(f->places, i);

		if (is_shown(p) || p->sentence != NULL)
			g_ptr_array_add(places, p);
	}
	g_ptr_array_sort(places, by_place);
	for (guint i = 0; i < places->len; i++)
		tell_place(g_ptr_array_index(places, i), text);
	mutex_unlock(&f->lock);
}

/* --- changing it ---------------------------------------------------------- */

static bool is_there_locked(struct forest *f, const char *name)
	REQUIRES(f->lock)
{
	const struct place *p = forest_place_locked(f, name);

	return p != NULL && is_shown(p);
}

int forest_create(struct forest *f, const char *name,
	const struct cancel *cancel, uint64_t *ret_ino)
{
	const struct forest_item item = { .sentence = NULL };
	g_autofree char *why = NULL;
	struct place *p;
	bool is_there;
	int rc;

	if (f->params.is_read_only)
		return -EROFS;
	mutex_lock(&f->lock);
	is_there = is_there_locked(f, name);
	mutex_unlock(&f->lock);
	if (is_there)
		return -EEXIST;
	rc = f->ops->create(f->params.arg, name, cancel, &why);
	if (rc < 0) {
		log_warning(
			"%s: %s", name, why != NULL ? why : g_strerror(-rc));
		return rc;
	}
	mutex_lock(&f->lock);
	f->listed_ms = 0;
	p = forest_place_made_locked(f, name);
	if (p != NULL) {
		forest_place_list_locked(f, p, &item);
		p->failed_until_ms = 0;
		*ret_ino = p->ino;
	}
	mutex_unlock(&f->lock);
	return p == NULL ? -ENFILE : 0;
}

/* It was unmounted by somebody, and its process, which may still have files to
 * upload, is to end first. */
static void wait_until_ended(
	struct forest *f, const char *name, const struct cancel *cancel)
{
	int64_t end_ms = clock_now_ms() + FOREST_CHILD_MS;
	const struct place *p;
	int rc = 0;

	if (f->ops->is_mounted(f->params.arg, name))
		return;
	mutex_lock(&f->lock);
	while (rc == 0 && (p = forest_place_locked(f, name)) != NULL &&
		p->state == PLACE_MOUNTED && clock_now_ms() < end_ms)
		rc = waitlist_wait(&f->changed, &f->lock, cancel,
			MAX(end_ms - clock_now_ms(), 0));
	mutex_unlock(&f->lock);
}

/* Nobody goes in from now on. */
static int begin_removing(
	struct forest *f, const char *name, struct place **ret)
{
	struct place *p;
	int rc = 0;

	mutex_lock(&f->lock);
	p = forest_place_locked(f, name);
	if (p == NULL || !is_shown(p))
		rc = -ENOENT;
	else if (p->state != PLACE_PLAIN)
		rc = -EBUSY;
	else
		p->state = PLACE_REMOVING;
	mutex_unlock(&f->lock);
	*ret = p;
	return rc;
}

static void end_removing(struct forest *f, struct place *p, int rc, char *why)
{
	mutex_lock(&f->lock);
	p->state = rc == 0 ? PLACE_GONE : PLACE_PLAIN;
	g_free(p->why);
	p->why = why;
	if (rc == 0) {
		g_clear_pointer(&p->sentence, g_free);
		(void)g_hash_table_remove(f->by_name, p->name);
		f->listed_ms = 0;
	}
	waitlist_wake(&f->changed);
	mutex_unlock(&f->lock);
}

int forest_remove(struct forest *f, const char *name, struct cancel *cancel)
{
	struct place *p;
	char *why = NULL;
	int rc;

	if (f->params.is_read_only)
		return -EROFS;
	wait_until_ended(f, name, cancel);
	rc = begin_removing(f, name, &p);
	if (rc < 0)
		return rc;
	cancel->deadline_ms = clock_now_ms() + FOREST_PROOF_MS;
	rc = f->ops->prove_empty(f->params.arg, name, cancel, &why);
	if (rc < 0 && rc != -EINTR)
		rc = -ENOTEMPTY; /* what cannot be looked into may have files */
	cancel->deadline_ms = clock_now_ms() + FOREST_REMOVE_MS;
	if (rc == 0)
		rc = f->ops->remove(f->params.arg, name, cancel, &why);
	if (rc < 0)
		log_warning("%s: not removed: %s", name,
			why != NULL ? why : g_strerror(-rc));
	end_removing(f, p, rc, why);
	return rc;
}
