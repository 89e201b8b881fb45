/* fuse_ops.c - operations on nodes and open files; see fuse_ops.h. */
#include "config.h"

#include "fuse_ops.h"

#include "fs_limits.h"
#include "handle_table.h"
#include "node_table.h"
#include "reply.h"
#include "volume.h"

#include <errno.h>

bool fuse_begin(struct request *r, fuse_req_t req, const char *operation,
	fuse_ino_t ino, struct node **ret_node)
{
	request_begin(r, req, operation, ino);
	*ret_node = node_table_get(r->session->nodes, ino);
	if (*ret_node != NULL)
		return true;
	reply_err(r, -ESTALE);
	return false;
}

void fuse_done(struct request *r, struct node *n, int rc)
{
	node_table_unref(r->session->nodes, n);
	reply_err(r, rc);
}

static void want(struct fuse_conn_info *conn, unsigned capability)
{
	if ((conn->capable & capability) != 0)
		conn->want |= capability;
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	want(conn, FUSE_CAP_ATOMIC_O_TRUNC);
	want(conn, FUSE_CAP_PARALLEL_DIROPS);
	want(conn, FUSE_CAP_READDIRPLUS);
	want(conn, FUSE_CAP_READDIRPLUS_AUTO);
	want(conn, FUSE_CAP_ASYNC_READ);
	/* open() decides whether pages are still right (close-to-open); the
	 * kernel's own guess by mtime would drop them after each of our own
	 * uploads, because the server's time is not the one it wrote with. */
	conn->want &= ~(unsigned)FUSE_CAP_AUTO_INVAL_DATA;
	conn->want &= ~(unsigned)FUSE_CAP_WRITEBACK_CACHE;
	conn->max_write = FUSE_WRITE_MAX;
	conn->time_gran = 1;
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	struct session *s = fuse_req_userdata(req);

	node_table_forget(s->nodes, ino, count);
	fuse_reply_none(req);
}

