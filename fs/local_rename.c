/*
 * local_rename.c - renaming what stays here, and across the border.
 *
 * Onto a name of the server's, a file is one PUT to the target, which replaces
 * it in place; only then does it go here. From the server, the bytes are
 * brought here and on the disk before the server's go; when the new name is
 * an editor's, the server's wait a moment (late_remote.h). Whatever fails, one
 * of both names has the bytes. A directory does not cross the border: EXDEV,
 * and mv copies it. A symbolic link stays here under any name.
 */
#include "config.h"

#include "local_node.h"

#include "attr.h"
#include "attr_cache.h"
#include "cache.h"
#include "conflict.h"
#include "content.h"
#include "dir.h"
#include "fetch.h"
#include "late_remote.h"
#include "local.h"
#include "local_names.h"
#include "log.h"
#include "notifier.h"
#include "overlay.h"
#include "session.h"
#include "swap.h"
#include "transfer.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COPY_BYTES (128 << 10)

/* The kernel gave the new name the old one's node, which is of another kind. */
static void forget_kernels_name(const struct local_move *m)
{
	struct notifier *notifier = m->request->session->notifier;

	if (notifier != NULL)
		notifier_invalidate_entry(notifier, m->to_dir->ino, m->to_name);
}

/* --- here ----------------------------------------------------------------- */

static int move_here(const struct local_move *m)
{
	struct session *s = m->request->session;
	int rc = local_names_rename(local_names(s), m->from, m->to, m->flags);

	if (rc == 0)
		node_table_move(
			s->nodes, m->dir, m->name, m->to_dir, m->to_name);
	return rc;
}

/* What the server has at the target: 1 a file, 0 nothing, or why it cannot be
 * replaced. */
static int look_at_target(const struct local_move *m)
{
	struct session *s = m->request->session;
	struct entry entry;
	int rc = tree_stat(s->tree, m->to, s->options.attr_timeout_ms,
		&m->request->cancel, &entry, NULL);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	rc = entry.type == ENTRY_DIRECTORY ? -EISDIR : 1;
	entry_clear(&entry);
	return (m->flags & RENAME_NOREPLACE) != 0 ? -EEXIST : rc;
}

static int move_link(const struct local_move *m)
{
	struct session *s = m->request->session;
	int rc = look_at_target(m);

	if (rc > 0) {
		struct node *target =
			node_table_find(s->nodes, m->to_dir, m->to_name);

		rc = dir_remove_file(m->request, m->to_dir, target, m->to_name,
			m->to_dir_path, m->to);
		node_table_unref(s->nodes, target);
	}
	return rc < 0 && rc != -ENOENT ? rc : move_here(m);
}

/* --- to the server -------------------------------------------------------- */

static int fill_content(struct content *c, int fd, const struct cancel *cancel)
{
	g_autofree char *buffer = g_malloc(COPY_BYTES);
	int64_t offset = 0;
	int rc = content_truncate(c, 0, cancel);

	while (rc == 0) {
		ssize_t n = pread(fd, buffer, COPY_BYTES, offset);

		if (n == 0)
			break;
		if (n < 0)
			return -errno;
		n = content_write(c, buffer, (size_t)n, offset, 0, cancel);
		if (n < 0)
			return (int)n;
		offset += n;
	}
	return rc;
}

static ssize_t read_content(
	void *arg, void *buffer, size_t size, int64_t offset)
{
	return content_read(arg, buffer, size, offset);
}

static int send_content(struct session *s, struct content *c, const char *path,
	enum swap_way way, const struct cancel *cancel, struct entry *ret_now)
{
	struct remote_source source = { read_content, c, 0 };
	int rc = content_begin_upload(c, true, cancel, &source.size);

	if (rc < 0)
		return rc;
	rc = swap_put(
		s, path, REMOTE_WHATEVER, way, NULL, &source, cancel, ret_now);
	if (rc == 0)
		ret_now->size = source.size; /* the remote checked it */
	content_end_upload(c, rc, ret_now);
	return rc;
}

/* The file's bytes are at the target, and in the cache for who reads it next. */
static int upload(const struct local_move *m, int fd, enum swap_way way,
	struct entry *ret_now)
{
	struct session *s = m->request->session;
	const struct cancel *cancel = &m->request->cancel;
	struct content *c = content_new(s->cache_fd);
	struct cached_bytes bytes;
	int rc;

	content_open(c);
	rc = fill_content(c, fd, cancel);
	if (rc == 0)
		rc = send_content(s, c, m->to, way, cancel, ret_now);
	if (rc == 0)
		cache_removed(s->cache, m->to);
	if (content_close(c, &bytes)) {
		if (rc == 0)
			cache_give(s->cache, m->to, &bytes);
		else
			cached_bytes_clear(&bytes);
	}
	content_free(c);
	return rc;
}

