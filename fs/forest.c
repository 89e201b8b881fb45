/* forest.c - see forest.h: names, going in, and what is mounted. */
#include "config.h"

#include "forest.h"

#include "forest_private.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void forest_item_free(gpointer p)
{
	struct forest_item *item = p;

	g_free(item->name);
	g_free(item->sentence);
	g_free(item);
}

int forest_start_thread(void *(*function)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	error = pthread_create(&thread, &attr, function, arg);
	(void)pthread_attr_destroy(&attr);
	return -error;
}

/* --- the table ------------------------------------------------------------ */

static void place_free(gpointer arg)
{
	struct place *p = arg;

	if (p->hold_fd >= 0)
		(void)close(p->hold_fd);
	g_free(p->name);
	g_free(p->sentence);
	g_free(p->said);
	g_free(p->why);
	g_free(p);
}

struct place *forest_place_locked(struct forest *f, const char *name)
{
	return g_hash_table_lookup(f->by_name, name);
}

struct place *forest_place_made_locked(struct forest *f, const char *name)
{
	struct place *p = forest_place_locked(f, name);

	if (p != NULL || f->places->len >= FOREST_PLACES_MAX)
		return p;
	p = g_new0(struct place, 1);
	p->forest = f;
	p->name = g_strdup(name);
	p->ino = FOREST_FIRST_INO + f->places->len;
	p->hold_fd = -1;
	(void)clock_gettime(CLOCK_REALTIME, &p->created);
	g_ptr_array_add(f->places, p);
	g_hash_table_insert(f->by_name, p->name, p);
	return p;
}

static struct place *place_of_locked(struct forest *f, uint64_t ino)
	REQUIRES(f->lock)
{
	if (ino < FOREST_FIRST_INO || ino - FOREST_FIRST_INO >= f->places->len)
		return NULL;
	return g_ptr_array_index(f->places, ino - FOREST_FIRST_INO);
}

struct forest *forest_new(const struct forest_params *params)
{
	struct forest *f = g_new0(struct forest, 1);

	f->params = *params;
	f->ops = params->ops;
	mutex_init(&f->lock);
	f->by_name = g_hash_table_new(g_str_hash, g_str_equal);
	f->places = g_ptr_array_new_with_free_func(place_free);
	f->keepers = g_ptr_array_new();
	return f;
}

void forest_free(struct forest *f)
{
	if (f == NULL)
		return;
	g_hash_table_unref(f->by_name);
	g_ptr_array_unref(f->places);
	g_ptr_array_unref(f->keepers);
	g_free(f->list_why);
	mutex_fini(&f->lock);
	g_free(f);
}

bool forest_stat(struct forest *f, uint64_t ino, struct timespec *ret_created)
{
	struct place *p;

	mutex_lock(&f->lock);
	p = place_of_locked(f, ino);
	if (p != NULL)
		*ret_created = p->created;
	mutex_unlock(&f->lock);
	return p != NULL;
}

const char *forest_name_of(struct forest *f, uint64_t ino)
{
	struct place *p;

	mutex_lock(&f->lock);
	p = place_of_locked(f, ino);
	mutex_unlock(&f->lock);
	return p == NULL ? NULL : p->name;
}

bool forest_is_starting(struct forest *f, uint64_t ino)
{
	struct place *p;
	bool is_starting;

	mutex_lock(&f->lock);
	p = place_of_locked(f, ino);
	is_starting = p != NULL && p->state == PLACE_STARTING;
	mutex_unlock(&f->lock);
	return is_starting;
}

/* --- looking after a mount ------------------------------------------------ */

static void say(void *arg, const char *line)
{
	struct keeper *k = arg;
	struct place *p = k->place;

	mutex_lock(&p->forest->lock);
	if (p->generation == k->generation) {
		g_free(p->said);
		p->said = g_strdup(line);
	}
	mutex_unlock(&p->forest->lock);
}

/* The start is over, one way or the other. */
static void settle(struct keeper *k, int rc, char *why)
{
	struct place *p = k->place;
	struct forest *f = p->forest;
	int hold_fd = -1;

	mutex_lock(&f->lock);
	if (p->generation == k->generation) {
		p->state = rc == 0 ? PLACE_MOUNTED : PLACE_PLAIN;
		p->failed_rc = rc;
		p->failed_until_ms = clock_now_ms() + FOREST_FAILURE_MS;
		g_free(p->why);
		p->why = g_steal_pointer(&why);
		hold_fd = p->hold_fd;
		p->hold_fd = -1;
		waitlist_wake(&f->changed);
	}
	mutex_unlock(&f->lock);
	g_free(why);
	if (hold_fd >= 0)
		(void)close(hold_fd);
}

