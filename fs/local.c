/* local.c - see local.h. */
#include "config.h"

#include "local.h"

#include "attr_cache.h"
#include "local_names.h"
#include "local_node.h"
#include "log.h"
#include "mutex.h"
#include "name_policy.h"
#include "names.h"
#include "request.h"
#include "session.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* What the state remembers of the server. */
#define HIDDEN_FACT    "hidden"
#define HIDDEN_ALLOWED "allowed"
#define HIDDEN_REFUSED "refused"

struct opened {
	uint64_t ino;
	int fd; /* owned */
	unsigned count;
	bool has_left;
};

struct local {
	struct local_names *names;
	struct name_policy *policy;

	struct mutex lock;
	/* guarded by lock */
	GHashTable *opened; /* &ino -> struct opened * */
	bool is_untold;	    /* the server cannot be asked about dot names */
	bool has_said;	    /* that they stay here */
};

static void free_opened(gpointer opened)
{
	struct opened *o = opened;

	(void)close(o->fd);
	g_free(o);
}

struct local *local_new(struct session *s)
{
	struct local *l = g_new0(struct local, 1);

	l->names = local_names_new(s->names_fd);
	l->policy = name_policy_new(s->options.overlay_patterns);
	mutex_init(&l->lock);
	l->opened = g_hash_table_new_full(
		g_int64_hash, g_int64_equal, NULL, free_opened);
	return l;
}

void local_free(struct local *l)
{
	if (l == NULL)
		return;
	g_hash_table_destroy(l->opened);
	mutex_fini(&l->lock);
	name_policy_free(l->policy);
	local_names_free(l->names);
	g_free(l);
}

struct local_names *local_names(struct session *s)
{
	return s->local->names;
}

/* --- dot names ------------------------------------------------------------ */

enum hidden {
	HIDDEN_UNKNOWN,
	HIDDEN_NATIVE,
	HIDDEN_KEPT
};

static enum hidden hidden_now(struct session *s)
{
	unsigned can = remote_capabilities(s->remote);

	if ((can & REMOTE_CAN_HIDDEN) != 0)
		return HIDDEN_NATIVE;
	return (can & REMOTE_NO_HIDDEN) != 0 ? HIDDEN_KEPT : HIDDEN_UNKNOWN;
}

static enum hidden hidden_before(struct session *s)
{
	g_autofree char *fact = NULL;

	if (state_fact_get(s->state, HIDDEN_FACT, &fact) < 0)
		return HIDDEN_UNKNOWN;
	return strcmp(fact, HIDDEN_REFUSED) == 0 ? HIDDEN_KEPT : HIDDEN_NATIVE;
}

static bool is_untold(struct local *l)
{
	bool is;

	mutex_lock(&l->lock);
	is = l->is_untold;
	mutex_unlock(&l->lock);
	return is;
}

static int find_out(
	struct session *s, const struct cancel *cancel, enum hidden *ret)
{
	int rc = remote_probe_hidden(s->remote, cancel);

	*ret = hidden_now(s);
	if (rc == 0 && *ret != HIDDEN_UNKNOWN) {
		(void)state_fact_set(s->state, HIDDEN_FACT,
			*ret == HIDDEN_KEPT ? HIDDEN_REFUSED : HIDDEN_ALLOWED);
		return 0;
	}
	if (rc == -EOPNOTSUPP) {
		mutex_lock(&s->local->lock);
		s->local->is_untold = true;
		mutex_unlock(&s->local->lock);
		return 0;
	}
	if (rc == -EINTR)
		return rc;
	*ret = hidden_before(s);
	return *ret == HIDDEN_UNKNOWN ? rc : 0;
}

static void say_once(struct session *s, const char *name)
{
	bool is_first;

	mutex_lock(&s->local->lock);
	is_first = !s->local->has_said;
	s->local->has_said = true;
	mutex_unlock(&s->local->lock);
	if (is_first)
		log_warning("names that begin with a dot, such as '%s', stay "
			    "on this computer: the server refuses them",
			name);
}

/* Of a dot name that does not stand here. */
static int dot_side(struct request *r, enum local_side *ret)
{
	struct session *s = r->session;
	enum hidden hidden = hidden_now(s);
	int rc = 0;

	if (hidden == HIDDEN_UNKNOWN && !is_untold(s->local))
		rc = find_out(s, &r->cancel, &hidden);
	*ret = SIDE_SERVER;
	if (hidden == HIDDEN_KEPT)
		*ret = s->options.refuses_hidden ? SIDE_REFUSED : SIDE_KEPT;
	return rc;
}

