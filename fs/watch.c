/* watch.c - see watch.h. */
#include "config.h"

#include "watch.h"

#include "attr_cache.h"
#include "attr_send.h"
#include "cancel.h"
#include "content.h"
#include "control.h"
#include "events.h"
#include "fs_limits.h"
#include "mutex.h"
#include "node_table.h"
#include "notifier.h"
#include "tree.h"
#include "workers.h"

#include <string.h>

struct watch {
	/* immutable */
	struct session *session;

	struct mutex lock;
	/* guarded by lock */
	struct notifier *notifier;
	bool is_listening;
	uint64_t current; /* 0: nothing is told */
	bool was_live;
	GHashTable *wanted; /* paths that are being asked for, a set */
	/* path -> when it may be tried again (int64_t *) */
	GHashTable *refused;
};

struct watch *watch_new(struct session *s)
{
	struct watch *w = g_new0(struct watch, 1);

	w->session = s;
	mutex_init(&w->lock);
	w->wanted =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	w->refused =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	return w;
}

void watch_stop(struct watch *w)
{
	bool is_listening;

	if (w == NULL)
		return;
	mutex_lock(&w->lock);
	is_listening = w->is_listening;
	w->is_listening = false;
	mutex_unlock(&w->lock);
	if (is_listening)
		remote_listen(w->session->remote, NULL);
}

void watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	g_hash_table_destroy(w->wanted);
	g_hash_table_destroy(w->refused);
	mutex_fini(&w->lock);
	g_free(w);
}

/* --- the kernel ----------------------------------------------------------- */

/* Who maps the file, or has it open, reads the new version's bytes from now
 * on: a read may come at once, so the old ones go first. Ours that are not saved
 * yet are no page's to lose. `or_unknown`: the version, where it is known. */
static void tell_version(struct notifier *notifier, const struct node *n,
	bool has_no_bytes, const struct entry *or_unknown)
{
	if (n->content != NULL && or_unknown != NULL)
		(void)content_revalidate(n->content, or_unknown);
	if (has_no_bytes || n->content == NULL || content_is_dirty(n->content))
		notifier_invalidate_attr(notifier, n->ino);
	else
		notifier_invalidate_pages(notifier, n->ino);
}

/* A directory that may still be there keeps its entry: programs stand in it. */
static void tell_name(struct session *s, struct notifier *notifier,
	struct node *dir, const char *name, enum attr_news news,
	const struct entry *entry)
{
	struct node *n = node_table_find(s->nodes, dir, name);
	bool is_directory = n != NULL && S_ISDIR(n->ops->type);
	bool is_version = news == ATTR_NEWS_CHANGED || news == ATTR_NEWS_ATTR ||
			  (news == ATTR_NEWS_DOUBT && is_directory);

	if (n != NULL && news != ATTR_NEWS_WENT)
		tell_version(notifier, n,
			is_directory || news == ATTR_NEWS_ATTR,
			news == ATTR_NEWS_CHANGED ? entry : NULL);
	if (!is_version)
		notifier_invalidate_entry(notifier, dir->ino, name);
	if (news != ATTR_NEWS_CHANGED && news != ATTR_NEWS_ATTR)
		notifier_invalidate_attr(notifier, dir->ino);
	node_table_unref(s->nodes, n);
}

static void tell_kernel(struct watch *w, const char *path, const char *name,
	enum attr_news news, const struct entry *entry)
{
	struct session *s = w->session;
	struct notifier *notifier;
	struct node *dir;

	mutex_lock(&w->lock);
	notifier = w->notifier;
	mutex_unlock(&w->lock);
	dir = notifier == NULL ? NULL : node_table_find_path(s->nodes, path);
	if (dir == NULL)
		return;
	tell_name(s, notifier, dir, name, news, entry);
	node_table_unref(s->nodes, dir);
}

/* --- the listener --------------------------------------------------------- */

static void on_watch(void *arg, uint64_t watch)
{
	struct watch *w = arg;
	uint64_t before;

	mutex_lock(&w->lock);
	before = w->current;
	w->current = watch;
	w->was_live = w->was_live || watch != 0;
	mutex_unlock(&w->lock);
	attr_cache_set_watch(w->session->attrs, watch);
	if (before != 0 && watch != 0 && before != watch)
		events_restart(w->session->events);
	else
		events_set_live(w->session->events, watch != 0);
	attr_send_remembered(w->session);
}

static const char *const words[] = {
	[ATTR_NEWS_DOUBT] = "changed",
	[ATTR_NEWS_CAME] = "created",
	[ATTR_NEWS_CHANGED] = "changed",
	[ATTR_NEWS_ATTR] = NULL, /* events are of names and bytes */
	[ATTR_NEWS_WENT] = "removed",
};

