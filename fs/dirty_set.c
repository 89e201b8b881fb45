/* dirty_set.c - see dirty_set.h. */
#include "config.h"

#include "dirty_set.h"

#include "content.h"
#include "fs_limits.h"
#include "mutex.h"
#include "node_table.h"
#include "waitlist.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

struct item {
	struct node *node;
	struct dirty_info info;
	int64_t due_ms;	     /* 0: not due */
	int64_t unsynced_ms; /* since when; 0: nothing to sync */
	bool is_busy;
};

struct dirty_set {
	struct node_table *nodes;

	struct mutex lock;
	/* guarded by lock */
	GHashTable *items; /* node -> struct item *; each with a ref */
	unsigned busy;
	bool is_ending;
	bool is_forced;
	/* When the thread that keeps the time will look again; the others
	 * sleep until they are signalled. INT64_MAX: nobody keeps it. */
	int64_t timer_ms;
	pthread_cond_t work;
	struct waitlist idle; /* of dirty_set_wait_idle() */
};

struct dirty_set *dirty_set_new(struct node_table *nodes)
{
	struct dirty_set *s = g_new0(struct dirty_set, 1);
	pthread_condattr_t attributes;

	mutex_init(&s->lock);
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->work, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	s->timer_ms = INT64_MAX;
	s->nodes = nodes;
	s->items = g_hash_table_new_full(
		g_direct_hash, g_direct_equal, NULL, g_free);
	return s;
}

void dirty_set_free(struct dirty_set *s)
{
	if (s == NULL)
		return;
	g_hash_table_destroy(s->items);
	(void)pthread_cond_destroy(&s->work);
	mutex_fini(&s->lock);
	g_free(s);
}

static struct item *find_locked(struct dirty_set *s, struct node *n)
	REQUIRES(s->lock)
{
	return g_hash_table_lookup(s->items, n);
}

/* There will be something to do at that time. Saves come and go by the
 * thousand: nobody is woken who would look at that time anyway. */
static void expect_locked(struct dirty_set *s, int64_t at_ms) REQUIRES(s->lock)
{
	if (at_ms < s->timer_ms)
		(void)pthread_cond_signal(&s->work);
}

static void set_due_locked(struct dirty_set *s, struct item *item,
	int64_t due_ms) REQUIRES(s->lock)
{
	item->due_ms = due_ms;
	expect_locked(s, due_ms);
}

void dirty_set_add(struct dirty_set *s, struct node *n)
{
	struct item *item;
	bool is_new;

	node_table_ref(s->nodes, n);
	mutex_lock(&s->lock);
	item = find_locked(s, n);
	is_new = item == NULL;
	if (is_new) {
		item = g_new0(struct item, 1);
		item->node = n;
		g_hash_table_insert(s->items, n, item);
	}
	if (item->unsynced_ms == 0) {
		item->unsynced_ms = clock_now_ms();
		expect_locked(s, item->unsynced_ms + SPOOL_SYNC_MS);
	}
	mutex_unlock(&s->lock);
	if (!is_new)
		node_table_unref(s->nodes, n);
}

/* A write that came between makes it dirty again and puts it back. */
void dirty_set_settle(struct dirty_set *s, struct node *n)
{
	bool was_there = false;

	mutex_lock(&s->lock);
	if (!content_is_dirty(n->content)) {
		was_there = g_hash_table_remove(s->items, n);
		waitlist_wake(&s->idle);
	}
	mutex_unlock(&s->lock);
	if (was_there)
		node_table_unref(s->nodes, n);
}

/* What the network did may be over soon; what the server said no to may be
 * true for long. */
static int64_t retry_delay(unsigned attempts, int error)
{
	int64_t first = RETRY_REFUSED_MS;
	unsigned doublings = MIN(attempts > 0 ? attempts - 1 : 0, 6);

	switch (-error) {
	case EHOSTUNREACH:
	case ECONNREFUSED:
	case ECONNRESET:
	case ETIMEDOUT:
	case EINTR:
	case EIO:
	case EBUSY:
	case EAGAIN:
	case EPROTO:
		first = RETRY_FAULT_MS;
		break;
	default:
		break;
	}
	return MIN(first << doublings, first == RETRY_FAULT_MS
					       ? RETRY_FAULT_MAX_MS
					       : RETRY_REFUSED_MAX_MS);
}

void dirty_set_failed(struct dirty_set *s, struct node *n, int error)
{
	struct item *item;

	mutex_lock(&s->lock);
	item = find_locked(s, n);
	if (item != NULL) {
		item->info.attempts++;
		item->info.last_error = error;
		set_due_locked(s, item,
			clock_now_ms() +
				retry_delay(item->info.attempts, error));
	}
	mutex_unlock(&s->lock);
}

void dirty_set_schedule(struct dirty_set *s, struct node *n, int64_t delay_ms)
{
	int64_t due_ms = clock_now_ms() + delay_ms;
	struct item *item;

	mutex_lock(&s->lock);
	item = find_locked(s, n);
	if (item != NULL && (item->due_ms == 0 || item->due_ms > due_ms))
		set_due_locked(s, item, due_ms);
	mutex_unlock(&s->lock);
}

static bool may_upload_locked(struct dirty_set *s, const struct item *item)
	REQUIRES(s->lock)
{
	return s->is_forced || content_may_upload_late(item->node->content);
}

void dirty_set_hurry(struct dirty_set *s, bool all)
{
	GHashTableIter iter;
	gpointer value;

	mutex_lock(&s->lock);
	s->is_forced |= all;
	g_hash_table_iter_init(&iter, s->items);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct item *item = value;

		if (item->due_ms != 0 || may_upload_locked(s, item))
			item->due_ms = 1;
	}
	(void)pthread_cond_broadcast(&s->work);
	mutex_unlock(&s->lock);
}

