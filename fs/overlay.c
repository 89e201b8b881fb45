/* overlay.c - see overlay.h. */
#include "config.h"

#include "overlay.h"

#include "log.h"
#include "mutex.h"
#include "names.h"
#include "state.h"
#include "waitlist.h"

#include <errno.h>
#include <string.h>

struct record {
	char *path;
	struct overlay_attr attr;
	bool has_version;
	struct entry version; /* what mtime was set for; name unused */
};

struct overlay {
	struct state *state; /* or NULL */

	struct mutex lock;
	/* guarded by lock; records are changed by who is_changing only */
	GSequence *records; /* sorted by path, so that a subtree is a range */
	bool is_changing;
	bool has_warned;
	struct waitlist changed;
};

static void free_record(gpointer record)
{
	struct record *r = record;

	g_free(r->path);
	g_free(r);
}

static gint compare_records(gconstpointer a, gconstpointer b, gpointer unused)
{
	const struct record *x = a;
	const struct record *y = b;

	(void)unused;
	return strcmp(x->path, y->path);
}

/* The record of a path and those below it stand in two ranges: "a" itself, and
 * what begins with "a/" ("a-b" comes between). */
static GSequenceIter *find_locked(struct overlay *o, const char *path)
	REQUIRES(o->lock)
{
	struct record key = { 0 };

	/* The sequence only reads the key. */
	memcpy(&key.path, &path, sizeof(key.path));
	return g_sequence_lookup(o->records, &key, compare_records, NULL);
}

static struct record *peek_locked(struct overlay *o, const char *path)
	REQUIRES(o->lock)
{
	GSequenceIter *at = find_locked(o, path);

	return at == NULL ? NULL : g_sequence_get(at);
}

static GSequenceIter *first_below_locked(struct overlay *o, const char *prefix)
	REQUIRES(o->lock)
{
	struct record key = { 0 };

	memcpy(&key.path, &prefix, sizeof(key.path));
	return g_sequence_search(o->records, &key, compare_records, NULL);
}

/* --- the state ------------------------------------------------------------ */

static void load_one(struct overlay *o, const struct state_attr *from)
	REQUIRES(o->lock)
{
	struct record *r = g_new0(struct record, 1);

	r->path = g_strdup(from->path);
	r->attr = (struct overlay_attr){
		.has_mode = from->has_mode,
		.mode = (mode_t)(from->mode & 07777),
		.has_mtime = from->has_mtime,
		.mtime = from->mtime,
	};
	r->has_version = from->has_version;
	r->version.size = from->version.size;
	r->version.mtime = from->version.mtime;
	/* The state does not say the type: only files have a size. */
	r->version.type = from->version.size < 0 ? ENTRY_DIRECTORY : ENTRY_FILE;
	g_sequence_insert_sorted(o->records, r, compare_records, NULL);
}

static void load(struct overlay *o)
{
	GPtrArray *all = NULL;
	int rc = o->state == NULL ? 0 : state_attr_list(o->state, &all);

	if (rc < 0)
		log_warning("the modes and times that were set here cannot be "
			    "read: %s",
			g_strerror(-rc));
	if (all == NULL)
		return;
	mutex_lock(&o->lock);
	for (guint i = 0; i < all->len; i++)
		load_one(o, all->pdata[i]);
	mutex_unlock(&o->lock);
	g_ptr_array_unref(all);
}

struct overlay *overlay_new(struct state *state)
{
	struct overlay *o = g_new0(struct overlay, 1);

	o->state = state;
	mutex_init(&o->lock);
	o->records = g_sequence_new(free_record);
	load(o);
	return o;
}

void overlay_free(struct overlay *o)
{
	if (o == NULL)
		return;
	g_sequence_free(o->records);
	mutex_fini(&o->lock);
	g_free(o);
}

static void begin_change_locked(struct overlay *o) REQUIRES(o->lock)
{
	while (o->is_changing)
		(void)waitlist_wait(&o->changed, &o->lock, NULL, -1);
	o->is_changing = true;
}

static void end_change_locked(struct overlay *o, int rc) REQUIRES(o->lock)
{
	if (rc < 0 && !o->has_warned) {
		o->has_warned = true;
		log_warning("modes and times that programs set will not be "
			    "remembered after this mount: %s",
			g_strerror(-rc));
	}
	o->is_changing = false;
	waitlist_wake(&o->changed);
}

/* The change is in memory; the state follows, without the lock. */
static void end_change_with_locked(struct overlay *o, const struct record *r)
	REQUIRES(o->lock)
{
	/* Nobody else changes it before the end of this change. */
	struct state_attr to = {
		.path = r->path,
		.has_mode = r->attr.has_mode,
		.mode = r->attr.mode,
		.has_mtime = r->attr.has_mtime,
		.mtime = r->attr.mtime,
		.has_version = r->has_version,
		.version = { r->version.size, r->version.mtime },
	};
	int rc = 0;

	mutex_unlock(&o->lock);
	if (o->state != NULL)
		rc = state_attr_put(o->state, &to);
	mutex_lock(&o->lock);
	end_change_locked(o, rc);
}

/* --- asking and setting --------------------------------------------------- */

bool overlay_get(struct overlay *o, const char *path, const struct entry *now,
	struct overlay_attr *ret)
{
	struct record *r;

	mutex_lock(&o->lock);
	r = peek_locked(o, path);
	if (r != NULL)
		*ret = r->attr;
	/* Not erased: `now` may be what was believed before our own upload. */
	if (r != NULL && r->has_version && now != NULL &&
		!entry_same_version(&r->version, now))
		ret->has_mtime = false;
	mutex_unlock(&o->lock);
	return r != NULL;
}

