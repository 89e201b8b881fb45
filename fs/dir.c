/* dir.c - see dir.h. */
#include "config.h"

#include "dir.h"

#include "attr.h"
#include "attr_cache.h"
#include "attr_send.h"
#include "availability.h"
#include "cache.h"
#include "common_limits.h"
#include "conflict.h"
#include "content.h"
#include "control.h"
#include "dirty_set.h"
#include "fetch.h"
#include "file.h"
#include "fs_limits.h"
#include "handle_table.h"
#include "local.h"
#include "local_names.h"
#include "local_node.h"
#include "names.h"
#include "overlay.h"
#include "path_gate.h"
#include "prefetch.h"
#include "session.h"
#include "transfer.h"
#include "tree.h"
#include "watch.h"
#include "xattr.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

void dir_name_changed(struct session *s, const char *dir_path, const char *name,
	const struct entry *now, bool is_local)
{
	attr_cache_changed(s->attrs, dir_path, name, now, is_local);
	overlay_drop_mtime(s->overlay, dir_path);
}

struct node *dir_enter(struct session *s, struct node *dir,
	const struct entry *entry, uint64_t lookups)
{
	struct node_template template = { .ops = &dir_ops };

	if (entry->type == ENTRY_FILE)
		template = file_template(s);
	return node_table_enter(s->nodes, dir, entry->name, &template, lookups);
}

/* Whoever is in a removed directory, or has it open, may still look at it. */
static int removed_getattr(
	struct session *s, struct node *n, struct node_attr *ret)
{
	const struct entry entry = { .type = ENTRY_DIRECTORY,
		.is_writable = true };

	if (!node_table_was_removed(s->nodes, n))
		return -ENOENT;
	attr_fill(s, n, NULL, &entry, 0, ret);
	return 0;
}

static int dir_getattr(struct request *r, struct node *n, struct node_attr *ret)
{
	struct session *s = r->session;
	g_autofree char *path = node_table_path(s->nodes, n);
	struct entry entry;
	int64_t age_ms;
	int rc;

	if (path == NULL)
		return removed_getattr(s, n, ret);
	rc = tree_recall_stat(s->tree, path, s->options.attr_timeout_ms,
		&r->cancel, &entry, &age_ms);
	if (rc < 0)
		return rc;
	if (entry.type != ENTRY_DIRECTORY)
		rc = -ESTALE;
	else
		attr_fill(s, n, path, &entry, age_ms, ret);
	entry_clear(&entry);
	return rc;
}

static int dir_setattr(struct request *r, struct node *n, struct handle *h,
	const struct node_change *change, struct node_attr *ret)
{
	struct session *s = r->session;
	g_autofree char *path = node_table_path(s->nodes, n);
	struct entry entry;
	int rc;

	(void)h;
	if ((change->has_uid && change->uid != s->options.uid) ||
		(change->has_gid && change->gid != s->options.gid))
		return -EPERM;
	if (path == NULL) {
		attr_change_nameless(s, n, change);
		return removed_getattr(s, n, ret);
	}
	rc = attr_send(s, n, change, &r->cancel);
	if (rc != -EOPNOTSUPP)
		return rc < 0 ? rc : dir_getattr(r, n, ret);
	if (change->has_mode)
		overlay_set_mode(s->overlay, path, change->mode);
	if (change->has_mtime) {
		/* Our own files in it have moved the server's time, untold. */
		rc = tree_stat(s->tree, path, 0, &r->cancel, &entry, NULL);
		if (rc < 0)
			return rc;
		overlay_set_mtime(s->overlay, path, &change->mtime, &entry);
		entry_clear(&entry);
	}
	return dir_getattr(r, n, ret);
}

/* A file that the server has lost while its bytes are unsaved here is still
 * there: it can be saved elsewhere, or removed. */
static int lost_entry(struct session *s, struct node *dir, const char *name,
	struct entry *ret_entry)
{
	struct node *n = node_table_find(s->nodes, dir, name);
	int rc = -ENOENT;

