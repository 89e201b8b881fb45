/* late_remote.c - see late_remote.h. */
#include "config.h"

#include "late_remote.h"

#include "fs_limits.h"
#include "log.h"
#include "mutex.h"
#include "names.h"
#include "waitlist.h"

#include <errno.h>
#include <string.h>

struct removal {
	struct entry version; /* of what is to go; name unused */
	int64_t due_us;	      /* monotonic */
	bool is_running;      /* who set it removes it, without the lock */
	bool has_news;	      /* something was told of it, and not passed on */
	unsigned attempts;
};

struct late_remote {
	struct remote remote;
	struct remote *inner;
	struct cancel ending;

	struct mutex lock;
	/* guarded by lock */
	GHashTable *removals; /* path -> struct removal * */
	struct waitlist changed;
	bool has_thread;
	bool is_ending;
	pthread_t thread;
	struct remote_listener listener; /* without functions: none */
	uint64_t watch;
	unsigned
		telling; /* calls of the listener that do not come from inner */
};

static struct late_remote *late_of(struct remote *r)
{
	return (struct late_remote *)r; /* its first member */
}

/* --- removing ------------------------------------------------------------- */

/* What was told of it meanwhile was not passed on. The lock is not held while
 * the listener is called. */
static void tell_stays_locked(struct late_remote *l, const char *path)
	REQUIRES(l->lock)
{
	const struct remote_listener to = l->listener;
	g_autofree char *dir = path_parent(path);
	uint64_t watch = l->watch;

	if (to.changed == NULL || watch == 0)
		return;
	l->telling++;
	mutex_unlock(&l->lock);
	to.changed(to.arg, watch, dir, path_basename(path), REMOTE_TOLD_CHANGE,
		NULL);
	mutex_lock(&l->lock);
	l->telling--;
	waitlist_wake(&l->changed);
}

/* What somebody else saved there since is not ours to remove. */
static int remove_version(struct late_remote *l, const char *path,
	const struct entry *version, const struct cancel *cancel,
	bool *ret_stays)
{
	struct entry now;
	int rc = remote_stat(l->inner, path, cancel, &now);

	if (rc < 0)
		return rc;
	if (entry_same_version(&now, version))
		rc = remote_remove(l->inner, path, cancel);
	else
		*ret_stays = true;
	if (*ret_stays)
		log_warning("'%s' was renamed here, and saved by somebody else "
			    "meanwhile: theirs stays",
			path);
	entry_clear(&now);
	return rc;
}

/* Carries one out. The lock is not held meanwhile. */
static int remove_locked(struct late_remote *l, const char *path,
	struct removal *m, const struct cancel *cancel) REQUIRES(l->lock)
{
	const struct entry version = m->version;
	bool stays = false;
	bool leaves;
	int rc;

	m->is_running = true;
	mutex_unlock(&l->lock);
	rc = remove_version(l, path, &version, cancel, &stays);
	mutex_lock(&l->lock);
	m->is_running = false;
	m->due_us = g_get_monotonic_time() + LATE_REMOVE_MS * 1000;
	if (rc == -ENOENT)
		rc = 0;
	leaves = rc == 0;
	if (rc < 0 && rc != -EINTR && ++m->attempts >= LATE_REMOVE_ATTEMPTS) {
		log_warning("'%s' was renamed to a name that stays here, but "
			    "cannot be removed from the server: %s",
			path, g_strerror(-rc));
		leaves = stays = true;
	}
	if (leaves) {
		stays = stays || m->has_news;
		(void)g_hash_table_remove(l->removals, path);
	}
	waitlist_wake(&l->changed);
	if (stays)
		tell_stays_locked(l, path);
	return rc;
}

/* Some removal at the path or below it; g_free *ret_path. */
static struct removal *find_below_locked(struct late_remote *l,
	const char *path, char **ret_path) REQUIRES(l->lock)
{
	GHashTableIter iter;
	gpointer key, value;

	g_hash_table_iter_init(&iter, l->removals);
	while (g_hash_table_iter_next(&iter, &key, &value)) {
		if (!path_is_below(key, path))
			continue;
		*ret_path = g_strdup(key);
		return value;
	}
	return NULL;
}