/* Is not mounted any more. */
static void leave(struct keeper *k)
{
	struct place *p = k->place;
	struct forest *f = p->forest;

	mutex_lock(&f->lock);
	if (p->generation == k->generation && p->state == PLACE_MOUNTED)
		p->state = PLACE_PLAIN;
	g_ptr_array_remove_fast(f->keepers, k);
	waitlist_wake(&f->changed);
	mutex_unlock(&f->lock);
	cancel_fini(&k->cancel);
	g_free(k);
}

static void *keep(void *arg)
{
	struct keeper *k = arg;
	struct forest *f = k->place->forest;
	const char *name = k->place->name;
	void *mounted = NULL;
	char *why = NULL;
	int rc = f->ops->mount(
		f->params.arg, name, say, k, &k->cancel, &mounted, &why);

	if (rc < 0)
		log_warning(
			"%s: %s", name, why != NULL ? why : g_strerror(-rc));
	settle(k, rc, why);
	if (rc == 0) {
		k->cancel.deadline_ms = 0;
		f->ops->attend(f->params.arg, mounted, &k->cancel);
	}
	leave(k);
	return NULL;
}

static int start_keeper(struct place *p, uint64_t generation)
{
	struct forest *f = p->forest;
	struct keeper *k = g_new0(struct keeper, 1);
	bool is_ending;
	int rc;

	k->place = p;
	k->generation = generation;
	cancel_init(&k->cancel, f->params.mount_timeout_ms);
	mutex_lock(&f->lock);
	is_ending = f->is_ending;
	if (!is_ending)
		g_ptr_array_add(f->keepers, k);
	mutex_unlock(&f->lock);
	rc = is_ending ? -EHOSTUNREACH : forest_start_thread(keep, k);
	if (rc < 0) {
		settle(k, rc, g_strdup(g_strerror(-rc)));
		leave(k);
	}
	return rc;
}

/* --- going in ------------------------------------------------------------- */

static bool expect_locked(struct place *p, pid_t thread)
{
	int64_t now_ms = clock_now_ms();

	for (size_t i = 0; i < G_N_ELEMENTS(p->returning); i++) {
		struct returning *r = &p->returning[i];

		if (r->until_ms > now_ms && r->thread != thread)
			continue;
		*r = (struct returning){ thread, now_ms + FOREST_RETURN_MS };
		return true;
	}
	return false;
}

/* The program comes back, as it was told to. */
static bool take_expected_locked(struct place *p, pid_t thread)
{
	int64_t now_ms = clock_now_ms();

	for (size_t i = 0; i < G_N_ELEMENTS(p->returning); i++) {
		struct returning *r = &p->returning[i];

		if (r->until_ms <= now_ms || r->thread != thread)
			continue;
		*r = (struct returning){ 0 };
		return true;
	}
	return false;
}

static void begin_locked(struct place *p)
{
	p->state = PLACE_STARTING;
	p->generation++;
	g_clear_pointer(&p->said, g_free);
	g_clear_pointer(&p->why, g_free);
	p->failed_rc = 0;
}

/* The kernel has the name in its hands at present, and is made to keep it: who
 * waits for the mount must not be in the way of its own walk to the name. */
static void hold(struct place *p, uint64_t generation)
{
	struct forest *f = p->forest;
	int fd = f->ops->hold == NULL ? -1
				      : f->ops->hold(f->params.arg, p->name);

	mutex_lock(&f->lock);
	if (p->generation == generation && p->hold_fd < 0) {
		p->hold_fd = fd;
		fd = -1;
	}
	mutex_unlock(&f->lock);
	if (fd >= 0)
		(void)close(fd);
}