	if (n != NULL && n->content != NULL && content_is_dirty(n->content)) {
		*ret_entry = (struct entry){
			.name = g_strdup(name),
			.type = ENTRY_FILE,
			.is_writable = true,
		};
		rc = 0;
	}
	node_table_unref(s->nodes, n);
	return rc;
}

static int dir_lookup(struct request *r, struct node *dir, const char *name,
	struct node **ret_node, struct node_attr *ret_attr)
{
	struct session *s = r->session;
	g_autofree char *dir_path = NULL;
	g_autofree char *path = NULL;
	struct entry entry;
	int64_t age_ms;
	int rc = control_lookup(r, dir, name, ret_node, ret_attr);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = dir_child_path(r, dir, name, &dir_path, &path);
	if (rc == 0)
		rc = local_lookup(r, dir, dir_path, name, ret_node, ret_attr);
	if (rc != 0)
		return MIN(rc, 0);
	prefetch_lookup(s->prefetch, dir_path);
	rc = tree_recall_stat(s->tree, path, s->options.attr_timeout_ms,
		&r->cancel, &entry, &age_ms);
	if (rc == -ENOENT)
		rc = lost_entry(s, dir, name, &entry);
	if (rc < 0)
		return rc;
	*ret_node = dir_enter(s, dir, &entry, 1);
	attr_fill(s, *ret_node, path, &entry, age_ms, ret_attr);
	entry_clear(&entry);
	return 0;
}

/* The directory as it is now, without names that are ours (a file `.run` of
 * the server's cannot be reached). */
static int take_snapshot(
	struct request *r, struct node *n, const char *path, struct handle *h)
{
	struct session *s = r->session;
	GPtrArray *entries;
	int64_t age_ms;
	int rc = tree_recall_list(s->tree, path, s->options.attr_timeout_ms,
		&r->cancel, &entries, &age_ms);

	if (rc < 0)
		return rc;
	for (guint i = entries->len; i > 0; i--) {
		const struct entry *e = entries->pdata[i - 1];

		if (control_is_reserved(n, e->name))
			g_ptr_array_remove_index(entries, i - 1);
	}
	if (h->entries != NULL)
		g_ptr_array_unref(h->entries);
	h->entries = entries;
	h->listed_ms = clock_now_ms() - age_ms;
	local_take_snapshot(s, path, h);
	return 0;
}

static int dir_opendir(
	struct request *r, struct node *n, struct open_result *ret)
{
	struct session *s = r->session;
	g_autofree char *path = node_table_path(s->nodes, n);
	struct handle *h;
	int rc;

	if (path == NULL)
		return -ENOENT;
	node_table_ref(s->nodes, n);
	h = handle_table_open(s->handles, n, O_RDONLY);
	rc = take_snapshot(r, n, path, h);
	if (rc < 0) {
		node_table_unref(s->nodes, handle_table_close(s->handles, h));
		return rc;
	}
	prefetch_directory(s->prefetch, path);
	watch_want(s->watch, path);
	*ret = (struct open_result){ .handle = h, .is_seekable = true };
	return 0;
}

static void dir_release(struct request *r, struct handle *h)
{
	(void)r;
	(void)h; /* the table frees the snapshot */
}

static void directory_attr(
	struct session *s, uint64_t ino, struct node_attr *ret)
{
	*ret = (struct node_attr){ 0 };
	ret->st.st_ino = ino;
	ret->st.st_mode = S_IFDIR | (0755 & ~s->options.dmask);
}

/* What is to be said of a name of the snapshot: the kernel takes it for the
 * present, so what happened here since then is stronger. False: it is gone. */
