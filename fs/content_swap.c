/* content_swap.c - uploads of what changed; see content.h. */
#include "config.h"

#include "content.h"

#include "content_state.h"
#include "remote.h"

#include <assert.h>
#include <errno.h>

/* A link's bytes are of another size than the version they are listed as. */
static bool is_version_of_bytes_locked(struct content *c) REQUIRES(c->lock)
{
	return c->base == SPOOL_BASE_VERSION && !c->is_mixed &&
	       (!c->has_source || c->source_total == c->base_version.size) &&
	       (!content_is_own_locked(c, &c->base_version) ||
		       c->listed_size == c->own.size);
}

static int plan_locked(struct content *c, struct content_swap *ret)
	REQUIRES(c->lock)
{
	if (!content_is_dirty_locked(c))
		return 0;
	if (c->state != CONTENT_READY)
		return -ESTALE;
	*ret = (struct content_swap){
		.base = c->base,
		.version = c->base_version,
		.size = c->size,
		.is_whole = extents_contains(&c->present, 0, c->size),
	};
	/* Over there it is compared with what a listing has. */
	if (c->base == SPOOL_BASE_VERSION &&
		content_is_own_locked(c, &c->base_version))
		ret->version.size = c->listed_size;
	if (is_version_of_bytes_locked(c))
		ret->ranges = delta_ranges(&c->delta, &c->present, c->size);
	return ret->is_whole || ret->ranges != NULL ? 1 : -ESTALE;
}

int content_begin_swap(struct content *c, const struct cancel *cancel,
	struct content_swap *ret)
{
	int rc;

	mutex_lock(&c->lock);
	rc = content_wait_quiet_locked(c, cancel);
	if (rc == 0)
		rc = plan_locked(c, ret);
	if (rc == 1)
		content_start_upload_locked(c);
	mutex_unlock(&c->lock);
	return rc;
}

void content_swap_clear(struct content_swap *swap)
{
	g_clear_pointer(&swap->ranges, g_array_unref);
}

void content_end_refused(struct content *c, bool was_sent)
{
	mutex_lock(&c->lock);
	assert(c->is_uploading);
	c->is_uploading = false;
	c->was_sent = was_sent;
	waitlist_wake(&c->changed);
	mutex_unlock(&c->lock);
}

void content_keep_ranges(struct content *c, const GArray *ranges)
{
	mutex_lock(&c->lock);
	assert(c->is_uploading);
	extents_clear(&c->present);
	for (guint i = 0; i < ranges->len; i++) {
		const struct remote_range *r =
			&g_array_index(ranges, struct remote_range, i);

		(void)extents_add(&c->present, r->start, r->start + r->length);
	}
	/* What is being fetched is of the version before. */
	g_array_set_size(c->claims, 0);
	c->generation++;
	waitlist_wake(&c->changed);
	mutex_unlock(&c->lock);
}

/* Of what is here, what was changed here. */
static void keep_changed_locked(struct content *c) REQUIRES(c->lock)
{
	struct extents changed = EXTENTS_INIT;
	int64_t start, end, at = 0;

	while (extents_next_run(&c->delta.changed, at, c->size, &start, &end)) {
		int64_t from = start;

		at = end;
		while (extents_next_run(&c->present, from, at, &start, &end)) {
			(void)extents_add(&changed, start, end);
			from = end;
		}
	}
	extents_clear(&c->present);
	c->present = changed;
}

bool content_rebase(struct content *c, const struct entry *now)
{
	bool is_known;

	mutex_lock(&c->lock);
	assert(c->is_uploading);
	is_known = c->delta.is_known;
	if (is_known) {
		keep_changed_locked(c);
		c->base = SPOOL_BASE_VERSION;
		c->base_version = entry_bare(now);
		c->base_ms = clock_now_ms();
		content_set_version_locked(c, now);
		c->has_source = false;
		g_array_set_size(c->claims, 0);
		c->generation++;
		waitlist_wake(&c->changed);
	}
	mutex_unlock(&c->lock);
	return is_known;
}
