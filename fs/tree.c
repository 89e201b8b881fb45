/* tree.c - see tree.h. */
#include "config.h"

#include "tree.h"

#include "attr_cache.h"
#include "availability.h"
#include "fs_limits.h"
#include "log.h"
#include "names.h"
#include "remote.h"
#include "tree_private.h"

#include <errno.h>
#include <string.h>

/* A listing under way, for those who need it too. */
struct flight {
	unsigned waiters;
	bool is_done;
	int rc;
};

struct tree *tree_new(struct remote *remote, struct attr_cache *attrs)
{
	struct tree *t = g_new0(struct tree, 1);

	t->remote = remote;
	t->attrs = attrs;
	mutex_init(&t->lock);
	t->flights =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	t->pieces = g_ptr_array_new();
	return t;
}

void tree_free(struct tree *t)
{
	if (t == NULL)
		return;
	g_hash_table_destroy(t->flights);
	g_ptr_array_unref(t->pieces);
	mutex_fini(&t->lock);
	g_free(t);
}

static void warn_of_dropped(const char *path, unsigned dropped)
{
	if (dropped > 0)
		log_warning("%u names in '%s' cannot be shown: they are not "
			    "UTF-8 or not names at all",
			dropped, path);
}

/* As long as nobody knows whether the server takes dot names, they are not the
 * server's to us: a plain listing does not show them either, and they may come
 * to stand here. */
static void drop_dot_names(GPtrArray *entries)
{
	for (guint i = entries->len; i > 0; i--) {
		const struct entry *e = entries->pdata[i - 1];

		if (e->name[0] == '.')
			g_ptr_array_remove_index_fast(entries, i - 1);
	}
}

bool tree_has_dots(struct tree *t)
{
	return (remote_capabilities(t->remote) & REMOTE_CAN_HIDDEN) != 0;
}

/* What was asked before dot names were the server's is without them, whenever it
 * is taken. */
void tree_take_listing(struct tree *t, uint64_t ticket, bool has_dots,
	const char *path, GPtrArray *entries, unsigned dropped, uint64_t watch)
{
	bool hides_dots = !tree_has_dots(t);

	warn_of_dropped(path, dropped);
	if (hides_dots || !has_dots)
		drop_dot_names(entries);
	attr_cache_set_hides_dots(t->attrs, hides_dots);
	attr_cache_put_watched(
		t->attrs, ticket, has_dots, path, entries, watch);
	g_ptr_array_unref(entries);
}

/* --- listings that tell modes, too ----------------------------------------- */

struct whole_listing {
	struct tree *tree;
	const char *path;
	uint64_t ticket;
	bool has_dots;
	bool has_come;
};

static void take_whole(void *arg, const char *path, GPtrArray *entries,
	unsigned dropped, uint64_t watch)
{
	struct whole_listing *w = arg;

	w->has_come = w->has_come || strcmp(path, w->path) == 0;
	tree_take_listing(
		w->tree, w->ticket, w->has_dots, path, entries, dropped, watch);
}

/* 0; 1: it is to be asked for in the plain way; -EINTR. */
static int ask_for_whole_listing(
	struct tree *t, const char *path, const struct cancel *cancel)
{
	const unsigned both = REMOTE_CAN_TREE | REMOTE_CAN_MODE;
	struct whole_listing w = { .tree = t, .path = path };
	const struct remote_tree_sink sink = { take_whole, &w };
	bool is_all;
	int rc;

	if ((remote_capabilities(t->remote) & both) != both)
		return 1;
	w.ticket = attr_cache_ticket(t->attrs);
	w.has_dots = tree_has_dots(t);
	rc = remote_list_tree(t->remote, path, "", 0, &sink, cancel, &is_all);
	if (rc == -EINTR)
		return rc;
	return rc == 0 && w.has_come ? 0 : 1;
}

static int ask_for_plain_listing(
	struct tree *t, const char *path, const struct cancel *cancel)
{
	uint64_t ticket = attr_cache_ticket(t->attrs);
	GPtrArray *entries = NULL;
	unsigned dropped = 0;
	int rc = remote_list(t->remote, path, cancel, &entries, &dropped);

	if (rc < 0)
		return rc;
	warn_of_dropped(path, dropped);
	attr_cache_put_listing(t->attrs, ticket, path, entries);
	g_ptr_array_unref(entries);
	return 0;
}