static bool entry_of_now(struct session *s, const struct handle *h,
	const char *dir_path, const struct entry *listed, struct entry *ret,
	int64_t *ret_age_ms)
{
	switch (attr_cache_lookup(s->attrs, dir_path, listed->name,
		ATTR_ANY_AGE, ret, ret_age_ms)) {
	case ATTR_PRESENT:
		return true;
	case ATTR_ABSENT:
		return false;
	case ATTR_UNLISTED: /* the walk sees the moment it began */
	case ATTR_UNKNOWN:
	default:
		entry_copy(listed, ret);
		*ret_age_ms = clock_now_ms() - h->listed_ms;
		return true;
	}
}

static int listed_entry(struct request *r, struct handle *h, guint index,
	bool wants_node, struct node_dirent *ret)
{
	struct session *s = r->session;
	g_autofree char *dir_path = NULL;
	g_autofree char *path = NULL;
	const struct entry *listed;
	struct entry entry;
	int64_t age_ms;

	if (index >= h->entries->len)
		return local_dirent(
			r, h, index - h->entries->len, wants_node, ret);
	listed = h->entries->pdata[index];
	dir_path = node_table_path(s->nodes, h->node);
	if (dir_path == NULL ||
		!entry_of_now(s, h, dir_path, listed, &entry, &age_ms))
		return -ENOENT;
	path = path_join(dir_path, listed->name);
	ret->name = listed->name;
	if (wants_node) {
		ret->node = dir_enter(s, h->node, &entry, 1);
		attr_fill(s, ret->node, path, &entry, age_ms, &ret->attr);
	} else {
		attr_fill_entry(s, path, &entry, age_ms, &ret->attr);
	}
	entry_clear(&entry);
	return 1;
}

/* The directory may have another name by now. */
static int begin_again(struct request *r, struct handle *h)
{
	g_autofree char *path = node_table_path(r->session->nodes, h->node);

	if (path == NULL) {
		g_ptr_array_set_size(h->entries, 0); /* removed: empty */
		g_ptr_array_set_size(h->locals, 0);
		return 0;
	}
	return take_snapshot(r, h->node, path, h);
}

static int dir_dirent(struct request *r, struct handle *h, uint64_t index,
	bool wants_node, struct node_dirent *ret)
{
	const char *control = control_listed_name(h->node);
	int rc;

	*ret = (struct node_dirent){ 0 };
	/* A walk that starts again at the beginning sees the present
	 * (rewinddir); one under way sees the moment it began, whatever comes
	 * and goes meanwhile. */
	if (index == 0 && h->is_begun) {
		rc = begin_again(r, h);
		if (rc < 0)
			return rc;
	}
	h->is_begun = true;
	if (index < 2) {
		ret->name = index == 0 ? "." : "..";
		directory_attr(r->session, h->node->ino, &ret->attr);
		return 1;
	}
	index -= 2;
	if (control != NULL && index-- == 0) {
		ret->name = control;
		rc = control_lookup(
			r, h->node, control, &ret->node, &ret->attr);
		if (rc == 1 && !wants_node) {
			node_table_forget(r->session->nodes, ret->node->ino, 1);
			node_table_unref(r->session->nodes, ret->node);
			ret->node = NULL;
		}
		return rc;
	}
	return listed_entry(
		r, h, (guint)MIN(index, G_MAXUINT), wants_node, ret);
}

/* --- making names --------------------------------------------------------- */

static void local_entry(const char *name, struct entry *ret)
{
	*ret = (struct entry){
		.name = g_strdup(name),
		.type = ENTRY_FILE,
		.is_writable = true,
	};
	(void)clock_gettime(CLOCK_REALTIME, &ret->mtime);
	ret->ctime = ret->mtime;
}

/* A dot name that the server may refuse is asked for now. */
static bool is_doubtful(struct session *s, const char *name)
{
	return name[0] == '.' &&
	       (remote_capabilities(s->remote) & REMOTE_CAN_HIDDEN) == 0;
}

static int create_now(struct request *r, struct node *n, struct entry *entry)
{
	struct session *s = r->session;
	g_autofree char *path = node_table_path(s->nodes, n);
	int rc = transfer_upload(s, n, &r->cancel);

	if (rc < 0 || path == NULL)
		return rc;
	entry_clear(entry);
	return tree_stat(s->tree, path, REVALIDATE_MS, &r->cancel, entry, NULL);
}

