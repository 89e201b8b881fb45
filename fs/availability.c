/* availability.c - see availability.h. */
#include "config.h"

#include "availability.h"

#include "common_limits.h"
#include "fs_limits.h"
#include "log.h"
#include "mutex.h"
#include "names.h"
#include "waitlist.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

enum verdict {
	ONLINE,
	DOUBTFUL, /* a call found no server; the next one asks */
	OFFLINE,
};

struct availability {
	struct remote base;
	/* immutable */
	struct remote *inner;
	struct availability_params params;

	atomic_int_fast64_t heard_ms; /* when bytes of a file last arrived */
	struct mutex lock;
	/* guarded by lock */
	struct waitlist changed; /* a verdict, or room for a transfer */
	enum verdict verdict;
	bool is_probing;
	unsigned transfers;	/* under way */
	unsigned failed_probes; /* in a row */
	int64_t retry_ms;	/* when the next probe may be; 0: at once */
	struct timespec since;
	char *why;
	bool is_root_lost;     /* only a listing of it can say otherwise */
	bool has_root;	       /* it was listed once */
	unsigned root_names;   /* then, but for those that we removed since */
	int64_t root_empty_ms; /* since when it is said to be; 0: it is not */
};

static struct availability *availability_of(struct remote *remote)
{
	return (struct availability *)remote; /* its first member */
}

static int64_t now_ms(const struct availability *a)
{
	return a->params.now_ms != NULL ? a->params.now_ms() : clock_now_ms();
}

/* --- what an outcome says ------------------------------------------------- */

bool availability_is_failure(int rc)
{
	return rc == -EHOSTUNREACH || rc == -ECONNREFUSED ||
	       rc == -ECONNRESET || rc == -ETIMEDOUT || rc == -ENETUNREACH;
}

/* A page of a hub's or a proxy's, or no HTTP at all, may come from anybody. */
static bool raises_doubt(int rc)
{
	return availability_is_failure(rc) || rc == -EPROTO;
}

/* Only the server says these; others may be this computer's own. */
static bool is_an_answer(int rc)
{
	switch (-rc) {
	case 0:
	case EACCES:
	case EBUSY:
	case EDQUOT:
	case EEXIST:
	case EISDIR:
	case ENOENT:
	case ENOSPC:
	case ENOTDIR:
	case ENOTEMPTY:
	case EPERM:
	case EROFS:
		return true;
	default:
		return false;
	}
}

static const char *explain(int rc)
{
	switch (-rc) {
	case ETIMEDOUT:
		return "the server does not answer";
	case ECONNREFUSED:
		return "nobody listens at the server's address";
	case ECONNRESET:
		return "the server cuts connections";
	case EPROTO:
		return "what answers is not a Jupyter server";
	default:
		return "the server cannot be reached";
	}
}

/* One connection is left for names. */
#define TRANSFERS_MAX (HTTP_CONNECTIONS_MAX - 1)

/* --- changes; true: it was one, to be told without the lock --------------- */

static bool set_online_locked(struct availability *a) REQUIRES(a->lock)
{
	bool was_offline = a->verdict == OFFLINE;

	a->verdict = ONLINE;
	a->failed_probes = 0;
	a->retry_ms = 0;
	if (was_offline)
		(void)clock_gettime(CLOCK_REALTIME, &a->since);
	return was_offline;
}

static int64_t delay_ms(unsigned failed_probes)
{
	int64_t delay = OFFLINE_DELAY_FIRST_MS;

	for (unsigned i = 1; i < failed_probes && delay < OFFLINE_DELAY_MAX_MS;
		i++)
		delay *= 2;
	delay = MIN(delay, OFFLINE_DELAY_MAX_MS);
	return delay / 2 + g_random_int_range(0, (gint32)(delay / 2 + 1));
}

static bool set_offline_locked(struct availability *a, const char *why)
	REQUIRES(a->lock)
{
	bool was_offline = a->verdict == OFFLINE;

	a->verdict = OFFLINE;
	a->failed_probes++;
	a->retry_ms = now_ms(a) + delay_ms(a->failed_probes);
	g_free(a->why);
	a->why = g_strdup(why);
	if (!was_offline)
		(void)clock_gettime(CLOCK_REALTIME, &a->since);
	return !was_offline;
}

static void tell(struct availability *a, bool is_online)
{
	struct availability_state state;

	availability_state(&a->base, &state);
	if (is_online)
		log_warning("the workspace is online again");
	else
		log_warning("the workspace is offline: %s",
			state.why != NULL ? state.why : "for a moment");
	g_free(state.why);
	if (a->params.on_change != NULL)
		a->params.on_change(a->params.on_change_arg, is_online);
}