/* The root in the plain way, too: whoever looks after the server sees by it when
 * its disk is lost. */
static int ask_for_listing(
	struct tree *t, const char *path, const struct cancel *cancel)
{
	int rc = 0;

	if (path[0] == '\0')
		rc = ask_for_plain_listing(t, path, cancel);
	if (rc < 0)
		return rc;
	rc = ask_for_whole_listing(t, path, cancel);
	if (rc == 1)
		rc = path[0] == '\0' ? 0
				     : ask_for_plain_listing(t, path, cancel);
	return rc;
}

/* Waits for somebody else's listing. 1: it failed because its asker was
 * interrupted, ask yourself; else its result. */
static int share_flight_locked(struct tree *t, struct flight *f,
	const struct cancel *cancel) REQUIRES(t->lock)
{
	int rc = 0;

	f->waiters++;
	while (rc == 0 && !f->is_done)
		rc = waitlist_wait(&t->landed, &t->lock, cancel, -1);
	f->waiters--;
	if (rc == 0)
		rc = f->rc == -EINTR ? 1 : f->rc;
	if (f->is_done && f->waiters == 0)
		g_free(f);
	return rc;
}

static void land_locked(struct tree *t, const char *path, struct flight *f,
	int rc) REQUIRES(t->lock)
{
	g_hash_table_remove(t->flights, path);
	f->is_done = true;
	f->rc = rc;
	waitlist_wake(&t->landed);
	if (f->waiters == 0)
		g_free(f);
}

/* Brings a new listing into the cache, sharing one that is under way. */
static bool is_listed(struct tree *t, const char *path, int64_t max_age_ms)
{
	GPtrArray *entries =
		attr_cache_listing(t->attrs, path, max_age_ms, NULL);

	if (entries != NULL)
		g_ptr_array_unref(entries);
	return entries != NULL;
}

/* landed_age_ms: a listing of this age will do, if one has landed since the
 * caller looked for it; 0: none will. */
static int refresh_listing(struct tree *t, const char *path,
	int64_t landed_age_ms, const struct cancel *cancel)
{
	int64_t began_ms = clock_now_ms();
	struct flight *f;
	int rc;

	mutex_lock(&t->lock);
	rc = tree_piece_await_locked(t, path, cancel);
	/* What came while we waited is as good as a flight that was shared. */
	if (rc > 0)
		landed_age_ms =
			MAX(landed_age_ms, clock_now_ms() - began_ms + 1);
	if (rc == 0)
		rc = 1;
	while (rc > 0) {
		f = g_hash_table_lookup(t->flights, path);
		if (f == NULL)
			break;
		rc = share_flight_locked(t, f, cancel);
	}
	if (rc > 0 && landed_age_ms > 0 && is_listed(t, path, landed_age_ms))
		rc = 0;
	if (rc <= 0) {
		mutex_unlock(&t->lock);
		return rc;
	}
	f = g_new0(struct flight, 1);
	g_hash_table_insert(t->flights, g_strdup(path), f);
	mutex_unlock(&t->lock);

	rc = ask_for_listing(t, path, cancel);

	mutex_lock(&t->lock);
	land_locked(t, path, f, rc);
	mutex_unlock(&t->lock);
	return rc;
}

/* The answer to a question that our own change overtook is older than what we
 * know; the cache has kept the change. */
static int prefer_own(struct tree *t, const char *dir, const char *name, int rc,
	struct entry *ret_entry)
{
	struct entry own;

	switch (attr_cache_lookup(
		t->attrs, dir, name, REVALIDATE_MS, &own, NULL)) {
	case ATTR_PRESENT:
		if (rc == 0)
			entry_clear(ret_entry);
		*ret_entry = own;
		return 0;
	case ATTR_ABSENT:
		if (rc == 0)
			entry_clear(ret_entry);
		return -ENOENT;
	case ATTR_UNLISTED:
	case ATTR_UNKNOWN:
	default:
		return rc;
	}
}