/* After this no removal waits at the path or below it. */
static int settle_below(
	struct late_remote *l, const char *path, const struct cancel *cancel)
{
	int rc = 0;

	mutex_lock(&l->lock);
	while (rc == 0) {
		g_autofree char *at = NULL;
		struct removal *m = find_below_locked(l, path, &at);

		if (m == NULL)
			break;
		rc = m->is_running
			     ? waitlist_wait(&l->changed, &l->lock, cancel, -1)
			     : remove_locked(l, at, m, cancel);
	}
	mutex_unlock(&l->lock);
	return rc;
}

int late_remote_settle(struct late_remote *l, const struct cancel *cancel)
{
	return settle_below(l, "", cancel);
}

/* --- the thread ----------------------------------------------------------- */

static struct removal *earliest_locked(struct late_remote *l, char **ret_path)
	REQUIRES(l->lock)
{
	struct removal *first = NULL;
	GHashTableIter iter;
	gpointer key, value;

	g_hash_table_iter_init(&iter, l->removals);
	while (g_hash_table_iter_next(&iter, &key, &value)) {
		struct removal *m = value;

		if (m->is_running ||
			(first != NULL && first->due_us <= m->due_us))
			continue;
		first = m;
		g_free(*ret_path);
		*ret_path = g_strdup(key);
	}
	return first;
}

static void *work(void *arg)
{
	struct late_remote *l = arg;

	mutex_lock(&l->lock);
	while (!l->is_ending) {
		g_autofree char *path = NULL;
		struct removal *m = earliest_locked(l, &path);
		int64_t wait_us =
			m == NULL ? -1 : m->due_us - g_get_monotonic_time();

		if (m != NULL && wait_us <= 0)
			(void)remove_locked(l, path, m, &l->ending);
		else
			(void)waitlist_wait(&l->changed, &l->lock, &l->ending,
				m == NULL ? -1 : wait_us / 1000 + 1);
	}
	mutex_unlock(&l->lock);
	return NULL;
}

static bool has_thread_locked(struct late_remote *l) REQUIRES(l->lock)
{
	if (!l->has_thread)
		l->has_thread = pthread_create(&l->thread, NULL, work, l) == 0;
	return l->has_thread;
}

int late_remote_remove(struct late_remote *l, const char *path,
	const struct entry *version, const struct cancel *cancel)
{
	struct removal *m;
	bool is_late;

	mutex_lock(&l->lock);
	is_late = has_thread_locked(l) &&
		  !g_hash_table_contains(l->removals, path);
	if (is_late) {
		m = g_new0(struct removal, 1);
		m->version = entry_bare(version);
		m->due_us = g_get_monotonic_time() + LATE_REMOVE_MS * 1000;
		g_hash_table_insert(l->removals, g_strdup(path), m);
		waitlist_wake(&l->changed);
	}
	mutex_unlock(&l->lock);
	return is_late ? 0 : remote_remove(&l->remote, path, cancel);
}

/* --- remote.h ------------------------------------------------------------- */

static bool waits(struct late_remote *l, const char *path)
{
	bool is_waiting;

	mutex_lock(&l->lock);
	is_waiting = g_hash_table_contains(l->removals, path);
	mutex_unlock(&l->lock);
	return is_waiting;
}

static int late_stat(struct remote *r, const char *path,
	const struct cancel *cancel, struct entry *ret)
{
	struct late_remote *l = late_of(r);

	return waits(l, path) ? -ENOENT
			      : remote_stat(l->inner, path, cancel, ret);
}

/* The names in the directory that are as good as removed (a set). */
static void note_waiting(
	struct late_remote *l, const char *dir, GHashTable *set)
{
	GHashTableIter iter;
	gpointer key;