/* -ESTALE, and in *ret_begun whether it is the caller who has to begin. */
static int admit_locked(struct forest *f, struct place *p, pid_t caller,
	bool is_gone, bool *ret_begun)
{
	if (f->is_ending)
		return -EHOSTUNREACH;
	if (p->state == PLACE_GONE)
		return -ENOENT;
	if (p->state == PLACE_REMOVING)
		return -EBUSY;
	if (p->state == PLACE_MOUNTED && is_gone)
		p->state = PLACE_PLAIN;
	if (p->state == PLACE_PLAIN && p->failed_rc < 0 &&
		clock_now_ms() < p->failed_until_ms)
		return p->failed_rc;
	/* Those who mount need the threads that are left. */
	if (f->waiting >= FOREST_WAITERS_MAX || !expect_locked(p, caller))
		return -EAGAIN;
	*ret_begun = p->state == PLACE_PLAIN;
	if (*ret_begun)
		begin_locked(p);
	return -ESTALE;
}

int forest_enter(struct forest *f, uint64_t ino, pid_t caller)
{
	bool has_begun = false, is_gone = false, was_mounted;
	uint64_t generation;
	struct place *p;
	int rc;

	mutex_lock(&f->lock);
	p = place_of_locked(f, ino);
	was_mounted = p != NULL && p->state == PLACE_MOUNTED;
	mutex_unlock(&f->lock);
	if (p == NULL)
		return -ESTALE;
	/* Unmounted by somebody, and its process has not ended yet. */
	if (was_mounted)
		is_gone = !f->ops->is_mounted(f->params.arg, p->name);
	mutex_lock(&f->lock);
	rc = admit_locked(f, p, caller, is_gone, &has_begun);
	generation = p->generation;
	mutex_unlock(&f->lock);
	if (!has_begun)
		return rc;
	hold(p, generation);
	return start_keeper(p, generation) < 0 ? -EAGAIN : rc;
}

static int wait_until_settled(
	struct forest *f, struct place *p, const struct cancel *cancel)
{
	int64_t end_ms =
		clock_now_ms() + f->params.mount_timeout_ms + FOREST_LIST_MS;
	int rc = 0;

	mutex_lock(&f->lock);
	f->waiting++;
	while (rc == 0 && p->state == PLACE_STARTING && !f->is_ending &&
		f->waiting <= FOREST_WAITERS_MAX) {
		int64_t left_ms = end_ms - clock_now_ms();

		if (left_ms <= 0)
			break;
		rc = waitlist_wait(&f->changed, &f->lock, cancel, left_ms);
	}
	f->waiting--;
	mutex_unlock(&f->lock);
	return rc == -EINTR ? rc : 0;
}

int forest_lookup(struct forest *f, const char *name, pid_t caller,
	const struct cancel *cancel, uint64_t *ret_ino)
{
	bool is_back, is_plain, is_listed;
	struct place *p;
	int rc;

	mutex_lock(&f->lock);
	p = forest_place_locked(f, name);
	is_back = p != NULL && take_expected_locked(p, caller);
	is_plain = p == NULL || p->state == PLACE_PLAIN;
	mutex_unlock(&f->lock);
	if (p != NULL)
		*ret_ino = p->ino;
	if (is_back)
		return wait_until_settled(f, p, cancel);
	if (!is_plain)
		return 0;
	rc = forest_list_freshen(f, cancel);
	if (rc < 0)
		return rc;
	mutex_lock(&f->lock);
	p = forest_place_locked(f, name);
	is_listed = p != NULL && (p->is_listed || p->state != PLACE_PLAIN);
	mutex_unlock(&f->lock);
	if (is_listed)
		*ret_ino = p->ino;
	return is_listed ? 0 : -ENOENT;
}

/* --- the end -------------------------------------------------------------- */

bool forest_end(struct forest *f, int64_t limit_ms)
{
	int64_t end_ms = clock_now_ms() + limit_ms;
	bool is_over;

	mutex_lock(&f->lock);
	f->is_ending = true;
	if (f->listing != NULL)
		cancel_fire(f->listing);
	for (guint i = 0; i < f->keepers->len; i++) {
		struct keeper *k = g_ptr_array_index(f->keepers, i);

		cancel_fire(&k->cancel);
	}
	waitlist_wake(&f->changed);
	while (f->keepers->len > 0 || f->listing != NULL) {
		int64_t left_ms = end_ms - clock_now_ms();

		if (left_ms <= 0)
			break;
		(void)waitlist_wait(&f->changed, &f->lock, NULL, left_ms);
	}
	is_over = f->keepers->len == 0 && f->listing == NULL;
	mutex_unlock(&f->lock);
	return is_over;
}
