/* fake_swap.c - replacing under a condition, modes and times; see
 * fake_remote.h. */
#include "config.h"

#include "fake_remote_private.h"

#include <errno.h>
#include <string.h>

#define PIECE_BYTES (64 << 10)

/* From the source, at the same place of the copy. */
static int take_range(const struct remote_source *source, char *bytes,
	int64_t start, int64_t length)
{
	int64_t end = start + length;

	while (start < end) {
		ssize_t n = source->read(source->arg, bytes + start,
			(size_t)MIN(PIECE_BYTES, end - start), start);

		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		start += n;
	}
	return 0;
}

static bool can_set_locked(const struct fake *f) REQUIRES(f->lock)
{
	return (f->capabilities & REMOTE_CAN_MODE) != 0;
}

static void describe_locked(struct fake *f, const char *path, struct entry *ret)
	REQUIRES(f->lock)
{
	if (can_set_locked(f))
		fake_tree_describe_all(f->tree, path, ret);
	else
		fake_tree_describe(f->tree, path, ret);
}

static void set_locked(struct fake *f, struct thing *t,
	const struct remote_attr *attr) REQUIRES(f->lock)
{
	t->ctime = (struct timespec){ f->tree->now++, 0 };
	if (attr->has_mode)
		t->mode = attr->mode & ~f->refused_bits;
	if (attr->has_mtime)
		t->mtime = attr->mtime;
}

static bool holds_locked(struct fake *f, const char *path,
	const struct remote_change *change) REQUIRES(f->lock)
{
	struct entry now = { 0 };
	bool holds = true;
	bool is_there = fake_tree_find(f->tree, path) != NULL;

	if (is_there)
		fake_tree_describe(f->tree, path, &now);
	if (change->condition == REMOTE_IF_ABSENT)
		holds = !is_there;
	else if (change->condition == REMOTE_IF_VERSION)
		holds = is_there && entry_same_version(change->base, &now);
	entry_clear(&now);
	return holds;
}

/* 0, or why nothing is to be replaced; then what is there is found. */
static int check_locked(struct fake *f, const char *path,
	const struct remote_change *change, struct entry *ret) REQUIRES(f->lock)
{
	int rc = fake_check_place_locked(f, path);

	if (rc < 0 || holds_locked(f, path, change))
		return rc;
	if (fake_tree_find(f->tree, path) != NULL)
		describe_locked(f, path, ret);
	else
		*ret = (struct entry){ .type = (enum entry_type) - 1,
			.size = -1 };
	return -ESTALE;
}

/* The bytes that the ranges are to be put into; beyond them, and in the place
 * of what has no base, is something that nobody wrote. */
static GByteArray *copy_base_locked(struct fake *f, const char *path,
	const struct remote_change *change, int64_t size) REQUIRES(f->lock)
{
	GByteArray *bytes = g_byte_array_new();
	const struct thing *t = fake_tree_find(f->tree, path);

	g_byte_array_set_size(bytes, (guint)size);
	if (size > 0)
		memset(bytes->data, '?', (size_t)size);
	if (change->ranges != NULL && t != NULL && size > 0)
		memcpy(bytes->data, t->bytes->str,
			MIN((size_t)size, t->bytes->len));
	return bytes;
}

static int take_change(struct fake *f, const struct remote_change *change,
	const struct remote_source *source, char *bytes)
{
	const struct remote_range whole = { 0, source->size };
	const struct remote_range *ranges =
		change->ranges != NULL ? change->ranges : &whole;
	unsigned n = change->ranges != NULL ? change->n_ranges : 1;
	int64_t sum = 0, at = -1;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < n; i++) {
		/* In order, apart, and within the file. */
		if (ranges[i].start <= at || ranges[i].length < 0 ||
			ranges[i].start + ranges[i].length > source->size)
			return -EINVAL;
		at = ranges[i].start + ranges[i].length;
		sum += ranges[i].length;
		rc = take_range(
			source, bytes, ranges[i].start, ranges[i].length);
	}
	mutex_lock(&f->lock);
	f->last_ranges = change->ranges != NULL ? (int)n : -1;
	f->replaced_bytes = sum;
	mutex_unlock(&f->lock);
	return rc;
}

static int put_locked(struct fake *f, const char *path,
	const struct remote_change *change, const GByteArray *bytes,
	struct entry *ret) REQUIRES(f->lock)
{
	int rc = check_locked(f, path, change, ret);
	struct thing *t;

