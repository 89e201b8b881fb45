/* file.c - see file.h. */
#include "config.h"

#include "file.h"

#include "attr.h"
#include "attr_cache.h"
#include "attr_send.h"
#include "content.h"
#include "dirty_set.h"
#include "fetch.h"
#include "fs_limits.h"
#include "handle_table.h"
#include "log.h"
#include "names.h"
#include "notifier.h"
#include "overlay.h"
#include "prefetch.h"
#include "session.h"
#include "transfer.h"
#include "tree.h"
#include "xattr.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>

/* Tries to read bytes that others keep giving up, or to write over them. */
#define STALE_ATTEMPTS 4
/* As the kernel sends a write. */
#define ZEROS_BYTES ((int64_t)128 << 10)

static struct content *make_content(void *arg)
{
	const struct session *s = arg;

	return content_new(s->cache_fd);
}

struct node_template file_template(struct session *s)
{
	return (struct node_template){
		.ops = &file_ops,
		.make_content = make_content,
		.arg = s,
	};
}

static int file_getattr(
	struct request *r, struct node *n, struct node_attr *ret)
{
	struct session *s = r->session;
	g_autofree char *path = node_table_path(s->nodes, n);
	struct entry entry = { .type = ENTRY_FILE, .is_writable = true };
	int64_t age_ms = 0;
	int rc = 0;

	if (path != NULL)
		rc = tree_recall_stat(s->tree, path, s->options.attr_timeout_ms,
			&r->cancel, &entry, &age_ms);
	/* Gone on the server while bytes are unsaved here: they still are. */
	if (rc == -ENOENT && content_is_dirty(n->content))
		rc = 0;
	if (rc < 0)
		return rc;
	if (entry.type != ENTRY_FILE)
		rc = -ESTALE;
	else
		attr_fill(s, n, path, &entry, age_ms, ret);
	entry_clear(&entry);
	return rc;
}

void file_let_go(struct session *s, struct node *n)
{
	if (node_table_was_removed(s->nodes, n) && !content_is_open(n->content))
		transfer_abandon(s, n);
}

/* A handle that only reads may have made the file, or emptied it as it does
 * elsewhere on Linux. */
static bool may_write(const struct handle *h)
{
	return (h->flags & O_ACCMODE) != O_RDONLY ||
	       (h->flags & (O_CREAT | O_TRUNC)) != 0;
}

/* What was written through this handle went beside the file, because somebody
 * else had saved it meanwhile: no more can follow. */
static bool lost_its_file(const struct handle *h)
{
	return may_write(h) && h->epoch != content_epoch(h->node->content);
}

/* A change of the bytes ends what utimens set before it. */
static void end_set_time(struct session *s, struct node *n)
{
	g_autofree char *path = node_table_path(s->nodes, n);

	node_table_touch(s->nodes, n);
	if (path != NULL)
		overlay_drop_mtime(s->overlay, path);
}

/* What is to be replaced. Looked up anew, now that the node is held: an upload
 * that made another version since `entry` was is either known to the names, or
 * is the node's own (content_is_own_version). */
static void set_base(
	struct request *r, struct node *n, const struct entry *entry)
{
	struct session *s = r->session;
	g_autofree char *path = node_table_path(s->nodes, n);
	struct entry now;

	if (path == NULL || tree_recall_stat(s->tree, path, REVALIDATE_MS,
				    &r->cancel, &now, NULL) < 0) {
		content_set_base(n->content, entry);
		return;
	}
	content_set_base(n->content, &now);
	entry_clear(&now);
}

