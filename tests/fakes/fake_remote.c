/* fake_remote.c - see fake_remote.h. */
#include "config.h"

#include "fake_remote.h"

#include "fake_remote_private.h"
#include "names.h"
#include "walk.h"

#include <errno.h>
#include <string.h>

#define PIECE_BYTES 4096

/* --- the script ----------------------------------------------------------- */

int fake_begin_locked(
	struct fake *f, enum fake_op op, const struct cancel *cancel)
{
	struct script *s = &f->scripts[op];
	int rc = cancel_check(cancel);

	s->calls++;
	waitlist_wake(&f->changed);
	if (s->stalls) {
		s->stalls = false;
		s->is_stalled = true;
		waitlist_wake(&f->changed);
		while (rc == 0 && s->is_stalled)
			rc = waitlist_wait(&f->changed, &f->lock, cancel, -1);
		s->is_stalled = false;
	}
	if (rc == 0 && s->fails_in > 0 && --s->fails_in == 0)
		rc = -s->error;
	return rc == 0 ? -f->error : rc;
}

void fake_remote_fail(
	struct remote *r, enum fake_op op, unsigned nth, int error)
{
	struct fake *f = fake_of(r);

	mutex_lock(&f->lock);
	f->scripts[op].fails_in = nth;
	f->scripts[op].error = error;
	mutex_unlock(&f->lock);
}

void fake_remote_fail_all(struct remote *r, int error)
{
	struct fake *f = fake_of(r);

	mutex_lock(&f->lock);
	f->error = error;
	mutex_unlock(&f->lock);
}

void fake_remote_tear_write(struct remote *r, int64_t bytes, int error)
{
	struct fake *f = fake_of(r);

	mutex_lock(&f->lock);
	f->torn_bytes = bytes;
	f->torn_error = error;
	mutex_unlock(&f->lock);
}

void fake_remote_stall(struct remote *r, enum fake_op op)
{
	struct fake *f = fake_of(r);

	mutex_lock(&f->lock);
	f->scripts[op].stalls = true;
	mutex_unlock(&f->lock);
}

void fake_remote_await_stalled(struct remote *r, enum fake_op op)
{
	struct fake *f = fake_of(r);

	mutex_lock(&f->lock);
	while (!f->scripts[op].is_stalled)
		(void)waitlist_wait(&f->changed, &f->lock, NULL, -1);
	mutex_unlock(&f->lock);
}

void fake_remote_await_calls(struct remote *r, enum fake_op op, unsigned count)
{
	struct fake *f = fake_of(r);

	mutex_lock(&f->lock);
	while (f->scripts[op].calls < count)
		(void)waitlist_wait(&f->changed, &f->lock, NULL, -1);
	mutex_unlock(&f->lock);
}

void fake_remote_await_ended(struct remote *r, enum fake_op op, unsigned count)
{
	struct fake *f = fake_of(r);

	mutex_lock(&f->lock);
	while (f->scripts[op].ended < count)
		(void)waitlist_wait(&f->changed, &f->lock, NULL, -1);
	mutex_unlock(&f->lock);
}

void fake_remote_release(struct remote *r, enum fake_op op)
{
	struct fake *f = fake_of(r);

	mutex_lock(&f->lock);
	f->scripts[op].is_stalled = false;
	waitlist_wake(&f->changed);
	mutex_unlock(&f->lock);
}

void fake_remote_shorten_read(struct remote *r, int64_t bytes)
{
	struct fake *f = fake_of(r);

	mutex_lock(&f->lock);
	f->missing_bytes = bytes;
	mutex_unlock(&f->lock);
}

/* --- remote.h ------------------------------------------------------------- */

static int fake_stat(struct remote *r, const char *path,
	const struct cancel *cancel, struct entry *ret)
{
	struct fake *f = fake_of(r);
	int rc;

	mutex_lock(&f->lock);
	rc = fake_begin_locked(f, FAKE_STAT, cancel);
	if (rc == 0 && *path != '\0' && fake_tree_find(f->tree, path) == NULL)
		rc = -ENOENT;
	if (rc == 0)
		fake_tree_describe(f->tree, path, ret);
	mutex_unlock(&f->lock);
	return rc;
}

static int fake_list(struct remote *r, const char *path,
	const struct cancel *cancel, GPtrArray **ret_entries,
	unsigned *ret_dropped)
{
	struct fake *f = fake_of(r);
	int rc;

	mutex_lock(&f->lock);
	rc = fake_begin_locked(f, FAKE_LIST, cancel);
	if (rc == 0 && !fake_tree_is_directory(f->tree, path))
		rc = fake_tree_find(f->tree, path) == NULL ? -ENOENT : -ENOTDIR;
	if (rc == 0) {
		*ret_entries = fake_tree_children(f->tree, path,
			(f->capabilities & REMOTE_CAN_HIDDEN) != 0);
		*ret_dropped = 0;
	}
	mutex_unlock(&f->lock);
	return rc;
}