void availability_state(struct remote *remote, struct availability_state *ret)
{
	struct availability *a = availability_of(remote);

	mutex_lock(&a->lock);
	ret->is_online = a->verdict != OFFLINE;
	ret->since = a->since;
	ret->why = ret->is_online ? NULL : g_strdup(a->why);
	mutex_unlock(&a->lock);
}

/* --- the root ------------------------------------------------------------- */

static void believe_root_locked(struct availability *a, unsigned names)
	REQUIRES(a->lock)
{
	a->has_root = true;
	a->is_root_lost = false;
	a->root_names = names;
	a->root_empty_ms = 0;
}

/* NULL: this outcome of a listing of the root is to be believed; else what is
 * wrong with it, g_free. */
static char *doubt_root_locked(struct availability *a, int rc, unsigned names)
	REQUIRES(a->lock)
{
	if (rc == -ENOENT && a->has_root)
		return g_strdup("the workspace's root is gone: the server "
				"does not find it any more");
	if (rc < 0 || names > 0 || a->root_names < ROOT_NAMES_GUARDED)
		return NULL;
	if (a->root_empty_ms == 0)
		a->root_empty_ms = now_ms(a);
	if (now_ms(a) - a->root_empty_ms >= ROOT_EMPTY_MS)
		return NULL;
	return g_strdup_printf("the workspace's root is empty: it had %u "
			       "names that were not removed from here",
		a->root_names);
}

/* The outcome of a listing of the root: as it is, or -EHOSTUNREACH. */
static int judge_root(struct availability *a, int rc, unsigned names)
{
	g_autofree char *why = NULL;
	bool is_change = false;

	mutex_lock(&a->lock);
	why = doubt_root_locked(a, rc, names);
	if (why != NULL) {
		a->is_root_lost = true;
		is_change = set_offline_locked(a, why);
	} else if (rc == 0) {
		believe_root_locked(a, names);
		is_change = set_online_locked(a);
	}
	mutex_unlock(&a->lock);
	if (is_change)
		tell(a, why == NULL);
	return why != NULL ? -EHOSTUNREACH : rc;
}

static int look_at_root(struct availability *a, const struct cancel *cancel)
{
	GPtrArray *entries = NULL;
	unsigned dropped = 0;
	int rc = remote_list(a->inner, "", cancel, &entries, &dropped);

	rc = judge_root(a, rc, rc == 0 ? entries->len + dropped : 0);
	if (entries != NULL)
		g_ptr_array_unref(entries);
	return rc;
}

/* A directory is gone. Is the root it was in? */
static bool lost_its_root(struct availability *a, const struct cancel *cancel)
{
	bool had_names;

	mutex_lock(&a->lock);
	had_names = a->root_names > 0;
	mutex_unlock(&a->lock);
	return had_names && look_at_root(a, cancel) < 0;
}

static void note_root_name_gone(struct availability *a, const char *path)
{
	if (strchr(path, '/') != NULL)
		return;
	mutex_lock(&a->lock);
	if (a->root_names > 0)
		a->root_names--;
	mutex_unlock(&a->lock);
}

/* --- probing -------------------------------------------------------------- */

/* An answer about the path that was asked for is none about the server. */
static int ask(struct availability *a, const struct cancel *cancel)
{
	int64_t began_ms = now_ms(a);
	bool is_root_lost;
	int rc = a->params.probe(a->params.probe_arg, cancel);

	if (raises_doubt(rc) && atomic_load(&a->heard_ms) > began_ms)
		rc = 0;
	mutex_lock(&a->lock);
	is_root_lost = a->is_root_lost;
	mutex_unlock(&a->lock);
	return rc == 0 && is_root_lost ? look_at_root(a, cancel) : rc;
}

static int probe(struct availability *a, const struct cancel *cancel)
{
	int rc = ask(a, cancel);
	bool is_failure = raises_doubt(rc);
	bool is_change = false;

	mutex_lock(&a->lock);
	a->is_probing = false;
	if (rc == 0)
		is_change = set_online_locked(a);
	else if (is_failure && now_ms(a) >= a->retry_ms) /* not by the root */
		is_change = set_offline_locked(a, explain(rc));
	waitlist_wake(&a->changed);
	mutex_unlock(&a->lock);
	if (is_change)
		tell(a, rc == 0);
	return is_failure ? -EHOSTUNREACH : rc;
}