/* One name alone. */
static int ask_for_one(struct tree *t, const char *path, const char *dir,
	const char *name, const struct cancel *cancel, struct entry *ret_entry)
{
	uint64_t ticket = attr_cache_ticket(t->attrs);
	int rc = remote_stat(t->remote, path, cancel, ret_entry);

	if (rc != 0 && rc != -ENOENT)
		return rc;
	attr_cache_put_answer(
		t->attrs, ticket, dir, name, rc == 0 ? ret_entry : NULL);
	return prefer_own(t, dir, name, rc, ret_entry);
}

static bool is_never_listed(struct tree *t, const char *name)
{
	unsigned caps = remote_capabilities(t->remote);

	return name_may_be_unlisted(name, (caps & REMOTE_CAN_HIDDEN) != 0);
}

/* Who believes nothing would throw the rest of a listing away. */
static bool asks_alone(
	struct tree *t, const char *dir, const char *name, int64_t max_age_ms)
{
	unsigned singles;
	int count;

	if (max_age_ms <= 0 || is_never_listed(t, name) ||
		attr_cache_doubts_alone(t->attrs, dir, name))
		return true;
	count = attr_cache_count_single(t->attrs, dir, &singles);
	return count > BIG_DIRECTORY && singles < BIG_DIRECTORY_LOOKUPS;
}

/* Somebody was answered from what only a watch has kept true. */
static void rely(struct tree *t)
{
	int_fast64_t last_ms, now_ms;

	if (!attr_cache_take_reliance(t->attrs))
		return;
	last_ms = atomic_load(&t->relied_ms);
	now_ms = clock_now_ms();
	if (now_ms - last_ms >= WATCH_RELY_MS &&
		atomic_compare_exchange_strong(&t->relied_ms, &last_ms, now_ms))
		remote_rely(t->remote);
}

static void root_entry(struct tree *t, struct entry *ret)
{
	struct timespec when = attr_cache_root_time(t->attrs);

	*ret = (struct entry){
		.name = g_strdup(""),
		.type = ENTRY_DIRECTORY,
		.size = -1,
		.mtime = when,
		.ctime = when,
		.is_writable = true,
	};
}

/* The listing is here; what does it say of the name? An answer that our own
 * changes or a dropped belief overtook is looked for once more, alone. */
static int answer_from_listing(struct tree *t, const char *path,
	const char *dir, const char *name, const struct cancel *cancel,
	struct entry *ret_entry)
{
	switch (attr_cache_lookup(
		t->attrs, dir, name, REVALIDATE_MS, ret_entry, NULL)) {
	case ATTR_PRESENT:
		return 0;
	case ATTR_UNLISTED: /* of others we did not ask for a listing */
	case ATTR_ABSENT:
		return -ENOENT;
	case ATTR_UNKNOWN:
	default:
		return ask_for_one(t, path, dir, name, cancel, ret_entry);
	}
}

/* 0 or -ENOENT; 1: it is not known. */
static int answer_from_belief(struct tree *t, const char *dir, const char *name,
	int64_t max_age_ms, struct entry *ret_entry, int64_t *ret_age_ms)
{
	enum attr_answer answer = attr_cache_lookup(
		t->attrs, dir, name, max_age_ms, ret_entry, ret_age_ms);

	rely(t);
	switch (answer) {
	case ATTR_PRESENT:
		return 0;
	case ATTR_UNLISTED:
		return is_never_listed(t, name) ? 1 : -ENOENT;
	case ATTR_ABSENT:
		return -ENOENT;
	case ATTR_UNKNOWN:
	default:
		return 1;
	}
}

int tree_stat(struct tree *t, const char *path, int64_t max_age_ms,
	const struct cancel *cancel, struct entry *ret_entry,
	int64_t *ret_age_ms)
{
	g_autofree char *dir = NULL;
	const char *name = path_basename(path);
	int rc;

	if (ret_age_ms != NULL)
		*ret_age_ms = 0;
	if (path[0] == '\0') {
		root_entry(t, ret_entry);
		return 0;
	}
	dir = path_parent(path);
	rc = answer_from_belief(
		t, dir, name, max_age_ms, ret_entry, ret_age_ms);
	if (rc <= 0)
		return rc;
	if (asks_alone(t, dir, name, max_age_ms))
		return ask_for_one(t, path, dir, name, cancel, ret_entry);
	rc = refresh_listing(t, dir, 0, cancel);
	if (rc < 0)
		return rc;
	return answer_from_listing(t, path, dir, name, cancel, ret_entry);
}