GPtrArray *dirty_set_nodes(struct dirty_set *s)
{
	GPtrArray *nodes = g_ptr_array_new();
	GHashTableIter iter;
	gpointer node;

	mutex_lock(&s->lock);
	g_hash_table_iter_init(&iter, s->items);
	while (g_hash_table_iter_next(&iter, &node, NULL))
		g_ptr_array_add(nodes, node);
	/* Within the lock: the set's own refs keep them alive until here. */
	for (guint i = 0; i < nodes->len; i++)
		node_table_ref(s->nodes, nodes->pdata[i]);
	mutex_unlock(&s->lock);
	return nodes;
}

unsigned dirty_set_count(struct dirty_set *s)
{
	unsigned count;

	mutex_lock(&s->lock);
	count = g_hash_table_size(s->items);
	mutex_unlock(&s->lock);
	return count;
}

bool dirty_set_info(
	struct dirty_set *s, struct node *n, struct dirty_info *ret_info)
{
	struct item *item;

	mutex_lock(&s->lock);
	item = find_locked(s, n);
	if (item != NULL)
		*ret_info = item->info;
	mutex_unlock(&s->lock);
	return item != NULL;
}

/* --- duties --------------------------------------------------------------- */

/* What is due by now; else *next_ms is when something will be. */
static enum dirty_duty look_locked(struct dirty_set *s, struct item **ret_item,
	int64_t *next_ms) REQUIRES(s->lock)
{
	int64_t now = clock_now_ms();
	GHashTableIter iter;
	gpointer value;

	*next_ms = INT64_MAX;
	g_hash_table_iter_init(&iter, s->items);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct item *item = value;

		*ret_item = item;
		if (item->is_busy)
			continue;
		if (item->due_ms != 0 && item->due_ms <= now) {
			if (may_upload_locked(s, item))
				return DUTY_UPLOAD;
			/* Its program will flush it. */
			item->due_ms = 0;
			waitlist_wake(&s->idle);
		}
		if (item->unsynced_ms != 0 &&
			item->unsynced_ms + SPOOL_SYNC_MS <= now)
			return DUTY_SYNC;
		if (item->due_ms != 0)
			*next_ms = MIN(*next_ms, item->due_ms);
		if (item->unsynced_ms != 0)
			*next_ms = MIN(
				*next_ms, item->unsynced_ms + SPOOL_SYNC_MS);
	}
	return DUTY_END;
}

static void take_locked(struct dirty_set *s, struct item *item,
	enum dirty_duty duty) REQUIRES(s->lock)
{
	item->is_busy = true;
	s->busy++;
	if (duty == DUTY_UPLOAD)
		item->due_ms = 0;
	else
		item->unsynced_ms = 0;
}

/* Until something is signalled, or as the one who keeps the time until next_ms.
 * That is of CLOCK_BOOTTIME, which condition variables do not know: a sleeping
 * computer makes it late, not wrong. */
static void sleep_locked(struct dirty_set *s, int64_t next_ms) REQUIRES(s->lock)
{
	struct timespec until;
	int64_t left_ms;

	if (next_ms >= s->timer_ms) {
		(void)pthread_cond_wait(&s->work, &s->lock.raw);
		return;
	}
	left_ms = MAX(next_ms - clock_now_ms(), 1);
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += left_ms / 1000;
	until.tv_nsec += left_ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	s->timer_ms = next_ms;
	(void)pthread_cond_timedwait(&s->work, &s->lock.raw, &until);
	s->timer_ms = INT64_MAX;
}

enum dirty_duty dirty_set_wait(struct dirty_set *s, struct node **ret_node)
{
	enum dirty_duty duty = DUTY_END;
	struct item *item = NULL;
	int64_t next_ms;

	mutex_lock(&s->lock);
	while (!s->is_ending) {
		duty = look_locked(s, &item, &next_ms);
		if (duty != DUTY_END)
			break;
		sleep_locked(s, next_ms);
	}
	if (s->is_ending)
		duty = DUTY_END;
	if (duty != DUTY_END) {
		take_locked(s, item, duty);
		*ret_node = item->node;
		node_table_ref(s->nodes, item->node);
		/* There may be more, and a time to be kept. */
		(void)pthread_cond_signal(&s->work);
	}
	mutex_unlock(&s->lock);
	return duty;
}

void dirty_set_done(struct dirty_set *s, struct node *n)
{
	struct item *item;

	mutex_lock(&s->lock);
	s->busy--;
	item = find_locked(s, n);
	if (item != NULL)
		item->is_busy = false;
	(void)pthread_cond_signal(&s->work);
	waitlist_wake(&s->idle);
	mutex_unlock(&s->lock);
	node_table_unref(s->nodes, n);
}

void dirty_set_end(struct dirty_set *s)
{
	mutex_lock(&s->lock);
	s->is_ending = true;
	(void)pthread_cond_broadcast(&s->work);
	mutex_unlock(&s->lock);
}

static bool is_idle_locked(struct dirty_set *s) REQUIRES(s->lock)
{
	int64_t now = clock_now_ms();
	GHashTableIter iter;
	gpointer value;

	if (s->busy > 0)
		return false;
	g_hash_table_iter_init(&iter, s->items);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct item *item = value;

		if (item->due_ms != 0 && item->due_ms <= now)
			return false;
	}
	return true;
}

int dirty_set_wait_idle(struct dirty_set *s, const struct cancel *cancel)
{
	int rc = 0;

	mutex_lock(&s->lock);
	while (rc == 0 && !is_idle_locked(s))
		rc = waitlist_wait(&s->idle, &s->lock, cancel, -1);
	mutex_unlock(&s->lock);
	return rc;
}