	mutex_lock(&l->lock);
	g_hash_table_iter_init(&iter, l->removals);
	while (g_hash_table_iter_next(&iter, &key, NULL)) {
		g_autofree char *parent = path_parent(key);

		if (strcmp(parent, dir) == 0)
			g_hash_table_add(set, g_strdup(path_basename(key)));
	}
	mutex_unlock(&l->lock);
}

static int late_list(struct remote *r, const char *path,
	const struct cancel *cancel, GPtrArray **ret_entries,
	unsigned *ret_dropped)
{
	struct late_remote *l = late_of(r);
	GHashTable *gone =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	int rc;

	/* Before and after: one may be removed, or be put off, meanwhile. */
	note_waiting(l, path, gone);
	rc = remote_list(l->inner, path, cancel, ret_entries, ret_dropped);
	if (rc == 0)
		note_waiting(l, path, gone);
	for (guint i = rc == 0 ? (*ret_entries)->len : 0; i > 0; i--) {
		const struct entry *e = (*ret_entries)->pdata[i - 1];

		if (g_hash_table_contains(gone, e->name))
			g_ptr_array_remove_index(*ret_entries, i - 1);
	}
	g_hash_table_destroy(gone);
	return rc;
}

static int late_read(struct remote *r, const char *path, int64_t offset,
	int64_t length, const struct remote_sink *sink,
	const struct cancel *cancel, struct remote_read_info *ret)
{
	struct late_remote *l = late_of(r);

	return waits(l, path) ? -ENOENT
			      : remote_read(l->inner, path, offset, length,
					sink, cancel, ret);
}

/* --- many at once --------------------------------------------------------- */

/* All that is as good as removed (a set of paths). */
static void note_all_waiting(struct late_remote *l, GHashTable *set)
{
	GHashTableIter iter;
	gpointer key;

	mutex_lock(&l->lock);
	g_hash_table_iter_init(&iter, l->removals);
	while (g_hash_table_iter_next(&iter, &key, NULL))
		g_hash_table_add(set, g_strdup(key));
	mutex_unlock(&l->lock);
}

struct tree_filter {
	struct late_remote *late;
	const struct remote_tree_sink *sink;
	GHashTable *gone; /* paths */
};

/* As of a listing: before and after. */
static void filter_directory(void *arg, const char *path, GPtrArray *entries,
	unsigned dropped, uint64_t watch)
{
	const struct tree_filter *f = arg;

	note_all_waiting(f->late, f->gone);
	for (guint i = entries->len; i > 0 && g_hash_table_size(f->gone) > 0;
		i--) {
		const struct entry *e = entries->pdata[i - 1];
		g_autofree char *child = path_join(path, e->name);

		if (g_hash_table_contains(f->gone, child))
			g_ptr_array_remove_index(entries, i - 1);
	}
	f->sink->directory(f->sink->arg, path, entries, dropped, watch);
}

static int late_list_tree(struct remote *r, const char *top, const char *after,
	unsigned entries_max, const struct remote_tree_sink *sink,
	const struct cancel *cancel, bool *ret_is_all)
{
	struct late_remote *l = late_of(r);
	struct tree_filter filter = { l, sink,
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL) };
	const struct remote_tree_sink own = { filter_directory, &filter };
	int rc;

	note_all_waiting(l, filter.gone);
	rc = remote_list_tree(
		l->inner, top, after, entries_max, &own, cancel, ret_is_all);
	g_hash_table_destroy(filter.gone);
	return rc;
}

struct many_filter {
	struct late_remote *late;
	const struct remote_many_sink *sink;
	const char *const *paths;
	GHashTable *gone; /* paths */
};

static void filter_file(void *arg, unsigned index, int rc,
	const struct entry *version, const void *bytes, size_t length)
{
	const struct many_filter *f = arg;
	const char *path = f->paths[index];

	if (rc == 0 &&
		(g_hash_table_contains(f->gone, path) || waits(f->late, path)))
		rc = -ENOENT;
	f->sink->file(f->sink->arg, index, rc, version, bytes, length);
}