/* A copy of the bytes, so that the sink is called without the lock. */
static int take_bytes(struct fake *f, const char *path,
	const struct cancel *cancel, GBytes **ret_bytes, time_t *ret_time,
	int64_t *ret_missing)
{
	const struct thing *t;
	int rc;

	mutex_lock(&f->lock);
	rc = fake_begin_locked(f, FAKE_READ, cancel);
	t = fake_tree_find(f->tree, path);
	if (rc == 0 && t == NULL)
		rc = -ENOENT;
	if (rc == 0 && t->type != ENTRY_FILE)
		rc = -EISDIR;
	if (rc == 0) {
		*ret_bytes = g_bytes_new(t->bytes->str, t->bytes->len);
		*ret_time = t->mtime.tv_sec + (t->is_link ? 1000 : 0);
		*ret_missing = f->missing_bytes;
		f->missing_bytes = 0;
	}
	mutex_unlock(&f->lock);
	return rc;
}

static int fake_read(struct remote *r, const char *path, int64_t offset,
	int64_t length, const struct remote_sink *sink,
	const struct cancel *cancel, struct remote_read_info *ret)
{
	g_autoptr(GBytes) bytes = NULL;
	time_t last_modified = 0;
	int64_t missing = 0;
	const char *p;
	int64_t end, at;
	int rc = take_bytes(
		fake_of(r), path, cancel, &bytes, &last_modified, &missing);

	if (rc < 0)
		return rc;
	p = g_bytes_get_data(bytes, NULL);
	end = (int64_t)g_bytes_get_size(bytes);
	if (length >= 0 && offset + length < end)
		end = offset + length;
	end -= missing;
	for (at = offset; rc == 0 && at < end; at += PIECE_BYTES)
		rc = sink->write(sink->arg, p + at,
			(size_t)MIN(PIECE_BYTES, end - at), at);
	mutex_lock(&fake_of(r)->lock);
	fake_of(r)->read_bytes += MAX(0, at - offset);
	mutex_unlock(&fake_of(r)->lock);
	if (rc == 0)
		*ret = (struct remote_read_info){
			.received = MAX(0, end - offset),
			.total = (int64_t)g_bytes_get_size(bytes),
			.last_modified = last_modified,
		};
	return rc;
}

static int take_source(const struct remote_source *source, GString *bytes)
{
	char piece[PIECE_BYTES];

	while ((int64_t)bytes->len < source->size) {
		size_t want = (size_t)MIN(
			PIECE_BYTES, source->size - (int64_t)bytes->len);
		ssize_t n = source->read(
			source->arg, piece, want, (int64_t)bytes->len);

		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		g_string_append_len(bytes, piece, n);
	}
	return 0;
}

int fake_check_place_locked(struct fake *f, const char *path)
{
	g_autofree char *parent = path_parent(path);

	if (!fake_tree_is_directory(f->tree, parent))
		return -ENOENT;
	return fake_tree_is_directory(f->tree, path) ? -EISDIR : 0;
}

/* The end of a write: perhaps nobody hears of it, or not all of it arrived. */
static int tear_locked(struct fake *f, struct thing *t, struct entry *ret)
	REQUIRES(f->lock)
{
	int rc = -f->torn_error;

	f->torn_error = 0;
	if (rc == 0)
		return 0;
	if (f->torn_bytes >= 0)
		g_string_truncate(t->bytes, (gsize)f->torn_bytes);
	entry_clear(ret);
	return rc;
}

static int fake_write(struct remote *r, const char *path,
	const struct remote_source *source, const struct cancel *cancel,
	struct entry *ret)
{
	struct fake *f = fake_of(r);
	GString *bytes = g_string_new(NULL);
	struct thing *t;
	int rc;

	mutex_lock(&f->lock);
	rc = fake_begin_locked(f, FAKE_WRITE, cancel);
	mutex_unlock(&f->lock);
	if (rc == 0)
		rc = take_source(source, bytes);
	mutex_lock(&f->lock);
	if (rc == 0)
		rc = fake_check_place_locked(f, path);
	if (rc == 0) {
		t = fake_tree_write(f->tree, path);
		g_string_free(t->bytes, TRUE);
		t->bytes = g_steal_pointer(&bytes);
		fake_tree_describe(f->tree, path, ret);
		g_string_append_printf(f->changes, "write %s;", path);
		rc = tear_locked(f, t, ret);
	}
	mutex_unlock(&f->lock);
	if (bytes != NULL)
		g_string_free(bytes, TRUE);
	return rc;
}