static void undo_create(struct request *r, struct node *dir, struct node *n,
	const char *dir_path, const char *name)
{
	struct session *s = r->session;

	dir_name_changed(s, dir_path, name, NULL, false);
	node_table_unlink(s->nodes, dir, name);
	transfer_abandon(s, n);
}

/* A new file: ours alone until its first flush. *ret_node has a ref. */
static int create_new(struct request *r, struct node *dir, const char *name,
	const char *dir_path, const char *path, mode_t mode,
	struct entry *ret_entry, struct node **ret_node)
{
	struct session *s = r->session;
	struct node_template template = file_template(s);
	struct node *n;
	int rc;

	local_entry(name, ret_entry);
	overlay_removed(s->overlay, path);
	if ((mode & 07777) != (DEFAULT_FILE_MODE & ~s->options.fmask))
		overlay_set_mode(s->overlay, path, mode);
	dir_name_changed(s, dir_path, name, ret_entry, true);
	n = node_table_enter(s->nodes, dir, name, &template, 0);
	content_set_base(n->content, NULL);
	rc = content_truncate(n->content, 0, &r->cancel);
	if (rc == 0)
		dirty_set_add(s->dirty, n);
	if (rc == 0 && is_doubtful(s, name))
		rc = create_now(r, n, ret_entry);
	if (rc < 0) {
		undo_create(r, dir, n, dir_path, name);
		node_table_unref(s->nodes, n);
		entry_clear(ret_entry);
		return rc;
	}
	*ret_node = n;
	return 0;
}

/* The kernel looks a name up before it makes it: when that has just asked the
 * server, its answer is as new as another would be. */
static bool is_just_found_absent(
	struct session *s, const char *dir_path, const char *name)
{
	struct entry entry;

	switch (attr_cache_lookup(s->attrs, dir_path, name,
		MIN(s->options.attr_timeout_ms, JUST_ASKED_MS), &entry, NULL)) {
	case ATTR_PRESENT:
		entry_clear(&entry);
		return false;
	case ATTR_ABSENT:
		return true;
	case ATTR_UNLISTED:
		return !name_may_be_unlisted(name, false);
	case ATTR_UNKNOWN:
	default:
		return false;
	}
}

/* -ENOENT: nobody has the name, -EEXIST, or the remote's error. The server's
 * mkdir of an existing directory succeeds, and so does its write of a file that
 * should be new: it is asked, now, unless we know of ourselves. */
static int check_absent(struct request *r, const char *dir_path,
	const char *name, const char *path)
{
	struct session *s = r->session;
	struct entry entry;
	int rc;

	if (attr_cache_owns_absence(
		    s->attrs, dir_path, name, s->options.attr_timeout_ms) ||
		is_just_found_absent(s, dir_path, name))
		return -ENOENT;
	rc = tree_stat(s->tree, path, 0, &r->cancel, &entry, NULL);
	if (rc < 0)
		return rc;
	entry_clear(&entry);
	return -EEXIST;
}

/* For a file. Without the server what was known last must do: the upload finds
 * out (conflict.h). */
static int check_new(struct request *r, const char *dir_path, const char *name,
	const char *path)
{
	struct session *s = r->session;
	struct entry entry;
	int rc = check_absent(r, dir_path, name, path);

	if (!availability_is_failure(rc))
		return rc;
	rc = tree_recall_stat(s->tree, path, s->options.attr_timeout_ms,
		&r->cancel, &entry, NULL);
	if (rc < 0)
		return rc;
	entry_clear(&entry);
	return -EEXIST;
}

/* What stands at the path now: 0 a file, -ENOENT nothing, or why it cannot be
 * opened for creation. */
