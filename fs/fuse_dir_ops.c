/* fuse_dir_ops.c - operations on names and directories; see fuse_ops.h. */
#include "config.h"

#include "fuse_ops.h"

#include "handle_table.h"
#include "node_table.h"
#include "reply.h"

#include <errno.h>
#include <fcntl.h>

void fuse_op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct node_attr attr;
	struct request r;
	struct node *dir;
	struct node *n;
	int rc = -ENOTDIR;

	if (!fuse_begin(&r, req, "lookup", parent, &dir))
		return;
	if (dir->ops->lookup != NULL)
		rc = dir->ops->lookup(&r, dir, name, &n, &attr);
	node_table_unref(r.session->nodes, dir);
	if (rc < 0)
		reply_err(&r, rc);
	else
		reply_entry(&r, n, &attr);
}

void fuse_op_create(fuse_req_t req, fuse_ino_t parent, const char *name,
	mode_t mode, struct fuse_file_info *fi)
{
	struct open_result opened;
	struct node_attr attr;
	struct request r;
	struct node *dir;
	struct node *n;
	int rc = -EPERM;

	if (!fuse_begin(&r, req, "create", parent, &dir))
		return;
	if (dir->ops->create != NULL)
		rc = dir->ops->create(
			&r, dir, name, mode, fi->flags, &n, &attr, &opened);
	node_table_unref(r.session->nodes, dir);
	if (rc < 0)
		reply_err(&r, rc);
	else
		reply_create(&r, n, &attr, &opened, fi);
}

/* A regular file by mknod(2) is a create whose handle nobody wants. */
static int make_file(struct request *r, struct node *dir, const char *name,
	mode_t mode, struct node **ret_node, struct node_attr *ret_attr)
{
	struct open_result opened;
	int rc;

	if (!S_ISREG(mode) || dir->ops->create == NULL)
		return -EPERM;
	rc = dir->ops->create(r, dir, name, mode, O_WRONLY | O_CREAT | O_EXCL,
		ret_node, ret_attr, &opened);
	if (rc < 0)
		return rc;
	if ((*ret_node)->ops->flush != NULL)
		rc = (*ret_node)->ops->flush(r, opened.handle);
	release_handle(r, opened.handle);
	if (rc < 0) {
		/* Without its file on the server the name would be ours alone. */
		if (dir->ops->unlink != NULL)
			(void)dir->ops->unlink(r, dir, name);
		node_table_forget(r->session->nodes, (*ret_node)->ino, 1);
		node_table_unref(r->session->nodes, *ret_node);
	}
	return rc;
}

void fuse_op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
	mode_t mode, dev_t dev)
{
	struct node_attr attr;
	struct request r;
	struct node *dir;
	struct node *n;
	int rc;

	(void)dev;
	if (!fuse_begin(&r, req, "mknod", parent, &dir))
		return;
	rc = make_file(&r, dir, name, mode, &n, &attr);
	node_table_unref(r.session->nodes, dir);
	if (rc < 0)
		reply_err(&r, rc);
	else
		reply_entry(&r, n, &attr);
}

void fuse_op_mkdir(
	fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct node_attr attr;
	struct request r;
	struct node *dir;
	struct node *n;
	int rc = -EPERM;

	if (!fuse_begin(&r, req, "mkdir", parent, &dir))
		return;
	if (dir->ops->mkdir != NULL)
		rc = dir->ops->mkdir(&r, dir, name, mode, &n, &attr);
	node_table_unref(r.session->nodes, dir);
	if (rc < 0)
		reply_err(&r, rc);
	else
		reply_entry(&r, n, &attr);
}

void fuse_op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct request r;
	struct node *dir;
	int rc = -EPERM;

	if (!fuse_begin(&r, req, "unlink", parent, &dir))
		return;
	if (dir->ops->unlink != NULL)
		rc = dir->ops->unlink(&r, dir, name);
	fuse_done(&r, dir, rc);
}

void fuse_op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct request r;
	struct node *dir;
	int rc = -EPERM;

	if (!fuse_begin(&r, req, "rmdir", parent, &dir))
		return;
	if (dir->ops->rmdir != NULL)
		rc = dir->ops->rmdir(&r, dir, name);
	fuse_done(&r, dir, rc);
}

void fuse_op_symlink(
	fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct node_attr attr;
	struct request r;
	struct node *dir;
	struct node *n;
	int rc = -EPERM;

	if (!fuse_begin(&r, req, "symlink", parent, &dir))
		return;
	if (dir->ops->symlink != NULL)
		rc = dir->ops->symlink(&r, dir, name, target, &n, &attr);
	node_table_unref(r.session->nodes, dir);
	if (rc < 0)
		reply_err(&r, rc);
	else
		reply_entry(&r, n, &attr);
}