static int fake_mkdir(struct remote *r, const char *path,
	const struct cancel *cancel, struct entry *ret)
{
	struct fake *f = fake_of(r);
	g_autofree char *parent = path_parent(path);
	int rc;

	mutex_lock(&f->lock);
	rc = fake_begin_locked(f, FAKE_MKDIR, cancel);
	if (rc == 0 && !fake_tree_is_directory(f->tree, parent))
		rc = -ENOENT;
	if (rc == 0) {
		(void)fake_tree_put(f->tree, path, ENTRY_DIRECTORY);
		fake_tree_describe(f->tree, path, ret);
		g_string_append_printf(f->changes, "mkdir %s;", path);
	}
	mutex_unlock(&f->lock);
	return rc;
}

static int fake_rename(struct remote *r, const char *from, const char *to,
	const struct cancel *cancel, struct entry *ret)
{
	struct fake *f = fake_of(r);
	g_autofree char *parent = path_parent(to);
	int rc;

	mutex_lock(&f->lock);
	rc = fake_begin_locked(f, FAKE_RENAME, cancel);
	if (rc == 0 && (fake_tree_find(f->tree, from) == NULL ||
			       !fake_tree_is_directory(f->tree, parent)))
		rc = -ENOENT;
	if (rc == 0 && fake_tree_find(f->tree, to) != NULL)
		rc = -EEXIST;
	if (rc == 0) {
		fake_tree_move(f->tree, from, to);
		fake_tree_describe(f->tree, to, ret);
		g_string_append_printf(f->changes, "rename %s %s;", from, to);
	}
	mutex_unlock(&f->lock);
	return rc;
}

static int fake_remove(
	struct remote *r, const char *path, const struct cancel *cancel)
{
	struct fake *f = fake_of(r);
	int rc;

	mutex_lock(&f->lock);
	rc = fake_begin_locked(f, FAKE_REMOVE, cancel);
	if (rc == 0 && fake_tree_find(f->tree, path) == NULL)
		rc = -ENOENT;
	if (rc == 0) {
		fake_tree_drop(f->tree, path);
		g_string_append_printf(f->changes, "remove %s;", path);
	}
	mutex_unlock(&f->lock);
	return rc;
}

static unsigned fake_capabilities(struct remote *r)
{
	struct fake *f = fake_of(r);
	unsigned capabilities;

	mutex_lock(&f->lock);
	capabilities = f->capabilities;
	mutex_unlock(&f->lock);
	return capabilities;
}

static int fake_probe(struct remote *r, const struct cancel *cancel)
{
	struct fake *f = fake_of(r);
	int rc;

	mutex_lock(&f->lock);
	rc = fake_begin_locked(f, FAKE_PROBE, cancel);
	if (rc == 0 && f->probed == 0)
		rc = -EOPNOTSUPP;
	if (rc == 0)
		f->capabilities |= f->probed;
	mutex_unlock(&f->lock);
	return rc;
}

/* --- many at once --------------------------------------------------------- */

static int begin_many(
	struct fake *f, enum fake_op op, const struct cancel *cancel)
{
	int rc;

	mutex_lock(&f->lock);
	rc = fake_begin_locked(f, op, cancel);
	if (rc == 0 && (f->capabilities & REMOTE_CAN_TREE) == 0)
		rc = -EOPNOTSUPP;
	mutex_unlock(&f->lock);
	return rc;
}

static int end_many(struct fake *f, enum fake_op op, int rc)
{
	mutex_lock(&f->lock);
	f->scripts[op].ended++;
	waitlist_wake(&f->changed);
	mutex_unlock(&f->lock);
	return rc;
}

static void tell_attr_locked(struct fake *f, const char *dir, struct entry *e)
	REQUIRES(f->lock)
{
	g_autofree char *path = path_join(dir, e->name);
	struct entry all;

	fake_tree_describe_all(f->tree, path, &all);
	entry_inherit(e, &all);
	entry_clear(&all);
}

/* How many entries it has given. */
static unsigned give_directory(
	struct fake *f, const char *path, const struct remote_tree_sink *sink)
{
	GPtrArray *entries;
	unsigned count;

	mutex_lock(&f->lock);
	entries = fake_tree_all_children(
		f->tree, path, (f->capabilities & REMOTE_NO_HIDDEN) == 0);
	for (guint i = 0; i < entries->len; i++)
		if ((f->capabilities & REMOTE_CAN_MODE) != 0)
			tell_attr_locked(f, path, entries->pdata[i]);
	mutex_unlock(&f->lock);
	count = entries->len;
	sink->directory(sink->arg, path, entries, 0, 0);
	return count;
}