static int check_existing(
	struct request *r, const char *path, struct entry *ret_entry)
{
	struct session *s = r->session;
	int rc = tree_recall_stat(s->tree, path, s->options.attr_timeout_ms,
		&r->cancel, ret_entry, NULL);

	if (rc == 0 && ret_entry->type != ENTRY_FILE) {
		entry_clear(ret_entry);
		rc = -EISDIR;
	}
	return rc;
}

static int dir_create(struct request *r, struct node *dir, const char *name,
	mode_t mode, int flags, struct node **ret_node,
	struct node_attr *ret_attr, struct open_result *ret_open)
{
	struct session *s = r->session;
	g_autofree char *dir_path = NULL;
	g_autofree char *path = NULL;
	struct entry entry;
	struct node *n = NULL;
	int rc = dir_child_path(r, dir, name, &dir_path, &path);

	if (rc == 0)
		rc = local_create(r, dir, dir_path, name, mode, flags, ret_node,
			ret_attr, ret_open);
	if (rc != 0)
		return MIN(rc, 0);
	rc = (flags & O_EXCL) != 0 ? check_new(r, dir_path, name, path)
				   : check_existing(r, path, &entry);
	if (rc == -ENOENT) {
		rc = create_new(r, dir, name, dir_path, path, mode, &entry, &n);
		flags &= ~O_TRUNC; /* it is empty, and dirty already */
	} else if (rc == 0) {
		n = dir_enter(s, dir, &entry, 0);
	}
	if (rc < 0)
		return rc;
	rc = file_open_entry(r, n, flags, &entry, ret_open);
	if (rc == 0) {
		node_table_count_lookup(s->nodes, n);
		attr_fill(s, n, path, &entry, 0, ret_attr);
		*ret_node = n; /* our ref is the caller's now */
	} else {
		file_let_go(s, n); /* replaced before it was open */
		node_table_unref(s->nodes, n);
	}
	entry_clear(&entry);
	return rc;
}

static int dir_mkdir(struct request *r, struct node *dir, const char *name,
	mode_t mode, struct node **ret_node, struct node_attr *ret_attr)
{
	struct session *s = r->session;
	g_autofree char *dir_path = NULL;
	g_autofree char *path = NULL;
	struct entry entry;
	int rc = dir_child_path(r, dir, name, &dir_path, &path);

	if (rc == 0)
		rc = local_mkdir(
			r, dir, dir_path, name, mode, ret_node, ret_attr);
	if (rc != 0)
		return MIN(rc, 0);
	rc = check_absent(r, dir_path, name, path);
	if (rc != -ENOENT)
		return rc;
	rc = remote_mkdir(s->remote, path, &r->cancel, &entry);
	if (rc < 0) {
		attr_cache_doubt(s->attrs, dir_path, name);
		return rc;
	}
	overlay_removed(s->overlay, path);
	if ((mode & 07777) != (0755 & ~s->options.dmask))
		overlay_set_mode(s->overlay, path, mode);
	dir_name_changed(s, dir_path, name, &entry, false);
	attr_cache_made(s->attrs, path);
	*ret_node = dir_enter(s, dir, &entry, 1);
	attr_send_rest(s, path, &r->cancel);
	attr_fill(s, *ret_node, path, &entry, 0, ret_attr);
	entry_clear(&entry);
	return 0;
}

/* --- removing names ------------------------------------------------------- */

/* What stands there now, by the server's word, goes. A file that the server has
 * lost while its bytes are unsaved here is only here. */
static int unlink_inside_gate(struct request *r, struct node *dir,
	const char *name, const char *dir_path, const char *path)
{
	struct session *s = r->session;
	struct node *n = node_table_find(s->nodes, dir, name);
	struct entry entry;
	int rc = tree_stat(s->tree, path, s->options.attr_timeout_ms,
		&r->cancel, &entry, NULL);

	if (rc == 0) {
		rc = entry.type == ENTRY_DIRECTORY
			     ? -EISDIR
			     : dir_remove_file(r, dir, n, name, dir_path, path);
		entry_clear(&entry);
	} else if (rc == -ENOENT && n != NULL && n->content != NULL &&
		   content_is_dirty(n->content)) {
		dir_forget_file(r, dir, n, name, dir_path, path);
		rc = 0;
	}
	node_table_unref(s->nodes, n);
	return rc;
}

