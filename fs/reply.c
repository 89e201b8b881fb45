/* reply.c - see reply.h. */
#include "config.h"

#include "reply.h"

#include "caller.h"
#include "handle_table.h"
#include "log.h"
#include "node_table.h"
#include "program_errno.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

static atomic_uint_fast64_t next_id = 1;

static void on_interrupt(fuse_req_t req, void *arg)
{
	struct request *r = arg;

	(void)req;
	request_signalled(r, caller_is_dying(r->pid));
}

/* close() must not fail for a signal, nor be cut short: what it uploads has no
 * other chance, and its program does not ask again. */
static bool is_closing(const char *operation)
{
	return strcmp(operation, "flush") == 0 ||
	       strcmp(operation, "release") == 0;
}

void request_begin(struct request *r, fuse_req_t req, const char *operation,
	fuse_ino_t ino)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	*r = (struct request){
		.id = atomic_fetch_add(&next_id, 1),
		.operation = operation,
		.ino = ino,
		.session = fuse_req_userdata(req),
		.uid = ctx->uid,
		.gid = ctx->gid,
		.pid = ctx->pid,
		.umask = ctx->umask,
		.fuse = req,
	};
	cancel_init(&r->cancel, 0);
	log_set_request(r->id);
	if (!is_closing(operation))
		fuse_req_interrupt_func(req, on_interrupt, r);
}

/* After this nobody can fire the token any more: unregistering waits for a
 * callback that is running. */
static fuse_req_t take_fuse(struct request *r, int rc)
{
	fuse_req_t req = r->fuse;

	assert(req != NULL);
	r->fuse = NULL;
	fuse_req_interrupt_func(req, NULL, NULL);
	cancel_fini(&r->cancel);
	if (rc < 0)
		log_debug("%s of node %" PRIu64 ": %s", r->operation, r->ino,
			g_strerror(-rc));
	else
		log_debug("%s of node %" PRIu64, r->operation, r->ino);
	log_set_request(0);
	return req;
}

void reply_err(struct request *r, int rc)
{
	/* Fails only when the kernel is gone: nobody is left to tell. */
	(void)fuse_reply_err(take_fuse(r, rc), -program_errno(rc));
}

static double seconds(int64_t ms)
{
	return (double)ms / 1000.0;
}

void reply_attr(struct request *r, const struct node_attr *attr)
{
	(void)fuse_reply_attr(
		take_fuse(r, 0), &attr->st, seconds(attr->valid_ms));
}

void fill_entry_param(struct fuse_entry_param *e, const struct node *n,
	const struct node_attr *attr)
{
	*e = (struct fuse_entry_param){
		.ino = n->ino,
		.attr = attr->st,
		.attr_timeout = seconds(attr->valid_ms),
		.entry_timeout = seconds(attr->valid_ms),
	};
}

void reply_entry(
	struct request *r, struct node *n, const struct node_attr *attr)
{
	struct node_table *nodes = r->session->nodes;
	struct fuse_entry_param e;

	fill_entry_param(&e, n, attr);
	node_table_unref(nodes, n);
	if (fuse_reply_entry(take_fuse(r, 0), &e) != 0)
		node_table_forget(nodes, e.ino, 1);
}

static void fill_file_info(
	struct fuse_file_info *fi, const struct open_result *opened)
{
	fi->fh = opened->handle->fh;
	fi->direct_io = opened->is_direct;
	fi->keep_cache = opened->keeps_cache;
	fi->nonseekable = !opened->is_seekable;
}

void release_handle(struct request *r, struct handle *h)
{
	struct session *s = r->session;

	h->node->ops->release(r, h);
	node_table_unref(s->nodes, handle_table_close(s->handles, h));
}

/* The program that opened it was interrupted and will never release it. The
 * request has been answered, so the release gets one of its own. */
static void release_unwanted(struct session *s, struct handle *h)
{
	struct request r = { .operation = "release", .session = s };

	node_table_forget_pages(s->nodes, h->node);
	cancel_init(&r.cancel, 0);
	release_handle(&r, h);
	cancel_fini(&r.cancel);
}

void reply_create(struct request *r, struct node *n,
	const struct node_attr *attr, const struct open_result *opened,
	struct fuse_file_info *fi)
{
	struct session *s = r->session;
	struct handle *h = opened->handle;
	struct fuse_entry_param e;

	fill_entry_param(&e, n, attr);
	fill_file_info(fi, opened);
	node_table_unref(s->nodes, n);
	if (fuse_reply_create(take_fuse(r, 0), &e, fi) == 0)
		return;
	release_unwanted(s, h);
	node_table_forget(s->nodes, e.ino, 1);
}

void reply_open(struct request *r, const struct open_result *opened,
	struct fuse_file_info *fi)
{
	struct session *s = r->session;
	struct handle *h = opened->handle;

	fill_file_info(fi, opened);
	if (fuse_reply_open(take_fuse(r, 0), fi) != 0)
		release_unwanted(s, h);
}

void reply_write(struct request *r, size_t count)
{
	(void)fuse_reply_write(take_fuse(r, 0), count);
}

void reply_buffer(struct request *r, const char *bytes, size_t length)
{
	(void)fuse_reply_buf(take_fuse(r, 0), bytes, length);
}

void reply_readlink(struct request *r, const char *target)
{
	(void)fuse_reply_readlink(take_fuse(r, 0), target);
}

void reply_poll(struct request *r, unsigned events)
{
	(void)fuse_reply_poll(take_fuse(r, 0), events);
}

void reply_ioctl(struct request *r, const char *answer, size_t length)
{
	(void)fuse_reply_ioctl(take_fuse(r, 0), 0, answer, length);
}

void reply_statfs(struct request *r, const struct statvfs *st)
{
	(void)fuse_reply_statfs(take_fuse(r, 0), st);
}

void reply_xattr(
	struct request *r, const char *value, size_t length, size_t size)
{
	if (size == 0)
		(void)fuse_reply_xattr(take_fuse(r, 0), length);
	else if (length > size)
		reply_err(r, -ERANGE);
	else
		reply_buffer(r, value, length);
}