static int fake_list_tree(struct remote *r, const char *top, const char *after,
	unsigned entries_max, const struct remote_tree_sink *sink,
	const struct cancel *cancel, bool *ret_is_all)
{
	struct fake *f = fake_of(r);
	GPtrArray *paths = NULL;
	unsigned entries = 0;
	guint i;
	int rc = begin_many(f, FAKE_LIST_TREE, cancel);

	mutex_lock(&f->lock);
	if (rc == 0 && !fake_tree_is_directory(f->tree, top))
		rc = fake_tree_find(f->tree, top) == NULL ? -ENOENT : -ENOTDIR;
	if (rc == 0)
		paths = fake_tree_directories(f->tree, top);
	mutex_unlock(&f->lock);
	for (i = 0; rc == 0 && i < paths->len; i++) {
		if (*after != '\0' && walk_compare(paths->pdata[i], after) < 0)
			continue;
		entries += give_directory(f, paths->pdata[i], sink);
		if (entries >= entries_max)
			break;
	}
	if (rc == 0) {
		*ret_is_all = i + 1 >= paths->len;
		g_ptr_array_unref(paths);
	}
	return end_many(f, FAKE_LIST_TREE, rc);
}

static int take_version(struct fake *f, const char *path, GBytes **ret_bytes,
	struct entry *ret_version)
{
	const struct thing *t;
	int rc = 0;

	mutex_lock(&f->lock);
	t = fake_tree_find(f->tree, path);
	if (t == NULL || t->type != ENTRY_FILE)
		rc = t == NULL ? -ENOENT : -EISDIR;
	if (rc == 0) {
		fake_tree_describe(f->tree, path, ret_version);
		g_free(g_steal_pointer(&ret_version->name));
		ret_version->size = (int64_t)t->bytes->len;
		*ret_bytes = g_bytes_new(t->bytes->str, t->bytes->len);
	}
	mutex_unlock(&f->lock);
	return rc;
}

static int fake_read_many(struct remote *r, const char *const *paths,
	unsigned n_paths, int64_t bytes_max,
	const struct remote_many_sink *sink, const struct cancel *cancel)
{
	struct fake *f = fake_of(r);
	int rc = begin_many(f, FAKE_READ_MANY, cancel);

	for (unsigned i = 0; rc == 0 && i < n_paths; i++) {
		g_autoptr(GBytes) bytes = NULL;
		struct entry version = { 0 };
		int file_rc = take_version(f, paths[i], &bytes, &version);

		if (file_rc == 0 && version.size > bytes_max)
			file_rc = -EFBIG;
		if (file_rc == 0)
			bytes_max -= version.size;
		sink->file(sink->arg, i, file_rc,
			file_rc == 0 ? &version : NULL,
			file_rc == 0 ? g_bytes_get_data(bytes, NULL) : NULL,
			file_rc == 0 ? g_bytes_get_size(bytes) : 0);
	}
	return end_many(f, FAKE_READ_MANY, rc);
}

static void fake_free(struct remote *r)
{
	struct fake *f = fake_of(r);

	fake_tree_free(f->tree);
	g_string_free(f->changes, TRUE);
	g_clear_pointer(&f->attributes, g_hash_table_unref);
	mutex_fini(&f->lock);
	g_free(f);
}

static const struct remote_ops fake_ops = {
	.stat = fake_stat,
	.list = fake_list,
	.read = fake_read,
	.write = fake_write,
	.mkdir = fake_mkdir,
	.rename = fake_rename,
	.remove = fake_remove,
	.capabilities = fake_capabilities,
	.probe_hidden = fake_probe,
	.replace = fake_replace,
	.setattr = fake_setattr,
	.list_tree = fake_list_tree,
	.read_many = fake_read_many,
	.free = fake_free,
	.volume = fake_volume,
	.move = fake_move,
	.link = fake_link,
	.xattrs = fake_xattrs,
	.getxattr = fake_getxattr,
	.setxattr = fake_setxattr,
};

/* --- what tests ask and do ------------------------------------------------ */

struct remote *fake_remote_new(void)
{
	struct fake *f = g_new0(struct fake, 1);

	f->remote.ops = &fake_ops;
	mutex_init(&f->lock);
	f->tree = fake_tree_new();
	f->capabilities = REMOTE_CAN_RANGE;
	f->changes = g_string_new(NULL);
	return &f->remote;
}

