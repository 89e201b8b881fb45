/* overlay.c - see overlay.h. */
#include "config.h"

#include "overlay.h"

#include "log.h"
#include "mutex.h"
#include "names.h"
#include "remote.h"
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

static enum overlay_place place_of(unsigned number)
{
	return number <= OVERLAY_REFUSED ? (enum overlay_place)number
					 : OVERLAY_HERE;
}

static void load_one(struct overlay *o, const struct state_attr *from)
	REQUIRES(o->lock)
{
	struct record *r = g_new0(struct record, 1);

	r->path = g_strdup(from->path);
	r->attr = (struct overlay_attr){
		.has_mode = from->has_mode,
		.mode = (mode_t)(from->mode & 07777),
		.mode_place = place_of(from->mode_place),
		.has_mtime = from->has_mtime,
		.mtime = from->mtime,
		.mtime_place = place_of(from->mtime_place),
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
		.mode_place = r->attr.mode_place,
		.has_mtime = r->attr.has_mtime,
		.mtime = r->attr.mtime,
		.mtime_place = r->attr.mtime_place,
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

/* Others have changed it over there: the memory is of something else. */
static bool is_outdated(const struct record *r, const struct entry *now)
{
	return r->attr.has_mode && r->attr.mode_place == OVERLAY_THERE &&
	       now != NULL && now->has_attr && now->target == NULL &&
	       now->mode != r->attr.mode;
}

static void forget_mode(struct overlay *o, const char *path)
{
	struct record *r;

	mutex_lock(&o->lock);
	begin_change_locked(o);
	r = peek_locked(o, path);
	if (r != NULL && r->attr.mode_place == OVERLAY_THERE) {
		r->attr.has_mode = false;
		end_change_with_locked(o, r);
	} else {
		end_change_locked(o, 0);
	}
	mutex_unlock(&o->lock);
}

bool overlay_get(struct overlay *o, const char *path, const struct entry *now,
	struct overlay_attr *ret)
{
	bool is_to_forget = false;
	bool is_found;
	struct record *r;

	mutex_lock(&o->lock);
	r = peek_locked(o, path);
	is_found = r != NULL;
	if (is_found) {
		*ret = r->attr;
		is_to_forget = is_outdated(r, now);
		ret->has_mode = ret->has_mode && !is_to_forget;
	}
	/* Not erased: `now` may be what was believed before our own upload. */
	if (is_found && r->has_version && now != NULL &&
		!entry_same_version(&r->version, now))
		ret->has_mtime = false;
	if (is_found && now != NULL && now->has_attr &&
		ret->mtime_place == OVERLAY_THERE)
		ret->has_mtime = false;
	mutex_unlock(&o->lock);
	if (is_to_forget)
		forget_mode(o, path);
	return is_found;
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
	if (r->attr.has_mode && r->attr.mode == (mode & 07777) &&
		r->attr.mode_place == OVERLAY_HERE) {
		end_change_locked(o, 0);
	} else {
		r->attr.has_mode = true;
		r->attr.mode = mode & 07777;
		r->attr.mode_place = OVERLAY_HERE;
		end_change_with_locked(o, r);
	}
	mutex_unlock(&o->lock);
}

static void set_version(struct record *r, const struct entry *version)
{
	r->has_version = version != NULL;
	if (version != NULL)
		r->version = entry_bare(version);
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
	r->attr.mtime_place = OVERLAY_HERE;
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

/* --- what is sent --------------------------------------------------------- */

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool shows_mode(const struct entry *now, mode_t mode)
{
	return now->has_attr && now->target == NULL && now->mode == mode;
}

static bool shows_mtime(const struct entry *now, const struct timespec *mtime)
{
	struct timespec exact = entry_exact_mtime(now);

	return now->has_attr && is_same_time(&exact, mtime);
}

static void take_attr(const struct overlay_attr *a, struct remote_attr *ret)
{
	*ret = (struct remote_attr){ a->has_mode, a->mode, a->has_mtime,
		a->mtime };
}

static struct overlay_attr unsent_of(const struct record *r)
{
	struct overlay_attr attr = r->attr;

	attr.has_mode = attr.has_mode && attr.mode_place == OVERLAY_HERE;
	attr.has_mtime = attr.has_mtime && attr.mtime_place == OVERLAY_HERE;
	return attr;
}

bool overlay_unsent(
	struct overlay *o, const char *path, struct remote_attr *ret)
{
	struct overlay_attr attr = { 0 };
	struct record *r;

	mutex_lock(&o->lock);
	r = peek_locked(o, path);
	if (r != NULL)
		attr = unsent_of(r);
	mutex_unlock(&o->lock);
	take_attr(&attr, ret);
	return attr.has_mode || attr.has_mtime;
}

bool overlay_whole(struct overlay *o, const char *path, struct remote_attr *ret)
{
	struct overlay_attr attr = { 0 };

	(void)overlay_get(o, path, NULL, &attr);
	take_attr(&attr, ret);
	return attr.has_mode || attr.has_mtime;
}

void overlay_unsent_clear(struct overlay_unsent *u)
{
	g_clear_pointer(&u->path, g_free);
}

static void free_unsent(gpointer p)
{
	overlay_unsent_clear(p);
	g_free(p);
}

static bool describe_unsent(const struct record *r, struct overlay_unsent *ret)
{
	const struct overlay_attr attr = unsent_of(r);

	if (!attr.has_mode && !attr.has_mtime)
		return false;
	*ret = (struct overlay_unsent){ g_strdup(r->path), attr, r->has_version,
		r->version };
	return true;
}

bool overlay_find_unsent(
	struct overlay *o, const char *path, struct overlay_unsent *ret)
{
	struct record *r;
	bool is_found;

	mutex_lock(&o->lock);
	r = peek_locked(o, path);
	is_found = r != NULL && describe_unsent(r, ret);
	mutex_unlock(&o->lock);
	return is_found;
}

unsigned overlay_list_unsent(
	struct overlay *o, unsigned count_max, GPtrArray **ret)
{
	GPtrArray *all = g_ptr_array_new_with_free_func(free_unsent);
	unsigned count = 0;
	GSequenceIter *at;

	mutex_lock(&o->lock);
	at = g_sequence_get_begin_iter(o->records);
	for (; !g_sequence_iter_is_end(at); at = g_sequence_iter_next(at)) {
		struct overlay_unsent u;

		if (!describe_unsent(g_sequence_get(at), &u))
			continue;
		if (count++ < count_max)
			g_ptr_array_add(all, g_memdup2(&u, sizeof(u)));
		else
			overlay_unsent_clear(&u);
	}
	mutex_unlock(&o->lock);
	*ret = all;
	return count;
}

static void set_sent(struct record *r, const struct remote_attr *sent,
	const struct entry *now, bool sets)
{
	struct overlay_attr *a = &r->attr;

	if (sets && sent->has_mode) {
		a->has_mode = true;
		a->mode = sent->mode & 07777;
	}
	if (sets && sent->has_mtime) {
		a->has_mtime = true;
		a->mtime = sent->mtime;
	}
	if (sent->has_mode && a->has_mode && a->mode == (sent->mode & 07777))
		a->mode_place = shows_mode(now, a->mode) ? OVERLAY_THERE
							 : OVERLAY_REFUSED;
	if (sent->has_mtime && a->has_mtime &&
		is_same_time(&a->mtime, &sent->mtime)) {
		a->mtime_place = shows_mtime(now, &a->mtime) ? OVERLAY_THERE
							     : OVERLAY_REFUSED;
		set_version(r, now);
	}
}

void overlay_sent(struct overlay *o, const char *path,
	const struct remote_attr *sent, const struct entry *now, bool sets)
{
	struct record *r;

	if (!sent->has_mode && !sent->has_mtime)
		return;
	mutex_lock(&o->lock);
	begin_change_locked(o);
	r = sets ? get_locked(o, path) : peek_locked(o, path);
	if (r == NULL) {
		end_change_locked(o, 0);
	} else {
		set_sent(r, sent, now, sets);
		end_change_with_locked(o, r);
	}
	mutex_unlock(&o->lock);
}

void overlay_reopen(
	struct overlay *o, const char *path, const struct entry *now)
{
	struct record *r;

	mutex_lock(&o->lock);
	begin_change_locked(o);
	r = peek_locked(o, path);
	if (r == NULL) {
		end_change_locked(o, 0);
	} else {
		r->attr.mode_place = shows_mode(now, r->attr.mode)
					     ? OVERLAY_THERE
					     : OVERLAY_HERE;
		r->attr.mtime_place = shows_mtime(now, &r->attr.mtime)
					      ? OVERLAY_THERE
					      : OVERLAY_HERE;
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