/* Of a watched directory all but a few names are known: those are asked for.
 * Not settled: it must be listed. */
static int settle_doubts(struct tree *t, const char *path,
	const struct cancel *cancel, bool *ret_is_settled)
{
	GPtrArray *names = attr_cache_doubted(t->attrs, path);
	int rc = 0;

	*ret_is_settled = names != NULL && names->len > 0;
	for (guint i = 0; rc == 0 && names != NULL && i < names->len; i++) {
		const char *name = names->pdata[i];
		g_autofree char *child = path_join(path, name);
		struct entry entry;

		if (!attr_cache_doubts_alone(t->attrs, path, name)) {
			*ret_is_settled = false;
			continue;
		}
		rc = ask_for_one(t, child, path, name, cancel, &entry);
		if (rc == 0)
			entry_clear(&entry);
		else if (rc == -ENOENT)
			rc = 0;
	}
	if (names != NULL)
		g_ptr_array_unref(names);
	return rc;
}

/* What tree_list() did not find in the cache is there then. */
static int bring_listing(struct tree *t, const char *path, int64_t max_age_ms,
	const struct cancel *cancel)
{
	bool is_settled = false;
	int rc = 0;

	if (max_age_ms >= REVALIDATE_MS)
		rc = settle_doubts(t, path, cancel, &is_settled);
	if (rc == 0 && !is_settled)
		rc = refresh_listing(t, path, max_age_ms, cancel);
	return rc;
}

int tree_list(struct tree *t, const char *path, int64_t max_age_ms,
	const struct cancel *cancel, GPtrArray **ret_entries,
	int64_t *ret_age_ms)
{
	int attempts;
	int rc;

	/* A belief dropped while the listing was on its way makes it too old:
	 * ask again, but not for ever. */
	for (attempts = 0; attempts < 3; attempts++) {
		*ret_entries = attr_cache_listing(
			t->attrs, path, max_age_ms, ret_age_ms);
		rely(t);
		if (*ret_entries != NULL)
			return 0;
		rc = bring_listing(t, path, max_age_ms, cancel);
		if (rc < 0)
			return rc;
		/* Just fetched is fresh, even when nothing is believed. */
		if (max_age_ms < REVALIDATE_MS)
			max_age_ms = REVALIDATE_MS;
	}
	return -EBUSY; /* the directory does not stand still */
}

void tree_list_ahead(
	struct tree *t, const char *path, const struct cancel *cancel)
{
	(void)refresh_listing(t, path, REVALIDATE_MS, cancel);
}

/* --- without the server --------------------------------------------------- */

static void set_recalled_age(int64_t max_age_ms, int64_t *ret_age_ms)
{
	if (ret_age_ms != NULL)
		*ret_age_ms = MAX(0, max_age_ms - OFFLINE_VALID_MS);
}

int tree_recall_stat(struct tree *t, const char *path, int64_t max_age_ms,
	const struct cancel *cancel, struct entry *ret_entry,
	int64_t *ret_age_ms)
{
	g_autofree char *dir = NULL;
	int rc = tree_stat(t, path, max_age_ms, cancel, ret_entry, ret_age_ms);

	if (!availability_is_failure(rc))
		return rc;
	dir = path_parent(path);
	set_recalled_age(max_age_ms, ret_age_ms);
	switch (attr_cache_lookup(t->attrs, dir, path_basename(path),
		ATTR_ANY_AGE, ret_entry, NULL)) {
	case ATTR_PRESENT:
		return 0;
	case ATTR_UNLISTED: /* the listing is all that is known */
	case ATTR_ABSENT:
		return -ENOENT;
	case ATTR_UNKNOWN:
	default:
		return rc;
	}
}

int tree_recall_list(struct tree *t, const char *path, int64_t max_age_ms,
	const struct cancel *cancel, GPtrArray **ret_entries,
	int64_t *ret_age_ms)
{
	int rc =
		tree_list(t, path, max_age_ms, cancel, ret_entries, ret_age_ms);

	if (!availability_is_failure(rc))
		return rc;
	*ret_entries = attr_cache_listing(t->attrs, path, ATTR_ANY_AGE, NULL);
	if (*ret_entries == NULL)
		return rc;
	set_recalled_age(max_age_ms, ret_age_ms);
	return 0;
}
