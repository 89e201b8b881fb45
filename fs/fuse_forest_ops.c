/* fuse_forest_ops.c - see fuse_forest_ops.h. */
#include "config.h"

#include "fuse_forest_ops.h"

#include "caller.h"
#include "caller_kind.h"
#include "fs_limits.h"
#include "log.h"
#include "mutex.h"
#include "program_errno.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CONTROL	    ".pycloud"
#define CONTROL_INO 2
#define STATUS	    "status"
#define STATUS_INO  3

/* What is open: the names of a directory as they were, or a text. */
struct opened {
	GPtrArray *names; /* of struct forest_name */
	GString *text;
};

struct fuse_forest {
	struct fuse_forest_params params;
	struct forest *forest;
	struct timespec since;

	struct mutex lock;
	/* guarded by lock */
	GHashTable *opened; /* fh -> owned struct opened * */
	uint64_t last_fh;
};

/* --- one request ---------------------------------------------------------- */

struct ask {
	fuse_req_t req;
	struct fuse_forest *forest;
	const struct fuse_ctx *ctx;
	struct cancel cancel;
};

static void on_interrupt(fuse_req_t req, void *arg)
{
	struct ask *a = arg;

	(void)req;
	if (caller_is_dying(a->ctx->pid))
		cancel_fire(&a->cancel);
}

static void ask_begin(struct ask *a, fuse_req_t req, int64_t limit_ms)
{
	*a = (struct ask){
		.req = req,
		.forest = fuse_req_userdata(req),
		.ctx = fuse_req_ctx(req),
	};
	cancel_init(&a->cancel, limit_ms);
	fuse_req_interrupt_func(req, on_interrupt, a);
}

/* After this nobody can fire the token any more. */
static fuse_req_t ask_end(struct ask *a)
{
	fuse_req_interrupt_func(a->req, NULL, NULL);
	cancel_fini(&a->cancel);
	return a->req;
}

static void answer(fuse_req_t req, const char *operation, int rc)
{
	if (rc < 0)
		log_debug("%s: %s", operation, g_strerror(-rc));
	(void)fuse_reply_err(req, -program_errno(rc));
}

/* --- attributes and rights ------------------------------------------------ */

static bool is_place(fuse_ino_t ino)
{
	return ino >= FOREST_FIRST_INO;
}

static int get_attr(struct fuse_forest *f, fuse_ino_t ino, struct stat *ret)
{
	struct timespec at = f->since;
	bool is_file = ino == STATUS_INO;

	if (is_place(ino) ? !forest_stat(f->forest, ino, &at)
			  : ino > STATUS_INO || ino < FUSE_ROOT_ID)
		return -ESTALE;
	*ret = (struct stat){
		.st_ino = ino,
		.st_mode = is_file ? S_IFREG | (0444 & ~f->params.fmask)
				   : S_IFDIR | (0755 & ~f->params.dmask),
		.st_nlink = is_file ? 1 : 2,
		.st_uid = f->params.uid,
		.st_gid = f->params.gid,
		.st_blksize = 4096,
		.st_atim = at,
		.st_mtim = at,
		.st_ctim = at,
	};
	return 0;
}

/* As the kernel would, with default_permissions. */
static int check_rights(struct fuse_forest *f, fuse_ino_t ino,
	const struct fuse_ctx *ctx, int mask)
{
	struct stat st;
	mode_t bits;
	int rc = get_attr(f, ino, &st);

	if (rc < 0)
		return rc;
	bits = st.st_mode;
	if (ctx->uid == st.st_uid)
		bits >>= 6;
	else if (ctx->gid == st.st_gid)
		bits >>= 3;
	if (ctx->uid == 0 && S_ISDIR(st.st_mode))
		return 0;
	return ((mode_t)mask & ~bits & 7) == 0 ? 0 : -EACCES;
}

static double valid_seconds(const struct fuse_forest *f)
{
	return (double)f->params.valid_ms / 1000.0;
}

static void reply_entry(struct fuse_forest *f, fuse_req_t req, fuse_ino_t ino)
{
	struct fuse_entry_param e = {
		.ino = ino,
		.attr_timeout = valid_seconds(f),
		.entry_timeout = valid_seconds(f),
	};
	int rc = get_attr(f, ino, &e.attr);

	if (rc < 0)
		answer(req, "lookup", rc);
	else
		(void)fuse_reply_entry(req, &e);
}