/* EPERM is what a file system without hard links says. */
void fuse_op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t to_parent,
	const char *to_name)
{
	struct node_attr attr;
	struct request r;
	struct node *source;
	struct node *dir;
	struct node *n;
	int rc = -EPERM;

	if (!fuse_begin(&r, req, "link", ino, &source))
		return;
	dir = node_table_get(r.session->nodes, to_parent);
	if (dir == NULL)
		rc = -ESTALE;
	else if (dir->ops->link != NULL)
		rc = dir->ops->link(&r, source, dir, to_name, &n, &attr);
	node_table_unref(r.session->nodes, dir);
	node_table_unref(r.session->nodes, source);
	if (rc < 0)
		reply_err(&r, rc);
	else
		reply_entry(&r, n, &attr);
}

void fuse_op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	fuse_ino_t to_parent, const char *to_name, unsigned flags)
{
	struct node_table *nodes;
	struct request r;
	struct node *to_dir;
	struct node *dir;
	int rc = -EPERM;

	if (!fuse_begin(&r, req, "rename", parent, &dir))
		return;
	nodes = r.session->nodes;
	to_dir = node_table_get(nodes, to_parent);
	if (to_dir == NULL)
		rc = -ESTALE;
	else if (dir->ops->rename != NULL &&
		 to_dir->ops->rename == dir->ops->rename)
		rc = dir->ops->rename(&r, dir, name, to_dir, to_name, flags);
	node_table_unref(nodes, to_dir);
	fuse_done(&r, dir, rc);
}

/* --- reading directories -------------------------------------------------- */

void fuse_op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct open_result opened;
	struct request r;
	struct node *n;
	int rc = -ENOTDIR;

	if (!fuse_begin(&r, req, "opendir", ino, &n))
		return;
	if (n->ops->opendir != NULL)
		rc = n->ops->opendir(&r, n, &opened);
	node_table_unref(r.session->nodes, n);
	if (rc < 0)
		reply_err(&r, rc);
	else
		reply_open(&r, &opened, fi);
}

/* What libfuse says for a number that is not known yet. */
#define UNKNOWN_INO 0xffffffff

/* Adds one entry; the bytes it took, 0 when there is no room for it. */
static size_t add_entry(fuse_req_t req, char *at, size_t room,
	const struct node_dirent *d, off_t next, bool is_plus)
{
	struct fuse_entry_param e = { 0 };
	struct stat st = d->attr.st;
	size_t needed;

	if (st.st_ino == 0)
		st.st_ino = UNKNOWN_INO;
	if (is_plus && d->node != NULL)
		fill_entry_param(&e, d->node, &d->attr);
	else
		e.attr = st;
	needed = is_plus ? fuse_add_direntry_plus(
				   req, at, room, d->name, &e, next)
			 : fuse_add_direntry(req, at, room, d->name, &st, next);
	return needed <= room ? needed : 0;
}

/* The bytes filled, or -errno when not even the first entry could be had. An
 * error later on ends this piece; the next one will meet it again. */
static ssize_t fill(struct request *r, struct handle *h, char *buffer,
	size_t size, uint64_t index, bool is_plus)
{
	struct node_table *nodes = r->session->nodes;
	size_t used = 0;

	for (;; index++) {
		struct node_dirent d;
		size_t took;
		int rc = h->node->ops->dirent(r, h, index, is_plus, &d);

		if (rc == -ENOENT) /* gone since the snapshot */
			continue;
		if (rc <= 0)
			return used > 0 || rc == 0 ? (ssize_t)used : rc;
		took = add_entry(r->fuse, buffer + used, size - used, &d,
			(off_t)index + 1, is_plus);
		if (took == 0 && d.node != NULL)
			node_table_forget(nodes, d.node->ino, 1);
		node_table_unref(nodes, d.node);
		if (took == 0)
			return (ssize_t)used;
		used += took;
	}
}

static void read_directory(fuse_req_t req, fuse_ino_t ino, size_t size,
	off_t offset, struct fuse_file_info *fi, bool is_plus)
{
	g_autofree char *buffer = g_malloc(size);
	struct request r;
	struct handle *h;
	ssize_t used;

	request_begin(&r, req, is_plus ? "readdirplus" : "readdir", ino);
	h = handle_table_get(r.session->handles, fi->fh);
	if (h == NULL)
		used = -EBADF;
	else if (h->node->ops->dirent == NULL)
		used = -ENOTDIR;
	else
		used = fill(&r, h, buffer, size, (uint64_t)offset, is_plus);
	/* If this reply fails the kernel has lost the lookups it carried; it
	 * is then gone altogether, and so is the mount. */
	if (used < 0)
		reply_err(&r, (int)used);
	else
		reply_buffer(&r, buffer, (size_t)used);
}

void fuse_op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
	struct fuse_file_info *fi)
{
	read_directory(req, ino, size, offset, fi, false);
}

void fuse_op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
	off_t offset, struct fuse_file_info *fi)
{
	read_directory(req, ino, size, offset, fi, true);
}
