/* fake_watch.c - see fake_watch.h. */
#include "config.h"

#include "fake_watch.h"

#include "mutex.h"
#include "names.h"

struct fake_watch {
	struct remote remote;
	struct remote *inner;
	struct mutex lock;
	/* guarded by lock */
	struct remote_listener listener;
	bool has_listener;
	bool refuses;
	uint64_t watch;
	unsigned relied;
};

static struct fake_watch *watch_of(struct remote *r)
{
	return (struct fake_watch *)r;
}

static struct remote *inner_of(struct remote *r)
{
	return watch_of(r)->inner;
}

/* --- as the other one ----------------------------------------------------- */

static int watch_stat(struct remote *r, const char *path,
	const struct cancel *cancel, struct entry *ret)
{
	return remote_stat(inner_of(r), path, cancel, ret);
}

static int watch_list(struct remote *r, const char *path,
	const struct cancel *cancel, GPtrArray **ret_entries,
	unsigned *ret_dropped)
{
	return remote_list(inner_of(r), path, cancel, ret_entries, ret_dropped);
}

static int watch_read(struct remote *r, const char *path, int64_t offset,
	int64_t length, const struct remote_sink *sink,
	const struct cancel *cancel, struct remote_read_info *ret)
{
	return remote_read(
		inner_of(r), path, offset, length, sink, cancel, ret);
}

static int watch_write(struct remote *r, const char *path,
	const struct remote_source *source, const struct cancel *cancel,
	struct entry *ret)
{
	return remote_write(inner_of(r), path, source, cancel, ret);
}

static int watch_mkdir(struct remote *r, const char *path,
	const struct cancel *cancel, struct entry *ret)
{
	return remote_mkdir(inner_of(r), path, cancel, ret);
}

static int watch_rename(struct remote *r, const char *from, const char *to,
	const struct cancel *cancel, struct entry *ret)
{
	return remote_rename(inner_of(r), from, to, cancel, ret);
}

static int watch_remove(
	struct remote *r, const char *path, const struct cancel *cancel)
{
	return remote_remove(inner_of(r), path, cancel);
}

static unsigned watch_capabilities(struct remote *r)
{
	return remote_capabilities(inner_of(r));
}

static int watch_probe_hidden(struct remote *r, const struct cancel *cancel)
{
	return remote_probe_hidden(inner_of(r), cancel);
}

/* --- listings that are watched -------------------------------------------- */

struct marked {
	const struct remote_tree_sink *sink;
	uint64_t watch;
};

static void mark_directory(void *arg, const char *path, GPtrArray *entries,
	unsigned dropped, uint64_t watch)
{
	const struct marked *m = arg;

	(void)watch;
	m->sink->directory(m->sink->arg, path, entries, dropped, m->watch);
}

static int watch_list_tree(struct remote *r, const char *top, const char *after,
	unsigned entries_max, const struct remote_tree_sink *sink,
	const struct cancel *cancel, bool *ret_is_all)
{
	struct fake_watch *w = watch_of(r);
	struct marked marked = { .sink = sink };
	const struct remote_tree_sink own = { mark_directory, &marked };

	mutex_lock(&w->lock);
	marked.watch = w->refuses ? 0 : w->watch;
	mutex_unlock(&w->lock);
	return remote_list_tree(
		w->inner, top, after, entries_max, &own, cancel, ret_is_all);
}

static void watch_listen(
	struct remote *r, const struct remote_listener *listener)
{
	struct fake_watch *w = watch_of(r);

	mutex_lock(&w->lock);
	w->has_listener = listener != NULL;
	if (listener != NULL)
		w->listener = *listener;
	mutex_unlock(&w->lock);
}

static void watch_rely(struct remote *r)
{
	struct fake_watch *w = watch_of(r);

	mutex_lock(&w->lock);
	w->relied++;
	mutex_unlock(&w->lock);
}

static void watch_free(struct remote *r)
{
	struct fake_watch *w = watch_of(r);

	mutex_fini(&w->lock);
	g_free(w);
}

static const struct remote_ops watch_ops = {
	.stat = watch_stat,
	.list = watch_list,
	.read = watch_read,
	.write = watch_write,
	.mkdir = watch_mkdir,
	.rename = watch_rename,
	.remove = watch_remove,
	.capabilities = watch_capabilities,
	.probe_hidden = watch_probe_hidden,
	.list_tree = watch_list_tree,
	.listen = watch_listen,
	.rely = watch_rely,
	.free = watch_free,
};

struct remote *fake_watch_new(struct remote *inner)
{
	struct fake_watch *w = g_new0(struct fake_watch, 1);

	w->remote.ops = &watch_ops;
	w->inner = inner;
	mutex_init(&w->lock);
	return &w->remote;
}

/* --- what tests do -------------------------------------------------------- */

/* False: nobody listens. */
static bool look(struct fake_watch *w, struct remote_listener *ret_listener,
	uint64_t *ret_watch)
{
	bool has_listener;

	mutex_lock(&w->lock);
	has_listener = w->has_listener;
	*ret_listener = w->listener;
	*ret_watch = w->watch;
	mutex_unlock(&w->lock);
	return has_listener;
}

void fake_watch_begin(struct remote *r, uint64_t watch)
{
	struct fake_watch *w = watch_of(r);
	struct remote_listener to;
	uint64_t before;

	mutex_lock(&w->lock);
	w->watch = watch;
	mutex_unlock(&w->lock);
	if (look(w, &to, &before))
		to.watch(to.arg, watch);
}

void fake_watch_refuse(struct remote *r, bool refuses)
{
	struct fake_watch *w = watch_of(r);

	mutex_lock(&w->lock);
	w->refuses = refuses;
	mutex_unlock(&w->lock);
}

static void tell(struct remote *r, const char *path, enum remote_told told,
	const struct entry *entry)
{
	g_autofree char *dir = path_parent(path);
	struct remote_listener to;
	uint64_t watch;

	if (look(watch_of(r), &to, &watch) && watch != 0)
		to.changed(
			to.arg, watch, dir, path_basename(path), told, entry);
}

void fake_watch_tell_entry(
	struct remote *r, const char *path, const struct entry *or_absent)
{
	tell(r, path,
		or_absent == NULL ? REMOTE_TOLD_ABSENT : REMOTE_TOLD_ENTRY,
		or_absent);
}

void fake_watch_tell(struct remote *r, const char *path)
{
	struct entry entry;

	if (remote_stat(inner_of(r), path, NULL, &entry) < 0) {
		fake_watch_tell_entry(r, path, NULL);
		return;
	}
	fake_watch_tell_entry(r, path, &entry);
	entry_clear(&entry);
}

void fake_watch_tell_change(struct remote *r, const char *path)
{
	tell(r, path, REMOTE_TOLD_CHANGE, NULL);
}

void fake_watch_unwatch(struct remote *r, const char *directory)
{
	struct remote_listener to;
	uint64_t watch;

	if (look(watch_of(r), &to, &watch))
		to.unwatched(to.arg, watch, directory);
}

unsigned fake_watch_relied(struct remote *r)
{
	struct fake_watch *w = watch_of(r);
	unsigned relied;

	mutex_lock(&w->lock);
	relied = w->relied;
	mutex_unlock(&w->lock);
	return relied;
}

bool fake_watch_has_listener(struct remote *r)
{
	struct fake_watch *w = watch_of(r);
	bool has_listener;

	mutex_lock(&w->lock);
	has_listener = w->has_listener;
	mutex_unlock(&w->lock);
	return has_listener;
}