void fake_remote_set_capabilities(struct remote *r, unsigned capabilities)
{
	struct fake *f = fake_of(r);

	mutex_lock(&f->lock);
	f->capabilities = capabilities;
	mutex_unlock(&f->lock);
}

void fake_remote_set_hidden(struct remote *r, bool is_allowed)
{
	struct fake *f = fake_of(r);

	mutex_lock(&f->lock);
	f->probed = is_allowed ? REMOTE_CAN_HIDDEN : REMOTE_NO_HIDDEN;
	mutex_unlock(&f->lock);
}

static void put_quietly(struct remote *r, const char *path,
	enum entry_type type, const char *text, bool is_link)
{
	struct fake *f = fake_of(r);
	struct thing *t;

	mutex_lock(&f->lock);
	fake_tree_put_parents(f->tree, path);
	t = fake_tree_put(f->tree, path, type);
	g_string_assign(t->bytes, text);
	t->is_link = is_link;
	mutex_unlock(&f->lock);
}

void fake_remote_put(struct remote *r, const char *path, const char *text)
{
	put_quietly(r, path, ENTRY_FILE, text, false);
}

void fake_remote_put_link(struct remote *r, const char *path, const char *text)
{
	put_quietly(r, path, ENTRY_FILE, text, true);
}

void fake_remote_put_directory(struct remote *r, const char *path)
{
	put_quietly(r, path, ENTRY_DIRECTORY, "", false);
}

void fake_remote_drop(struct remote *r, const char *path)
{
	struct fake *f = fake_of(r);

	mutex_lock(&f->lock);
	fake_tree_drop(f->tree, path);
	mutex_unlock(&f->lock);
}

void fake_remote_put_bytes(
	struct remote *r, const char *path, const void *bytes, size_t size)
{
	struct fake *f = fake_of(r);
	struct thing *t;

	fake_remote_put(r, path, "");
	mutex_lock(&f->lock);
	t = fake_tree_find(f->tree, path);
	g_string_append_len(t->bytes, bytes, (gssize)size);
	mutex_unlock(&f->lock);
}

bool fake_remote_has_bytes(
	struct remote *r, const char *path, const void *bytes, size_t size)
{
	struct fake *f = fake_of(r);
	const struct thing *t;
	bool has;

	mutex_lock(&f->lock);
	t = fake_tree_find(f->tree, path);
	has = t != NULL && t->bytes->len == size &&
	      memcmp(t->bytes->str, bytes, size) == 0;
	mutex_unlock(&f->lock);
	return has;
}

int64_t fake_remote_read_bytes(struct remote *r)
{
	struct fake *f = fake_of(r);
	int64_t bytes;

	mutex_lock(&f->lock);
	bytes = f->read_bytes;
	mutex_unlock(&f->lock);
	return bytes;
}

bool fake_remote_has(struct remote *r, const char *path)
{
	struct fake *f = fake_of(r);
	bool has;

	mutex_lock(&f->lock);
	has = fake_tree_find(f->tree, path) != NULL;
	mutex_unlock(&f->lock);
	return has;
}

char *fake_remote_text(struct remote *r, const char *path)
{
	struct fake *f = fake_of(r);
	const struct thing *t;
	char *text = NULL;

	mutex_lock(&f->lock);
	t = fake_tree_find(f->tree, path);
	if (t != NULL && t->type == ENTRY_FILE)
		text = g_strndup(t->bytes->str, t->bytes->len);
	mutex_unlock(&f->lock);
	return text;
}

unsigned fake_remote_calls(struct remote *r, enum fake_op op)
{
	struct fake *f = fake_of(r);
	unsigned calls;

	mutex_lock(&f->lock);
	calls = f->scripts[op].calls;
	mutex_unlock(&f->lock);
	return calls;
}

unsigned fake_remote_all_calls(struct remote *r)
{
	unsigned calls = 0;

	for (int op = 0; op < FAKE_OPS; op++)
		calls += fake_remote_calls(r, (enum fake_op)op);
	return calls;
}

char *fake_remote_changes(struct remote *r)
{
	struct fake *f = fake_of(r);
	char *changes;

	mutex_lock(&f->lock);
	changes = g_strdup(f->changes->str);
	mutex_unlock(&f->lock);
	return changes;
}

void fake_remote_reset(struct remote *r)
{
	struct fake *f = fake_of(r);

	mutex_lock(&f->lock);
	for (int op = 0; op < FAKE_OPS; op++)
		f->scripts[op].calls = f->scripts[op].ended = 0;
	f->read_bytes = 0;
	g_string_truncate(f->changes, 0);
	mutex_unlock(&f->lock);
}