	if (rc < 0)
		return rc;
	t = fake_tree_write(f->tree, path);
	g_string_truncate(t->bytes, 0);
	g_string_append_len(
		t->bytes, (const char *)bytes->data, (gssize)bytes->len);
	g_string_append_printf(f->changes, "replace %s;", path);
	if (can_set_locked(f))
		set_locked(f, t, &change->attr);
	describe_locked(f, path, ret);
	rc = -f->torn_error; /* carried out, and nobody hears of it */
	f->torn_error = 0;
	if (rc < 0)
		entry_clear(ret);
	return rc;
}

int fake_replace(struct remote *r, const char *path,
	const struct remote_change *change, const struct remote_source *source,
	const struct cancel *cancel, struct entry *ret)
{
	struct fake *f = fake_of(r);
	GByteArray *bytes = NULL;
	int rc;

	mutex_lock(&f->lock);
	rc = fake_begin_locked(f, FAKE_REPLACE, cancel);
	if (rc == 0 && (f->capabilities & REMOTE_CAN_SWAP) == 0)
		rc = -EOPNOTSUPP;
	if (rc == 0 && change->ranges != NULL &&
		change->condition != REMOTE_IF_VERSION)
		rc = -EINVAL;
	if (rc == 0)
		rc = check_locked(f, path, change, ret);
	if (rc == 0)
		bytes = copy_base_locked(f, path, change, source->size);
	mutex_unlock(&f->lock);
	if (rc == 0)
		rc = take_change(f, change, source, (char *)bytes->data);
	mutex_lock(&f->lock);
	if (rc == 0)
		rc = put_locked(f, path, change, bytes, ret);
	mutex_unlock(&f->lock);
	if (bytes != NULL)
		g_byte_array_unref(bytes);
	return rc;
}

static int set_at_locked(struct fake *f, const char *path,
	const struct entry *or_base, const struct remote_attr *attr,
	struct entry *ret) REQUIRES(f->lock)
{
	struct thing *t = fake_tree_find(f->tree, path);

	if (t == NULL)
		return -ENOENT;
	describe_locked(f, path, ret);
	if (or_base != NULL && !entry_same_version(or_base, ret))
		return -ESTALE;
	set_locked(f, t, attr);
	entry_clear(ret);
	describe_locked(f, path, ret);
	g_string_append_printf(f->changes, "setattr %s;", path);
	return 0;
}

int fake_setattr(struct remote *r, const char *path,
	const struct entry *or_base, const struct remote_attr *attr,
	const struct cancel *cancel, struct entry *ret)
{
	struct fake *f = fake_of(r);
	int rc;

	*ret = (struct entry){ .size = -1 };
	mutex_lock(&f->lock);
	rc = fake_begin_locked(f, FAKE_SETATTR, cancel);
	if (rc == 0 && !can_set_locked(f))
		rc = -EOPNOTSUPP;
	if (rc == 0)
		rc = set_at_locked(f, path, or_base, attr, ret);
	mutex_unlock(&f->lock);
	return rc;
}

mode_t fake_remote_mode(struct remote *r, const char *path)
{
	struct fake *f = fake_of(r);
	const struct thing *t;
	mode_t mode;

	mutex_lock(&f->lock);
	t = fake_tree_find(f->tree, path);
	mode = t == NULL ? 0 : t->mode;
	mutex_unlock(&f->lock);
	return mode;
}

struct timespec fake_remote_mtime(struct remote *r, const char *path)
{
	struct fake *f = fake_of(r);
	struct timespec mtime = { 0 };
	const struct thing *t;

	mutex_lock(&f->lock);
	t = fake_tree_find(f->tree, path);
	if (t != NULL)
		mtime = t->mtime;
	mutex_unlock(&f->lock);
	return mtime;
}

void fake_remote_chmod(struct remote *r, const char *path, mode_t mode)
{
	const struct remote_attr attr = { .has_mode = true, .mode = mode };
	struct fake *f = fake_of(r);
	struct thing *t;

	mutex_lock(&f->lock);
	t = fake_tree_find(f->tree, path);
	if (t != NULL)
		set_locked(f, t, &attr);
	mutex_unlock(&f->lock);
}

void fake_remote_refuse_bits(struct remote *r, mode_t bits)
{
	struct fake *f = fake_of(r);

	mutex_lock(&f->lock);
	f->refused_bits = bits;
	mutex_unlock(&f->lock);
}

int fake_remote_last_ranges(struct remote *r)
{
	struct fake *f = fake_of(r);
	int ranges;

	mutex_lock(&f->lock);
	ranges = f->last_ranges;
	mutex_unlock(&f->lock);
	return ranges;
}

int64_t fake_remote_replaced_bytes(struct remote *r)
{
	struct fake *f = fake_of(r);
	int64_t bytes;

	mutex_lock(&f->lock);
	bytes = f->replaced_bytes;
	mutex_unlock(&f->lock);
	return bytes;
}