/* 0: the call may go, 1: its thread is to probe first; else its failure. */
static int admit_locked(struct availability *a, const struct cancel *cancel)
	REQUIRES(a->lock)
{
	while (a->verdict == DOUBTFUL && a->is_probing) {
		int rc = waitlist_wait(&a->changed, &a->lock, cancel, -1);

		if (rc < 0)
			return rc;
	}
	if (a->verdict == ONLINE)
		return 0;
	if (a->verdict == OFFLINE && (a->is_probing || now_ms(a) < a->retry_ms))
		return -EHOSTUNREACH;
	a->is_probing = true;
	return 1;
}

static int enter(struct availability *a, const struct cancel *cancel)
{
	int rc;

	mutex_lock(&a->lock);
	rc = admit_locked(a, cancel);
	mutex_unlock(&a->lock);
	return rc == 1 ? probe(a, cancel) : rc;
}

/* Every call ends here, with what it brought home. */
static int leave(struct availability *a, int rc)
{
	bool is_change = false;

	mutex_lock(&a->lock);
	if (is_an_answer(rc) && !a->is_root_lost)
		is_change = set_online_locked(a);
	else if (raises_doubt(rc) && a->verdict == ONLINE)
		a->verdict = DOUBTFUL;
	waitlist_wake(&a->changed);
	mutex_unlock(&a->lock);
	if (is_change)
		tell(a, true);
	return rc;
}

/* Transfers have limits that only count while they have a connection. Those
 * that must wait for one do it here, where they hear of a verdict, and not in
 * turns behind connections that are stuck. */
static int enter_transfer(struct availability *a, const struct cancel *cancel)
{
	for (;;) {
		bool is_in = false;
		int rc = enter(a, cancel);

		if (rc < 0)
			return rc;
		mutex_lock(&a->lock);
		if (a->verdict == ONLINE && a->transfers < TRANSFERS_MAX) {
			a->transfers++;
			is_in = true;
		} else if (a->verdict == ONLINE) {
			rc = waitlist_wait(&a->changed, &a->lock, cancel, -1);
		}
		mutex_unlock(&a->lock);
		if (is_in || rc < 0)
			return rc;
	}
}

static int leave_transfer(struct availability *a, int rc)
{
	mutex_lock(&a->lock);
	a->transfers--;
	mutex_unlock(&a->lock);
	return leave(a, rc);
}

/* --- remote.h ------------------------------------------------------------- */

static int availability_stat(struct remote *remote, const char *path,
	const struct cancel *cancel, struct entry *ret_entry)
{
	struct availability *a = availability_of(remote);
	int rc = enter(a, cancel);

	if (rc < 0)
		return rc;
	return leave(a, remote_stat(a->inner, path, cancel, ret_entry));
}

static int availability_list(struct remote *remote, const char *path,
	const struct cancel *cancel, GPtrArray **ret_entries,
	unsigned *ret_dropped)
{
	struct availability *a = availability_of(remote);
	int rc = enter(a, cancel);

	if (rc < 0)
		return rc;
	rc = leave(a,
		remote_list(a->inner, path, cancel, ret_entries, ret_dropped));
	if (*path != '\0')
		return rc == -ENOENT && lost_its_root(a, cancel) ? -EHOSTUNREACH
								 : rc;
	if (rc < 0)
		return judge_root(a, rc, 0);
	rc = judge_root(a, 0, (*ret_entries)->len + *ret_dropped);
	if (rc < 0)
		g_clear_pointer(ret_entries, g_ptr_array_unref);
	return rc;
}

struct listening {
	struct availability *availability;
	const struct remote_sink *sink;
};

static int hear(void *arg, const void *bytes, size_t length, int64_t offset)
{
	const struct listening *l = arg;

	atomic_store(&l->availability->heard_ms, now_ms(l->availability));
	return l->sink->write(l->sink->arg, bytes, length, offset);
}

static int availability_read(struct remote *remote, const char *path,
	int64_t offset, int64_t length, const struct remote_sink *sink,
	const struct cancel *cancel, struct remote_read_info *ret_info)
{
	struct availability *a = availability_of(remote);
	struct listening listening = { a, sink };
	const struct remote_sink own = { hear, &listening };
	int rc = enter_transfer(a, cancel);

	if (rc < 0)
		return rc;
	return leave_transfer(a, remote_read(a->inner, path, offset, length,
					 &own, cancel, ret_info));
}

/* --- many at once: over the helper's channel, not in a transfer's turn ----- */

/* How many of the root's names a plain listing of it shows at least: what later
 * ones are compared with. Those that it hides only prove that the disk is
 * there. */
static unsigned count_root(const GPtrArray *entries, unsigned dropped)
{
	unsigned shown = dropped;

	for (guint i = 0; i < entries->len; i++) {
		const struct entry *e = entries->pdata[i];

		shown += !name_may_be_unlisted(e->name, false);
	}
	return MAX(shown, entries->len > 0);
}