/* As a rename does, the new file has the mode and the time of the old name. */
static void believe_uploaded(const struct local_move *m, const struct stat *st,
	const struct entry *now)
{
	struct session *s = m->request->session;

	attr_cache_changed(s->attrs, m->to_dir_path, m->to_name, now, false);
	overlay_removed(s->overlay, m->to);
	if ((st->st_mode & 07777) != (0644 & ~s->options.fmask))
		overlay_set_mode(s->overlay, m->to, st->st_mode);
	overlay_set_mtime(s->overlay, m->to, &st->st_mtim, now);
}

static void leave_here(const struct local_move *m)
{
	struct session *s = m->request->session;
	struct node *n = node_table_find(s->nodes, m->dir, m->name);
	int rc = local_names_unlink(local_names(s), m->from);

	if (rc < 0)
		log_warning("'%s' is on the server as '%s', but is also still "
			    "here: %s",
			m->from, m->to, g_strerror(-rc));
	if (n != NULL)
		local_left(s, n);
	node_table_unlink(s->nodes, m->dir, m->name);
	node_table_unref(s->nodes, n);
}

static int replace_target(
	const struct local_move *m, struct node *target, enum swap_way way)
{
	struct session *s = m->request->session;
	struct entry now = { 0 };
	struct stat st;
	int fd, rc;

	/* Who has the file open that is replaced keeps its bytes. */
	if (target != NULL && target->content != NULL &&
		content_is_open(target->content)) {
		rc = fetch_whole_at(s, target, m->to, &m->request->cancel);
		if (rc < 0)
			return rc;
	}
	fd = local_names_open(local_names(s), m->from, O_RDONLY);
	if (fd < 0)
		return fd;
	rc = fstat(fd, &st) < 0 ? -errno : upload(m, fd, way, &now);
	(void)close(fd);
	if (rc < 0)
		return rc;
	believe_uploaded(m, &st, &now);
	entry_clear(&now);
	node_table_unlink(s->nodes, m->to_dir, m->to_name);
	conflicts_forget(s->conflicts, m->to);
	dir_forget_bytes(s, target);
	leave_here(m);
	forget_kernels_name(m);
	return 0;
}

/* Where the replacing itself says what cannot be replaced, it is not asked
 * before. */
static int replace_or_look(const struct local_move *m, struct node *target)
{
	int rc = -EOPNOTSUPP;

	if ((m->flags & RENAME_NOREPLACE) == 0 &&
		swap_is_possible(m->request->session))
		rc = replace_target(m, target, SWAP_ONLY);
	if (!swap_should_write(rc))
		return rc;
	rc = look_at_target(m);
	return rc < 0 ? rc : replace_target(m, target, SWAP_NOT);
}

static int move_to_server(const struct local_move *m)
{
	struct session *s = m->request->session;
	struct node *target;
	struct stat st;
	int rc = local_names_stat(local_names(s), m->from, &st);

	if (rc < 0)
		return rc;
	if (S_ISLNK(st.st_mode))
		return move_link(m);
	if (S_ISDIR(st.st_mode))
		return -EXDEV;
	target = node_table_find(s->nodes, m->to_dir, m->to_name);
	rc = replace_or_look(m, target);
	node_table_unref(s->nodes, target);
	return rc;
}

/* --- from the server ------------------------------------------------------ */

static int write_all(int fd, const char *bytes, size_t size, int64_t offset)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, bytes, size, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		size -= (size_t)n;
		offset += n;
	}
	return 0;
}

static int copy_content(struct content *c, int fd)
{
	g_autofree char *buffer = g_malloc(COPY_BYTES);
	int64_t offset = 0;

	for (;;) {
		ssize_t n = content_read(c, buffer, COPY_BYTES, offset);
		int rc = n < 0 ? (int)n
			       : write_all(fd, buffer, (size_t)n, offset);

		if (rc < 0 || n == 0)
			return rc;
		offset += n;
	}
}

static int keep_attributes(struct session *s, struct node *n, const char *path,
	const struct entry *source, int fd)
{
	struct timespec times[2] = { { 0, UTIME_OMIT }, { 0, 0 } };
	struct node_attr attr;

	attr_fill(s, n, path, source, 0, &attr);
	times[1] = attr.st.st_mtim;
	if (fchmod(fd, attr.st.st_mode & 07777) < 0 || futimens(fd, times) < 0)
		return -errno;
	return 0;
}

/* All of the file stands here under the new name, and on the disk. */
static int bring(
	const struct local_move *m, struct node *n, const struct entry *source)
{
	struct session *s = m->request->session;
	struct local_file_draft draft;
	int rc;

	content_open(n->content);
	rc = fetch_whole_at(s, n, m->from, &m->request->cancel);
	if (rc == 0)
		rc = local_names_begin_draft(local_names(s), m->to, &draft);
	if (rc == 0) {
		rc = copy_content(n->content, draft.fd);
		if (rc == 0)
			rc = keep_attributes(s, n, m->from, source, draft.fd);
		if (rc == 0)
			rc = local_names_end_draft(local_names(s), &draft);
		else
			local_names_drop_draft(local_names(s), &draft);
	}
	transfer_close(s, n);
	return rc;
}