/* --- going in ------------------------------------------------------------- */

/* Who mounts must not be sent into what is being mounted. Where nothing is
 * known of the caller, a mount under way is the likelier reason for it. */
static bool is_own(struct fuse_forest *f, fuse_ino_t ino, pid_t caller)
{
	int descends = caller_descends(caller, getpid());

	return descends > 0 ||
	       (descends < 0 && forest_is_starting(f->forest, ino));
}

static int enter(
	struct fuse_forest *f, fuse_ino_t ino, const struct fuse_ctx *ctx)
{
	int rc = check_rights(f, ino, ctx, X_OK);

	if (rc < 0)
		return rc;
	if (is_own(f, ino, ctx->pid))
		return -EBUSY;
	return forest_enter(f->forest, ino, ctx->pid);
}

/* The operation on a name below `parent`, which is no workspace's business
 * unless that is one. */
static void refuse_change(
	fuse_req_t req, fuse_ino_t parent, const char *operation)
{
	struct fuse_forest *f = fuse_req_userdata(req);

	answer(req, operation,
		is_place(parent) ? enter(f, parent, fuse_req_ctx(req))
				 : -EPERM);
}

/* The lookup that comes before mkdir(2) and the like is not repeated after
 * ESTALE, as what follows it is: they are told that the name is free. */
static int look_below(
	struct fuse_forest *f, fuse_ino_t ino, const struct fuse_ctx *ctx)
{
	int rc;

	if (is_own(f, ino, ctx->pid))
		return -ENOENT;
	rc = enter(f, ino, ctx);
	if (rc == -ESTALE && caller_makes_name(ctx->pid))
		rc = -ENOENT;
	return rc;
}

static void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	struct fuse_forest *f = fuse_req_userdata(req);
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	int rc = check_rights(f, ino, ctx, mask);

	if (rc == 0 && is_place(ino) && (mask & X_OK) != 0 &&
		!is_own(f, ino, ctx->pid) && !caller_asks_rights(ctx->pid))
		rc = forest_enter(f->forest, ino, ctx->pid);
	answer(req, "access", rc);
}

/* --- names ---------------------------------------------------------------- */

static void look_in_root(
	struct fuse_forest *f, fuse_req_t req, const char *name)
{
	uint64_t ino = 0;
	struct ask a;
	int rc;

	ask_begin(&a, req, 0);
	rc = forest_lookup(f->forest, name, a.ctx->pid, &a.cancel, &ino);
	req = ask_end(&a);
	if (rc < 0)
		answer(req, "lookup", rc);
	else
		reply_entry(f, req, ino);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_forest *f = fuse_req_userdata(req);

	if (is_place(parent))
		answer(req, "lookup", look_below(f, parent, fuse_req_ctx(req)));
	else if (parent == FUSE_ROOT_ID && strcmp(name, CONTROL) == 0)
		reply_entry(f, req, CONTROL_INO);
	else if (parent == CONTROL_INO && strcmp(name, STATUS) == 0)
		reply_entry(f, req, STATUS_INO);
	else if (parent == FUSE_ROOT_ID && name[0] != '.')
		look_in_root(f, req, name);
	else
		answer(req, "lookup", -ENOENT);
}

/* Numbers are never given up. */
static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	(void)ino;
	(void)count;
	fuse_reply_none(req);
}

static void op_forget_multi(
	fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	(void)count;
	(void)forgets;
	fuse_reply_none(req);
}

static void op_getattr(
	fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fuse_forest *f = fuse_req_userdata(req);
	struct stat st;
	int rc = get_attr(f, ino, &st);

	(void)fi;
	if (rc < 0)
		answer(req, "getattr", rc);
	else
		(void)fuse_reply_attr(req, &st, valid_seconds(f));
}