int file_open_entry(struct request *r, struct node *n, int flags,
	const struct entry *entry, struct open_result *ret)
{
	struct session *s = r->session;
	bool keeps;
	int rc = transfer_open(s, n, entry, &r->cancel);

	if (rc < 0)
		return rc;
	if ((flags & O_TRUNC) != 0) {
		set_base(r, n, entry);
		rc = content_truncate(n->content, 0, &r->cancel);
		/* Into the spool it comes with the first write: what was only
		 * emptied so far must not replace anything after a crash. */
		if (rc == 0) {
			dirty_set_add(s->dirty, n);
			end_set_time(s, n);
		}
	}
	if (rc < 0) {
		transfer_close(s, n);
		file_let_go(s, n);
		return rc;
	}
	keeps = (flags & O_TRUNC) == 0 &&
		node_table_keeps_pages(s->nodes, n, &entry->mtime, entry->size);
	node_table_ref(s->nodes, n);
	*ret = (struct open_result){
		.handle = handle_table_open(s->handles, n, flags),
		.is_seekable = true,
		.keeps_cache = keeps,
	};
	ret->handle->readahead = readahead_new();
	ret->handle->epoch = content_epoch(n->content);
	if (may_write(ret->handle))
		content_add_writer(n->content);
	return 0;
}

/* The kernel reads no further than to the size it believes, and open() asks
 * the server about younger beliefs than the kernel's: what is new is told
 * before the open is answered. */
static void tell_kernel(struct session *s, struct node *n, const char *path,
	const struct entry *entry)
{
	struct node_attr now;
	struct stat told;

	if (s->notifier == NULL || content_is_dirty(n->content) ||
		!node_table_recall(s->nodes, n, &told))
		return;
	attr_fill(s, n, path, entry, 0, &now);
	if (now.st.st_size == told.st_size &&
		now.st.st_mtim.tv_sec == told.st_mtim.tv_sec &&
		now.st.st_mtim.tv_nsec == told.st_mtim.tv_nsec)
		return;
	notifier_invalidate_attr(s->notifier, n->ino);
	(void)notifier_wait(s->notifier, NULL, NOTIFY_WAIT_MS);
}

static int file_open(
	struct request *r, struct node *n, int flags, struct open_result *ret)
{
	struct session *s = r->session;
	g_autofree char *path = node_table_path(s->nodes, n);
	struct entry entry = { 0 };
	int64_t max_age_ms = MIN(s->options.attr_timeout_ms, REVALIDATE_MS);
	int rc;

	/* Replaced since it was looked up: the kernel does that again, and
	 * nobody meets a moment without the file. */
	if (path == NULL)
		return -ESTALE;
	rc = tree_recall_stat(
		s->tree, path, max_age_ms, &r->cancel, &entry, NULL);
	if (rc == -ENOENT && content_is_dirty(n->content))
		rc = 0;
	if (rc < 0)
		return rc;
	if (entry.type != ENTRY_FILE)
		rc = -EISDIR;
	else
		rc = file_open_entry(r, n, flags, &entry, ret);
	if (rc == 0)
		tell_kernel(s, n, path, &entry);
	if (rc == 0 && (flags & O_ACCMODE) == O_RDONLY)
		prefetch_file(s->prefetch, path);
	entry_clear(&entry);
	return rc;
}

/* What is here is read without waiting for anybody; an unlinked file has all
 * its bytes here. */
static ssize_t file_read(struct request *r, struct handle *h, char *buffer,
	size_t size, int64_t offset)
{
	struct content *c = h->node->content;
	ssize_t n = content_read(c, buffer, size, offset);
	int attempts;

	if (n > 0)
		fetch_ahead(r->session, h->node, h->readahead, offset, n);
	for (attempts = 0; n == -ESTALE && attempts < STALE_ATTEMPTS;
		attempts++) {
		int rc = fetch_for_read(r->session, h->node, h->readahead,
			offset, (int64_t)size, &r->cancel);

		if (rc < 0)
			return rc;
		n = content_read(c, buffer, size, offset);
	}
	return n;
}

/* Bytes may be written to a large file whose rest is not here; only when the
 * set of ranges grows too long the rest is fetched. Of a small one the rest is
 * fetched now: the save needs it anyway, and a version that the server loses
 * meanwhile is here then. */
static int prepare_write(
	struct request *r, struct node *n, size_t size, int64_t offset)
{
	struct session *s = r->session;
	int rc = fetch_prepare(s, n, &r->cancel);
	int64_t held = content_size(n->content);

	if (rc < 0 || held > SMALL_FILE_BYTES ||
		(offset == 0 && (int64_t)size >= held))
		return rc;
	return fetch_whole(s, n, &r->cancel);
}