/* The server's file goes; an editor will write a new one at once. */
static int remove_source(const struct local_move *m, const struct node *n,
	const struct entry *source)
{
	struct session *s = m->request->session;
	const struct cancel *cancel = &m->request->cancel;
	bool is_local = attr_cache_is_local(s->attrs, m->dir_path, m->name);
	int rc;

	if (is_local && !content_was_sent(n->content))
		return 0;
	rc = local_is_editors(s, m->to_name)
		     ? late_remote_remove(s->late, m->from, source, cancel)
		     : remote_remove(s->remote, m->from, cancel);
	return rc == -ENOENT ? 0 : rc;
}

static int bring_and_remove(
	const struct local_move *m, struct node *n, const struct entry *source)
{
	struct session *s = m->request->session;
	int rc;

	/* Who writes to it would go on writing to nothing: mv copies. */
	if (content_is_open(n->content) && !local_is_editors(s, m->to_name))
		return -EXDEV;
	rc = bring(m, n, source);
	if (rc == 0)
		rc = remove_source(m, n, source);
	if (rc < 0)
		return rc;
	dir_forget_file(m->request, m->dir, n, m->name, m->dir_path, m->from);
	node_table_unlink(s->nodes, m->to_dir, m->to_name);
	forget_kernels_name(m);
	return 0;
}

static int move_from_server(const struct local_move *m)
{
	struct session *s = m->request->session;
	struct entry source;
	struct node *n;
	struct stat st;
	int rc = tree_stat(s->tree, m->from, s->options.attr_timeout_ms,
		&m->request->cancel, &source, NULL);

	if (rc < 0)
		return rc;
	if (source.type == ENTRY_DIRECTORY)
		rc = -EXDEV;
	if (rc == 0 && local_names_stat(local_names(s), m->to, &st) == 0) {
		if ((m->flags & RENAME_NOREPLACE) != 0)
			rc = -EEXIST;
		else if (S_ISDIR(st.st_mode))
			rc = -EISDIR;
	}
	if (rc == 0) {
		n = dir_enter(s, m->dir, &source, 0);
		rc = bring_and_remove(m, n, &source);
		node_table_unref(s->nodes, n);
	}
	entry_clear(&source);
	return rc;
}

/* A symbolic link stands here under a name that is the server's otherwise: a
 * file of the server's that replaces it stays the server's. 1: so it is. */
static int replaces_link(const struct local_move *m)
{
	struct request *r = m->request;
	enum local_side side;
	struct entry source;
	struct stat st;
	int rc = local_names_stat(local_names(r->session), m->to, &st);

	if (rc < 0 || !S_ISLNK(st.st_mode))
		return 0;
	rc = local_find_new_side(
		r, m->to_dir, m->to_dir_path, m->to_name, 0, &side);
	if (rc < 0 || side != SIDE_SERVER)
		return rc;
	if ((m->flags & RENAME_NOREPLACE) != 0)
		return -EEXIST;
	rc = tree_stat(r->session->tree, m->from,
		r->session->options.attr_timeout_ms, &r->cancel, &source, NULL);
	if (rc < 0)
		return rc;
	rc = source.type == ENTRY_DIRECTORY ? -ENOTDIR : 1;
	entry_clear(&source);
	return rc;
}

int local_rename_over_link(const struct local_move *m)
{
	int rc = local_names_unlink(local_names(m->request->session), m->to);

	return rc == -ENOENT ? 0 : rc;
}

int local_rename(const struct local_move *m)
{
	enum local_side from, to;
	bool is_to_here;
	int rc = local_find_side(
		m->request, m->dir, m->dir_path, m->name, 0, &from);

	if (rc == 0)
		rc = local_find_side(m->request, m->to_dir, m->to_dir_path,
			m->to_name, O_CREAT, &to);
	if (rc < 0)
		return rc;
	is_to_here = to == SIDE_HERE || to == SIDE_KEPT;
	if (to == SIDE_REFUSED)
		rc = -EPERM;
	else if (from == SIDE_KEPT || from == SIDE_REFUSED)
		rc = -ENOENT;
	else if (from == SIDE_SERVER && !is_to_here)
		return 0;
	else if ((m->flags & RENAME_EXCHANGE) != 0)
		return -EINVAL;
	else if (from == SIDE_SERVER && (rc = replaces_link(m)) == 0)
		rc = move_from_server(m);
	else if (from == SIDE_SERVER)
		return rc < 0 ? rc : LOCAL_RENAME_OVER_LINK;
	else
		rc = is_to_here ? move_here(m) : move_to_server(m);
	if (rc < 0)
		return rc;
	local_dir_changed(m->request->session, m->dir);
	local_dir_changed(m->request->session, m->to_dir);
	return 1;
}