static int late_read_many(struct remote *r, const char *const *paths,
	unsigned n_paths, int64_t bytes_max,
	const struct remote_many_sink *sink, const struct cancel *cancel)
{
	struct late_remote *l = late_of(r);
	struct many_filter filter = { l, sink, paths,
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL) };
	const struct remote_many_sink own = { filter_file, &filter };
	int rc;

	note_all_waiting(l, filter.gone);
	rc = remote_read_many(
		l->inner, paths, n_paths, bytes_max, &own, cancel);
	g_hash_table_destroy(filter.gone);
	return rc;
}

/* --- changes -------------------------------------------------------------- */

/* What is written again need not be removed. 1: it need not any more. */
static int call_off(
	struct late_remote *l, const char *path, const struct cancel *cancel)
{
	struct removal *m;
	int rc = 0;

	mutex_lock(&l->lock);
	while ((m = g_hash_table_lookup(l->removals, path)) != NULL &&
		m->is_running && rc == 0)
		rc = waitlist_wait(&l->changed, &l->lock, cancel, -1);
	if (rc == 0 && m != NULL) {
		(void)g_hash_table_remove(l->removals, path);
		rc = 1;
	}
	mutex_unlock(&l->lock);
	return rc;
}

static int late_write(struct remote *r, const char *path,
	const struct remote_source *source, const struct cancel *cancel,
	struct entry *ret)
{
	struct late_remote *l = late_of(r);
	int was_called_off = call_off(l, path, cancel);
	int rc;

	if (was_called_off < 0)
		return was_called_off;
	rc = remote_write(l->inner, path, source, cancel, ret);
	if (rc < 0 && was_called_off > 0) {
		mutex_lock(&l->lock);
		tell_stays_locked(l, path);
		mutex_unlock(&l->lock);
	}
	return rc;
}

/* A removal that waits at the path is held: nobody carries it out before
 * end_hold(). False: none waits. */
static bool hold(struct late_remote *l, const char *path,
	const struct cancel *cancel, struct entry *ret_version, int *ret_rc)
{
	struct removal *m;

	*ret_rc = 0;
	mutex_lock(&l->lock);
	while ((m = g_hash_table_lookup(l->removals, path)) != NULL &&
		m->is_running && *ret_rc == 0)
		*ret_rc = waitlist_wait(&l->changed, &l->lock, cancel, -1);
	if (*ret_rc == 0 && m != NULL) {
		m->is_running = true;
		*ret_version = m->version;
	}
	mutex_unlock(&l->lock);
	return m != NULL;
}

/* Held no more: it goes on waiting, or nothing is left to remove, and whatever
 * was told of the name while it was held may be news. */
static void end_hold(struct late_remote *l, const char *path, bool goes_on)
{
	struct removal *m;

	mutex_lock(&l->lock);
	m = g_hash_table_lookup(l->removals, path);
	if (goes_on) {
		m->is_running = false;
		m->due_us = g_get_monotonic_time() + LATE_REMOVE_MS * 1000;
	} else {
		(void)g_hash_table_remove(l->removals, path);
	}
	waitlist_wake(&l->changed);
	if (!goes_on)
		tell_stays_locked(l, path);
	mutex_unlock(&l->lock);
}

/* Over what waits to be removed: to whoever asks, it is not there; over there
 * it is, in the version that we know. One that others saved since is theirs
 * and stays, as it would have when the removal came to it. */
static int replace_held(struct late_remote *l, const char *path,
	const struct entry *version, const struct remote_change *change,
	const struct remote_source *source, const struct cancel *cancel,
	struct entry *ret)
{
	struct remote_change over = { .condition = REMOTE_IF_VERSION,
		.base = version };
	int rc;

	if (change->condition == REMOTE_WHATEVER)
		over = *change;
	rc = remote_replace(l->inner, path, &over, source, cancel, ret);
	end_hold(l, path, rc != 0 && rc != -ESTALE);
	if (rc == -ESTALE && remote_found_nothing(ret)) {
		over.condition = REMOTE_IF_ABSENT;
		rc = remote_replace(l->inner, path, &over, source, cancel, ret);
	}
	return rc;
}