static ssize_t write_bytes(struct request *r, struct handle *h,
	const char *bytes, size_t size, int64_t offset)
{
	struct node *n = h->node;
	ssize_t done = -ESTALE;
	int attempts;

	for (attempts = 0; attempts < STALE_ATTEMPTS; attempts++) {
		int rc = done == -E2BIG ? fetch_whole(r->session, n, &r->cancel)
					: prepare_write(r, n, size, offset);

		if (rc < 0)
			return rc;
		done = content_write(
			n->content, bytes, size, offset, h->epoch, &r->cancel);
		if (done != -ESTALE && done != -E2BIG)
			break;
	}
	if (done == -EREMCHG)
		return -ESTALE;
	return done == -E2BIG ? -EIO : done;
}

/* The kernel sends a mapping's pages by whatever handle of the file it has:
 * that one's O_APPEND does not speak of them. */
static bool appends(const struct request *r, const struct handle *h)
{
	return (h->flags & O_APPEND) != 0 && !r->is_from_pages;
}

static ssize_t file_write(struct request *r, struct handle *h,
	const char *bytes, size_t size, int64_t offset)
{
	struct session *s = r->session;
	struct node *n = h->node;
	ssize_t done =
		write_bytes(r, h, bytes, size, appends(r, h) ? -1 : offset);
	int rc = 0;

	if (done >= 0 || content_is_dirty(n->content)) /* a part arrived */
		rc = transfer_changed(s, n);
	if (done < 0 || rc < 0)
		return done < 0 ? done : rc;
	end_set_time(s, n);
	return done;
}

/* A reader's close says nothing of what others write. */
static int file_flush(struct request *r, struct handle *h)
{
	if (!may_write(h))
		return 0;
	if (lost_its_file(h))
		return -ESTALE;
	return transfer_save(r->session, h->node, &r->cancel);
}

static int file_fsync(struct request *r, struct handle *h)
{
	if (lost_its_file(h))
		return -ESTALE;
	return transfer_upload(r->session, h->node, &r->cancel);
}

/* Makes the file at least so long; what is added is zeros. */
static int lengthen(struct request *r, struct handle *h, int64_t end)
{
	struct content *c = h->node->content;
	int rc;

	if (end <= content_size(c))
		return 0;
	if (lost_its_file(h))
		return -ESTALE;
	rc = content_truncate(c, end, &r->cancel);
	return rc < 0 ? rc : transfer_changed(r->session, h->node);
}

/* Zeros are bytes like others here and on the server: there are no holes. */
static int write_zeros(
	struct request *r, struct handle *h, int64_t offset, int64_t end)
{
	g_autofree char *zeros = g_malloc0(ZEROS_BYTES);
	int64_t at = offset;
	ssize_t n = 0;
	int rc = 0;

	for (; at < end && n >= 0; at += n)
		n = write_bytes(
			r, h, zeros, (size_t)MIN(ZEROS_BYTES, end - at), at);
	if (n >= 0 || content_is_dirty(h->node->content))
		rc = transfer_changed(r->session, h->node);
	return n < 0 ? (int)n : rc;
}

static int zero_range(struct request *r, struct handle *h, bool keeps_size,
	int64_t offset, int64_t end)
{
	int64_t size = content_size(h->node->content);
	int rc = keeps_size ? 0 : lengthen(r, h, end);

	end = MIN(end, size); /* beyond, they are zeros */
	return rc == 0 && offset < end ? write_zeros(r, h, offset, end) : rc;
}

static int file_fallocate(struct request *r, struct handle *h, int mode,
	int64_t offset, int64_t length)
{
	bool keeps_size = (mode & FALLOC_FL_KEEP_SIZE) != 0;
	int rc;

	switch (mode & ~FALLOC_FL_KEEP_SIZE) {
	case 0:
	case FALLOC_FL_ZERO_RANGE:
		break;
	case FALLOC_FL_PUNCH_HOLE:
		if (keeps_size)
			break;
		return -EOPNOTSUPP;
	default:
		return -EOPNOTSUPP;
	}
	rc = fetch_prepare(r->session, h->node, &r->cancel);
	if (rc < 0)
		return rc;
	end_set_time(r->session, h->node);
	if ((mode & ~FALLOC_FL_KEEP_SIZE) != 0)
		return zero_range(r, h, keeps_size, offset, offset + length);
	return keeps_size ? 0 : lengthen(r, h, offset + length);
}