static struct record *get_locked(struct overlay *o, const char *path)
	REQUIRES(o->lock)
{
	struct record *r = peek_locked(o, path);

	if (r == NULL) {
		r = g_new0(struct record, 1);
		r->path = g_strdup(path);
		g_sequence_insert_sorted(o->records, r, compare_records, NULL);
	}
	return r;
}

void overlay_set_mode(struct overlay *o, const char *path, mode_t mode)
{
	struct record *r;

	mutex_lock(&o->lock);
	begin_change_locked(o);
	r = get_locked(o, path);
	if (r->attr.has_mode && r->attr.mode == (mode & 07777)) {
		end_change_locked(o, 0);
	} else {
		r->attr.has_mode = true;
		r->attr.mode = mode & 07777;
		end_change_with_locked(o, r);
	}
	mutex_unlock(&o->lock);
}

static void set_version(struct record *r, const struct entry *version)
{
	r->has_version = version != NULL;
	if (version != NULL) {
		r->version = entry_bare(version);
	}
}

void overlay_set_mtime(struct overlay *o, const char *path,
	const struct timespec *mtime, const struct entry *version)
{
	struct record *r;

	mutex_lock(&o->lock);
	begin_change_locked(o);
	r = get_locked(o, path);
	r->attr.has_mtime = true;
	r->attr.mtime = *mtime;
	set_version(r, version);
	end_change_with_locked(o, r);
	mutex_unlock(&o->lock);
}

/* The record whose time a change is about: after this the change is begun.
 * NULL: there is none, which costs nothing. */
static struct record *timed_locked(struct overlay *o, const char *path)
	REQUIRES(o->lock)
{
	struct record *r = peek_locked(o, path);

	if (r == NULL || !r->attr.has_mtime)
		return NULL;
	begin_change_locked(o);
	r = peek_locked(o, path); /* others had their turn meanwhile */
	if (r != NULL && r->attr.has_mtime)
		return r;
	end_change_locked(o, 0);
	return NULL;
}

void overlay_drop_mtime(struct overlay *o, const char *path)
{
	struct record *r;

	mutex_lock(&o->lock);
	r = timed_locked(o, path);
	if (r != NULL) {
		r->attr.has_mtime = false;
		end_change_with_locked(o, r);
	}
	mutex_unlock(&o->lock);
}

void overlay_uploaded(
	struct overlay *o, const char *path, const struct entry *version)
{
	struct record *r;

	mutex_lock(&o->lock);
	r = timed_locked(o, path);
	if (r != NULL) {
		set_version(r, version);
		end_change_with_locked(o, r);
	}
	mutex_unlock(&o->lock);
}

/* --- names that change ---------------------------------------------------- */

/* The iterators of the path's own record and of all below it. */
static GPtrArray *below_locked(struct overlay *o, const char *top)
	REQUIRES(o->lock)
{
	g_autofree char *prefix =
		*top == '\0' ? g_strdup("") : g_strconcat(top, "/", NULL);
	GPtrArray *found = g_ptr_array_new();
	GSequenceIter *at = find_locked(o, top);

	if (at != NULL && *top != '\0')
		g_ptr_array_add(found, at);
	at = first_below_locked(o, prefix);
	for (; !g_sequence_iter_is_end(at); at = g_sequence_iter_next(at)) {
		const struct record *r = g_sequence_get(at);

		if (!g_str_has_prefix(r->path, prefix))
			break;
		g_ptr_array_add(found, at);
	}
	return found;
}

/* How many records that were. */
static guint remove_below_locked(struct overlay *o, const char *top)
	REQUIRES(o->lock)
{
	GPtrArray *found = below_locked(o, top);
	guint count = found->len;

	for (guint i = 0; i < count; i++)
		g_sequence_remove(found->pdata[i]);
	g_ptr_array_unref(found);
	return count;
}

static guint move_below_locked(
	struct overlay *o, const char *from, const char *to) REQUIRES(o->lock)
{
	GPtrArray *found = below_locked(o, from);
	guint count = found->len;

	for (guint i = 0; i < count; i++) {
		struct record *r = g_sequence_get(found->pdata[i]);
		char *path = g_strconcat(to, r->path + strlen(from), NULL);

		g_free(r->path);
		r->path = path;
		g_sequence_sort_changed(found->pdata[i], compare_records, NULL);
	}
	g_ptr_array_unref(found);
	return count;
}

void overlay_moved(struct overlay *o, const char *from, const char *to)
{
	guint count;
	int rc = 0;

	mutex_lock(&o->lock);
	begin_change_locked(o);
	count = remove_below_locked(o, to);
	count += move_below_locked(o, from, to);
	mutex_unlock(&o->lock);
	if (count > 0 && o->state != NULL)
		rc = state_attr_moved(o->state, from, to);
	mutex_lock(&o->lock);
	end_change_locked(o, rc);
	mutex_unlock(&o->lock);
}

void overlay_removed(struct overlay *o, const char *path)
{
	guint count;
	int rc = 0;

	mutex_lock(&o->lock);
	begin_change_locked(o);
	count = remove_below_locked(o, path);
	mutex_unlock(&o->lock);
	if (count > 0 && o->state != NULL)
		rc = state_attr_remove(o->state, path);
	mutex_lock(&o->lock);
	end_change_locked(o, rc);
	mutex_unlock(&o->lock);
}
