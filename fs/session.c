/* session.c - see session.h. */
#include "config.h"

#include "session.h"

#include "attr_cache.h"
#include "cache.h"
#include "cancel.h"
#include "conflict.h"
#include "content.h"
#include "dir.h"
#include "dirty_set.h"
#include "events.h"
#include "fs_limits.h"
#include "handle_table.h"
#include "late_remote.h"
#include "local.h"
#include "node_table.h"
#include "notifier.h"
#include "overlay.h"
#include "path_gate.h"
#include "prefetch.h"
#include "run_table.h"
#include "spool.h"
#include "transfer.h"
#include "tree.h"
#include "volume.h"
#include "watch.h"
#include "workers.h"
#include "writeback.h"
#include "xattr.h"

int session_new(const struct session_params *p, struct session **ret)
{
	struct session *s = g_new0(struct session, 1);
	int rc;

	s->options = p->options;
	s->late = late_remote_new(p->remote);
	s->remote = late_remote_of(s->late);
	s->executor = p->executor;
	s->state = p->state;
	s->cache_fd = p->cache_fd;
	s->spool = spool_new(p->spool_fd);
	s->names_fd = p->names_fd;
	s->runs_fd = p->runs_fd;
	s->describe = p->describe;
	s->describe_arg = p->describe_arg;
	s->tell_left = p->tell_left;
	s->tell_left_arg = p->tell_left_arg;
	(void)clock_gettime(CLOCK_REALTIME, &s->mounted_at);
	s->attrs = attr_cache_new();
	s->cache = cache_new(p->cache_fd, p->options.cache_bytes,
		p->keeps_cache ? p->state : NULL);
	s->conflicts = conflicts_new(s->state);
	s->events = events_new();
	s->handles = handle_table_new();
	(void)node_table_new(&dir_ops, &s->nodes);
	s->dirty = dirty_set_new(s->nodes);
	s->local = local_new(s);
	s->overlay = overlay_new(s->state);
	s->gate = path_gate_new();
	s->prefetch = prefetch_new(s);
	s->runs = run_table_new(s);
	s->tree = tree_new(s->remote, s->attrs);
	s->volume = volume_new(s->remote);
	s->watch = watch_new(s);
	s->xattrs = xattrs_new();
	rc = workers_new(WORKER_THREADS, WORKER_QUEUE_MAX, &s->workers);
	if (rc == 0)
		rc = writeback_new(s, &s->writeback);
	if (rc < 0) {
		session_free(s);
		return rc;
	}
	*ret = s;
	return 0;
}

/* A mount that was torn off (fusermount -z, an aborted connection) leaves open
 * what it had open: its conversations hold runs, whose callbacks use the
 * session. Nobody waits for anything any more. */
static void release_handles(struct session *s)
{
	struct request r = { .operation = "release", .session = s };
	struct handle *h;

	cancel_init(&r.cancel, 0);
	cancel_fire(&r.cancel);
	while ((h = handle_table_any(s->handles)) != NULL) {
		h->node->ops->release(&r, h);
		node_table_unref(s->nodes, handle_table_close(s->handles, h));
	}
	cancel_fini(&r.cancel);
}

void session_free(struct session *s)
{
	if (s == NULL)
		return;
	watch_stop(s->watch);
	release_handles(s);
	writeback_free(s->writeback);
	run_table_free(s->runs);  /* its callbacks use the rest */
	workers_free(s->workers); /* and so do its jobs */
	/* Its thread is the last that may find the server back, and hurry. */
	late_remote_free(s->late);
	watch_free(s->watch);
	volume_free(s->volume);
	xattrs_free(s->xattrs);
	tree_free(s->tree);
	prefetch_free(s->prefetch);
	path_gate_free(s->gate);
	overlay_free(s->overlay);
	local_free(s->local);
	handle_table_free(s->handles);
	events_free(s->events);
	dirty_set_free(s->dirty);
	node_table_free(s->nodes); /* with its contents and their logs */
	spool_free(s->spool);
	cache_free(s->cache);
	conflicts_free(s->conflicts);
	attr_cache_free(s->attrs);
	g_free(s);
}

void session_hurry(struct session *s)
{
	dirty_set_hurry(s->dirty, false);
}

void session_left(struct session *s, unsigned *ret_files, int64_t *ret_bytes)
{
	GPtrArray *nodes = dirty_set_nodes(s->dirty);

	*ret_files = 0;
	*ret_bytes = 0;
	for (guint i = 0; i < nodes->len; i++) {
		struct node *n = nodes->pdata[i];

		if (!node_table_was_removed(s->nodes, n)) {
			++*ret_files;
			*ret_bytes += content_size(n->content);
		}
		node_table_unref(s->nodes, n);
	}
	g_ptr_array_unref(nodes);
}

static void tell_left(struct session *s)
{
	unsigned files;
	int64_t bytes;

	if (s->tell_left == NULL)
		return;
	session_left(s, &files, &bytes);
	s->tell_left(s->tell_left_arg, files, bytes);
}

/* In slices, so that who waits hears how far it is. */
static void flush_telling(struct session *s, const struct cancel *cancel)
{
	struct cancel slice;
	int rc;

	dirty_set_hurry(s->dirty, true);
	do {
		tell_left(s);
		cancel_init(&slice, DRAIN_TELL_MS);
		rc = dirty_set_wait_idle(s->dirty, &slice);
		cancel_fini(&slice);
	} while (rc < 0 && cancel_check(cancel) == 0);
}

unsigned session_drain(struct session *s)
{
	struct cancel cancel;
	unsigned kept;

	cancel_init(&cancel, DRAIN_MS);
	flush_telling(s, &cancel);
	(void)late_remote_settle(s->late, &cancel);
	cancel_fini(&cancel);
	kept = transfer_keep_all(s);
	tell_left(s);
	return kept;
}

void session_drop_beliefs(struct session *s)
{
	GPtrArray *nodes;

	attr_cache_expire(s->attrs);
	if (s->notifier == NULL)
		return;
	nodes = node_table_all(s->nodes);
	for (guint i = 0; i < nodes->len; i++) {
		struct node *n = nodes->pdata[i];

		notifier_invalidate_attr(s->notifier, n->ino);
		node_table_unref(s->nodes, n);
	}
	g_ptr_array_unref(nodes);
	(void)notifier_wait(s->notifier, NULL, NOTIFY_WAIT_MS);
}