/* Bytes written through a mapping after the last close(2) come here without a
 * flush. Nobody can be told any more but the log; they stay dirty. */
static void upload_late(struct session *s, struct node *n)
{
	struct cancel own;
	int rc;

	if (!content_has_untried(n->content) ||
		node_table_was_removed(s->nodes, n))
		return;
	cancel_init(&own, 0);
	rc = transfer_upload(s, n, &own);
	cancel_fini(&own);
	if (rc < 0)
		log_error("bytes written through a mapping are not on the "
			  "server yet: %s",
			g_strerror(-rc));
}

static void file_release(struct request *r, struct handle *h)
{
	upload_late(r->session, h->node);
	readahead_free(h->readahead);
	if (may_write(h))
		content_remove_writer(h->node->content);
	transfer_close(r->session, h->node);
	file_let_go(r->session, h->node);
}

/* Without an open handle of its own (truncate(2)) the change must be on the
 * server before we say that it is done. */
static int change_size(
	struct request *r, struct node *n, struct handle *h, int64_t size)
{
	struct session *s = r->session;
	int rc;

	if (h != NULL && lost_its_file(h))
		return -ESTALE;
	content_open(n->content);
	rc = fetch_prepare(s, n, &r->cancel);
	if (rc == 0)
		rc = content_truncate(n->content, size, &r->cancel);
	if (rc == 0)
		rc = transfer_changed(s, n);
	if (rc == 0 && h == NULL)
		rc = transfer_save(s, n, &r->cancel);
	transfer_close(s, n);
	file_let_go(s, n);
	return rc;
}

static int change_attributes(struct request *r, struct node *n,
	const char *path, const struct node_change *change)
{
	struct session *s = r->session;
	struct entry entry = { 0 };
	int rc = attr_send(s, n, change, &r->cancel);

	if (rc != -EOPNOTSUPP)
		return rc;
	if (change->has_mode)
		overlay_set_mode(s->overlay, path, change->mode);
	if (!change->has_mtime)
		return 0;
	if (content_is_dirty(n->content)) {
		overlay_set_mtime(s->overlay, path, &change->mtime, NULL);
		return 0;
	}
	rc = tree_stat(s->tree, path, s->options.attr_timeout_ms, &r->cancel,
		&entry, NULL);
	if (rc < 0)
		return rc;
	overlay_set_mtime(s->overlay, path, &change->mtime, &entry);
	entry_clear(&entry);
	return 0;
}

static int file_setattr(struct request *r, struct node *n, struct handle *h,
	const struct node_change *change, struct node_attr *ret)
{
	struct session *s = r->session;
	g_autofree char *path = node_table_path(s->nodes, n);
	int rc = 0;

	if ((change->has_uid && change->uid != s->options.uid) ||
		(change->has_gid && change->gid != s->options.gid))
		return -EPERM;
	if (change->has_size) {
		rc = change_size(r, n, h, change->size);
		if (rc == 0)
			end_set_time(s, n);
	}
	if (rc == 0 && path != NULL)
		rc = change_attributes(r, n, path, change);
	else if (rc == 0)
		attr_change_nameless(s, n, change);
	return rc < 0 ? rc : file_getattr(r, n, ret);
}

const struct node_ops file_ops = {
	.kind = "file",
	.type = S_IFREG,
	.getattr = file_getattr,
	.setattr = file_setattr,
	.open = file_open,
	.read = file_read,
	.write = file_write,
	.flush = file_flush,
	.fsync = file_fsync,
	.fallocate = file_fallocate,
	.release = file_release,
	.getxattr = xattr_get,
	.listxattr = xattr_list,
	.setxattr = xattr_set,
};
