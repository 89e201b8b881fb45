/* local_file.c - files and links that stay here; see local_node.h. */
#include "config.h"

#include "local_node.h"

#include "fs_limits.h"
#include "handle_table.h"
#include "local.h"
#include "local_names.h"
#include "log.h"
#include "session.h"
#include "transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define BLOCK_BYTES 4096

/* --- attributes ----------------------------------------------------------- */

void local_attr(struct session *s, const struct node *n,
	const struct stat *from, struct node_attr *ret)
{
	*ret = (struct node_attr){ .st = *from };
	ret->st.st_dev = 0;
	ret->st.st_rdev = 0;
	ret->st.st_ino = n == NULL ? 0 : n->ino;
	ret->st.st_uid = s->options.uid;
	ret->st.st_gid = s->options.gid;
	ret->st.st_blksize = BLOCK_BYTES;
	/* As all directories here: nobody counts what is below by it. */
	if (S_ISDIR(from->st_mode))
		ret->st.st_nlink = 1;
	ret->valid_ms = MIN(s->options.attr_timeout_ms, LOCAL_ATTR_MS);
}

static int stat_open(struct session *s, struct node *n, struct stat *ret)
{
	int fd = local_open_fd(s, n);
	int rc = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, ret) < 0)
		rc = -errno;
	(void)close(fd);
	return rc;
}

int local_getattr(struct request *r, struct node *n, struct node_attr *ret)
{
	struct session *s = r->session;
	struct transfer_pass pass;
	struct stat st;
	int rc = transfer_enter(s, n, &r->cancel, &pass);

	if (rc == 0) {
		rc = local_names_stat(local_names(s), pass.path, &st);
		transfer_leave(s, &pass);
		/* Another daemon of this workspace may have changed it. */
		if (rc == -ENOENT ||
			(rc == 0 && (st.st_mode & S_IFMT) != n->ops->type))
			rc = -ESTALE;
	} else if (rc == -ENOENT) {
		rc = stat_open(s, n, &st);
	}
	if (rc == 0)
		local_attr(s, n, &st, ret);
	return rc;
}

static int change_open(int fd, const struct node_change *change,
	const struct timespec times[2])
{
	int rc = 0;

	if (change->has_size)
		rc = ftruncate(fd, change->size);
	if (rc == 0 && change->has_mode)
		rc = fchmod(fd, change->mode & 07777);
	if (rc == 0 && change->has_mtime)
		rc = futimens(fd, times);
	return rc < 0 ? -errno : 0;
}

static int change_at(struct local_names *names, const char *path,
	const struct node_change *change, const struct timespec times[2])
{
	int rc = 0;

	if (change->has_size)
		rc = local_names_truncate(names, path, change->size);
	if (rc == 0 && change->has_mode)
		rc = local_names_chmod(names, path, change->mode & 07777);
	if (rc == 0 && change->has_mtime)
		rc = local_names_utimens(names, path, times);
	return rc;
}

static int change_unlinked(struct session *s, struct node *n,
	const struct node_change *change, const struct timespec times[2])
{
	int fd = local_open_fd(s, n);
	int rc;

	if (fd < 0)
		return fd;
	rc = change_open(fd, change, times);
	(void)close(fd);
	return rc;
}

int local_setattr(struct request *r, struct node *n, struct handle *h,
	const struct node_change *change, struct node_attr *ret)
{
	struct session *s = r->session;
	const struct timespec times[2] = { { 0, UTIME_OMIT }, change->mtime };
	struct transfer_pass pass;
	int rc;

	if ((change->has_uid && change->uid != s->options.uid) ||
		(change->has_gid && change->gid != s->options.gid))
		return -EPERM;
	if (h != NULL && h->fd >= 0) {
		rc = change_open(h->fd, change, times);
		return rc < 0 ? rc : local_getattr(r, n, ret);
	}
	rc = transfer_enter(s, n, &r->cancel, &pass);
	if (rc == 0) {
		rc = change_at(local_names(s), pass.path, change, times);
		transfer_leave(s, &pass);
	} else if (rc == -ENOENT) {
		rc = change_unlinked(s, n, change, times);
	}
	return rc < 0 ? rc : local_getattr(r, n, ret);
}

/* --- open files ----------------------------------------------------------- */

void local_open_at(struct session *s, struct node *n, int fd, int flags,
	struct open_result *ret)
{
	local_opened(s, n, fd);
	node_table_ref(s->nodes, n);
	*ret = (struct open_result){
		.handle = handle_table_open(s->handles, n, flags),
		.is_seekable = true,
	};
	ret->handle->fd = fd;
}

static int local_open(
	struct request *r, struct node *n, int flags, struct open_result *ret)
{
	struct session *s = r->session;
	struct transfer_pass pass;
	int rc = transfer_enter(s, n, &r->cancel, &pass);
	int fd;

	if (rc < 0)
		return rc == -ENOENT ? -ESTALE : rc;
	fd = local_names_open(local_names(s), pass.path, flags);
	transfer_leave(s, &pass);
	if (fd < 0)
		return fd == -ENOENT || fd == -ELOOP ? -ESTALE : fd;
	local_open_at(s, n, fd, flags, ret);
	return 0;
}

static ssize_t local_read(struct request *r, struct handle *h, char *buffer,
	size_t size, int64_t offset)
{
	size_t done = 0;

	(void)r;
	while (done < size) {
		ssize_t n = pread(h->fd, buffer + done, size - done,
			offset + (int64_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* A handle that appends has a descriptor that does. */
static ssize_t local_write(struct request *r, struct handle *h,
	const char *bytes, size_t size, int64_t offset)
{
	size_t done = 0;

	if (local_has_left(r->session, h->node)) {
		log_error("a file that was renamed to a name of the server's "
			  "while it was open cannot be written any more by who "
			  "opened it before");
		return -EIO;
	}
	while (done < size) {
		ssize_t n = pwrite(h->fd, bytes + done, size - done,
			offset + (int64_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return done > 0 ? (ssize_t)done : -errno;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static int local_fsync(struct request *r, struct handle *h)
{
	(void)r;
	return fsync(h->fd) < 0 ? -errno : 0;
}

static int local_fallocate(struct request *r, struct handle *h, int mode,
	int64_t offset, int64_t length)
{
	(void)r;
	return fallocate(h->fd, mode, offset, length) < 0 ? -errno : 0;
}

static void local_release(struct request *r, struct handle *h)
{
	local_closed(r->session, h->node);
	(void)close(h->fd);
}

const struct node_ops local_file_ops = {
	.kind = "local file",
	.type = S_IFREG,
	.getattr = local_getattr,
	.setattr = local_setattr,
	.open = local_open,
	.read = local_read,
	.write = local_write,
	.fsync = local_fsync,
	.fallocate = local_fallocate,
	.release = local_release,
};

/* --- links ---------------------------------------------------------------- */

static int local_readlink(struct request *r, struct node *n, char **ret_target)
{
	struct session *s = r->session;
	struct transfer_pass pass;
	int rc = transfer_enter(s, n, &r->cancel, &pass);

	if (rc < 0)
		return rc == -ENOENT ? -ESTALE : rc;
	rc = local_names_readlink(local_names(s), pass.path, ret_target);
	transfer_leave(s, &pass);
	return rc == -ENOENT || rc == -EINVAL ? -ESTALE : rc;
}

const struct node_ops local_link_ops = {
	.kind = "local link",
	.type = S_IFLNK,
	.getattr = local_getattr,
	.setattr = local_setattr,
	.readlink = local_readlink,
};