static int late_replace(struct remote *r, const char *path,
	const struct remote_change *change, const struct remote_source *source,
	const struct cancel *cancel, struct entry *ret)
{
	struct late_remote *l = late_of(r);
	struct entry version;
	int rc;

	if (!hold(l, path, cancel, &version, &rc))
		return rc < 0 ? rc
			      : remote_replace(l->inner, path, change, source,
					cancel, ret);
	if (rc < 0)
		return rc;
	if (change->condition != REMOTE_IF_VERSION)
		return replace_held(
			l, path, &version, change, source, cancel, ret);
	end_hold(l, path, true);
	*ret = (struct entry){ .type = (enum entry_type) - 1, .size = -1 };
	return -ESTALE;
}

/* What waits to be removed is not there any more. */
static int late_setattr(struct remote *r, const char *path,
	const struct entry *or_base, const struct remote_attr *attr,
	const struct cancel *cancel, struct entry *ret)
{
	struct late_remote *l = late_of(r);

	if (waits(l, path))
		return -ENOENT;
	return remote_setattr(l->inner, path, or_base, attr, cancel, ret);
}

static int late_mkdir(struct remote *r, const char *path,
	const struct cancel *cancel, struct entry *ret)
{
	struct late_remote *l = late_of(r);
	int rc = settle_below(l, path, cancel);

	return rc < 0 ? rc : remote_mkdir(l->inner, path, cancel, ret);
}

/* No removal waits at either. */
static int settle_both(struct late_remote *l, const char *from, const char *to,
	const struct cancel *cancel)
{
	int rc = settle_below(l, from, cancel);

	return rc == 0 ? settle_below(l, to, cancel) : rc;
}

static int late_rename(struct remote *r, const char *from, const char *to,
	const struct cancel *cancel, struct entry *ret)
{
	struct late_remote *l = late_of(r);
	int rc = settle_both(l, from, to, cancel);

	return rc < 0 ? rc : remote_rename(l->inner, from, to, cancel, ret);
}

static int late_remove(
	struct remote *r, const char *path, const struct cancel *cancel)
{
	struct late_remote *l = late_of(r);
	int rc = settle_below(l, path, cancel);

	return rc < 0 ? rc : remote_remove(l->inner, path, cancel);
}

static unsigned late_capabilities(struct remote *r)
{
	return remote_capabilities(late_of(r)->inner);
}

static int late_probe_hidden(struct remote *r, const struct cancel *cancel)
{
	return remote_probe_hidden(late_of(r)->inner, cancel);
}

/* --- being told ----------------------------------------------------------- */

static void hear_watch(void *arg, uint64_t watch)
{
	struct late_remote *l = arg;
	struct remote_listener to;

	mutex_lock(&l->lock);
	l->watch = watch;
	to = l->listener;
	mutex_unlock(&l->lock);
	to.watch(to.arg, watch);
}

static void hear_change(void *arg, uint64_t watch, const char *directory,
	const char *name, enum remote_told told, const struct entry *entry)
{
	g_autofree char *path = path_join(directory, name);
	struct late_remote *l = arg;
	struct remote_listener to;
	struct removal *m;

	mutex_lock(&l->lock);
	m = g_hash_table_lookup(l->removals, path);
	if (m != NULL)
		m->has_news = true;
	to = l->listener;
	mutex_unlock(&l->lock);
	if (m == NULL)
		to.changed(to.arg, watch, directory, name, told, entry);
}

static void hear_unwatched(void *arg, uint64_t watch, const char *directory)
{
	struct late_remote *l = arg;
	struct remote_listener to;

	mutex_lock(&l->lock);
	to = l->listener;
	mutex_unlock(&l->lock);
	to.unwatched(to.arg, watch, directory);
}

static void late_listen(
	struct remote *r, const struct remote_listener *listener)
{
	struct late_remote *l = late_of(r);
	const struct remote_listener own = { hear_watch, hear_change,
		hear_unwatched, l };