const char *local_hidden_text(struct session *s)
{
	switch (hidden_now(s)) {
	case HIDDEN_NATIVE:
		return "native";
	case HIDDEN_KEPT:
		return s->options.refuses_hidden ? "refused" : "kept here";
	case HIDDEN_UNKNOWN:
	default:
		return "unknown";
	}
}

/* --- sides ---------------------------------------------------------------- */

/* The server has it, as far as we know. */
static bool is_servers(
	struct session *s, const char *dir_path, const char *name)
{
	struct entry entry;

	if (attr_cache_lookup(s->attrs, dir_path, name, INT64_MAX, &entry,
		    NULL) != ATTR_PRESENT)
		return false;
	entry_clear(&entry);
	return true;
}

int local_find_new_side(struct request *r, struct node *dir,
	const char *dir_path, const char *name, int open_flags,
	enum local_side *ret_side)
{
	struct session *s = r->session;
	bool is_kept =
		name_policy_keeps_new(s->local->policy, name, open_flags);
	int rc = 0;

	if (dir->ops == &local_dir_ops)
		*ret_side = SIDE_KEPT;
	else if ((!is_kept && name[0] != '.') || is_servers(s, dir_path, name))
		*ret_side = SIDE_SERVER;
	else if (is_kept)
		*ret_side = SIDE_KEPT;
	else
		rc = dot_side(r, ret_side);
	if (rc == 0 && !is_kept && name[0] == '.' && open_flags != 0 &&
		*ret_side == SIDE_KEPT && dir->ops != &local_dir_ops)
		say_once(s, name);
	return rc;
}

int local_find_side(struct request *r, struct node *dir, const char *dir_path,
	const char *name, int open_flags, enum local_side *ret_side)
{
	g_autofree char *path = path_join(dir_path, name);
	struct stat st;

	if (local_names_stat(r->session->local->names, path, &st) < 0)
		return local_find_new_side(
			r, dir, dir_path, name, open_flags, ret_side);
	*ret_side = SIDE_HERE;
	return 0;
}

bool local_is_editors(struct session *s, const char *name)
{
	return name_policy_keeps(s->local->policy, name);
}

int local_has_names(struct session *s, const char *path)
{
	return local_names_any(s->local->names, path);
}

/* --- what is open --------------------------------------------------------- */

void local_opened(struct session *s, struct node *n, int fd)
{
	struct local *l = s->local;
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct opened *o;

	mutex_lock(&l->lock);
	o = g_hash_table_lookup(l->opened, &n->ino);
	if (o == NULL) {
		o = g_new0(struct opened, 1);
		o->ino = n->ino;
		o->fd = own;
		own = -1;
		g_hash_table_insert(l->opened, &o->ino, o);
	}
	o->count++;
	mutex_unlock(&l->lock);
	if (own >= 0)
		(void)close(own);
}

void local_closed(struct session *s, struct node *n)
{
	struct local *l = s->local;
	struct opened *o;

	mutex_lock(&l->lock);
	o = g_hash_table_lookup(l->opened, &n->ino);
	if (o != NULL && --o->count == 0)
		(void)g_hash_table_remove(l->opened, &n->ino);
	mutex_unlock(&l->lock);
}

int local_open_fd(struct session *s, struct node *n)
{
	struct local *l = s->local;
	const struct opened *o;
	int fd = -ESTALE;

	mutex_lock(&l->lock);
	o = g_hash_table_lookup(l->opened, &n->ino);
	if (o != NULL) {
		fd = fcntl(o->fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			fd = -errno;
	}
	mutex_unlock(&l->lock);
	return fd;
}

void local_left(struct session *s, struct node *n)
{
	struct opened *o;

	mutex_lock(&s->local->lock);
	o = g_hash_table_lookup(s->local->opened, &n->ino);
	if (o != NULL)
		o->has_left = true;
	mutex_unlock(&s->local->lock);
}

bool local_has_left(struct session *s, struct node *n)
{
	const struct opened *o;
	bool has_left;

	mutex_lock(&s->local->lock);
	o = g_hash_table_lookup(s->local->opened, &n->ino);
	has_left = o != NULL && o->has_left;
	mutex_unlock(&s->local->lock);
	return has_left;
}