static void op_forget_multi(
	fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	struct session *s = fuse_req_userdata(req);

	for (size_t i = 0; i < count; i++)
		node_table_forget(s->nodes, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void op_getattr(
	fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct node_attr attr;
	struct request r;
	struct node *n;
	int rc;

	(void)fi;
	if (!fuse_begin(&r, req, "getattr", ino, &n))
		return;
	rc = n->ops->getattr(&r, n, &attr);
	if (rc < 0) {
		fuse_done(&r, n, rc);
		return;
	}
	node_table_unref(r.session->nodes, n);
	reply_attr(&r, &attr);
}

static void decode_change(
	const struct stat *st, int to_set, struct node_change *ret)
{
	*ret = (struct node_change){
		.has_mode = (to_set & FUSE_SET_ATTR_MODE) != 0,
		.has_uid = (to_set & FUSE_SET_ATTR_UID) != 0,
		.has_gid = (to_set & FUSE_SET_ATTR_GID) != 0,
		.has_size = (to_set & FUSE_SET_ATTR_SIZE) != 0,
		.has_atime = (to_set & FUSE_SET_ATTR_ATIME) != 0,
		.has_mtime = (to_set & FUSE_SET_ATTR_MTIME) != 0,
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.size = st->st_size,
		.mtime = st->st_mtim,
	};
	if ((to_set & FUSE_SET_ATTR_MTIME_NOW) != 0) {
		ret->has_mtime = true;
		(void)clock_gettime(CLOCK_REALTIME, &ret->mtime);
	}
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st,
	int to_set, struct fuse_file_info *fi)
{
	struct node_change change;
	struct handle *h = NULL;
	struct node_attr attr;
	struct request r;
	struct node *n;
	int rc = -EPERM;

	if (!fuse_begin(&r, req, "setattr", ino, &n))
		return;
	decode_change(st, to_set, &change);
	if (fi != NULL)
		h = handle_table_get(r.session->handles, fi->fh);
	if (n->ops->setattr != NULL)
		rc = n->ops->setattr(&r, n, h, &change, &attr);
	if (rc < 0) {
		fuse_done(&r, n, rc);
		return;
	}
	node_table_unref(r.session->nodes, n);
	reply_attr(&r, &attr);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	g_autofree char *target = NULL;
	struct request r;
	struct node *n;
	int rc = -EINVAL;

	if (!fuse_begin(&r, req, "readlink", ino, &n))
		return;
	if (n->ops->readlink != NULL)
		rc = n->ops->readlink(&r, n, &target);
	if (rc < 0) {
		fuse_done(&r, n, rc);
		return;
	}
	node_table_unref(r.session->nodes, n);
	reply_readlink(&r, target);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct open_result opened;
	struct request r;
	struct node *n;
	int rc = -EISDIR;

	if (!fuse_begin(&r, req, "open", ino, &n))
		return;
	if (n->ops->open != NULL)
		rc = n->ops->open(&r, n, fi->flags, &opened);
	node_table_unref(r.session->nodes, n);
	if (rc < 0)
		reply_err(&r, rc);
	else
		reply_open(&r, &opened, fi);
}

bool fuse_begin_on_handle(struct request *r, fuse_req_t req,
	const char *operation, fuse_ino_t ino, struct fuse_file_info *fi,
	struct handle **ret_handle)
{
	request_begin(r, req, operation, ino);
	*ret_handle = handle_table_get(r->session->handles, fi->fh);
	if (*ret_handle != NULL)
		return true;
	reply_err(r, -EBADF);
	return false;
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
	struct fuse_file_info *fi)
{
	g_autofree char *buffer = g_try_malloc(size > 0 ? size : 1);
	struct request r;
	struct handle *h;
	ssize_t n = -ENOMEM;

	if (!fuse_begin_on_handle(&r, req, "read", ino, fi, &h))
		return;
	if (h->node->ops->read == NULL)
		n = -EISDIR;
	else if (buffer != NULL)
		n = h->node->ops->read(&r, h, buffer, size, offset);
	if (n < 0)
		reply_err(&r, (int)n);
	else
		reply_buffer(&r, buffer, (size_t)n);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *bytes,
	size_t size, off_t offset, struct fuse_file_info *fi)
{
	struct request r;
	struct handle *h;
	ssize_t n = -EBADF;

	if (!fuse_begin_on_handle(&r, req, "write", ino, fi, &h))
		return;
	r.is_from_pages = fi->writepage != 0;
	if (h->node->ops->write != NULL)
		n = h->node->ops->write(&r, h, bytes, size, offset);
	if (n < 0)
		reply_err(&r, (int)n);
	else
		reply_write(&r, (size_t)n);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct request r;
	struct handle *h;
	int rc = 0;

	if (!fuse_begin_on_handle(&r, req, "flush", ino, fi, &h))
		return;
	if (h->node->ops->flush != NULL)
		rc = h->node->ops->flush(&r, h);
	reply_err(&r, rc);
}

static void op_fsync(
	fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct request r;
	struct handle *h;
	int rc = 0;

	(void)datasync;
	if (!fuse_begin_on_handle(&r, req, "fsync", ino, fi, &h))
		return;
	if (h->node->ops->fsync != NULL)
		rc = h->node->ops->fsync(&r, h);
	reply_err(&r, rc);
}

/* Names are on the server before their operation returns. */
static void op_fsyncdir(
	fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct request r;

	(void)datasync;
	(void)fi;
	request_begin(&r, req, "fsyncdir", ino);
	reply_err(&r, 0);
}

static void op_release(
	fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct request r;
	struct handle *h;

	if (!fuse_begin_on_handle(&r, req, "release", ino, fi, &h))
		return;
	release_handle(&r, h);
	reply_err(&r, 0);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset,
	off_t length, struct fuse_file_info *fi)
{
	struct request r;
	struct handle *h;
	int rc = -EOPNOTSUPP;

	if (!fuse_begin_on_handle(&r, req, "fallocate", ino, fi, &h))
		return;
	if (h->node->ops->fallocate != NULL)
		rc = h->node->ops->fallocate(&r, h, mode, offset, length);
	reply_err(&r, rc);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;
	struct request r;

	request_begin(&r, req, "statfs", ino);
	volume_stat(r.session->volume, &st);
	reply_statfs(&r, &st);
}

static void op_getxattr(
	fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	g_autofree char *value = NULL;
	size_t length = 0;
	struct request r;
	struct node *n;
	int rc = -ENODATA;

	if (!fuse_begin(&r, req, "getxattr", ino, &n))
		return;
	if (n->ops->getxattr != NULL)
		rc = n->ops->getxattr(&r, n, name, &value, &length);
	node_table_unref(r.session->nodes, n);
	if (rc < 0)
		reply_err(&r, rc);
	else
		reply_xattr(&r, value, length, size);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	g_autofree char *names = NULL;
	struct request r;
	size_t length = 0;
	struct node *n;
	int rc = 0;

	if (!fuse_begin(&r, req, "listxattr", ino, &n))
		return;
	if (n->ops->listxattr != NULL)
		rc = n->ops->listxattr(&r, n, &names, &length);
	node_table_unref(r.session->nodes, n);
	if (rc < 0)
		reply_err(&r, rc);
	else
		reply_xattr(&r, names, length, size);
}

/* value NULL: it is removed. */
static void change_xattr(fuse_req_t req, const char *operation, fuse_ino_t ino,
	const char *name, const char *value, size_t size, int flags)
{
	struct request r;
	struct node *n;
	int rc = -EOPNOTSUPP;

	if (!fuse_begin(&r, req, operation, ino, &n))
		return;
	if (n->ops->setxattr != NULL)
		rc = n->ops->setxattr(&r, n, name, value, size, flags);
	fuse_done(&r, n, rc);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
	const char *value, size_t size, int flags)
{
	change_xattr(req, "setxattr", ino, name, value, size, flags);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	change_xattr(req, "removexattr", ino, name, NULL, 0, 0);
}

const struct fuse_lowlevel_ops fuse_ops = {
	.init = op_init,
	.lookup = fuse_op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = fuse_op_mknod,
	.mkdir = fuse_op_mkdir,
	.unlink = fuse_op_unlink,
	.rmdir = fuse_op_rmdir,
	.symlink = fuse_op_symlink,
	.rename = fuse_op_rename,
	.link = fuse_op_link,
	.create = fuse_op_create,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.fsync = op_fsync,
	.release = op_release,
	.fallocate = op_fallocate,
	.poll = fuse_op_poll,
	.ioctl = fuse_op_ioctl,
	.opendir = fuse_op_opendir,
	.readdir = fuse_op_readdir,
	.readdirplus = fuse_op_readdirplus,
	.releasedir = op_release,
	.fsyncdir = op_fsyncdir,
	.statfs = op_statfs,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.setxattr = op_setxattr,
	.removexattr = op_removexattr,
};