static int dir_unlink(struct request *r, struct node *dir, const char *name)
{
	g_autofree char *dir_path = NULL;
	g_autofree char *path = NULL;
	struct path_pass pass;
	int rc = dir_enter_alone(r, dir, name, &pass, &dir_path, &path);

	if (rc < 0)
		return rc;
	rc = local_unlink(r, dir, name, path);
	if (rc == 0)
		rc = unlink_inside_gate(r, dir, name, dir_path, path);
	dir_leave(r, &pass);
	return MIN(rc, 0);
}

static int remove_directory(struct request *r, struct node *dir,
	const char *name, const char *dir_path, const char *path)
{
	struct session *s = r->session;
	int rc = dir_prove_empty(r, path);

	if (rc == 0)
		rc = remote_remove(s->remote, path, &r->cancel);
	if (rc == 0 || rc == -ENOENT) {
		attr_cache_removed(s->attrs, path);
		dir_name_changed(s, dir_path, name, NULL, false);
		overlay_removed(s->overlay, path);
		cache_removed(s->cache, path);
		local_names_directory_removed(local_names(s), path);
		node_table_unlink(s->nodes, dir, name);
	} else if (rc != -ENOTEMPTY) {
		attr_cache_doubt(s->attrs, dir_path, name);
	}
	return rc;
}

static int rmdir_inside_gate(struct request *r, struct node *dir,
	const char *name, const char *dir_path, const char *path)
{
	struct session *s = r->session;
	struct entry entry;
	int rc = local_rmdir(r, dir, name, path);

	if (rc != 0)
		return MIN(rc, 0);
	rc = tree_stat(s->tree, path, s->options.attr_timeout_ms, &r->cancel,
		&entry, NULL);
	if (rc < 0)
		return rc;
	rc = entry.type != ENTRY_DIRECTORY
		     ? -ENOTDIR
		     : remove_directory(r, dir, name, dir_path, path);
	entry_clear(&entry);
	return rc;
}

static int dir_rmdir(struct request *r, struct node *dir, const char *name)
{
	g_autofree char *dir_path = NULL;
	g_autofree char *path = NULL;
	struct path_pass pass;
	int rc = dir_enter_alone(r, dir, name, &pass, &dir_path, &path);

	if (rc < 0)
		return rc;
	rc = rmdir_inside_gate(r, dir, name, dir_path, path);
	dir_leave(r, &pass);
	return rc;
}

const struct node_ops dir_ops = {
	.kind = "directory",
	.type = S_IFDIR,
	.getattr = dir_getattr,
	.setattr = dir_setattr,
	.lookup = dir_lookup,
	.create = dir_create,
	.mkdir = dir_mkdir,
	.symlink = local_symlink,
	.unlink = dir_unlink,
	.rmdir = dir_rmdir,
	.rename = dir_rename,
	.link = dir_link,
	.opendir = dir_opendir,
	.dirent = dir_dirent,
	.release = dir_release,
	.getxattr = xattr_get,
	.listxattr = xattr_list,
	.setxattr = xattr_set,
};

/* Its names are here, which every operation of ours asks about first. */
const struct node_ops local_dir_ops = {
	.kind = "local directory",
	.type = S_IFDIR,
	.getattr = local_getattr,
	.setattr = local_setattr,
	.lookup = dir_lookup,
	.create = dir_create,
	.mkdir = dir_mkdir,
	.symlink = local_symlink,
	.unlink = dir_unlink,
	.rmdir = dir_rmdir,
	.rename = dir_rename,
	.opendir = local_dir_opendir,
	.dirent = local_dir_dirent,
	.release = dir_release,
};