struct tree_listening {
	struct availability *availability;
	const struct remote_tree_sink *sink;
	int root_rc; /* the root was listed, and that is a fault */
};

static void hear_directory(void *arg, const char *path, GPtrArray *entries,
	unsigned dropped, uint64_t watch)
{
	struct tree_listening *l = arg;
	struct availability *a = l->availability;

	atomic_store(&a->heard_ms, now_ms(a));
	if (*path == '\0')
		l->root_rc = judge_root(a, 0, count_root(entries, dropped));
	if (l->root_rc == 0)
		l->sink->directory(l->sink->arg, path, entries, dropped, watch);
	else
		g_ptr_array_unref(entries);
}

static int availability_list_tree(struct remote *remote, const char *top,
	const char *after, unsigned entries_max,
	const struct remote_tree_sink *sink, const struct cancel *cancel,
	bool *ret_is_all)
{
	struct availability *a = availability_of(remote);
	struct tree_listening listening = { a, sink, 0 };
	const struct remote_tree_sink own = { hear_directory, &listening };
	int rc = enter(a, cancel);

	if (rc < 0)
		return rc;
	rc = remote_list_tree(
		a->inner, top, after, entries_max, &own, cancel, ret_is_all);
	if (listening.root_rc < 0)
		return listening.root_rc;
	rc = leave(a, rc);
	if (rc == -ENOENT && *top == '\0')
		return judge_root(a, rc, 0);
	return rc == -ENOENT && lost_its_root(a, cancel) ? -EHOSTUNREACH : rc;
}

struct many_listening {
	struct availability *availability;
	const struct remote_many_sink *sink;
};

static void hear_file(void *arg, unsigned index, int rc,
	const struct entry *version, const void *bytes, size_t length)
{
	const struct many_listening *l = arg;

	atomic_store(&l->availability->heard_ms, now_ms(l->availability));
	l->sink->file(l->sink->arg, index, rc, version, bytes, length);
}

static int availability_read_many(struct remote *remote,
	const char *const *paths, unsigned n_paths, int64_t bytes_max,
	const struct remote_many_sink *sink, const struct cancel *cancel)
{
	struct availability *a = availability_of(remote);
	struct many_listening listening = { a, sink };
	const struct remote_many_sink own = { hear_file, &listening };
	int rc = enter(a, cancel);

	if (rc < 0)
		return rc;
	return leave(a, remote_read_many(a->inner, paths, n_paths, bytes_max,
				&own, cancel));
}

/* --- changes -------------------------------------------------------------- */

static int availability_write(struct remote *remote, const char *path,
	const struct remote_source *source, const struct cancel *cancel,
	struct entry *ret_entry)
{
	struct availability *a = availability_of(remote);
	int rc = enter_transfer(a, cancel);

	if (rc < 0)
		return rc;
	return leave_transfer(
		a, remote_write(a->inner, path, source, cancel, ret_entry));
}

static int availability_replace(struct remote *remote, const char *path,
	const struct remote_change *change, const struct remote_source *source,
	const struct cancel *cancel, struct entry *ret_entry)
{
	struct availability *a = availability_of(remote);
	int rc = enter_transfer(a, cancel);

	if (rc < 0)
		return rc;
	return leave_transfer(a, remote_replace(a->inner, path, change, source,
					 cancel, ret_entry));
}

static int availability_mkdir(struct remote *remote, const char *path,
	const struct cancel *cancel, struct entry *ret_entry)
{
	struct availability *a = availability_of(remote);
	int rc = enter(a, cancel);

	if (rc < 0)
		return rc;
	return leave(a, remote_mkdir(a->inner, path, cancel, ret_entry));
}

static int availability_rename(struct remote *remote, const char *from,
	const char *to, const struct cancel *cancel, struct entry *ret_entry)
{
	struct availability *a = availability_of(remote);
	int rc = enter(a, cancel);

	if (rc < 0)
		return rc;
	rc = leave(a, remote_rename(a->inner, from, to, cancel, ret_entry));
	if (rc == 0)
		note_root_name_gone(a, from);
	return rc;
}

static int availability_remove(
	struct remote *remote, const char *path, const struct cancel *cancel)
{
	struct availability *a = availability_of(remote);
	int rc = enter(a, cancel);

	if (rc < 0)
		return rc;
	rc = leave(a, remote_remove(a->inner, path, cancel));
	if (rc == 0)
		note_root_name_gone(a, path);
	return rc;
}

static unsigned availability_capabilities(struct remote *remote)
{
	return remote_capabilities(availability_of(remote)->inner);
}