	remote_listen(l->inner, NULL);
	mutex_lock(&l->lock);
	l->watch = 0;
	l->listener =
		listener != NULL ? *listener : (struct remote_listener){ 0 };
	while (l->telling > 0)
		(void)waitlist_wait(&l->changed, &l->lock, NULL, -1);
	mutex_unlock(&l->lock);
	if (listener != NULL)
		remote_listen(l->inner, &own);
}

static void late_rely(struct remote *r)
{
	remote_rely(late_of(r)->inner);
}

static void late_free(struct remote *r)
{
	late_remote_free(late_of(r));
}

/* --- what POSIX has besides ----------------------------------------------- */

static int late_volume(struct remote *r, const struct cancel *cancel,
	struct remote_volume *ret)
{
	return remote_volume(late_of(r)->inner, cancel, ret);
}

static int late_move(struct remote *r, const char *from, const char *to,
	enum remote_how how, const struct cancel *cancel, struct entry *ret_to,
	struct entry *ret_from)
{
	struct late_remote *l = late_of(r);
	int rc = settle_both(l, from, to, cancel);

	return rc < 0 ? rc
		      : remote_move(l->inner, from, to, how, cancel, ret_to,
				ret_from);
}

static int late_link(struct remote *r, const char *from, const char *to,
	const struct cancel *cancel, struct entry *ret_to,
	struct entry *ret_from)
{
	struct late_remote *l = late_of(r);
	int rc = settle_both(l, from, to, cancel);

	return rc < 0 ? rc
		      : remote_link(
				l->inner, from, to, cancel, ret_to, ret_from);
}

static int late_xattrs(struct remote *r, const char *directory,
	const struct cancel *cancel, GHashTable **ret, bool *ret_is_all)
{
	return remote_xattrs(
		late_of(r)->inner, directory, cancel, ret, ret_is_all);
}

static int late_getxattr(struct remote *r, const char *path, const char *name,
	const struct cancel *cancel, GBytes **ret)
{
	struct late_remote *l = late_of(r);

	return waits(l, path)
		       ? -ENOENT
		       : remote_getxattr(l->inner, path, name, cancel, ret);
}

static int late_setxattr(struct remote *r, const char *path, const char *name,
	GBytes *value, int flags, const struct cancel *cancel)
{
	struct late_remote *l = late_of(r);

	return waits(l, path) ? -ENOENT
			      : remote_setxattr(l->inner, path, name, value,
					flags, cancel);
}

static const struct remote_ops late_ops = {
	.stat = late_stat,
	.list = late_list,
	.read = late_read,
	.write = late_write,
	.mkdir = late_mkdir,
	.rename = late_rename,
	.remove = late_remove,
	.capabilities = late_capabilities,
	.probe_hidden = late_probe_hidden,
	.replace = late_replace,
	.listen = late_listen,
	.rely = late_rely,
	.setattr = late_setattr,
	.list_tree = late_list_tree,
	.read_many = late_read_many,
	.free = late_free,
	.volume = late_volume,
	.move = late_move,
	.link = late_link,
	.xattrs = late_xattrs,
	.getxattr = late_getxattr,
	.setxattr = late_setxattr,
};

struct late_remote *late_remote_new(struct remote *inner)
{
	struct late_remote *l = g_new0(struct late_remote, 1);

	l->remote.ops = &late_ops;
	l->inner = inner;
	cancel_init(&l->ending, 0);
	mutex_init(&l->lock);
	l->removals =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	return l;
}

void late_remote_free(struct late_remote *l)
{
	bool has_thread;

	if (l == NULL)
		return;
	mutex_lock(&l->lock);
	l->is_ending = true;
	has_thread = l->has_thread;
	waitlist_wake(&l->changed);
	mutex_unlock(&l->lock);
	cancel_fire(&l->ending);
	if (has_thread)
		(void)pthread_join(l->thread, NULL);
	g_hash_table_destroy(l->removals);
	cancel_fini(&l->ending);
	mutex_fini(&l->lock);
	g_free(l);
}

struct remote *late_remote_of(struct late_remote *l)
{
	return &l->remote;
}