static void on_changed(void *arg, uint64_t watch, const char *dir,
	const char *name, enum remote_told told, const struct entry *entry)
{
	struct watch *w = arg;
	enum attr_news news;

	if (control_is_reserved_at(dir, name))
		return;
	news = attr_cache_told(
		w->session->attrs, watch, dir, name, told, entry);
	if (news == ATTR_NEWS_NONE)
		return;
	tell_kernel(w, dir, name, news, entry);
	if (words[news] != NULL)
		events_tell(w->session->events, words[news], dir, name);
}

static void on_unwatched(void *arg, uint64_t watch, const char *dir)
{
	struct watch *w = arg;

	attr_cache_unwatched(w->session->attrs, watch, dir);
}

void watch_listen(struct watch *w, struct notifier *notifier)
{
	const struct remote_listener listener = { on_watch, on_changed,
		on_unwatched, w };

	mutex_lock(&w->lock);
	w->notifier = notifier;
	w->is_listening = true;
	mutex_unlock(&w->lock);
	remote_listen(w->session->remote, &listener);
}

/* --- what is not watched yet ---------------------------------------------- */

struct wish {
	struct watch *watch;
	char *path;
	uint64_t ticket;
	bool has_dots; /* by then they were the server's */
	bool is_watched;
};

static void forget_refusals_locked(struct watch *w) REQUIRES(w->lock)
{
	int64_t now_ms = clock_now_ms();
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, w->refused);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		if (*(int64_t *)value <= now_ms)
			g_hash_table_iter_remove(&iter);
	if (g_hash_table_size(w->refused) >= WATCH_REFUSALS_MAX)
		g_hash_table_remove_all(w->refused);
}

static void refuse_locked(struct watch *w, const char *path) REQUIRES(w->lock)
{
	int64_t *until_ms = g_new(int64_t, 1);

	*until_ms = clock_now_ms() + WATCH_REFUSED_MS;
	forget_refusals_locked(w);
	g_hash_table_insert(w->refused, g_strdup(path), until_ms);
}

static void wish_end(struct wish *wish, bool is_refused)
{
	struct watch *w = wish->watch;

	mutex_lock(&w->lock);
	(void)g_hash_table_remove(w->wanted, wish->path);
	if (is_refused)
		refuse_locked(w, wish->path);
	mutex_unlock(&w->lock);
	g_free(wish->path);
	g_free(wish);
}

static void wish_drop(void *arg)
{
	wish_end(arg, false);
}

static void take_directory(void *arg, const char *path, GPtrArray *entries,
	unsigned dropped, uint64_t watch)
{
	struct wish *wish = arg;

	wish->is_watched = wish->is_watched || watch != 0;
	tree_take_listing(wish->watch->session->tree, wish->ticket,
		wish->has_dots, path, entries, dropped, watch);
}

static void wish_run(void *arg, const struct cancel *cancel)
{
	struct wish *wish = arg;
	struct session *s = wish->watch->session;
	const struct remote_tree_sink sink = { take_directory, wish };
	bool is_all = false;

	wish->ticket = attr_cache_ticket(s->attrs);
	wish->has_dots = tree_has_dots(s->tree);
	(void)remote_list_tree(
		s->remote, wish->path, "", 0, &sink, cancel, &is_all);
	wish_end(wish, !wish->is_watched);
}

static bool is_wanted_locked(struct watch *w, const char *path)
	REQUIRES(w->lock)
{
	const int64_t *until_ms = g_hash_table_lookup(w->refused, path);

	return w->current != 0 && !g_hash_table_contains(w->wanted, path) &&
	       (until_ms == NULL || clock_now_ms() >= *until_ms);
}

void watch_want(struct watch *w, const char *path)
{
	struct session *s = w->session;
	struct job job = { wish_run, wish_drop, NULL };
	struct wish *wish;
	bool is_wanted;

	if (s->options.attr_timeout_ms <= 0 ||
		(remote_capabilities(s->remote) & REMOTE_CAN_TREE) == 0 ||
		attr_cache_is_watched(s->attrs, path))
		return;
	mutex_lock(&w->lock);
	is_wanted = is_wanted_locked(w, path);
	if (is_wanted)
		g_hash_table_add(w->wanted, g_strdup(path));
	mutex_unlock(&w->lock);
	if (!is_wanted)
		return;
	wish = g_new0(struct wish, 1);
	wish->watch = w;
	wish->path = g_strdup(path);
	job.arg = wish;
	(void)workers_add(s->workers, &job);
}

/* --- status --------------------------------------------------------------- */

void watch_describe(struct watch *w, GString *text)
{
	uint64_t current;
	bool was_live;

	mutex_lock(&w->lock);
	current = w->current;
	was_live = w->was_live;
	mutex_unlock(&w->lock);
	g_string_append_printf(text, "push: %s\n",
		current != 0 ? "live"
		: was_live   ? "off (the workspace stopped telling of changes)"
			     : "off (the workspace does not tell of changes)");
	g_string_append_printf(text, "watched: %u\n",
		attr_cache_count_watched(w->session->attrs));
}