static void availability_free(struct remote *remote)
{
	struct availability *a = availability_of(remote);

	remote_free(a->inner);
	g_free(a->why);
	mutex_fini(&a->lock);
	g_free(a);
}

static int availability_probe_hidden(
	struct remote *remote, const struct cancel *cancel)
{
	struct availability *a = availability_of(remote);
	int rc = enter(a, cancel);

	if (rc < 0)
		return rc;
	return leave(a, remote_probe_hidden(a->inner, cancel));
}

static void availability_listen(
	struct remote *remote, const struct remote_listener *listener)
{
	remote_listen(availability_of(remote)->inner, listener);
}

static int availability_setattr(struct remote *remote, const char *path,
	const struct entry *or_base, const struct remote_attr *attr,
	const struct cancel *cancel, struct entry *ret_entry)
{
	struct availability *a = availability_of(remote);
	int rc = enter(a, cancel);

	if (rc < 0)
		return rc;
	return leave(a, remote_setattr(a->inner, path, or_base, attr, cancel,
				ret_entry));
}

static void availability_rely(struct remote *remote)
{
	remote_rely(availability_of(remote)->inner);
}

/* --- what POSIX has besides ----------------------------------------------- */

/* Is asked all the time, and by who must not wait: it neither looks for the
 * server nor tells of it. */
static int availability_volume(struct remote *remote,
	const struct cancel *cancel, struct remote_volume *ret)
{
	return remote_volume(availability_of(remote)->inner, cancel, ret);
}

static int availability_move(struct remote *remote, const char *from,
	const char *to, enum remote_how how, const struct cancel *cancel,
	struct entry *ret_to, struct entry *ret_from)
{
	struct availability *a = availability_of(remote);
	int rc = enter(a, cancel);

	if (rc < 0)
		return rc;
	return leave(a,
		remote_move(a->inner, from, to, how, cancel, ret_to, ret_from));
}

static int availability_link(struct remote *remote, const char *from,
	const char *to, const struct cancel *cancel, struct entry *ret_to,
	struct entry *ret_from)
{
	struct availability *a = availability_of(remote);
	int rc = enter(a, cancel);

	if (rc < 0)
		return rc;
	return leave(
		a, remote_link(a->inner, from, to, cancel, ret_to, ret_from));
}

static int availability_xattrs(struct remote *remote, const char *directory,
	const struct cancel *cancel, GHashTable **ret, bool *ret_is_all)
{
	struct availability *a = availability_of(remote);
	int rc = enter(a, cancel);

	if (rc < 0)
		return rc;
	return leave(
		a, remote_xattrs(a->inner, directory, cancel, ret, ret_is_all));
}

static int availability_getxattr(struct remote *remote, const char *path,
	const char *name, const struct cancel *cancel, GBytes **ret)
{
	struct availability *a = availability_of(remote);
	int rc = enter(a, cancel);

	if (rc < 0)
		return rc;
	return leave(a, remote_getxattr(a->inner, path, name, cancel, ret));
}

static int availability_setxattr(struct remote *remote, const char *path,
	const char *name, GBytes *value, int flags, const struct cancel *cancel)
{
	struct availability *a = availability_of(remote);
	int rc = enter(a, cancel);

	if (rc < 0)
		return rc;
	return leave(
		a, remote_setxattr(a->inner, path, name, value, flags, cancel));
}

static const struct remote_ops availability_ops = {
	.stat = availability_stat,
	.list = availability_list,
	.read = availability_read,
	.write = availability_write,
	.mkdir = availability_mkdir,
	.rename = availability_rename,
	.remove = availability_remove,
	.capabilities = availability_capabilities,
	.probe_hidden = availability_probe_hidden,
	.replace = availability_replace,
	.listen = availability_listen,
	.rely = availability_rely,
	.setattr = availability_setattr,
	.list_tree = availability_list_tree,
	.read_many = availability_read_many,
	.free = availability_free,
	.volume = availability_volume,
	.move = availability_move,
	.link = availability_link,
	.xattrs = availability_xattrs,
	.getxattr = availability_getxattr,
	.setxattr = availability_setxattr,
};

struct remote *availability_new(
	struct remote *inner, const struct availability_params *params)
{
	struct availability *a = g_new0(struct availability, 1);

	a->base.ops = &availability_ops;
	a->inner = inner;
	a->params = *params;
	atomic_init(&a->heard_ms, 0);
	mutex_init(&a->lock);
	a->verdict = ONLINE;
	(void)clock_gettime(CLOCK_REALTIME, &a->since);
	return &a->base;
}