static void op_mkdir(
	fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct fuse_forest *f = fuse_req_userdata(req);
	uint64_t ino = 0;
	struct ask a;
	int rc;

	(void)mode;
	if (parent != FUSE_ROOT_ID) {
		refuse_change(req, parent, "mkdir");
		return;
	}
	ask_begin(&a, req, FOREST_CREATE_MS);
	rc = check_rights(f, parent, a.ctx, W_OK | X_OK);
	if (rc == 0)
		rc = forest_create(f->forest, name, &a.cancel, &ino);
	req = ask_end(&a);
	if (rc < 0)
		answer(req, "mkdir", rc);
	else
		reply_entry(f, req, ino);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_forest *f = fuse_req_userdata(req);
	struct ask a;
	int rc;

	if (parent != FUSE_ROOT_ID || strcmp(name, CONTROL) == 0) {
		refuse_change(req, parent, "rmdir");
		return;
	}
	ask_begin(&a, req, 0);
	rc = check_rights(f, parent, a.ctx, W_OK | X_OK);
	if (rc == 0)
		rc = forest_remove(f->forest, name, &a.cancel);
	answer(ask_end(&a), "rmdir", rc);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	(void)name;
	refuse_change(req, parent, "unlink");
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
	mode_t mode, dev_t dev)
{
	(void)name;
	(void)mode;
	(void)dev;
	refuse_change(req, parent, "mknod");
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name,
	mode_t mode, struct fuse_file_info *fi)
{
	(void)name;
	(void)mode;
	(void)fi;
	refuse_change(req, parent, "create");
}

static void op_symlink(
	fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	(void)target;
	(void)name;
	refuse_change(req, parent, "symlink");
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t to_parent,
	const char *to_name)
{
	(void)ino;
	(void)to_name;
	refuse_change(req, to_parent, "link");
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
	fuse_ino_t to_parent, const char *to_name, unsigned flags)
{
	(void)name;
	(void)to_name;
	(void)flags;
	refuse_change(req, is_place(parent) ? parent : to_parent, "rename");
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st,
	int to_set, struct fuse_file_info *fi)
{
	(void)st;
	(void)to_set;
	(void)fi;
	refuse_change(req, ino, "setattr");
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	const struct statvfs st = {
		.f_bsize = 4096, .f_frsize = 4096, .f_namemax = 255
	};

	(void)ino;
	(void)fuse_reply_statfs(req, &st);
}

/* --- what is open --------------------------------------------------------- */

static void opened_free(gpointer p)
{
	struct opened *o = p;

	if (o->names != NULL)
		g_ptr_array_unref(o->names);
	if (o->text != NULL)
		g_string_free(o->text, TRUE);
	g_free(o);
}

static struct opened *opened_find(struct fuse_forest *f, uint64_t fh)
{
	struct opened *o;

	mutex_lock(&f->lock);
	o = g_hash_table_lookup(f->opened, &fh);
	mutex_unlock(&f->lock);
	return o;
}

static void opened_close(struct fuse_forest *f, uint64_t fh)
{
	mutex_lock(&f->lock);
	(void)g_hash_table_remove(f->opened, &fh);
	mutex_unlock(&f->lock);
}

static uint64_t opened_add(struct fuse_forest *f, struct opened *o)
{
	uint64_t *key = g_new(uint64_t, 1);
	uint64_t fh;

	mutex_lock(&f->lock);
	fh = *key = ++f->last_fh;
	g_hash_table_insert(f->opened, key, o);
	mutex_unlock(&f->lock);
	return fh;
}

static void reply_open(struct fuse_forest *f, fuse_req_t req, struct opened *o,
	struct fuse_file_info *fi)
{
	uint64_t fh = opened_add(f, o);

	fi->fh = fh;
	if (fuse_reply_open(req, fi) != 0)
		opened_close(f, fh); /* the program has left */
}

static void op_opendir(
	fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fuse_forest *f = fuse_req_userdata(req);
	struct opened *o;
	struct ask a;
	int rc;

	if (is_place(ino)) {
		answer(req, "opendir", enter(f, ino, fuse_req_ctx(req)));
		return;
	}
	rc = check_rights(f, ino, fuse_req_ctx(req), R_OK);
	if (rc < 0) {
		answer(req, "opendir", rc);
		return;
	}
	o = g_new0(struct opened, 1);
	if (ino == FUSE_ROOT_ID) {
		ask_begin(&a, req, 0);
		o->names = forest_names(f->forest, &a.cancel);
		req = ask_end(&a);
	}
	reply_open(f, req, o, fi);
}

/* The entry at a place of a directory; false: it has no more. */
static bool entry_at(fuse_ino_t dir, const struct opened *o, size_t at,
	const char **ret_name, struct stat *ret)
{
	const struct forest_name *n;

	*ret = (struct stat){ .st_ino = dir, .st_mode = S_IFDIR };
	if (at < 2) {
		*ret_name = at == 0 ? "." : "..";
		return true;
	}
	if (dir == CONTROL_INO && at == 2) {
		*ret = (struct stat){ .st_ino = STATUS_INO,
			.st_mode = S_IFREG };
		*ret_name = STATUS;
		return true;
	}
	if (o->names == NULL || at - 2 >= o->names->len)
		return false;
	n = g_ptr_array_index(o->names, at - 2);
	*ret_name = n->name;
	ret->st_ino = n->ino;
	return true;
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t from,
	struct fuse_file_info *fi)
{
	struct opened *o = opened_find(fuse_req_userdata(req), fi->fh);
	g_autofree char *buffer = NULL;
	size_t used = 0;
	const char *name;
	struct stat st;

	if (o == NULL || from < 0) {
		answer(req, "readdir", -EBADF);
		return;
	}
	size = MIN(size, FUSE_WRITE_MAX);
	buffer = g_malloc(size);
	for (size_t at = (size_t)from; entry_at(ino, o, at, &name, &st); at++) {
		size_t length = fuse_add_direntry(req, buffer + used,
			size - used, name, &st, (off_t)at + 1);

		if (length > size - used)
			break;
		used += length;
	}
	(void)fuse_reply_buf(req, buffer, used);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fuse_forest *f = fuse_req_userdata(req);
	struct opened *o;
	struct ask a;
	int rc = 0;

	if (ino != STATUS_INO)
		rc = -EISDIR;
	else if ((fi->flags & O_ACCMODE) != O_RDONLY)
		rc = -EACCES;
	else
		rc = check_rights(f, ino, fuse_req_ctx(req), R_OK);
	if (rc < 0) {
		answer(req, "open", rc);
		return;
	}
	o = g_new0(struct opened, 1);
	o->text = g_string_new(NULL);
	if (f->params.describe != NULL)
		f->params.describe(f->params.describe_arg, o->text);
	ask_begin(&a, req, 0);
	forest_status(f->forest, &a.cancel, o->text);
	req = ask_end(&a);
	fi->direct_io = 1;
	reply_open(f, req, o, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t from,
	struct fuse_file_info *fi)
{
	struct opened *o = opened_find(fuse_req_userdata(req), fi->fh);
	g_autofree char *bytes = NULL;
	size_t length;

	(void)ino;
	if (o == NULL || o->text == NULL || from < 0) {
		answer(req, "read", -EBADF);
		return;
	}
	/* The reader may have the bytes, and let go of the file, before writing
	 * them to the kernel has returned. */
	length = o->text->len - MIN((size_t)from, o->text->len);
	length = MIN(size, length);
	bytes = g_malloc(length + 1);
	memcpy(bytes, o->text->str + MIN((size_t)from, o->text->len), length);
	(void)fuse_reply_buf(req, bytes, length);
}

static void op_release(
	fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	opened_close(fuse_req_userdata(req), fi->fh);
	answer(req, "release", 0);
}

/* --- all of it ------------------------------------------------------------ */

struct fuse_forest *fuse_forest_new(const struct fuse_forest_params *params)
{
	struct fuse_forest *f = g_new0(struct fuse_forest, 1);

	f->params = *params;
	f->forest = params->forest;
	(void)clock_gettime(CLOCK_REALTIME, &f->since);
	mutex_init(&f->lock);
	f->opened = g_hash_table_new_full(
		g_int64_hash, g_int64_equal, g_free, opened_free);
	return f;
}

void fuse_forest_free(struct fuse_forest *f)
{
	if (f == NULL)
		return;
	g_hash_table_unref(f->opened);
	mutex_fini(&f->lock);
	g_free(f);
}

const struct fuse_lowlevel_ops fuse_forest_ops = {
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.access = op_access,
	.mkdir = op_mkdir,
	.rmdir = op_rmdir,
	.unlink = op_unlink,
	.mknod = op_mknod,
	.create = op_create,
	.symlink = op_symlink,
	.link = op_link,
	.rename = op_rename,
	.statfs = op_statfs,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.releasedir = op_release,
	.open = op_open,
	.read = op_read,
	.release = op_release,
};
